/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule, as the released program has it (spec/format.md 6):
 *
 * 1. Of the level-9 files that qualify, the one that reaches furthest; cur = its end, or 0.
 * 2. Of the files of levels 8..0 that qualify, begin at or before cur + 1 and end after cur: the
 * one that reaches furthest; then the smaller begin, then the higher level, then the earlier time.
 *    cur = its end. Again, until none is left.
 *
 * A file qualifies if it ends at or before the wanted TXID. A time selects a TXID first: everything
 * before the first file of levels 0..8 whose time is not before the wanted one. Where the clock
 * went back that is the state before the clock first showed that time: rather too old than too new.
 * The time of a level-9 file is when it was made, maybe after later transactions: such a file
 * qualifies if it is older than the wanted time or no newer than a file of another level that is.
 * Candidates are visited once, in the order of their begin.
 *
 * What is missing is an error, where the released program stops before it: TXIDs that no file of
 * levels 0..8 holds, before a file that qualifies. TXIDs that only a merged file holds, one that
 * ends too late to qualify, are not missing: there the history is coarser, and the plan ends before
 * them.
 */
#include "config.h"

#include "engine/replica/plan.h"

#include "engine/base/timex.h"
#include "engine/format/ltx.h"

#include <inttypes.h>
#include <string.h>

/* What a file has to be to qualify. */
struct bounds {
	uint64_t limit; /* ends at or before */
	bool by_time;
	int64_t time_ms;
	uint64_t known; /* highest end among files of levels 0..8 that lie before time_ms */
};

struct chain {
	const struct catalog_file **files;
	size_t n;
	uint64_t cur;
};

static int
by_begin(const void *pa, const void *pb)
{
	const struct catalog_file *a = *(const struct catalog_file *const *)pa;
	const struct catalog_file *b = *(const struct catalog_file *const *)pb;

	return a->min < b->min ? -1 : a->min > b->min;
}

static bool
better(const struct catalog_file *a, const struct catalog_file *b)
{
	if (!b || a->max != b->max)
		return !b || a->max > b->max;
	if (a->min != b->min)
		return a->min < b->min;
	if (a->level != b->level)
		return a->level > b->level;
	return a->time_ms < b->time_ms;
}

/* Files of levels 0..8 that end at or before limit, ascending begin. */
static size_t
candidates(const struct catalog *c, uint64_t limit, const struct catalog_file **out)
{
	size_t n = 0;

	for (size_t i = 0; i < c->first[LTX_LEVEL_SNAPSHOT]; i++)
		if (c->files[i].max <= limit)
			out[n++] = &c->files[i];
	qsort(out, n, sizeof *out, by_begin);
	return n;
}

static bool
snapshot_qualifies(const struct catalog_file *f, const struct bounds *b)
{
	if (f->min != 1 || f->max > b->limit)
		return false;
	return !b->by_time || f->time_ms < b->time_ms || f->max <= b->known;
}

static const struct catalog_file *
best_snapshot(const struct catalog *c, const struct bounds *b)
{
	const struct catalog_file *best = NULL;

	for (size_t i = c->first[LTX_LEVEL_SNAPSHOT]; i < c->n; i++)
		if (snapshot_qualifies(&c->files[i], b) && better(&c->files[i], best))
			best = &c->files[i];
	return best;
}

/* The longest chain over the files that qualify, from a snapshot or from after. */
static int
build_chain(const struct catalog *c, const struct bounds *b, uint64_t after, struct chain *ret,
	    struct ls_err *err)
{
	ls_autofree const struct catalog_file **all = ls_alloc_array(c->n, sizeof *all);
	ls_autofree const struct catalog_file **files = ls_alloc_array(c->n, sizeof *files);
	const struct catalog_file *best = NULL;
	size_t n, i = 0, nfiles = 0;
	uint64_t cur = after;

