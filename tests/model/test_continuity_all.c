/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All histories of a few steps: every sequence of the steps below from every starting point, with
 * one interval in which the engine is down. After each step of it the real continuity_decide() says
 * how to go on, and the replica is compared with the database.
 *
 *   test_continuity_all [STEPS]
 *
 * A wrong one is printed as its starting point and its steps.
 */
#include "config.h"

#include "tests/lib/tap.h"
#include "tests/model/engmodel.h"

#include <stdlib.h>

enum { STEPS = 5, STEPS_MAX = 8, SECOND = 1000000000 };

enum step {
	DOWN, /* the engine ends without a final sync */
	COMMIT,
	COMMIT_THREE,
	OTHER_CONN, /* that never restarted a WAL */
	BARE,	    /* ROLLBACK TO after a spill (H85) */
	SPILL_ROLLBACK,
	PHANTOM,
	CUT, /* from now on journal_size_limit is three frames more than the WAL has now */
	PASSIVE,
	TRUNCATE,
	CRASH,
	POWER,
	LAST_CLOSE,
	STEP_KINDS,
};

static const char *const names[STEP_KINDS] = {
	"down", "commit",  "commit-3", "other-conn", "bare",  "spill-rollback", "phantom",
	"cut",	"passive", "truncate", "crash",	     "power", "last-close",
};

static const char *const points[] = {"a new WAL", "older frames behind", "older frames far behind",
				     "behind frames without checksum"};
enum { POINTS = sizeof points / sizeof *points };

struct state {
	struct wm m;
	struct em e;
};

static struct state at[STEPS_MAX + 2]; /* before step i */
static enum step path[STEPS_MAX];
static int depth_max, point;
static enum em_fault fault;
static uint64_t histories, verdicts[CONTINUITY_REBASE + 1], wrong, damaged;

static struct wm_conn *
conn(struct wm *m, int i)
{
	while (!m->conn[i].open)
		if (!wm_open(m))
			break;
	return &m->conn[i];
}

/* Pages 1 to n. */
static void
commit(struct wm *m, struct wm_conn *c, uint32_t n, enum wm_end how)
{
	if (!wm_begin(m, c))
		return;
	for (uint32_t p = 1; p <= n; p++)
		wm_write(m,
			 (uint32_t)(m->content % 4) + 1 <= m->tx.npages + 1
				 ? (uint32_t)(m->content % 4) + 1
				 : p,
			 false);
	wm_end(m, how);
}

static void
bare(struct wm *m, struct wm_conn *c)
{
	if (!wm_begin(m, c))
		return;
	wm_write(m, 1, true);
	wm_savepoint(m);
	wm_write(m, 2, true);
	wm_write(m, 3, true);
	wm_write(m, 3, true); /* in place: checksums from here are to be made at commit */
	wm_rollback_to(m);
	wm_write(m, 2, true);
	wm_write(m, 1, false);
	wm_write(m, 3, false);
	wm_end(m, WM_COMMIT);
}

static void
take(struct state *s, enum step step)
{
	struct wm *m = &s->m;

	wm_pass_time(m, 2 * (uint64_t)SECOND);
	switch (step) {
	case DOWN:
		em_stop(&s->e, m, false);
		break;
	case COMMIT:
		commit(m, conn(m, 0), 1, WM_COMMIT);
		break;
	case COMMIT_THREE:
		commit(m, conn(m, 0), 3, WM_COMMIT);
		break;
	case OTHER_CONN:
		commit(m, conn(m, 1), 1, WM_COMMIT);
		break;
	case BARE:
		bare(m, conn(m, 0));
		break;
	case SPILL_ROLLBACK:
		if (!wm_begin(m, conn(m, 0)))
			break;
		wm_write(m, 2, true);
		wm_write(m, 1, true);
		wm_write(m, 2, true);
		wm_write(m, m->tx.npages + 1, true);
		wm_end(m, WM_ROLLBACK);
		break;
	case PHANTOM:
		commit(m, conn(m, 0), 2, WM_PHANTOM);
		break;
	case CUT:
		conn(m, 0)->limit = WAL_HEADER_SIZE + (int)(m->wal.n + 3) * WM_FRAME;
		break;
	case PASSIVE:
		wm_checkpoint(m, conn(m, 0), WM_PASSIVE, false);
		break;
	case TRUNCATE:
		wm_checkpoint(m, conn(m, 0), WM_TRUNCATE, false);
		break;
	case CRASH:
		wm_crash(m);
		break;
	case POWER:
		wm_power_failure(m);
		s->e.up = false;
		break;
	case LAST_CLOSE:
		for (int i = 0; i < WM_CONNS; i++)
			if (m->conn[i].open)
				wm_close(m, &m->conn[i]);
		break;
	case STEP_KINDS:
		break;
	}
}

