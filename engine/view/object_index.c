/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-up in the page index of an object.
 *
 * The index is cut into pieces of equal length; piece k holds the entries that begin in it. A short
 * index is one piece. To decode a piece in the middle, LEAD bytes before it are read too, an entry
 * is recognised there (ltx_index_sync), and entries are decoded from it up to the piece. The entry
 * that begins last may end in the next piece, so a few more bytes are read.
 *
 * A piece is found by interpolation between the pages and positions that are known; each look at a
 * piece narrows them, and after a few looks the middle is taken.
 */
#include "config.h"

#include "engine/view/object.h"

#include "engine/format/dbhdr.h"

enum { LEAD = 128, GUESSES = 4 };

void
object_index_done(struct object_cursor *c)
{
	blockcache_release(objects_pieces(c->os), c->pin);
	c->pin = NULL;
	c->o = NULL;
}

/* The number of varints that end in the bytes gives the number of entries. */
static size_t
count_entries(const uint8_t *p, size_t n)
{
	size_t ends = 0;

	for (size_t i = 0; i < n; i++)
		ends += p[i] < 128;
	return ends / 3 + 1;
}

static bool
follows(const struct object *o, const struct ltx_index_entry *prev, const struct ltx_index_entry *e)
{
	uint32_t next = prev->pgno + 1;

	if (e->offset != (prev->pgno ? prev->offset + prev->size : LTX_HEADER_SIZE))
		return false;
	if (next == dbhdr_lock_page(o->hdr.page_size))
		next++;
	return ltx_is_snapshot(&o->hdr) ? e->pgno == next : e->pgno > prev->pgno;
}

static int
disorder(struct ls_err *err)
{
	return ls_err_set(err, -EBADMSG, "page index is not in order");
}

static int
add_entry(struct object_piece *piece, const struct ltx_index_entry *e, struct ls_err *err)
{
	if (piece->n == 0)
		piece->base = e->offset;
	if (e->offset + e->size - piece->base > UINT32_MAX)
		return disorder(err);
	piece->e[piece->n++] = (struct object_entry){e->pgno, (uint32_t)(e->offset - piece->base)};
	piece->e[piece->n].rel = (uint32_t)(e->offset + e->size - piece->base);
	return 0;
}

/* The zero byte is the last of the index, and the last frame ends at the end marker. */
static bool
at_end(const struct object *o, uint64_t end, const struct ltx_index_entry *last)
{
	uint64_t frames = last->pgno ? last->offset + last->size : LTX_HEADER_SIZE;

	return end == o->at.index_size && frames + LTX_END_SIZE == o->at.index_offset;
}

int
object_index_decode(const struct object *o, const struct object_index_part *part,
		    struct object_piece **ret, struct ls_err *err)
{
	size_t cap = count_entries(part->p, part->n) + 1, off = 0, used = 0;
	ls_autofree struct object_piece *piece =
		calloc(1, sizeof *piece + cap * sizeof piece->e[0]);
	struct ltx_index_entry prev = {0}, e;
	bool known = part->at == 0;
	int rc = 0;

	if (!piece)
		return ls_err_set(err, -ENOMEM, "page index: out of memory");
	while (part->at + off < part->limit) {
		rc = ltx_index_next(part->p + off, part->n - off, &o->hdr, &o->at, &e, &used, err);
		if (rc < 0)
			return rc == -ENODATA ? disorder(err) : rc;
		if (rc == 1 && !at_end(o, part->at + off + used, &prev))
			return disorder(err);
		if (rc == 1)
			break;
		if (known && !follows(o, &prev, &e))
			return disorder(err);
		if (part->at + off >= part->first && (rc = add_entry(piece, &e, err)) < 0)
			return rc;
		known = true;
		prev = e;
		off += used;
	}
	if (rc != 1 && part->limit >= o->at.index_size)
		return disorder(err);
	piece->end_at = part->at + off;
	*ret = ls_steal_ptr(&piece);
	return 0;
}

static int
load_piece(struct object_cursor *c, const struct object *o, uint32_t number,
	   struct object_piece **ret, struct ls_err *err)
{
	uint64_t first = (uint64_t)number * o->piece;
	uint64_t from = first > LEAD ? first - LEAD : 0;
	uint64_t to = first + o->piece + LTX_INDEX_ENTRY_MAX;
	struct object_index_part part = {.at = from, .first = first, .limit = first + o->piece};
	ls_autofree uint8_t *p = NULL;
	size_t skip = 0;
	int rc;

