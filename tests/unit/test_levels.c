/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Levels and retention on a virtual clock: a database is written at random, re-based now and then,
 * the process is down, dies between two steps of its maintenance, its clock jumps. At every moment
 * the newest state can be restored, every time of the promised window as finely as the levels say,
 * every commit of the fine window, and the number of files is bounded. LS_TEST_LONG: a year of each
 * seed.
 */
#include "config.h"

#include "engine/replica/levels.h"
#include "engine/replica/plan.h"
#include "tests/lib/rnd.h"
#include "tests/lib/tap.h"

#include <inttypes.h>

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* As conf_levels.c has them. */
static const struct levels_conf defaults = {.interval_ms = {MINUTE / 2, 5 * MINUTE, HOUR},
					    .n = 3,
					    .snapshot_interval_ms = DAY,
					    .snapshot_retention_ms = DAY,
					    .l0_retention_ms = 5 * MINUTE,
					    .fine_retention_ms = DAY};

enum { SMALL = 900, LARGE = 4000000 };

struct world {
	struct catalog c;
	struct levels_conf k;
	int64_t now, begin;
	uint64_t tip, merged; /* up to there level 1 and packs have all that they need */
	int64_t *commits;     /* time of each TXID */
	size_t cap;
	size_t most, most_packs, written;
};

static void
must(bool good, const struct world *w, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s, at %" PRId64 " (day %.2f), TXID %" PRIu64 ", %zu files\n", what,
	       w->now, (double)(w->now - w->begin) / DAY, w->tip, w->c.n);
	exit(1);
}

static void
put(struct world *w, int level, uint64_t min, uint64_t max, uint64_t size, int64_t time_ms)
{
	struct catalog_file f = {.level = (uint8_t)level,
				 .min = min,
				 .max = max,
				 .size = size,
				 .time_ms = time_ms,
				 .time_exact = true};
	bool is_new;

	must(catalog_insert(&w->c, &f, &is_new, NULL) == 0, w, "insert");
}

static void
commit(struct world *w, bool image)
{
	int64_t time_ms = w->tip && w->commits[w->tip] >= w->now ? w->commits[w->tip] + 1 : w->now;

	if (w->tip + 2 > w->cap) {
		w->cap = w->cap ? w->cap * 2 : 1024;
		w->commits = reallocarray(w->commits, w->cap, sizeof *w->commits);
		must(w->commits != NULL, w, "memory");
	}
	w->tip++;
	w->commits[w->tip] = time_ms;
	put(w, 0, w->tip, w->tip, image ? LARGE : SMALL, time_ms);
	if (image)
		put(w, LTX_LEVEL_SNAPSHOT, 1, w->tip, LARGE, time_ms);
}

/* Some steps, and perhaps not all of them. */
static void
maintain(struct world *w, bool all)
{
	struct levels_work work = {0};
	struct catalog_file *old = NULL;
	uint64_t merged;
	size_t n = 0, steps = all || rnd(10) ? SIZE_MAX : rnd(4);

	for (; steps && levels_next(&w->c, &w->k, w->now, &work, NULL) == 0 && work.n; steps--) {
		const struct catalog_file *last = &work.in[work.n - 1];
		uint64_t size = 0;

		for (size_t i = 0; i < work.n; i++)
			size = work.in[i].size > size ? work.in[i].size : size;
		put(w, work.level, work.in[0].min, last->max, size, last->time_ms);
		w->written++;
		must(work.level != LTX_LEVEL_SNAPSHOT || work.in[0].min == 1, w,
		     "a snapshot of a part");
		must(work.level != REPLICA_PACKS || last->max - work.in[0].min + 1 == work.n, w,
		     "a pack with a gap");
		must((work.level != 1 && work.level != REPLICA_PACKS) || work.in[0].min > w->merged,
		     w, "a batch is needed again");
		merged = levels_merged(&w->c, &w->k);
		w->merged = merged > w->merged ? merged : w->merged;
		levels_work_done(&work);
	}
	levels_work_done(&work);
	if (!steps)
		return;
	must(levels_expired(&w->c, &w->k, w->now, &old, &n, NULL) == 0, w, "expired");
	steps = all || rnd(10) ? SIZE_MAX : rnd(4);
	for (size_t i = 0; i < n && steps; i++, steps--)
		must(catalog_remove(&w->c, &old[i]), w, "a file that is not there expires");
	free(old);
}

static void
check_latest(const struct world *w)
{
	struct plan_target latest = {0};
	struct plan p = {0};

	must(plan_build(&w->c, &latest, &p, NULL) == 0 && p.txid == w->tip, w,
	     "the newest state cannot be restored");
	plan_done(&p);
}

