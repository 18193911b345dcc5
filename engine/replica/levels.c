/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/replica/levels.h"

#include "engine/format/pack.h"
#include "engine/replica/plan.h"

enum { PACK_INTERVAL_MS = 300000 };

static size_t
count(const struct catalog *c, int level)
{
	return c->first[level + 1] - c->first[level];
}

static const struct catalog_file *
files(const struct catalog *c, int level)
{
	return c->files + c->first[level];
}

static uint64_t
last_max(const struct catalog *c, int level)
{
	const struct catalog_file *v = files(c, level);
	uint64_t max = 0;

	for (size_t i = count(c, level); i-- > 0;)
		max = v[i].max > max ? v[i].max : max;
	return max;
}

/* A batch that is (nearly) as large as the snapshot that ends with it. */
static bool
is_image(const struct catalog *c, const struct catalog_file *f)
{
	const struct catalog_file *s = f->level == 0 ? catalog_snapshot(c, f->max) : NULL;

	return s && f->size >= s->size / 2;
}

static int64_t
window_end(int64_t time_ms, uint64_t interval_ms)
{
	int64_t step = (int64_t)interval_ms, n = time_ms / step;

	return (n + 1) * step;
}

/* When the run that begins with file i of the level is over; never without one. */
static int64_t
run_end(const struct catalog *c, int level, size_t i, uint64_t interval_ms)
{
	return i < count(c, level) ? window_end(files(c, level)[i].time_ms, interval_ms)
				   : INT64_MAX;
}

/* The first file of level - 1 that the level lacks, or the number of them. */
static size_t
first_missing(const struct catalog *c, int level)
{
	const struct catalog_file *v = files(c, level - 1);
	uint64_t have = last_max(c, level);
	size_t i = 0, n = count(c, level - 1);

	while (i < n && (v[i].max <= have || is_image(c, &v[i])))
		i++;
	return i;
}

/* ---- what is due ---- */

static void
take(struct levels_work *w, const struct catalog_file *f)
{
	w->in[w->n] = *f;
	w->in[w->n++].etag = NULL;
}

static int
begin(struct levels_work *w, int level, size_t max, struct ls_err *err)
{
	*w = (struct levels_work){.level = level, .in = ls_alloc_array(max, sizeof *w->in)};
	return w->in ? 0 : ls_err_set(err, -ENOMEM, "levels: out of memory");
}

/* Where a full backup was put behind what the replica held before, that may be another history with
 * TXIDs of its own: nothing is merged across. */
static bool
follows_base(const struct catalog *c, const struct catalog_file *f)
{
	return f->min > 1 && catalog_snapshot(c, f->min);
}

/* What follows i without a gap and is older than end, to the next image or full backup. */
static void
take_run(const struct catalog *c, int level, size_t i, int64_t end, size_t most,
	 struct levels_work *w)
{
	const struct catalog_file *v = files(c, level);
	size_t n = count(c, level);

	take(w, &v[i]);
	for (i++; i < n && w->n < most && v[i].time_ms < end && !is_image(c, &v[i]) &&
		  !follows_base(c, &v[i]);
	     i++) {
		uint64_t max = w->in[w->n - 1].max;

		if (v[i].min > max + 1)
			break;
		if (v[i].max > max)
			take(w, &v[i]);
	}
}

static int
next_of_level(const struct catalog *c, int level, uint64_t interval_ms, int64_t now_ms,
	      struct levels_work *w, struct ls_err *err)
{
	size_t i = first_missing(c, level);
	int64_t end = run_end(c, level - 1, i, interval_ms);
	int rc;

	if (end > now_ms)
		return 0;
	if ((rc = begin(w, level, LEVELS_INPUTS_MAX, err)) == 0)
		take_run(c, level - 1, i, end, LEVELS_INPUTS_MAX, w);
	return rc;
}

/* ---- packs ---- */

static bool
are_packed(const struct levels_conf *k)
{
	return k->fine_retention_ms && k->n && k->l0_retention_ms && !k->keep;
}

/* Made before the first batch inside has to go. */
static uint64_t
pack_interval(const struct levels_conf *k)
{
	return k->l0_retention_ms < PACK_INTERVAL_MS ? k->l0_retention_ms : PACK_INTERVAL_MS;
}

