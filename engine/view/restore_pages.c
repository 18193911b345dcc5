/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore_pages.h"

#include "engine/base/bytes.h"
#include "engine/base/job.h"
#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_index.h"

#include <inttypes.h>

enum {
	SMALL_OBJECT = 1 << 20, /* fetched in one piece */
	PART_BYTES = 1 << 20,
	PART_PAGES = 16384,
	OUT_BYTES = 1 << 20, /* decoded bytes before they are written */
	INDEX_CHUNK = 256 << 10,
	PARTS_PER_THREAD = 2,
};

struct entry {
	uint32_t pgno;
	uint32_t size : 31, wanted : 1; /* in memory only */
};

struct sum {
	uint64_t crc, len;
};

/* One object while parts of it are under way. */
struct object {
	struct restore_pages *owner;
	char key[REPLICA_KEY_MAX];
	struct ltx_header hdr;
	struct ltx_layout at;
	struct ltx_trailer trailer;
	struct sum *sums; /* one for each part; first the header, last all behind the pages */
	size_t nsums, cap;
	size_t pending; /* parts not done, and 1 for the walker */
};

struct part {
	struct job job;
	struct part *next_free;
	struct object *obj;
	uint64_t off;  /* of the first frame in the object */
	size_t len;    /* of all frames */
	size_t sum_at; /* where its checksum goes */
	bool loaded;   /* stored holds the whole object; the frames begin at off */
	struct entry *entries;
	size_t n, cap;
	uint8_t *stored; /* PART_BYTES + LTX_FRAME_MAX */
	uint8_t *out;	 /* OUT_BYTES + PAGE_SIZE_MAX */
};

struct restore_pages {
	struct replica *replica;
	const struct store_call *call;
	struct restore_out *out;
	const struct restore_opts *opts;
	struct job_pool *pool;
	struct part *parts;
	size_t nparts;
	uint32_t page_size, commit;
	uint32_t min_commit; /* of the objects so far: pages above it are dead in older ones */
	uint64_t *seen;	     /* one bit a page */
	uint64_t nseen;
	uint8_t *index; /* INDEX_CHUNK */

	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct part *free;
	size_t nfree;
	struct ls_err err; /* the first failure */
	struct restore_progress progress;
};

static void
fail(struct restore_pages *p, const struct ls_err *err)
{
	pthread_mutex_lock(&p->lock);
	if (!p->err.code)
		p->err = *err;
	pthread_mutex_unlock(&p->lock);
}

static bool
failed(struct restore_pages *p)
{
	LS_AUTOLOCK(&p->lock);

	return p->err.code != 0;
}

static int
get_exact(struct restore_pages *p, const char *key, uint64_t off, void *buf, size_t len,
	  struct ls_err *err)
{
	struct store_get g = {.key = key, .off = off, .len = len};
	size_t n = 0;
	int rc = store_get(p->replica->store, p->call, &g, buf, &n, NULL, err);

	if (rc == 0 && n < len)
		return ls_err_set(err, -EBADMSG, "object is shorter than listed");
	return rc;
}

static void
report(struct restore_pages *p, uint64_t bytes)
{
	struct restore_progress now;

	pthread_mutex_lock(&p->lock);
	p->progress.done += bytes;
	now = p->progress;
	pthread_mutex_unlock(&p->lock);
	if (p->opts->progress)
		p->opts->progress(p->opts->progress_arg, &now);
}

/* ---- the end of an object ---- */

static int
check_sums(struct object *o, struct ls_err *err)
{
	uint64_t crc = 0;

	for (size_t i = 0; i < o->nsums; i++)
		crc = crc64_combine(crc, o->sums[i].crc, o->sums[i].len);
	if ((crc | LTX_CHECKSUM_FLAG) != o->trailer.file_checksum)
		return ls_err_set(err, -EBADMSG, "'%s' is damaged: file checksum mismatch", o->key);
	return 0;
}

static void
object_free(struct object *o)
{
	if (o)
		free(o->sums);
	free(o);
}

