/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore_part.h"

#include "engine/format/crc64.h"

#include <inttypes.h>
#include <string.h>

enum {
	SMALL_OBJECT = 1 << 20, /* fetched in one piece */
	RATIO_MAX = 8,		/* of compression; more is written without room made before */
};

/* As restore_part_read(), of what is here already if it is. */
static int
walk_read(const struct restore_object *o, uint64_t off, void *buf, size_t len, struct ls_err *err)
{
	const struct restore_ahead_item *a = &o->ahead;
	uint64_t tail = o->size - a->ntail;

	if (off + len <= a->nhead)
		memcpy(buf, a->head + off, len);
	else if (a->ntail && off >= tail && off + len <= o->size)
		memcpy(buf, a->tail + (off - tail), len);
	else
		return restore_part_read(o, off, buf, len, err);
	return 0;
}

static bool
claim(struct restore_pages *p, uint32_t pgno)
{
	uint64_t bit = UINT64_C(1) << (pgno & 63), *word = &p->seen[pgno >> 6];

	if (pgno > p->min_commit || (*word & bit))
		return false;
	*word |= bit;
	p->nseen++;
	return true;
}

static int
part_add(struct restore_part *part, const struct ltx_index_entry *e, bool wanted,
	 struct ls_err *err)
{
	if (part->n == part->cap) {
		size_t cap = part->cap ? part->cap * 2 : 1024;
		struct restore_entry *v = ls_grow_array(part->entries, cap, sizeof *v);

		if (!v)
			return ls_err_set(err, -ENOMEM, "restore: out of memory");
		part->entries = v;
		part->cap = cap;
	}
	part->entries[part->n++] = (struct restore_entry){
		.pgno = e->pgno, .size = e->size & 0x7fffffff, .wanted = wanted};
	part->len += e->size;
	return 0;
}
/* What must hold between one entry and the one before it. */
struct cursor {
	uint64_t off; /* where the next frame begins */
	uint32_t last;
};

static int
check_entry(const struct restore_object *o, struct cursor *c, const struct ltx_index_entry *e,
	    struct ls_err *err)
{
	if (e->pgno <= c->last || e->offset != c->off)
		return ls_err_set(err, -EBADMSG, "'%s' is damaged: page index is out of order",
				  o->key);
	c->last = e->pgno;
	c->off += e->size;
	return 0;
}

/* Walks the index bytes p[0,n); returns 1 at its end. *ret_used: consumed. */
static int
walk_index(struct restore_pages *p, struct restore_object *o, struct cursor *c,
	   struct restore_part **part, const uint8_t *bytes, size_t n, size_t *ret_used,
	   struct ls_err *err)
{
	size_t off = 0, used = 0;
	int rc = 0;

	for (;;) {
		struct ltx_index_entry e;

		rc = ltx_index_next(bytes + off, n - off, &o->hdr, &o->at, &e, &used, err);
		if (rc != 0)
			break;
		off += used;
		if ((rc = check_entry(o, c, &e, err)) < 0)
			break;
		if ((*part)->n && !(*part)->loaded &&
		    ((*part)->len + e.size > RESTORE_PART_BYTES ||
		     (*part)->n >= RESTORE_PART_PAGES)) {
			restore_part_submit(p, *part, o);
			*part = restore_part_get(p);
		}
		if ((*part)->n == 0)
			(*part)->off = e.offset;
		if ((rc = part_add(*part, &e, claim(p, e.pgno), err)) < 0)
			break;
	}
	*ret_used = off + (rc == 1 ? used : 0);
	return rc;
}

/* Room for the output. The commit of a damaged header may be anything: no more than pages that are
 * stored can fill. */
static void
expect_output(struct restore_pages *p)
{
	uint64_t size = (uint64_t)p->commit * p->page_size, most = p->progress.total * RATIO_MAX;

	restore_out_expect(p->out, size < most ? size : most);
}

static int
begin_pages(struct restore_pages *p, const struct restore_object *o, struct ls_err *err)
{
	const struct ltx_header *h = &o->hdr;

	if (p->page_size && p->page_size != h->page_size)
		return ls_err_set(err, -EBADMSG, "'%s' has pages of %u bytes, newer objects of %u",
				  o->key, h->page_size, p->page_size);
	if (!p->page_size) {
		p->page_size = h->page_size;
		p->commit = p->min_commit = h->commit;
		p->seen = ls_alloc_array((size_t)h->commit / 64 + 1, sizeof *p->seen);
		if (!p->seen)
			return ls_err_set(err, -ENOMEM, "restore: out of memory");
		expect_output(p);
	}
	if (h->commit < p->min_commit)
		p->min_commit = h->commit;
	return 0;
}

static int
open_object(struct restore_object *o, const struct catalog_file *f, const uint8_t *head,
	    const uint8_t *tail, struct ls_err *err)
{
	size_t pages;
	int rc;

	if ((rc = ltx_header_decode(head, &o->hdr, err)) < 0 ||
	    (rc = ltx_layout_decode(f->size, tail, &o->at, err)) < 0 ||
	    (rc = ltx_trailer_decode(&o->hdr, tail + 8, &o->trailer, err)) < 0)
		return ls_err_wrap(err, rc, "'%s' is damaged", o->key);
	if (o->hdr.min_txid != f->min || o->hdr.max_txid != f->max)
		return ls_err_set(err, -EBADMSG,
				  "'%s' is damaged: it holds TXIDs %016" PRIx64 " to %016" PRIx64,
				  o->key, o->hdr.min_txid, o->hdr.max_txid);
	pages = (size_t)(f->size / RESTORE_PART_BYTES * 2 +
			 o->at.index_size / 3 / RESTORE_PART_PAGES + 8);
	o->sums = ls_alloc_array(pages, sizeof *o->sums);
	o->cap = pages;
	if (!o->sums)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	o->sums[restore_part_sum_slot(o)] =
		(struct restore_sum){crc64(0, head, LTX_HEADER_SIZE), LTX_HEADER_SIZE};
	return 0;
}