/* The last commit before a time, by the ledger. */
static uint64_t
ledger(const struct world *w, int64_t time_ms)
{
	uint64_t lo = 0, hi = w->tip;

	while (lo < hi) {
		uint64_t mid = (lo + hi + 1) / 2;

		if (w->commits[mid] < time_ms)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

/* The files in the packs that hold this TXID or the next one. */
static void
unpack(const struct world *w, uint64_t txid, struct catalog *ret)
{
	for (size_t i = 0; i < w->c.n; i++)
		must(catalog_add(ret, &w->c.files[i], NULL) == 0, w, "memory");
	for (size_t i = w->c.n; i < w->c.total; i++) {
		struct catalog_file f = {.size = SMALL, .time_exact = true};

		if (w->c.files[i].max < txid || w->c.files[i].min > txid + 1)
			continue;
		for (f.min = w->c.files[i].min; f.min <= w->c.files[i].max; f.min++) {
			f.max = f.min;
			f.time_ms = w->commits[f.min];
			if (!catalog_find(&w->c, &f))
				must(catalog_add(ret, &f, NULL) == 0, w, "memory");
		}
	}
	catalog_sort(ret);
}

/* How far a restore may be from the time that was asked for: a commit, as long as it is in level 0
 * or packed; then level 1 is what there is, as long as the window. */
static int64_t
grain(const struct world *w, int64_t time_ms)
{
	return w->now - time_ms < (int64_t)w->k.fine_retention_ms - MINUTE ? 1
									   : w->k.interval_ms[0];
}

static void
check_window(const struct world *w)
{
	struct plan_target t = {.by_time = true};
	struct catalog c = {0};
	struct plan p = {0};
	int64_t from = w->now - (int64_t)w->k.snapshot_retention_ms;
	uint64_t want;

	from = from < w->begin + MINUTE ? w->begin + MINUTE : from;
	if (from >= w->now)
		return;
	t.time_ms = from + (int64_t)rnd((unsigned)(w->now - from));
	if (t.time_ms > w->commits[w->tip] || !(want = ledger(w, t.time_ms)))
		return;
	unpack(w, want, &c);
	must(plan_build(&c, &t, &p, NULL) == 0, w, "a time of the window cannot be restored");
	must(p.txid <= want, w, "a restore from behind the time");
	must(p.txid >= ledger(w, t.time_ms - grain(w, t.time_ms)), w,
	     "a restore is further from the time than the levels say");
	plan_done(&p);
	catalog_done(&c);
}

/* Nothing is written any more: the last intervals end, and then there is nothing to wake up for. */
static void
fall_asleep(struct world *w)
{
	unsigned wakes = 0;
	int64_t due;

	maintain(w, true);
	while ((due = levels_due(&w->c, &w->k, w->now)) != INT64_MAX) {
		must(due > w->now, w, "due in the past");
		w->now = due;
		maintain(w, true);
		check_latest(w);
		must(++wakes < 5000, w, "no rest");
	}
	must(w->c.first[1] == 1, w, "old batches are left");
	must(w->c.total == w->c.n, w, "old packs are left");
	must(w->c.n - w->c.first[LTX_LEVEL_SNAPSHOT] <= 2, w, "old snapshots are left");
}

static void
live(uint64_t seed, unsigned days, bool jumps)
{
	struct world w = {.k = defaults,
			  .now = INT64_C(1790000000000) + (int64_t)(seed % 86400000)};
	unsigned checks = 0;

	rng = seed * 0x9e3779b97f4a7c15u + 1;
	w.begin = w.now;
	commit(&w, true);
	while (w.now < w.begin + days * DAY) {
		unsigned what = rnd(1000);

		if (what < 5) /* down, or idle */
			w.now += (int64_t)rnd((unsigned)(30 * HOUR));
		else if (what < 8)
			commit(&w, true);
		else if (what < 10 && jumps)
			w.now -= 30000;
		else if (what < 600)
			for (unsigned n = 1 + rnd(20); n; n--) {
				w.now += rnd(3000);
				commit(&w, false);
			}
		else
			w.now += (int64_t)rnd((unsigned)(15 * MINUTE));
		maintain(&w, false);
		check_latest(&w);
		for (int i = 0; i < 3; i++, checks++)
			check_window(&w);
		w.most = w.c.n > w.most ? w.c.n : w.most;
		w.most_packs = w.c.total - w.c.n > w.most_packs ? w.c.total - w.c.n : w.most_packs;
	}
	fall_asleep(&w);
	/* Two days of level 1 are 5,760 files. */
	ok(w.most < 7500 && w.most_packs <= 300,
	   "seed %d: %u days, %d commits, %zu files written, at most %zu and %zu packs at a time, "
	   "%u times restored",
	   (int)seed, days, (int)w.tip, w.written, w.most, w.most_packs, checks);
	catalog_done(&w.c);
	free(w.commits);
}

/* A replica that held another history up to TXID 13 got a full backup of 14. */
static void
test_another_history(void)
{
	struct world w = {.k = defaults, .now = INT64_C(1790000000000)};
	static const uint64_t want[][2] = {{2, 13}, {14, 16}};
	struct levels_work work = {0};

	put(&w, LTX_LEVEL_SNAPSHOT, 1, 1, LARGE, w.now);
	put(&w, 0, 1, 1, LARGE, w.now);
	for (uint64_t t = 2; t <= 16; t++)
		put(&w, 0, t, t, SMALL, w.now + (int64_t)t);
	put(&w, LTX_LEVEL_SNAPSHOT, 1, 14, LARGE, w.now + 14);
	w.now += MINUTE;
	for (size_t i = 0; i < 2; i++) {
		ok(levels_next(&w.c, &w.k, w.now, &work, &(struct ls_err){0}) == 0 && work.n &&
			   work.level == 1 && work.in[0].min == want[i][0] &&
			   work.in[work.n - 1].max == want[i][1],
		   "level 1 is made of %u to %u", (unsigned)want[i][0], (unsigned)want[i][1]);
		put(&w, 1, want[i][0], want[i][1], SMALL, w.now);
		levels_work_done(&work);
	}
	catalog_done(&w.c);
}

int
main(void)
{
	unsigned days = getenv("LS_TEST_LONG") ? 365 : 20;

	test_another_history();
	for (uint64_t seed = 1; seed <= 12; seed++)
		live(seed, days, seed % 3 == 0);
	return tap_done();
}