/* The first batch that is to be packed, or the number of them. */
static size_t
first_unpacked(const struct catalog *c, const struct levels_conf *k, int64_t now_ms)
{
	const struct catalog_file *v = files(c, 0);
	uint64_t have = last_max(c, REPLICA_PACKS);
	size_t i = 0, n = count(c, 0);

	while (i < n && (v[i].max <= have || is_image(c, &v[i]) ||
			 v[i].time_ms <= now_ms - (int64_t)k->fine_retention_ms))
		i++;
	return i;
}

static int
next_pack(const struct catalog *c, const struct levels_conf *k, int64_t now_ms,
	  struct levels_work *w, struct ls_err *err)
{
	size_t i = first_unpacked(c, k, now_ms);
	int64_t end = run_end(c, 0, i, pack_interval(k));
	int rc;

	if (end > now_ms)
		return 0;
	if ((rc = begin(w, REPLICA_PACKS, PACK_FILES_MAX, err)) == 0)
		take_run(c, 0, i, end, PACK_FILES_MAX, w);
	return rc;
}

/* ---- snapshots ---- */

/* The newest snapshot, or NULL. */
static const struct catalog_file *
newest_snapshot(const struct catalog *c)
{
	size_t n = count(c, LTX_LEVEL_SNAPSHOT);

	return n ? &files(c, LTX_LEVEL_SNAPSHOT)[n - 1] : NULL;
}

static int64_t
snapshot_due(const struct catalog *c, const struct levels_conf *k)
{
	const struct catalog_file *s = newest_snapshot(c);

	if (c->n == 0 || (s && s->max >= catalog_max_txid(c)))
		return INT64_MAX;
	return s ? window_end(s->time_ms, k->snapshot_interval_ms) : 0;
}

static int
next_snapshot(const struct catalog *c, struct levels_work *w, struct ls_err *err)
{
	const struct catalog_file *s = newest_snapshot(c);
	LS_AUTO(plan_done) struct plan p = {0};
	struct plan_target latest = {0};
	int rc = plan_build(c, &latest, &p, err);

	if (rc < 0)
		return rc;
	if ((rc = begin(w, LTX_LEVEL_SNAPSHOT, LEVELS_INPUTS_MAX, err)) < 0)
		return rc;
	for (size_t i = 0; i < p.n && i < LEVELS_INPUTS_MAX; i++)
		take(w, p.files[i]);
	if (w->n && s && w->in[w->n - 1].max <= s->max)
		w->n = 0;
	return 0;
}

void
levels_work_done(struct levels_work *w)
{
	free(w->in);
	*w = (struct levels_work){0};
}

int
levels_next(const struct catalog *c, const struct levels_conf *k, int64_t now_ms,
	    struct levels_work *ret, struct ls_err *err)
{
	int rc = 0;

	*ret = (struct levels_work){0};
	for (unsigned i = 0; rc == 0 && i < k->n && ret->n == 0; i++)
		rc = next_of_level(c, (int)i + 1, k->interval_ms[i], now_ms, ret, err);
	if (rc == 0 && ret->n == 0 && are_packed(k))
		rc = next_pack(c, k, now_ms, ret, err);
	if (rc < 0 || ret->n || snapshot_due(c, k) > now_ms)
		return rc;
	return next_snapshot(c, ret, err);
}

uint64_t
levels_merged(const struct catalog *c, const struct levels_conf *k)
{
	uint64_t one = last_max(c, 1), packs = last_max(c, REPLICA_PACKS);

	return are_packed(k) && packs < one ? packs : one;
}

/* ---- what is old ---- */