	if (!all || !files)
		return ls_err_set(err, -ENOMEM, "plan: out of memory");
	n = candidates(c, b->limit, all);
	best = after ? NULL : best_snapshot(c, b);
	if (best) {
		files[nfiles++] = best;
		cur = best->max;
	}
	for (;;) {
		best = NULL;
		/* What begins at or before cur + 1 now, and what did before and reaches beyond. */
		for (size_t k = i; k < n && all[k]->min <= cur + 1; k++)
			if (all[k]->max > cur && better(all[k], best))
				best = all[k];
		if (!best)
			break;
		files[nfiles++] = best;
		cur = best->max;
		while (i < n && all[i]->max <= cur && all[i]->min <= cur + 1)
			i++;
	}
	ret->files = ls_steal_ptr(&files);
	ret->n = nfiles;
	ret->cur = cur;
	return 0;
}

/* The last TXID that files of levels 0..8 hold, from cur without a hole. */
static int
covered(const struct catalog *c, uint64_t cur, uint64_t *ret, struct ls_err *err)
{
	ls_autofree const struct catalog_file **all = ls_alloc_array(c->n, sizeof *all);
	size_t n;

	if (!all)
		return ls_err_set(err, -ENOMEM, "plan: out of memory");
	n = candidates(c, UINT64_MAX, all);
	for (size_t i = 0; i < n && all[i]->min - 1 <= cur; i++)
		if (all[i]->max > cur)
			cur = all[i]->max;
	*ret = cur;
	return 0;
}

/* Fails when a file that qualifies lies beyond a hole after cur. */
static int
check_gap(const struct catalog *c, uint64_t cur, uint64_t limit, struct ls_err *err)
{
	const struct catalog_file *next = NULL;
	uint64_t held = cur;
	int rc;

	if (limit != UINT64_MAX && (rc = covered(c, cur, &held, err)) < 0)
		return rc;
	for (size_t i = 0; i < c->first[LTX_LEVEL_SNAPSHOT]; i++) {
		const struct catalog_file *f = &c->files[i];

		if (f->max <= limit && f->min - 1 > held && (!next || f->min < next->min))
			next = f;
	}
	if (!next)
		return 0;
	return ls_err_set(err, -ENODATA,
			  "non-contiguous ltx files: have up to %016" PRIx64
			  " but next file starts at %016" PRIx64,
			  held, next->min);
}

/* There are files, and none of them leads to a state. */
static int
no_base(const struct catalog *c, struct ls_err *err)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < c->n; i++)
		first = c->files[i].min < first ? c->files[i].min : first;
	return ls_err_set(err, -ENODATA,
			  "no matching backup files available: no file starts at TXID 1, the first "
			  "one starts at %016" PRIx64,
			  first);
}

/* No state lies before the wanted time. */
static int
outside_window(const struct catalog *c, struct ls_err *err)
{
	ls_autofree struct catalog_point *points = NULL;
	char first[TIMEX_LEN], last[TIMEX_LEN];
	size_t n = 0;
	int rc = catalog_points(c, &points, &n, err);

	if (rc < 0)
		return rc;
	if (n == 0)
		return no_base(c, err);
	timex_format_ms(points[0].time_ms, first);
	timex_format_ms(points[n - 1].time_ms, last);
	return ls_err_set(err, -ENOENT,
			  "timestamp does not exist: the replica holds the states after %s, the "
			  "last one of %s",
			  first, last);
}

static int
bounds_by_time(const struct catalog *c, int64_t time_ms, struct bounds *ret, struct ls_err *err)
{
	struct bounds b = {.limit = UINT64_MAX, .by_time = true, .time_ms = time_ms};
	bool any = false;

	for (size_t i = 0; i < c->first[LTX_LEVEL_SNAPSHOT]; i++)
		if (c->files[i].time_ms >= time_ms && c->files[i].max <= b.limit)
			b.limit = c->files[i].max - 1;
	for (size_t i = 0; i < c->n; i++) {
		const struct catalog_file *f = &c->files[i];

		if (f->time_ms >= time_ms || f->max > b.limit)
			continue;
		any = true;
		if (f->level != LTX_LEVEL_SNAPSHOT && f->max > b.known)
			b.known = f->max;
	}
	if (!any)
		return outside_window(c, err);
	*ret = b;
	return 0;
}