static void
print_path(int n)
{
	printf("# wrong: %s:", points[point]);
	for (int i = 0; i < n; i++)
		printf(" %s", names[path[i]]);
	printf("\n");
}

/* What if the engine came back now? */
static void
judge(int n)
{
	static struct state s;
	struct em_verdict v;

	s = at[n];
	v = em_start(&s.e, &s.m, fault);
	histories++;
	verdicts[v.what]++;
	if (s.m.damaged) {
		damaged++;
		return;
	}
	if (v.wrong && wrong++ == 0 && fault == EM_SOUND)
		print_path(n);
}

static void
search(int n)
{
	for (enum step k = 0; k < STEP_KINDS; k++) {
		/* The engine is down once; a crash with it is one of the application alone. */
		if (k == DOWN && !at[n].e.up)
			continue;
		path[n] = k;
		at[n + 1] = at[n];
		take(&at[n + 1], k);
		if (!at[n + 1].e.up)
			judge(n + 1);
		if (n + 1 < depth_max)
			search(n + 1);
	}
}

/* One generation of n commits behind which the next begins. */
static void
generation(struct state *s, int n)
{
	for (int i = 0; i < n; i++)
		commit(&s->m, conn(&s->m, 0), 3, WM_COMMIT);
	wm_checkpoint(&s->m, conn(&s->m, 0), WM_PASSIVE, false);
}

static void
begin(struct state *s)
{
	wm_init(&s->m, 1);
	memset(&s->e, 0, sizeof s->e);
	if (point == 1)
		generation(s, 3);
	if (point == 2)
		generation(s, 12);
	commit(&s->m, conn(&s->m, 0), 2, WM_COMMIT);
	commit(&s->m, conn(&s->m, 0), 3, WM_COMMIT);
	em_start(&s->e, &s->m, EM_SOUND);
	if (point == 3) {
		bare(&s->m, conn(&s->m, 0));
		commit(&s->m, conn(&s->m, 0), 3, WM_COMMIT);
		commit(&s->m, conn(&s->m, 0), 3, WM_COMMIT);
	}
	em_capture(&s->e, &s->m);
}

static void
run(enum em_fault f, int depth)
{
	fault = f;
	depth_max = depth;
	histories = wrong = damaged = 0;
	memset(verdicts, 0, sizeof verdicts);
	for (point = 0; point < POINTS; point++) {
		begin(&at[0]);
		search(0);
	}
}

int
main(int argc, char **argv)
{
	int depth = argc > 1 ? atoi(argv[1]) : STEPS;

	if (depth < 1 || depth > STEPS_MAX)
		return 2;
	run(EM_SOUND, depth);
	printf("# all histories of up to %d steps: %" PRIu64 "; same (R0) %" PRIu64
	       ", append (R1) %" PRIu64 ", tail (R2) %" PRIu64 ", re-base (R3) %" PRIu64
	       "; torn by SQLite itself (H85) %" PRIu64 "; %" PRIu64 " wrong\n",
	       depth, histories, verdicts[CONTINUITY_SAME], verdicts[CONTINUITY_APPEND],
	       verdicts[CONTINUITY_TAIL], verdicts[CONTINUITY_REBASE], damaged, wrong);
	ok(wrong == 0, "all histories of up to %d steps: %" PRIu64 " wrong", depth, wrong);
	ok(verdicts[CONTINUITY_APPEND] && verdicts[CONTINUITY_TAIL], "each rule was used");
	if (argc > 1)
		return tap_done();
	/* The other faults need longer histories: test_continuity_random.c. */
	run(EM_ONLY_SALTS, depth);
	ok(wrong > 0, "broken on purpose, %s: %" PRIu64 " wrong", em_fault_name(EM_ONLY_SALTS),
	   wrong);
	return tap_done();
}