/* The file of the level that holds these TXIDs, or NULL. */
static const struct catalog_file *
covering(const struct catalog *c, int level, uint64_t min, uint64_t max)
{
	const struct catalog_file *v = files(c, level);
	size_t lo = 0, hi = count(c, level);

	while (lo < hi) { /* the last one that begins there or before */
		size_t mid = (lo + hi) / 2;

		if (v[mid].min <= min)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && v[lo - 1].max >= max ? &v[lo - 1] : NULL;
}

bool
levels_holds(const struct catalog *c, const struct catalog_file *batch)
{
	return covering(c, 1, batch->min, batch->max) != NULL;
}

/* The newest snapshot that is old enough, or NULL. */
static const struct catalog_file *
find_base(const struct catalog *c, const struct levels_conf *k, int64_t now_ms)
{
	const struct catalog_file *v = files(c, LTX_LEVEL_SNAPSHOT), *base = NULL;

	for (size_t i = 0; i < count(c, LTX_LEVEL_SNAPSHOT); i++) {
		if (k->hold || v[i].time_ms > now_ms - (int64_t)k->snapshot_retention_ms)
			break;
		base = &v[i];
	}
	return base;
}

/* Batches that level 1 holds go all at once, when the last of them is old: without the first ones,
 * the others are no points any more. */
static bool
is_old_batch(const struct catalog *c, const struct levels_conf *k, const struct catalog_file *f,
	     int64_t now_ms, uint64_t floor)
{
	const struct catalog_file *whole = covering(c, 1, f->min, f->max);
	int64_t limit = now_ms - (int64_t)k->l0_retention_ms;

	if (k->n == 0 || k->l0_retention_ms == 0 || f->time_ms > limit)
		return false;
	if (f->max >= floor && are_packed(k) && !is_image(c, f) &&
	    f->time_ms > now_ms - (int64_t)k->fine_retention_ms &&
	    !covering(c, REPLICA_PACKS, f->min, f->max))
		return false;
	return f->max < floor || is_image(c, f) || (whole && whole->time_ms <= limit);
}

static bool
is_old_pack(const struct levels_conf *k, const struct catalog_file *f, int64_t now_ms)
{
	return !k->hold && f->time_ms <= now_ms - (int64_t)k->fine_retention_ms;
}

int
levels_expired(const struct catalog *c, const struct levels_conf *k, int64_t now_ms,
	       struct catalog_file **ret, size_t *ret_n, struct ls_err *err)
{
	const struct catalog_file *base = find_base(c, k, now_ms);
	uint64_t floor = base ? base->max : 0;
	struct catalog_file *v = ls_alloc_array(c->total + 1, sizeof *v);

	*ret = v;
	*ret_n = 0;
	if (!v)
		return ls_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; !k->keep && i < c->total; i++) {
		const struct catalog_file *f = &c->files[i];
		bool last = i + 1 == c->first[f->level + 1], gone = f->max < floor;

		if (f->level == 0)
			gone = is_old_batch(c, k, f, now_ms, floor);
		else if (f->level == REPLICA_PACKS)
			gone |= is_old_pack(k, f, now_ms);
		if (!gone || (last && f->level != REPLICA_PACKS))
			continue;
		v[*ret_n] = *f;
		v[(*ret_n)++].etag = NULL;
	}
	return 0;
}

/* ---- when ---- */

/* The earlier one, of those that are not past. */
static void
note_due(int64_t *due, int64_t at, int64_t now_ms)
{
	if (at > now_ms && at < *due)
		*due = at;
}

/* What expires later, without more being written: what is old enough now has been deleted, or
 * stays. */
static void
note_expiry(const struct catalog *c, const struct levels_conf *k, int64_t now_ms, int64_t *due)
{
	const struct catalog_file *v = files(c, 0), *whole;

	for (size_t i = 0; k->n && k->l0_retention_ms && i + 1 < count(c, 0); i++) {
		whole = covering(c, 1, v[i].min, v[i].max);
		if (whole || is_image(c, &v[i]))
			note_due(due,
				 (whole ? whole : &v[i])->time_ms + (int64_t)k->l0_retention_ms,
				 now_ms);
	}
	v = files(c, REPLICA_PACKS);
	for (size_t i = 0; !k->hold && i < count(c, REPLICA_PACKS); i++)
		note_due(due, v[i].time_ms + (int64_t)k->fine_retention_ms, now_ms);
	v = files(c, LTX_LEVEL_SNAPSHOT);
	for (size_t i = 1; !k->hold && i < count(c, LTX_LEVEL_SNAPSHOT); i++)
		note_due(due, v[i].time_ms + (int64_t)k->snapshot_retention_ms, now_ms);
}

int64_t
levels_due(const struct catalog *c, const struct levels_conf *k, int64_t now_ms)
{
	int64_t due = INT64_MAX;

	note_due(&due, snapshot_due(c, k), now_ms);
	for (unsigned i = 0; i < k->n; i++)
		note_due(&due, run_end(c, (int)i, first_missing(c, (int)i + 1), k->interval_ms[i]),
			 now_ms);
	if (are_packed(k))
		note_due(&due, run_end(c, 0, first_unpacked(c, k, now_ms), pack_interval(k)),
			 now_ms);
	if (!k->keep)
		note_expiry(c, k, now_ms, &due);
	return due;
}