/* End marker and everything behind it, but the file checksum: its sum, checked for form. */
static int
sum_tail(struct restore_object *o, const struct cursor *c, const uint8_t *end,
	 struct restore_sum sum, struct ls_err *err)
{
	static const uint8_t zeros[LTX_END_SIZE];

	if (c->off + LTX_END_SIZE != o->at.index_offset || memcmp(end, zeros, LTX_END_SIZE) != 0)
		return ls_err_set(err, -EBADMSG, "'%s' is damaged: page index does not fit",
				  o->key);
	o->sums[restore_part_sum_slot(o)] = sum;
	return 0;
}

static int
walk_small(struct restore_pages *p, struct restore_object *o, const struct catalog_file *f,
	   struct restore_part **part, struct ls_err *err)
{
	uint8_t *b = (*part)->stored, *index;
	struct cursor c = {LTX_HEADER_SIZE, 0};
	size_t size = (size_t)f->size, used = 0, n;
	struct restore_sum sum;
	int rc;

	if ((rc = walk_read(o, 0, b, size, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", o->key);
	if ((rc = open_object(o, f, b, b + size - LTX_TAIL_SIZE, err)) < 0 ||
	    (rc = begin_pages(p, o, err)) < 0)
		return rc;
	(*part)->loaded = true;
	index = b + o->at.index_offset;
	rc = walk_index(p, o, &c, part, index, (size_t)o->at.index_size, &used, err);
	if (rc != 1 || used != o->at.index_size)
		return ls_err_set(err, -EBADMSG, "'%s' is damaged: bad page index", o->key);
	n = LTX_END_SIZE + (size_t)o->at.index_size + 16;
	sum = (struct restore_sum){crc64(0, index - LTX_END_SIZE, n), n};
	(*part)->off = LTX_HEADER_SIZE;
	restore_part_submit(p, *part, o);
	*part = NULL;
	return sum_tail(o, &c, index - LTX_END_SIZE, sum, err);
}

static int
walk_large_index(struct restore_pages *p, struct restore_object *o, struct restore_part **part,
		 struct cursor *c, struct restore_sum *sum, struct ls_err *err)
{
	uint64_t left = o->at.index_size;
	size_t have = 0, used = 0;
	int rc = 0;

	while (rc == 0) {
		uint64_t off = o->at.index_offset + (o->at.index_size - left);
		size_t n = left < RESTORE_INDEX_CHUNK - have ? (size_t)left
							     : RESTORE_INDEX_CHUNK - have;

		if ((rc = store_call_check(p->call, err)) < 0 ||
		    (rc = walk_read(o, off, p->index + have, n, err)) < 0)
			return rc;
		if (restore_part_failed(p))
			return -ECANCELED;
		sum->crc = crc64(sum->crc, p->index + have, n);
		sum->len += n;
		left -= n;
		have += n;
		rc = walk_index(p, o, c, part, p->index, have, &used, err);
		have -= used;
		memmove(p->index, p->index + used, have);
		if (rc == -ENODATA && left && (used || n))
			rc = 0;
	}
	if (rc != 1 || left || have)
		return ls_err_set(err, -EBADMSG, "'%s' is damaged: bad page index", o->key);
	return 0;
}

static int
walk_large(struct restore_pages *p, struct restore_object *o, const struct catalog_file *f,
	   struct restore_part **part, struct ls_err *err)
{
	uint8_t head[LTX_HEADER_SIZE], tail[LTX_TAIL_SIZE], end[LTX_END_SIZE];
	struct cursor c = {LTX_HEADER_SIZE, 0};
	struct restore_sum sum = {0};
	int rc;

	if ((rc = walk_read(o, 0, head, sizeof head, err)) < 0 ||
	    (rc = walk_read(o, f->size - sizeof tail, tail, sizeof tail, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", o->key);
	if ((rc = open_object(o, f, head, tail, err)) < 0 || (rc = begin_pages(p, o, err)) < 0)
		return rc;
	rc = walk_read(o, o->at.index_offset - sizeof end, end, sizeof end, err);
	if (rc < 0)
		return ls_err_wrap(err, rc, "'%s'", o->key);
	sum = (struct restore_sum){crc64(0, end, sizeof end), sizeof end};
	if ((rc = walk_large_index(p, o, part, &c, &sum, err)) < 0)
		return rc;
	if ((*part)->n) {
		restore_part_submit(p, *part, o);
		*part = NULL;
	}
	sum = (struct restore_sum){crc64(sum.crc, tail, 16), sum.len + 16};
	return sum_tail(o, &c, end, sum, err);
}

uint64_t
restore_requests(uint64_t size)
{
	return size <= SMALL_OBJECT ? 1 : 4 + (size + RESTORE_PART_BYTES - 1) / RESTORE_PART_BYTES;
}

int
restore_walk_object(struct restore_object *o, const struct catalog_file *f,
		    struct restore_part **part, struct ls_err *err)
{
	struct restore_pages *p = o->owner;
	int rc = store_call_check(p->call, err);

	if (rc < 0)
		return rc;
	return f->size <= SMALL_OBJECT ? walk_small(p, o, f, part, err)
				       : walk_large(p, o, f, part, err);
}
