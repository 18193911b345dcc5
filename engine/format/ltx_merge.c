/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each input has a cursor on its next page. The lowest page number of all cursors is taken, from
 * the newest input that has it; all cursors on that number advance.
 *
 * Dead pages: cursor.alive is the smallest commit of all later inputs; a version of a page above it
 * was cut off. Holes: pages above the smallest commit of all inputs did not exist at that moment,
 * so up to the last commit they have to appear. For a file that begins at TXID 1 that moment is
 * the empty database.
 */
#include "config.h"

#include "engine/format/ltx_merge.h"

#include "engine/format/dbhdr.h"
#include "engine/format/ltx_name.h"

#define KEY_END UINT64_MAX

struct cursor {
	struct ltx_dec *dec;
	struct ltx_page page;
	const uint8_t *stored;
	uint64_t key;	/* page number, KEY_END behind the last */
	uint32_t alive; /* versions of pages above it are dead */
};

struct merge {
	struct cursor *cursors;
	size_t n;
	struct ltx_header hdr; /* of the output */
	struct ltx_enc enc;
	uint32_t last; /* every page in (floor, last] was written */
};

static int
in_file(const struct cursor *c, int rc, struct ls_err *err)
{
	const struct ltx_header *h = ltx_dec_header(c->dec);
	char name[LTX_NAME_LEN + 1];

	ltx_name_format(h->min_txid, h->max_txid, name);
	return ls_err_wrap(err, rc, "%s", name);
}

static int
advance(struct cursor *c, struct ls_err *err)
{
	int rc = ltx_dec_next(c->dec, &c->page, &c->stored, err);

	if (rc < 0)
		return in_file(c, rc, err);
	c->key = rc == 1 ? KEY_END : c->page.pgno;
	return 0;
}

static int
check_neighbours(const struct ltx_header *a, const struct ltx_header *b, struct ls_err *err)
{
	char older[LTX_NAME_LEN + 1], newer[LTX_NAME_LEN + 1];

	ltx_name_format(a->min_txid, a->max_txid, older);
	ltx_name_format(b->min_txid, b->max_txid, newer);
	if (a->page_size != b->page_size)
		return ls_err_set(err, -EINVAL, "%s has pages of %u bytes, %s of %u", older,
				  a->page_size, newer, b->page_size);
	/* min - 1 cannot wrap: min is at least 1. */
	if (b->min_txid - 1 > a->max_txid)
		return ls_err_set(err, -ENODATA, "gap between %s and %s", older, newer);
	if (b->max_txid <= a->max_txid)
		return ls_err_set(err, -ENODATA, "%s adds nothing to %s", newer, older);
	return 0;
}

/* Sets m->last to the number above which no page may be missing. */
static int
plan(struct merge *m, struct ltx_dec *const *in, uint32_t flags, struct ls_err *err)
{
	const struct ltx_header *first = ltx_dec_header(in[0]);
	const struct ltx_header *last = ltx_dec_header(in[m->n - 1]);
	uint32_t floor = UINT32_MAX;

	for (size_t i = m->n; i-- > 0;) {
		const struct ltx_header *h = ltx_dec_header(in[i]);
		int rc = i > 0 ? check_neighbours(ltx_dec_header(in[i - 1]), h, err) : 0;

		if (rc < 0)
			return rc;
		m->cursors[i].dec = in[i];
		m->cursors[i].alive = floor;
		if (h->commit < floor)
			floor = h->commit;
	}
	m->last = first->min_txid == 1 ? 0 : floor;
	m->hdr = (struct ltx_header){
		.flags = flags,
		.page_size = last->page_size,
		.commit = last->commit,
		.min_txid = first->min_txid,
		.max_txid = last->max_txid,
		.time_ms = last->time_ms,
		.pre_checksum = flags & LTX_NO_CHECKSUM ? 0 : first->pre_checksum,
	};
	return 0;
}

/* Before pgno is written: whether all between it and m->last is the lock page. */
static int
check_hole(struct merge *m, uint64_t pgno, struct ls_err *err)
{
	uint64_t next = (uint64_t)m->last + 1;

	if (next == dbhdr_lock_page(m->hdr.page_size))
		next++;
	if (next < pgno)
		return ls_err_set(err, -EBADMSG, "page %llu of %u is missing in the merged files",
				  (unsigned long long)next, m->hdr.commit);
	if (pgno > m->last)
		m->last = (uint32_t)pgno;
	return 0;
}

static struct cursor *
newest_of_lowest(struct merge *m)
{
	struct cursor *best = &m->cursors[0];

	for (size_t i = 1; i < m->n; i++)
		if (m->cursors[i].key <= best->key)
			best = &m->cursors[i];
	return best;
}

static int
write_page(struct merge *m, const struct cursor *c, struct ls_err *err)
{
	int rc;

	if (c->page.pgno > c->alive)
		return 0;
	if ((rc = check_hole(m, c->page.pgno, err)) < 0)
		return rc;
	if (ltx_page_stored_as(c->stored, &c->page, m->hdr.page_size, m->enc.encoding))
		return ltx_enc_stored(&m->enc, &c->page, c->stored, err);
	return ltx_enc_page(&m->enc, c->page.pgno, c->page.data, err);
}

static int
merge_pages(struct merge *m, struct ls_err *err)
{
	const struct cursor *c;
	uint64_t key;
	int rc;

	for (size_t i = 0; i < m->n; i++)
		if ((rc = advance(&m->cursors[i], err)) < 0)
			return rc;
	while ((c = newest_of_lowest(m))->key != KEY_END) {
		if ((rc = write_page(m, c, err)) < 0)
			return rc;
		key = c->key;
		for (size_t i = 0; i < m->n; i++)
			if (m->cursors[i].key == key && (rc = advance(&m->cursors[i], err)) < 0)
				return rc;
	}
	return check_hole(m, (uint64_t)m->hdr.commit + 1, err);
}

static int
merge_all(struct merge *m, const struct ltx_merge_out *out, struct ltx_trailer *ret,
	  struct ls_err *err)
{
	uint64_t post;
	int rc = ltx_enc_begin(&m->enc, &m->hdr, out->encoding, out->sink, out->arg, err);

	if (rc < 0)
		return rc;
	m->enc.spill = out->spill;
	if ((rc = merge_pages(m, err)) < 0)
		return rc;
	post = ltx_dec_trailer(m->cursors[m->n - 1].dec)->post_checksum;
	return ltx_enc_end(&m->enc, out->flags & LTX_NO_CHECKSUM ? 0 : post, ret, err);
}

int
ltx_merge(struct ltx_dec *const *in, size_t n, const struct ltx_merge_out *out,
	  struct ltx_header *ret_hdr, struct ltx_trailer *ret_trailer, struct ls_err *err)
{
	struct merge m = {.n = n};
	struct ltx_trailer trailer = {0};
	int rc;

	if (n == 0)
		return ls_err_set(err, -EINVAL, "no LTX files to merge");
	m.cursors = ls_alloc_array(n, sizeof *m.cursors);
	if (!m.cursors)
		return ls_err_set(err, -ENOMEM, "merge of %zu files: out of memory", n);
	if ((rc = plan(&m, in, out->flags, err)) == 0) {
		rc = merge_all(&m, out, &trailer, err);
		ltx_enc_done(&m.enc);
	}
	free(m.cursors);
	if (rc < 0)
		return rc;
	if (ret_hdr)
		*ret_hdr = m.hdr;
	if (ret_trailer)
		*ret_trailer = trailer;
	return 0;
}
