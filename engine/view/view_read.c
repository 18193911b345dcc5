/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/view_int.h"

#include "engine/format/dbhdr.h"

#include <string.h>

enum {
	BATCH = 128,		/* pages looked up before they are read */
	GAP_MAX = 32 << 10,	/* bytes that are read over rather than asked for anew */
	CACHED_MAX = 256 << 10, /* longer ranges are not looked for in the cache */
};

/* Pages of one request that are looked up. */
struct batch {
	size_t n;
	const struct object *objs[BATCH]; /* NULL: done, or the lock page */
	struct object_want wants[BATCH];
};

struct request {
	struct view *v;
	const struct store_call *call;
	uint64_t off;
	uint8_t *buf;
	size_t n;
	bool sequential;
};

/* The part of page pgno that the request wants. */
static struct object_want
want_of(const struct request *q, uint32_t pgno)
{
	uint32_t ps = q->v->info.page_size;
	uint64_t start = (uint64_t)(pgno - 1) * ps, end = start + ps;
	uint64_t from = start > q->off ? start : q->off;
	uint64_t to = end < q->off + q->n ? end : q->off + q->n;

	return (struct object_want){.dst = q->buf + (from - q->off),
				    .skip = (uint32_t)(from - start),
				    .n = (uint32_t)(to - from)};
}

static int
look_up(const struct request *q, struct pagemap_reader *r, uint32_t first, struct batch *b,
	struct ls_err *err)
{
	for (size_t i = 0; i < b->n; i++) {
		uint32_t pgno = first + (uint32_t)i;
		struct object_loc loc = {0};
		int rc;

		b->wants[i] = want_of(q, pgno);
		b->objs[i] = NULL;
		if (pgno == dbhdr_lock_page(q->v->info.page_size)) {
			memset(b->wants[i].dst, 0, b->wants[i].n);
			continue;
		}
		if ((rc = pagemap_find(r, pgno, &b->objs[i], &loc, err)) < 0)
			return rc;
		b->wants[i].loc = loc;
		if (!q->sequential && object_interior_read(q->v->history->objects, q->call,
							   b->objs[i], &b->wants[i], false) == 0)
			b->objs[i] = NULL;
	}
	return 0;
}

/* Takes pages of one object out of the batch that lie close together, from page i on. */
static size_t
take_group(struct batch *b, size_t i, struct object_want *group)
{
	const struct object *o = b->objs[i];
	uint64_t start = b->wants[i].loc.off, end = start;
	size_t n = 0;

	for (; i < b->n; i++) {
		const struct object_loc *loc = &b->wants[i].loc;

		if (b->objs[i] != o)
			continue;
		if (loc->off < end || loc->off - end > GAP_MAX ||
		    loc->off + loc->size - start > OBJECT_SPAN)
			break;
		end = loc->off + loc->size;
		group[n++] = b->wants[i];
		b->objs[i] = NULL;
	}
	return n;
}

static int
read_batch(const struct request *q, struct batch *b, struct object_want *group, struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < b->n; i++) {
		const struct object *o = b->objs[i];
		struct object_wants w = {.w = group, .sequential = q->sequential};

		if (!o)
			continue;
		w.n = take_group(b, i, group);
		rc = object_read_pages(q->v->history->objects, q->call, o, &w, err);
	}
	return rc;
}

static int
read_all(const struct request *q, struct batch *b, struct object_want *group, struct ls_err *err)
{
	uint32_t ps = q->v->info.page_size;
	uint64_t pgno = q->off / ps + 1, last = (q->off + q->n - 1) / ps + 1;
	struct pagemap_reader r;
	int rc = 0;

	pagemap_reader_init(&r, &q->v->map, q->v->history->objects, q->call);
	for (; rc == 0 && pgno <= last; pgno += b->n) {
		b->n = last - pgno + 1 < BATCH ? (size_t)(last - pgno + 1) : BATCH;
		if ((rc = look_up(q, &r, (uint32_t)pgno, b, err)) == 0)
			rc = read_batch(q, b, group, err);
	}
	pagemap_reader_done(&r);
	return rc;
}

int
view_read(struct view *v, const struct store_call *call, uint64_t off, void *buf, size_t n,
	  bool sequential, size_t *ret_n, struct ls_err *err)
{
	struct request q = {v, call, off, buf, n, sequential};
	struct object_want group[BATCH];
	struct batch b;
	int rc;

	if (off >= v->info.size)
		q.n = 0;
	else if (n > v->info.size - off)
		q.n = (size_t)(v->info.size - off);
	if (q.n && (rc = read_all(&q, &b, group, err)) < 0)
		return rc;
	*ret_n = q.n;
	return 0;
}

static bool
page_cached(struct view *v, struct pagemap_reader *r, uint32_t pgno)
{
	const struct object *o = NULL;
	struct object_loc loc;

	if (pgno == dbhdr_lock_page(v->info.page_size))
		return true;
	struct object_want nothing = {.loc.pgno = pgno};

	return pagemap_find(r, pgno, &o, &loc, NULL) == 0 &&
	       (object_interior_read(v->history->objects, NULL, o, &nothing, true) == 0 ||
		object_read_cached(v->history->objects, o, &loc));
}

bool
view_cached(struct view *v, uint64_t off, size_t n)
{
	uint32_t ps = v->info.page_size;
	struct pagemap_reader r;
	bool cached = true;
	uint64_t last;

	if (off >= v->info.size || n == 0)
		return true;
	if (n > v->info.size - off)
		n = (size_t)(v->info.size - off);
	if (n > CACHED_MAX)
		return false;
	last = (off + n - 1) / ps + 1;
	pagemap_reader_init(&r, &v->map, v->history->objects, NULL);
	for (size_t i = 0; i < PAGEMAP_CURSORS; i++)
		r.cursors[i].cached = true;
	for (uint64_t pgno = off / ps + 1; cached && pgno <= last; pgno++)
		cached = page_cached(v, &r, (uint32_t)pgno);
	pagemap_reader_done(&r);
	return cached;
}
