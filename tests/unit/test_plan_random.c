/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_build() and catalog_points() against brute force: every TXID and every time of thousands of
 * random replicas with overlaps, holes, duplicates, merged files and snapshots.
 */
#include "config.h"

#include "engine/replica/plan.h"
#include "tests/lib/rnd.h"
#include "tests/lib/tap.h"

#include <time.h>

enum { TXIDS = 14, FILES = 40 };

struct replica_model {
	struct catalog c;
	int64_t time[TXIDS + 2]; /* of each TXID */
};

static void
add(struct replica_model *m, unsigned level, unsigned min, unsigned max, int64_t time_ms)
{
	struct catalog_file f = {.level = (uint8_t)level,
				 .min = min,
				 .max = max,
				 .size = 200,
				 .time_ms = time_ms,
				 .time_exact = true};

	if (catalog_add(&m->c, &f, NULL) < 0)
		exit(1);
}

static void
generate(struct replica_model *m)
{
	unsigned txids = 1 + rnd(TXIDS), keep = rnd(100), extra = rnd(12);
	bool back = rnd(4) == 0;

	*m = (struct replica_model){0};
	for (unsigned t = 1; t <= txids; t++)
		m->time[t] = back ? 1 + rnd(30) : m->time[t - 1] + 1 + rnd(3);
	for (unsigned t = 1; t <= txids; t++)
		if (rnd(100) <= keep)
			add(m, 0, t, t, m->time[t]);
	for (unsigned i = 0; i < extra; i++) {
		unsigned level = rnd(4) ? 1 + rnd(3) : 9;
		unsigned max = 1 + rnd(txids), min = 1 + rnd(max);

		if (level == 9 && rnd(8))
			min = 1;
		add(m, level, min, max, m->time[max] + (level == 9 ? rnd(3) : 0));
	}
	catalog_sort(&m->c);
}

/* ---- the rule once more, the slow way ---- */

struct rule {
	uint64_t limit, known;
	bool by_time, any;
	int64_t time_ms;
};

static struct rule
rule_of(const struct catalog *c, const struct plan_target *t)
{
	struct rule r = {.limit = t->txid ? t->txid : UINT64_MAX,
			 .by_time = t->by_time,
			 .time_ms = t->time_ms};

	for (size_t i = 0; t->by_time && i < c->n; i++)
		if (c->files[i].level < 9 && c->files[i].time_ms >= t->time_ms &&
		    c->files[i].max - 1 < r.limit)
			r.limit = c->files[i].max - 1;
	for (size_t i = 0; i < c->n; i++)
		if (c->files[i].level < 9 && c->files[i].time_ms < t->time_ms &&
		    c->files[i].max <= r.limit && c->files[i].max > r.known)
			r.known = c->files[i].max;
	return r;
}

static bool
qualifies(const struct catalog_file *f, const struct rule *r)
{
	if (f->max > r->limit)
		return false;
	if (f->level < 9)
		return true;
	return f->min == 1 && (!r->by_time || f->time_ms < r->time_ms || f->max <= r->known);
}

/* Every TXID that some order of files leads to. */
static void
reachable(const struct catalog *c, const struct rule *r, bool can[TXIDS + 1])
{
	bool more = true;

	memset(can, 0, TXIDS + 1);
	can[0] = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < c->n; i++) {
			const struct catalog_file *f = &c->files[i];
			bool fits = f->level == 9;

			for (unsigned t = 0; f->level < 9 && t < f->max; t++)
				fits |= can[t] && f->min <= t + 1;
			if (qualifies(f, r) && fits && !can[f->max])
				more = can[f->max] = true;
		}
	}
}

static uint64_t
furthest(const bool can[TXIDS + 1])
{
	uint64_t t = TXIDS;

	while (!can[t])
		t--;
	return t;
}