/* Drops one hold on the object; the last one compares the checksum. */
static void
object_put(struct object *o)
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
		fail(p, &err);
	object_free(o);
}

/* ---- one part, in a thread of the pool ---- */

/* Decoded pages that follow each other and wait to be written. */
struct run {
	uint32_t first;
	size_t bytes;
};

static int
flush(struct part *part, struct run *run, struct ls_err *err)
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
decode_one(struct part *part, const struct entry *e, const uint8_t *frame, size_t avail,
	   struct run *run, uint64_t *crc, struct ls_err *err)
{
	const struct ltx_header *hdr = &part->obj->hdr;
	struct ltx_page page;
	int rc;

	if (run->bytes &&
	    (run->bytes >= OUT_BYTES || e->pgno != run->first + run->bytes / hdr->page_size) &&
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
decode_part(struct part *part, struct ls_err *err)
{
	const struct ltx_header *hdr = &part->obj->hdr;
	const uint8_t *p = part->stored, *end;
	struct run run = {0};
	uint64_t crc = 0, len = 0;
	int rc;

	if (part->loaded)
		p += part->off;
	else if ((rc = get_exact(part->obj->owner, part->obj->key, part->off, part->stored,
				 part->len, err)) < 0)
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
	part->obj->sums[part->sum_at] = (struct sum){crc, len};
	return flush(part, &run, err);
}

static void
part_release(struct part *part)
{
	struct restore_pages *p = part->obj->owner;
	struct object *o = part->obj;

	object_put(o);
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
	struct part *part = (struct part *)job;
	struct restore_pages *p = part->obj->owner;
	struct ls_err err = {0};
	int rc;

	if (!failed(p)) {
		rc = decode_part(part, &err);
		if (rc < 0) {
			ls_err_wrap(&err, rc, "'%s'", part->obj->key);
			fail(p, &err);
		} else {
			report(p, part->len);
		}
	}
	part_release(part);
}

/* ---- the walker ---- */

static struct part *
part_get(struct restore_pages *p)
{
	struct part *part;

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

static void
part_unget(struct restore_pages *p, struct part *part)
{
	pthread_mutex_lock(&p->lock);
	part->next_free = p->free;
	p->free = part;
	p->nfree++;
	pthread_mutex_unlock(&p->lock);
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
part_add(struct part *part, const struct ltx_index_entry *e, bool wanted, struct ls_err *err)
{
	if (part->n == part->cap) {
		size_t cap = part->cap ? part->cap * 2 : 1024;
		struct entry *v = ls_grow_array(part->entries, cap, sizeof *v);

		if (!v)
			return ls_err_set(err, -ENOMEM, "restore: out of memory");
		part->entries = v;
		part->cap = cap;
	}
	part->entries[part->n++] =
		(struct entry){.pgno = e->pgno, .size = e->size & 0x7fffffff, .wanted = wanted};
	part->len += e->size;
	return 0;
}

/* Room for the checksum of one more piece of the object. Parts write theirs without the lock, so
 * the array never moves: open_object() made it large enough for every cut that walk_index() makes.
 */
static size_t
sum_slot(struct object *o)
{
	return o->nsums++;
}

static void
submit(struct restore_pages *p, struct part *part, struct object *o)
{
	part->obj = o;
	part->sum_at = sum_slot(o);
	part->job.run = part_run;
	pthread_mutex_lock(&p->lock);
	o->pending++;
	pthread_mutex_unlock(&p->lock);
	job_submit(p->pool, &part->job);
}

/* What must hold between one entry and the one before it. */
struct cursor {
	uint64_t off; /* where the next frame begins */
	uint32_t last;
};

static int
check_entry(const struct object *o, struct cursor *c, const struct ltx_index_entry *e,
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
walk_index(struct restore_pages *p, struct object *o, struct cursor *c, struct part **part,
	   const uint8_t *bytes, size_t n, size_t *ret_used, struct ls_err *err)
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
		    ((*part)->len + e.size > PART_BYTES || (*part)->n >= PART_PAGES)) {
			submit(p, *part, o);
			*part = part_get(p);
		}
		if ((*part)->n == 0)
			(*part)->off = e.offset;
		if ((rc = part_add(*part, &e, claim(p, e.pgno), err)) < 0)
			break;
	}
	*ret_used = off + (rc == 1 ? used : 0);
	return rc;
}

static int
begin_pages(struct restore_pages *p, const struct object *o, struct ls_err *err)
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
	}
	if (h->commit < p->min_commit)
		p->min_commit = h->commit;
	return 0;
}

