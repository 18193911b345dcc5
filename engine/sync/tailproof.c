/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/tailproof.h"

#include "engine/base/buf.h"
#include "engine/format/dbhdr.h"

struct walk {
	const struct position *pos;
	const struct tailproof_source *src;
	struct wal_sum sum; /* at the frame before, while chained */
	bool chained;
	size_t cap;
	uint8_t raw[WAL_FRAME_HEADER_SIZE + PAGE_SIZE_MAX];
};

enum step { NEXT, PROVED, UNPROVED };

void
tailproof_done(struct tailproof *t)
{
	free(t->pages);
	*t = (struct tailproof){0};
}

static int
add(struct walk *w, struct tailproof *t, uint32_t pgno, struct ls_err *err)
{
	if (t->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 256;
		uint32_t *v = ls_grow_array(t->pages, cap, sizeof *v);

		if (!v)
			return ls_err_set(err, -ENOMEM, "tail of the WAL: out of memory");
		t->pages = v;
		w->cap = cap;
	}
	t->pages[t->n++] = pgno;
	return 0;
}

/* Not so many restarts as that a foreign frame is likely to look like one of them. */
enum { RESTARTS_MAX = 1 << 16 };

static bool
is_older(const struct position *pos, struct wal_salts s)
{
	uint32_t restarts = pos->salts.s1 - s.s1;

	if (restarts >= 1 && restarts <= RESTARTS_MAX)
		return true;
	for (uint32_t i = 0; i < pos->nhistory; i++)
		if (wal_salts_equal(s, pos->history[i]))
			return true;
	return false;
}

/* The frame in w->raw. */
static enum step
judge(struct walk *w, uint32_t *ret_pgno, const char **why)
{
	const struct position *pos = w->pos;
	struct wal_frame h;

	wal_frame_decode(w->raw, &h);
	*ret_pgno = h.pgno;
	if (wal_salts_equal(h.salts, pos->salts)) {
		w->sum = wal_frame_sum(w->sum, pos->big_endian, w->raw, pos->page_size);
		if (w->chained && !wal_sum_equal(w->sum, h.sum))
			return PROVED;
	} else if (!h.salts.s1 && !h.salts.s2) {
		w->chained = false;
	} else if (is_older(pos, h.salts)) {
		return PROVED;
	} else {
		*why = "the WAL was restarted meanwhile, and a frame of unknown origin follows";
		return UNPROVED;
	}
	if (h.pgno == 0) {
		*why = "the WAL was restarted meanwhile, and a frame has no page number";
		return UNPROVED;
	}
	return NEXT;
}

static int
walk(struct walk *w, struct tailproof *t, const char **why, struct ls_err *err)
{
	uint32_t k = w->pos->frame, pgno;
	int rc;

	while (t->n < TAILPROOF_FRAMES_MAX && k < UINT32_MAX) {
		if ((rc = w->src->read_frame(w->src->arg, ++k, w->raw, err)) < 0)
			return rc;
		if (rc == 0) {
			*why = "the WAL was restarted meanwhile, and its file ends without proof";
			return 0;
		}
		switch (judge(w, &pgno, why)) {
		case PROVED:
			return 1;
		case UNPROVED:
			return 0;
		case NEXT:
			break;
		}
		if ((rc = add(w, t, pgno, err)) < 0)
			return rc;
	}
	*why = "the WAL was restarted meanwhile, and what was missed is too long";
	return 0;
}

/* Condition 2. */
static int
recorded_frame_stands(struct walk *w, const char **why, struct ls_err *err)
{
	struct wal_frame h;
	int rc = w->src->read_frame(w->src->arg, w->pos->frame, w->raw, err);

	if (rc < 0)
		return rc;
	if (rc)
		wal_frame_decode(w->raw, &h);
	if (rc && wal_salts_equal(h.salts, w->pos->salts) && wal_sum_equal(h.sum, w->pos->sum))
		return 1;
	*why = "the WAL was restarted meanwhile, and the recorded frame overwritten";
	return 0;
}

static int
compare(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

static void
make_set(struct tailproof *t)
{
	size_t n = 0;

	if (t->n)
		qsort(t->pages, t->n, sizeof *t->pages, compare);
	for (size_t i = 0; i < t->n; i++)
		if (n == 0 || t->pages[n - 1] != t->pages[i])
			t->pages[n++] = t->pages[i];
	t->n = n;
}

int
tailproof_walk(const struct position *pos, const struct tailproof_source *src,
	       struct tailproof *ret, const char **ret_why, struct ls_err *err)
{
	struct walk w = {.pos = pos, .src = src, .sum = pos->sum, .chained = true};
	int rc;

	*ret = (struct tailproof){0};
	*ret_why = "";
	if (pos->frame == 0 || !pos->chained) {
		*ret_why = "the WAL was restarted meanwhile, and the record cannot prove more";
		return 0;
	}
	/* Cheap, and mostly the end of it. */
	if ((rc = recorded_frame_stands(&w, ret_why, err)) != 1)
		return rc;
	rc = walk(&w, ret, ret_why, err);
	if (rc == 1)
		rc = recorded_frame_stands(&w, ret_why, err);
	if (rc != 1)
		tailproof_done(ret);
	else
		make_set(ret);
	return rc;
}