/* A TXID that no file of levels 0..8 holds, between cur and a file that qualifies. */
static bool
has_gap(const struct catalog *c, const struct rule *r, uint64_t cur)
{
	bool held[TXIDS + 2] = {false};

	for (size_t i = 0; i < c->n; i++)
		for (uint64_t t = c->files[i].min; c->files[i].level < 9 && t <= c->files[i].max;
		     t++)
			held[t] |= r->limit != UINT64_MAX || c->files[i].min <= cur + 1;
	for (size_t i = 0; i < c->n; i++)
		for (uint64_t t = cur + 1;
		     c->files[i].level < 9 && qualifies(&c->files[i], r) && t < c->files[i].min;
		     t++)
			if (!held[t])
				return true;
	return false;
}

/* The choice of spec/format.md 6, word for word. */
static bool
best_next(const struct catalog *c, const struct rule *r, uint64_t cur, bool snapshot,
	  const struct catalog_file *got)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct catalog_file *f = &c->files[i];

		if ((f->level == 9) != snapshot || !qualifies(f, r) || f->max <= cur ||
		    f->min > cur + 1)
			continue;
		if (f->max != got->max	 ? f->max > got->max
		    : f->min != got->min ? f->min < got->min
					 : f->level > got->level)
			return false;
	}
	return true;
}

static bool
plan_ok(const struct catalog *c, const struct rule *r, const struct plan *p)
{
	uint64_t cur = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct catalog_file *f = p->files[i];

		if (!qualifies(f, r) || f->min > cur + 1 || f->max <= cur || (f->level == 9 && i) ||
		    !best_next(c, r, cur, f->level == 9, f))
			return false;
		cur = f->max;
	}
	return cur == p->txid;
}

/* Whether plan_build() does what brute force says for this target. */
static bool
check(const struct catalog *c, const struct plan_target *t, bool *ret_done)
{
	struct rule r = rule_of(c, t);
	struct plan p = {0};
	bool can[TXIDS + 1], good;
	uint64_t end;
	int rc = plan_build(c, t, &p, NULL);

	reachable(c, &r, can);
	end = furthest(can);
	*ret_done = rc == 0;
	if (end == 0 || (t->txid && end != t->txid))
		good = rc == -ENOENT || rc == -ENODATA;
	else if (!t->txid && has_gap(c, &r, end))
		good = rc == -ENODATA;
	else
		good = rc == 0 && p.txid == end && plan_ok(c, &r, &p);
	plan_done(&p);
	return good;
}

static bool
points_ok(const struct catalog *c, const bool done[TXIDS + 2])
{
	struct catalog_point *v = NULL;
	size_t n = 0, i = 0;
	bool good = catalog_points(c, &v, &n, NULL) == 0;

	for (uint64_t t = 1; t <= TXIDS; t++) {
		bool here = i < n && v[i].txid == t;

		good &= here == done[t];
		i += here;
	}
	good &= i == n;
	free(v);
	return good;
}

static void
dump(const struct catalog *c)
{
	for (size_t i = 0; i < c->n; i++)
		printf("# %u:%u-%u @%d\n", c->files[i].level, (unsigned)c->files[i].min,
		       (unsigned)c->files[i].max, (int)c->files[i].time_ms);
}

int
main(void)
{
	const char *env = getenv("SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	unsigned bad = 0, built = 0, refused = 0;

	printf("# SEED=%llu\n", (unsigned long long)seed);
	for (unsigned round = 0; round < 20000 && bad == 0; round++) {
		struct plan_target target = {0};
		struct replica_model m;
		bool done[TXIDS + 2] = {false}, one;

		rng = (seed + round) * 0x9e3779b97f4a7c15 | 1;
		generate(&m);
		bad += !check(&m.c, &target, &one);
		for (target.txid = 1; target.txid <= TXIDS; target.txid++) {
			bad += !check(&m.c, &target, &done[target.txid]);
			built += done[target.txid];
		}
		bad += !points_ok(&m.c, done);
		target = (struct plan_target){.by_time = true};
		for (target.time_ms = 0; target.time_ms < 50; target.time_ms++) {
			bad += !check(&m.c, &target, &one);
			built += one;
			refused += !one;
		}
		if (bad) {
			printf("# round %u\n", round);
			dump(&m.c);
		}
		catalog_done(&m.c);
	}
	ok(bad == 0, "plans and points agree with brute force");
	ok(built > 10000 && refused > 10000, "%u plans built, %u times refused", built, refused);
	return tap_done();
}