	if (to > o->at.index_size)
		to = o->at.index_size;
	if (part.limit > o->at.index_size)
		part.limit = o->at.index_size;
	part.n = (size_t)(to - from);
	part.p = p = malloc(part.n);
	if (!p)
		return ls_err_set(err, -ENOMEM, "page index: out of memory");
	rc = object_get(c->os, c->call, o,
			(struct object_range){o->at.index_offset + from, part.n, p}, err);
	if (rc < 0)
		return rc;
	if (from > 0 &&
	    (ltx_index_sync(p, part.n, &o->hdr, &o->at, &skip, NULL) < 0 || skip > first - from))
		return ls_err_wrap(err, disorder(err), "'%s' is damaged", o->key);
	part.p += skip;
	part.n -= skip;
	part.at += skip;
	rc = object_index_decode(o, &part, ret, err);
	return rc < 0 ? ls_err_wrap(err, rc, "'%s' is damaged", o->key) : 0;
}

int
object_index_piece(struct object_cursor *c, const struct object *o, uint32_t number,
		   const struct object_piece **ret, struct ls_err *err)
{
	struct blockcache *cache = objects_pieces(c->os);
	struct object_piece *piece = NULL;
	int rc = 0;

	if (!c->pin || c->o != o || c->number != number) {
		object_index_done(c);
		if (c->cached)
			c->pin = blockcache_peek(cache, o->id, number);
		else
			rc = blockcache_pin(cache, c->call, o->id, number, false, &c->pin, err);
		if (rc < 0)
			return rc;
		if (!c->pin)
			return -EAGAIN;
	}
	if (rc == 1) {
		if ((rc = load_piece(c, o, number, &piece, err)) < 0) {
			blockcache_abandon(cache, c->pin);
			c->pin = NULL;
			return rc;
		}
		blockcache_fill(cache, c->pin, piece,
				sizeof *piece + (piece->n + 1) * sizeof piece->e[0]);
	}
	c->o = o;
	c->number = number;
	*ret = c->pin->data;
	return 0;
}

int
object_index_search(const struct object_piece *piece, uint32_t pgno, struct object_loc *ret)
{
	uint32_t lo = 0, hi = piece->n;

	if (piece->n == 0 || pgno > piece->e[piece->n - 1].pgno)
		return 3;
	if (pgno < piece->e[0].pgno)
		return 2;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (piece->e[mid].pgno < pgno)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (piece->e[lo].pgno != pgno)
		return 1;
	*ret = (struct object_loc){.off = piece->base + piece->e[lo].rel,
				   .size = piece->e[lo + 1].rel - piece->e[lo].rel,
				   .pgno = pgno};
	return 0;
}

/* What is known of the place of a page: in the pieces [lo, hi). */
struct range {
	uint32_t lo, hi;
	uint32_t lo_pgno, hi_pgno;
	uint64_t lo_off, hi_off;
};

static uint32_t
next_piece(const struct object *o, const struct range *r, uint32_t pgno, int tries)
{
	uint64_t k;

	if (tries >= GUESSES)
		return r->lo + (r->hi - r->lo) / 2;
	k = ltx_index_guess(pgno, r->lo_pgno, r->lo_off, r->hi_pgno, r->hi_off) / o->piece;
	if (k < r->lo)
		return r->lo;
	return k >= r->hi ? r->hi - 1 : (uint32_t)k;
}

static int
absent(const struct object *o, uint32_t pgno, struct ls_err *err)
{
	if (!ltx_is_snapshot(&o->hdr))
		return 1;
	return ls_err_set(err, -EBADMSG, "'%s' is damaged: page %u is missing", o->key, pgno);
}

int
object_index_find(struct object_cursor *c, const struct object *o, uint32_t pgno,
		  struct object_loc *ret, struct ls_err *err)
{
	struct range r = {.hi = o->npieces, .hi_pgno = o->last_pgno, .hi_off = o->at.index_size};
	const struct object_piece *piece;

	if (pgno > o->last_pgno)
		return 1;
	/* The piece of the look-up before is the best guess. */
	for (int tries = c->pin && c->o == o ? -1 : 0; r.lo < r.hi; tries++) {
		uint32_t k = tries < 0 ? c->number : next_piece(o, &r, pgno, tries);
		int rc = object_index_piece(c, o, k, &piece, err);

		if (rc < 0)
			return rc;
		rc = object_index_search(piece, pgno, ret);
		if (rc < 2)
			return rc == 1 ? absent(o, pgno, err) : 0;
		if (rc == 2) {
			r.hi = k;
			r.hi_pgno = piece->e[0].pgno;
			r.hi_off = (uint64_t)k * o->piece;
		} else {
			r.lo = k + 1;
			r.lo_pgno = piece->n ? piece->e[piece->n - 1].pgno : r.lo_pgno;
			r.lo_off = piece->end_at;
		}
	}
	return absent(o, pgno, err);
}
