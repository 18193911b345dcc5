/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore_part.h"

#include "engine/base/bytes.h"
#include "engine/format/crc64.h"

void
restore_part_fail(struct restore_pages *p, const struct ls_err *err)
{
	pthread_mutex_lock(&p->lock);
	if (!p->err.code)
		p->err = *err;
	pthread_mutex_unlock(&p->lock);
}

bool
restore_part_failed(struct restore_pages *p)
{
	LS_AUTOLOCK(&p->lock);

	return p->err.code != 0;
}

int
restore_part_read(const struct restore_object *o, uint64_t off, void *buf, size_t len,
		  struct ls_err *err)
{
	struct store_get g = {.key = o->key, .off = o->base + off, .len = len};
	const struct restore_pages *p = o->owner;
	size_t n = 0;
	int rc = store_get(p->replica->store, p->call, &g, buf, &n, NULL, err);

	if (rc == 0 && n < len)
		return ls_err_set(err, -EBADMSG, "object is shorter than listed");
	return rc;
}

/* Under the lock: one call at a time, and never backwards. */
static void
report(struct restore_pages *p, uint64_t bytes)
{
	LS_AUTOLOCK(&p->lock);

	p->progress.done += bytes;
	if (p->opts->progress)
		p->opts->progress(p->opts->progress_arg, &p->progress);
}

/* ---- the end of an object ---- */

static int
check_sums(struct restore_object *o, struct ls_err *err)
{
	uint64_t crc = 0;

	for (size_t i = 0; i < o->nsums; i++)
		crc = crc64_combine(crc, o->sums[i].crc, o->sums[i].len);
	if ((crc | LTX_CHECKSUM_FLAG) != o->trailer.file_checksum)
		return ls_err_set(err, -EBADMSG, "'%s' is damaged: file checksum mismatch", o->key);
	return 0;
}

static void
object_free(struct restore_object *o)
{
	if (o) {
		free(o->sums);
		restore_ahead_item_done(&o->ahead);
	}
	free(o);
}

void
restore_part_object_put(struct restore_object *o)
{
	struct restore_pages *p = o->owner;
	struct ls_err err = {0};
	bool last, bad;

	pthread_mutex_lock(&p->lock);
	last = --o->pending == 0;
	bad = p->err.code != 0;
	pthread_mutex_unlock(&p->lock);
	if (!last)
		return;
	if (!bad && check_sums(o, &err) < 0)
		restore_part_fail(p, &err);
	else if (!bad) /* all but the frames, which the parts reported */
		report(p, o->at.file_size - (o->at.index_offset - LTX_END_SIZE - LTX_HEADER_SIZE));
	object_free(o);
}

/* ---- one part, in a thread of the pool ---- */

/* Decoded pages that follow each other and wait to be written. */
struct run {
	uint32_t first;
	size_t bytes;
};

static int
flush(struct restore_part *part, struct run *run, struct ls_err *err)
{
	struct restore_pages *p = part->obj->owner;
	int rc = 0;

	if (run->bytes)
		rc = restore_out_write(p->out, part->out, run->bytes,
				       (uint64_t)(run->first - 1) * p->page_size, err);
	run->bytes = 0;
	return rc;
}

static int
decode_one(struct restore_part *part, const struct restore_entry *e, const uint8_t *frame,
	   size_t avail, struct run *run, uint64_t *crc, struct ls_err *err)
{
	const struct ltx_header *hdr = &part->obj->hdr;
	struct ltx_page page;
	int rc;

	if (run->bytes &&
	    (run->bytes >= RESTORE_OUT_BYTES ||
	     e->pgno != run->first + run->bytes / hdr->page_size) &&
	    (rc = flush(part, run, err)) < 0)
		return rc;
	page.data = part->out + run->bytes;
	if ((rc = ltx_page_decode(frame, avail, hdr, &page, crc, err)) < 0)
		return rc;
	if (page.pgno != e->pgno || page.stored != e->size)
		return ls_err_set(err, -EBADMSG, "page %u: index and frame disagree", e->pgno);
	if (e->wanted) {
		if (!run->bytes)
			run->first = e->pgno;
		run->bytes += hdr->page_size;
	}
	return 0;
}

static int
decode_part(struct restore_part *part, struct ls_err *err)
{
	const struct ltx_header *hdr = &part->obj->hdr;
	const uint8_t *p = part->stored, *end;
	struct run run = {0};
	uint64_t crc = 0, len = 0;
	int rc;

	if (part->loaded)
		p += part->off;
	else if ((rc = restore_part_read(part->obj, part->off, part->stored, part->len, err)) < 0)
		return rc;
	end = p + part->len;
	for (size_t i = 0; i < part->n; i++) {
		bool block = part->len >= 6 && get_be16(p + 4);

		rc = decode_one(part, &part->entries[i], p, (size_t)(end - p), &run, &crc, err);
		if (rc < 0)
			return rc;
		p += part->entries[i].size;
		len += LTX_PAGE_HEADER_SIZE + (block ? 4 : 0) + hdr->page_size;
	}
	part->obj->sums[part->sum_at] = (struct restore_sum){crc, len};
	return flush(part, &run, err);
}

static void
part_release(struct restore_part *part)
{
	struct restore_pages *p = part->obj->owner;
	struct restore_object *o = part->obj;

	restore_part_object_put(o);
	pthread_mutex_lock(&p->lock);
	part->obj = NULL;
	part->next_free = p->free;
	p->free = part;
	p->nfree++;
	pthread_cond_broadcast(&p->freed);
	pthread_mutex_unlock(&p->lock);
}

static void
part_run(struct job *job)
{
	struct restore_part *part = (struct restore_part *)job;
	struct restore_pages *p = part->obj->owner;
	struct ls_err err = {0};
	int rc;

	if (!restore_part_failed(p)) {
		rc = decode_part(part, &err);
		if (rc < 0) {
			ls_err_wrap(&err, rc, "'%s'", part->obj->key);
			restore_part_fail(p, &err);
		} else {
			report(p, part->len);
		}
	}
	part_release(part);
}

/* ---- for the walker ---- */

struct restore_part *
restore_part_get(struct restore_pages *p)
{
	struct restore_part *part;

	pthread_mutex_lock(&p->lock);
	while (!p->free)
		pthread_cond_wait(&p->freed, &p->lock);
	part = p->free;
	p->free = part->next_free;
	p->nfree--;
	pthread_mutex_unlock(&p->lock);
	part->n = 0;
	part->len = 0;
	part->loaded = false;
	return part;
}

void
restore_part_unget(struct restore_pages *p, struct restore_part *part)
{
	pthread_mutex_lock(&p->lock);
	part->next_free = p->free;
	p->free = part;
	p->nfree++;
	pthread_mutex_unlock(&p->lock);
}

/* Room for the checksum of one more piece of the object. Parts write theirs without the lock, so
 * the array never moves: open_object() made it large enough for every cut that walk_index() makes.
 */
size_t
restore_part_sum_slot(struct restore_object *o)
{
	return o->nsums++;
}

void
restore_part_submit(struct restore_pages *p, struct restore_part *part, struct restore_object *o)
{
	part->obj = o;
	part->sum_at = restore_part_sum_slot(o);
	part->job.run = part_run;
	pthread_mutex_lock(&p->lock);
	o->pending++;
	pthread_mutex_unlock(&p->lock);
	job_submit(p->pool, &part->job);
}