static int
open_object(struct object *o, const struct catalog_file *f, const uint8_t *head,
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
	pages = (size_t)(f->size / PART_BYTES * 2 + o->at.index_size / 3 / PART_PAGES + 8);
	o->sums = ls_alloc_array(pages, sizeof *o->sums);
	o->cap = pages;
	if (!o->sums)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	o->sums[sum_slot(o)] = (struct sum){crc64(0, head, LTX_HEADER_SIZE), LTX_HEADER_SIZE};
	return 0;
}

/* End marker and everything behind it, but the file checksum: its sum, checked for form. */
static int
sum_tail(struct object *o, const struct cursor *c, const uint8_t *end, struct sum sum,
	 struct ls_err *err)
{
	static const uint8_t zeros[LTX_END_SIZE];

	if (c->off + LTX_END_SIZE != o->at.index_offset || memcmp(end, zeros, LTX_END_SIZE) != 0)
		return ls_err_set(err, -EBADMSG, "'%s' is damaged: page index does not fit",
				  o->key);
	o->sums[sum_slot(o)] = sum;
	return 0;
}

static int
walk_small(struct restore_pages *p, struct object *o, const struct catalog_file *f,
	   struct part **part, struct ls_err *err)
{
	uint8_t *b = (*part)->stored, *index;
	struct cursor c = {LTX_HEADER_SIZE, 0};
	size_t size = (size_t)f->size, used = 0, n;
	struct sum sum;
	int rc;

	if ((rc = get_exact(p, o->key, 0, b, size, err)) < 0)
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
	sum = (struct sum){crc64(0, index - LTX_END_SIZE, n), n};
	(*part)->off = LTX_HEADER_SIZE;
	submit(p, *part, o);
	*part = NULL;
	return sum_tail(o, &c, index - LTX_END_SIZE, sum, err);
}

static int
walk_large_index(struct restore_pages *p, struct object *o, struct part **part, struct cursor *c,
		 struct sum *sum, struct ls_err *err)
{
	uint64_t left = o->at.index_size;
	size_t have = 0, used = 0;
	int rc = 0;