static int
not_available(const struct catalog *c, uint64_t txid, struct ls_err *err)
{
	ls_autofree struct catalog_point *points = NULL;
	uint64_t below = 0, above = 0;
	size_t n = 0;
	int rc = catalog_points(c, &points, &n, err);

	if (rc < 0)
		return rc;
	if (n == 0)
		return no_base(c, err);
	for (size_t i = 0; i < n; i++)
		if (points[i].txid < txid)
			below = points[i].txid;
		else if (!above)
			above = points[i].txid;
	if (below && above)
		return ls_err_set(err, -ENOENT,
				  "no matching backup files available: TXID %016" PRIx64
				  " cannot be restored, its neighbours %016" PRIx64
				  " and %016" PRIx64 " can",
				  txid, below, above);
	return ls_err_set(err, -ENOENT,
			  "no matching backup files available: TXID %016" PRIx64
			  " cannot be restored, the %s one that can is %016" PRIx64,
			  txid, below ? "last" : "first", below ? below : above);
}

static int
check_sizes(const struct chain *ch, struct ls_err *err)
{
	for (size_t i = 0; i < ch->n; i++)
		if (ch->files[i]->size < LTX_SIZE_MIN)
			return ls_err_set(err, -EBADMSG,
					  "level %d file %016" PRIx64 "-%016" PRIx64
					  ".ltx is damaged: it has only %" PRIu64 " bytes",
					  ch->files[i]->level, ch->files[i]->min, ch->files[i]->max,
					  ch->files[i]->size);
	return 0;
}

static int
check_chain(const struct catalog *c, const struct plan_target *t, uint64_t limit,
	    const struct chain *ch, struct ls_err *err)
{
	int rc;

	if (t->txid && ch->cur != t->txid)
		return not_available(c, t->txid, err);
	if (ch->n == 0)
		return t->by_time ? outside_window(c, err) : no_base(c, err);
	if (!t->txid && (rc = check_gap(c, ch->cur, limit, err)) < 0)
		return rc;
	return check_sizes(ch, err);
}

int
plan_build(const struct catalog *c, const struct plan_target *target, struct plan *ret,
	   struct ls_err *err)
{
	struct bounds b = {.limit = target->txid ? target->txid : UINT64_MAX};
	struct chain ch = {0};
	int rc;

	if (c->n == 0)
		return ls_err_set(err, -ENOENT, "no matching backup files available");
	if (target->by_time && (rc = bounds_by_time(c, target->time_ms, &b, err)) < 0)
		return rc;
	if ((rc = build_chain(c, &b, 0, &ch, err)) < 0)
		return rc;
	if ((rc = check_chain(c, target, b.limit, &ch, err)) < 0) {
		free(ch.files);
		return rc;
	}
	*ret = (struct plan){.files = ch.files, .n = ch.n, .txid = ch.cur};
	return 0;
}

int
plan_onward(const struct catalog *c, uint64_t after, struct plan *ret, struct ls_err *err)
{
	struct bounds b = {.limit = UINT64_MAX};
	struct chain ch = {0};
	int rc = build_chain(c, &b, after, &ch, err);

	if (rc == 0 && (rc = check_sizes(&ch, err)) < 0)
		free(ch.files);
	if (rc < 0)
		return rc;
	*ret = (struct plan){.files = ch.files, .n = ch.n, .txid = ch.cur};
	return 0;
}

void
plan_done(struct plan *p)
{
	free(p->files);
	*p = (struct plan){0};
}
