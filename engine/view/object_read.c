/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of an object by range. Frames that lie close together are fetched at once: much is read
 * past the cache, a little by blocks that stay in it, since the next page is likely to be near.
 */
#include "config.h"

#include "engine/view/object.h"

#include <string.h>

enum {
	DIRECT_MIN = 48 << 10, /* this much is not kept: the reader keeps the pages */
	PINS_MAX = OBJECT_SPAN / OBJECT_BLOCK + 2,
	RUN_MAX = OBJECT_SPAN / OBJECT_BLOCK, /* blocks fetched at once */
};

/* One fetch: the working memory and the blocks that hold the frames. */
struct fetch {
	struct objects *os;
	const struct store_call *call;
	const struct object *o;
	struct object_scratch *scratch;
	uint64_t first; /* number of pins[0] */
	size_t npins;
	struct block *pins[PINS_MAX];
};

int
object_read_frame(const struct object *o, const uint8_t *frame, const struct object_want *w,
		  uint8_t *spare, struct ls_err *err)
{
	bool whole = w->n == o->hdr.page_size;
	struct ltx_page page = {.data = whole ? w->dst : spare};
	int rc = ltx_page_decode(frame, w->loc.size, &o->hdr, &page, NULL, err);

	if (rc == 0 && (page.pgno != w->loc.pgno || page.stored != w->loc.size))
		rc = ls_err_set(err, -EBADMSG, "page %u: index and frame disagree", w->loc.pgno);
	if (rc < 0)
		return ls_err_wrap(err, rc, "'%s' is damaged", o->key);
	if (!whole)
		memcpy(w->dst, spare + w->skip, w->n);
	return 0;
}

static int
read_direct(struct fetch *f, const struct object_wants *w, uint64_t start, size_t len,
	    struct ls_err *err)
{
	uint8_t *raw = f->scratch->raw;
	int rc = object_get(f->os, f->call, f->o, (struct object_range){start, len, raw}, err);

	for (size_t i = 0; rc == 0 && i < w->n; i++)
		rc = object_read_frame(f->o, raw + (w->w[i].loc.off - start), &w->w[i],
				       f->scratch->page, err);
	return rc;
}

static size_t
block_size(const struct object *o, uint64_t number)
{
	uint64_t left = o->size - number * OBJECT_BLOCK;

	return left < OBJECT_BLOCK ? (size_t)left : OBJECT_BLOCK;
}

/* Loads n blocks that are ours to load, with one call. */
static int
load_run(struct fetch *f, uint64_t number, struct block **run, size_t n, struct ls_err *err)
{
	uint8_t *data[RUN_MAX] = {0}, *raw = f->scratch->raw;
	size_t len = (n - 1) * OBJECT_BLOCK + block_size(f->o, number + n - 1);
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		if (!(data[i] = malloc(block_size(f->o, number + i))))
			rc = ls_err_set(err, -ENOMEM, "read: out of memory");
	if (rc == 0)
		rc = object_get(
			f->os, f->call, f->o,
			(struct object_range){number * OBJECT_BLOCK, len, n == 1 ? data[0] : raw},
			err);
	for (size_t i = 0; i < n; i++) {
		size_t size = block_size(f->o, number + i);

		if (rc < 0) {
			free(data[i]);
			blockcache_abandon(objects_blocks(f->os), run[i]);
			continue;
		}
		if (n > 1)
			memcpy(data[i], raw + i * OBJECT_BLOCK, size);
		blockcache_fill(objects_blocks(f->os), run[i], data[i], size);
	}
	return rc;
}

/* Block number is ours to load; so may be those behind it, up to end. Those that are needed (below
 * want) stay pinned. */