	while (rc == 0) {
		uint64_t off = o->at.index_offset + (o->at.index_size - left);
		size_t n = left < INDEX_CHUNK - have ? (size_t)left : INDEX_CHUNK - have;

		if ((rc = store_call_check(p->call, err)) < 0 ||
		    (rc = get_exact(p, o->key, off, p->index + have, n, err)) < 0)
			return rc;
		if (failed(p))
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
walk_large(struct restore_pages *p, struct object *o, const struct catalog_file *f,
	   struct part **part, struct ls_err *err)
{
	uint8_t head[LTX_HEADER_SIZE], tail[LTX_TAIL_SIZE], end[LTX_END_SIZE];
	struct cursor c = {LTX_HEADER_SIZE, 0};
	struct sum sum = {0};
	int rc;

	if ((rc = get_exact(p, o->key, 0, head, sizeof head, err)) < 0 ||
	    (rc = get_exact(p, o->key, f->size - sizeof tail, tail, sizeof tail, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", o->key);
	if ((rc = open_object(o, f, head, tail, err)) < 0 || (rc = begin_pages(p, o, err)) < 0)
		return rc;
	rc = get_exact(p, o->key, o->at.index_offset - sizeof end, end, sizeof end, err);
	if (rc < 0)
		return ls_err_wrap(err, rc, "'%s'", o->key);
	sum = (struct sum){crc64(0, end, sizeof end), sizeof end};
	if ((rc = walk_large_index(p, o, part, &c, &sum, err)) < 0)
		return rc;
	if ((*part)->n) {
		submit(p, *part, o);
		*part = NULL;
	}
	sum = (struct sum){crc64(sum.crc, tail, 16), sum.len + 16};
	return sum_tail(o, &c, end, sum, err);
}

int
restore_pages_add(struct restore_pages *p, const struct catalog_file *f, struct ls_err *err)
{
	struct object *o = calloc(1, sizeof *o);
	struct part *part;
	int rc;

	if (!o)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	o->owner = p;
	o->pending = 1;
	replica_key(p->replica, f->level, f->min, f->max, o->key);
	part = part_get(p);
	rc = store_call_check(p->call, err);
	if (rc == 0)
		rc = f->size <= SMALL_OBJECT ? walk_small(p, o, f, &part, err)
					     : walk_large(p, o, f, &part, err);
	if (rc < 0 && err)
		fail(p, err);
	if (part)
		part_unget(p, part);
	object_put(o);
	pthread_mutex_lock(&p->lock);
	if (p->err.code) {
		rc = p->err.code;
		if (err)
			*err = p->err;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static void
wait_idle(struct restore_pages *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->nfree < p->nparts)
		pthread_cond_wait(&p->freed, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static int
check_complete(struct restore_pages *p, struct ls_err *err)
{
	uint32_t lock = dbhdr_lock_page(p->page_size);
	uint64_t want = p->commit - (lock <= p->commit);

	if (p->nseen == want)
		return 0;
	for (uint32_t pgno = 1; pgno <= p->commit; pgno++)
		if (pgno != lock && !(p->seen[pgno >> 6] >> (pgno & 63) & 1))
			return ls_err_set(
				err, -ENODATA,
				"page %u of %u is in no file of the backup: it is damaged", pgno,
				p->commit);
	return 0;
}

int
restore_pages_end(struct restore_pages *p, uint32_t *ret_page_size, uint32_t *ret_commit,
		  struct ls_err *err)
{
	wait_idle(p);
	if (p->err.code) {
		if (err)
			*err = p->err;
		return p->err.code;
	}
	*ret_page_size = p->page_size;
	*ret_commit = p->commit;
	return check_complete(p, err);
}

void
restore_pages_expect(struct restore_pages *p, uint64_t bytes)
{
	p->progress.total = bytes;
}

static int
make_parts(struct restore_pages *p, struct ls_err *err)
{
	p->parts = ls_alloc_array(p->nparts, sizeof *p->parts);
	p->index = malloc(INDEX_CHUNK);
	if (!p->parts || !p->index)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	for (size_t i = 0; i < p->nparts; i++) {
		struct part *part = &p->parts[i];

		part->stored = malloc(PART_BYTES + LTX_FRAME_MAX);
		part->out = malloc(OUT_BYTES + PAGE_SIZE_MAX);
		if (!part->stored || !part->out)
			return ls_err_set(err, -ENOMEM, "restore: out of memory");
		part_unget(p, part);
	}
	return 0;
}

int
restore_pages_new(struct replica *r, const struct store_call *call, struct restore_out *out,
		  const struct restore_opts *opts, struct restore_pages **ret, struct ls_err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = opts->parallelism ? opts->parallelism : cores > 0 ? (unsigned)cores : 1;
	struct restore_pages *p = calloc(1, sizeof *p);
	int rc;

	if (!p)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	if (n > 8)
		n = 8;
	*p = (struct restore_pages){.replica = r, .call = call, .out = out, .opts = opts};
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->freed, NULL);
	p->nparts = (size_t)n * PARTS_PER_THREAD + 1;
	if ((rc = make_parts(p, err)) < 0 || (rc = job_pool_new("restore", n, &p->pool, err)) < 0) {
		restore_pages_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

void
restore_pages_free(struct restore_pages *p)
{
	if (!p)
		return;
	job_pool_free(p->pool);
	for (size_t i = 0; p->parts && i < p->nparts; i++) {
		free(p->parts[i].entries);
		free(p->parts[i].stored);
		free(p->parts[i].out);
	}
	free(p->parts);
	free(p->index);
	free(p->seen);
	pthread_cond_destroy(&p->freed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