static int
load_from(struct fetch *f, uint64_t number, uint64_t want, uint64_t end, struct ls_err *err)
{
	struct blockcache *cache = objects_blocks(f->os);
	struct block *run[RUN_MAX] = {f->pins[f->npins]};
	size_t n = 1;
	int rc;

	while (n < RUN_MAX && number + n < end) {
		rc = blockcache_pin(cache, NULL, f->o->id, number + n, true, &run[n], NULL);
		if (rc == 0)
			blockcache_release(cache, run[n]);
		if (rc != 1)
			break;
		n++;
	}
	if ((rc = load_run(f, number, run, n, err)) < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		if (number + i < want)
			f->pins[f->npins++] = run[i];
		else
			blockcache_release(cache, run[i]);
	return 0;
}

/* Pins the blocks that hold [start, start + len). */
static int
pin_blocks(struct fetch *f, uint64_t start, size_t len, bool sequential, struct ls_err *err)
{
	uint64_t want = (start + len - 1) / OBJECT_BLOCK + 1;
	uint64_t last = (f->o->size - 1) / OBJECT_BLOCK + 1;
	uint64_t end = want;

	f->first = start / OBJECT_BLOCK;
	if (sequential)
		end = f->first + RUN_MAX < last ? f->first + RUN_MAX : last;
	while (f->first + f->npins < want) {
		uint64_t number = f->first + f->npins;
		int rc = blockcache_pin(objects_blocks(f->os), f->call, f->o->id, number, false,
					&f->pins[f->npins], err);

		if (rc == 0)
			f->npins++;
		else if (rc < 0 || (rc = load_from(f, number, want, end, err)) < 0)
			return rc;
	}
	return 0;
}

/* The frame in one piece: in its block, or put together from several. */
static const uint8_t *
frame_at(const struct fetch *f, const struct object_loc *loc)
{
	size_t at = (size_t)(loc->off - f->first * OBJECT_BLOCK), done = 0;

	if (at % OBJECT_BLOCK + loc->size <= OBJECT_BLOCK)
		return (const uint8_t *)f->pins[at / OBJECT_BLOCK]->data + at % OBJECT_BLOCK;
	while (done < loc->size) {
		const struct block *b = f->pins[(at + done) / OBJECT_BLOCK];
		size_t in = (at + done) % OBJECT_BLOCK, n = OBJECT_BLOCK - in;

		if (n > loc->size - done)
			n = loc->size - done;
		memcpy(f->scratch->frame + done, (const uint8_t *)b->data + in, n);
		done += n;
	}
	return f->scratch->frame;
}

static void
unpin_blocks(struct fetch *f)
{
	while (f->npins)
		blockcache_release(objects_blocks(f->os), f->pins[--f->npins]);
}

/* Pins the blocks of [start, start + len) if all of them are there. */
static bool
pin_cached(struct fetch *f, uint64_t start, size_t len)
{
	uint64_t end = (start + len - 1) / OBJECT_BLOCK + 1;

	f->first = start / OBJECT_BLOCK;
	while (f->first + f->npins < end) {
		struct block *b =
			blockcache_peek(objects_blocks(f->os), f->o->id, f->first + f->npins);

		if (!b) {
			unpin_blocks(f);
			return false;
		}
		f->pins[f->npins++] = b;
	}
	return true;
}

static int
read_blocks(struct fetch *f, const struct object_wants *w, struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < w->n; i++)
		rc = object_read_frame(f->o, frame_at(f, &w->w[i].loc), &w->w[i], f->scratch->page,
				       err);
	return rc;
}

int
object_read_pages(struct objects *os, const struct store_call *call, const struct object *o,
		  const struct object_wants *w, struct ls_err *err)
{
	const struct object_loc *last = &w->w[w->n - 1].loc;
	uint64_t start = w->w[0].loc.off;
	size_t len = (size_t)(last->off + last->size - start);
	struct fetch f = {.os = os, .call = call, .o = o};
	int rc;

	f.scratch = objects_scratch(os);
	if (!f.scratch)
		return ls_err_set(err, -ENOMEM, "read: out of memory");
	if (len >= DIRECT_MIN && !pin_cached(&f, start, len)) {
		rc = read_direct(&f, w, start, len, err);
	} else {
		rc = f.npins ? 0 : pin_blocks(&f, start, len, w->sequential, err);
		if (rc == 0)
			rc = read_blocks(&f, w, err);
		unpin_blocks(&f);
	}
	objects_scratch_put(os, f.scratch);
	return rc;
}

bool
object_read_cached(struct objects *os, const struct object *o, const struct object_loc *loc)
{
	uint64_t end = (loc->off + loc->size - 1) / OBJECT_BLOCK;

	for (uint64_t k = loc->off / OBJECT_BLOCK; k <= end; k++) {
		struct block *b = blockcache_peek(objects_blocks(os), o->id, k);

		if (!b)
			return false;
		blockcache_release(objects_blocks(os), b);
	}
	return true;
}
