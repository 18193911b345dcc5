/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power fails before each change and each sync of the writing side, n = 1, 2, ... until a run
 * passes untouched, and what is left of the state directory and of the replica is one of many
 * things (power_io.h). The database itself is SQLite's affair, and stays as it is. Then:
 *   - what was acknowledged is in the replica, before anything else runs;
 *   - the next run succeeds; every TXID is a state that was committed once, and the last one is
 *     what was committed.
 *
 *   test_power [SITUATION NTH SEED]     replays one cell, and keeps its directory
 *
 * "make check-long" tries 12 remains of each cut, "make check" 2.
 */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/base/io.h"
#include "engine/base/log.h"
#include "tests/lib/power_io.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static uint64_t checked_acks;

struct paths {
	char roots[2][128], left[2][128];
};

static void
set(struct paths *p, const char *base)
{
	snprintf(p->roots[0], sizeof p->roots[0], "%s/.a.db-litestream", base);
	snprintf(p->roots[1], sizeof p->roots[1], "%s/rep", base);
	for (int i = 0; i < 2; i++)
		snprintf(p->left[i], sizeof p->left[i], "%s/left%d", base, i);
}

static int
child(const char *base, uint64_t nth, uint64_t seed)
{
	struct ls_err err = {0};
	struct paths p;
	int rc;

	world_set_paths(base);
	set(&p, base);
	power_io_arm(&(struct power_io_plan){.roots = {p.roots[0], p.roots[1]},
					     .left = {p.left[0], p.left[1]},
					     .nth = nth,
					     .seed = seed});
	rc = world_once(&err);
	if (rc < 0)
		fprintf(stderr, "# child %d: %s\n", (int)nth, err.msg);
	return rc < 0 ? 1 : 0;
}

/* Whether the power failed. */
static bool
run_child(uint64_t nth, uint64_t seed)
{
	char a[24], b[24];
	int status;
	pid_t pid;

	snprintf(a, sizeof a, "%" PRIu64, nth);
	snprintf(b, sizeof b, "%" PRIu64, seed);
	pid = fork();
	world_must(pid >= 0, "fork");
	if (pid == 0) {
		execl("/proc/self/exe", "test_power", "child", world_dir, a, b, NULL);
		_exit(127);
	}
	world_must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	world_must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a run with power failed");
	return false;
}

/* What the cursor says: it is written after a put has returned. */
static uint64_t
acknowledged(const struct paths *p)
{
	ls_autofree char *path = NULL, *raw = NULL;
	size_t n = 0;

	if (asprintf(&path, "%s/replicas/file/cursor", p->roots[0]) < 0 ||
	    io_read_file(path, 4096, &raw, &n, NULL) < 0 || n != 48)
		return 0;
	return get_be64(raw + 24);
}

/* What is left takes the place of what was. */
static void
turn_on(const struct paths *p)
{
	char cmd[1024];

	for (int i = 0; i < 2; i++) {
		snprintf(cmd, sizeof cmd, "rm -rf '%s'; [ ! -e '%s' ] || mv '%s' '%s'", p->roots[i],
			 p->left[i], p->left[i], p->roots[i]);
		world_must(system(cmd) == 0, cmd);
	}
}

/* Whether the power failed in this cell. */
static bool
try_cell(const struct world_situation *s, uint64_t nth, uint64_t seed, uint64_t cell)
{
	struct paths p;
	uint64_t acked;

	world_prepare(s, cell);
	set(&p, world_dir);
	if (!run_child(nth, seed)) {
		world_check_after(0, 1);
		return false;
	}
	acked = acknowledged(&p);
	turn_on(&p);
	if (acked) {
		world_must(world_restored(acked) >= 0, "what was acknowledged is not there");
		checked_acks++;
	}
	world_check_after(-1, 8);
	return true;
}

static void
cut_everywhere(const struct world_situation *s, uint64_t seed)
{
	uint64_t tries = getenv("LS_TEST_LONG") ? 12 : 2, cells = 0, nth = 0;
	bool failed = true;

	while (failed) {
		nth++;
		for (uint64_t i = 0; failed && i < tries; i++) {
			printf("# cell: test_power '%s' %" PRIu64 " %" PRIu64 "\n", s->name, nth,
			       seed + i);
			failed = try_cell(s, nth, seed + i, ++cells);
		}
	}
	ok(nth > 10,
	   "%s: power failed before each of %" PRIu64 " changes and syncs, %" PRIu64
	   " remains, nothing lost",
	   s->name, nth - 1, cells - 1);
}

static int
replay(const char *name, uint64_t nth, uint64_t seed)
{
	for (size_t i = 0; i < world_situations_n; i++)
		if (strcmp(world_situations[i].name, name) == 0) {
			printf("# in %s\n", world_dir);
			try_cell(&world_situations[i], nth, seed, 1);
			return 0;
		}
	return 2;
}

int
main(int argc, char **argv)
{
	struct log_config quiet = {.level = LOG_ERROR + 1, .fd = 2};
	char base[] = "/dev/shm/test_power.XXXXXX";

	log_setup(&quiet);
	if (argc == 5 && strcmp(argv[1], "child") == 0)
		return child(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
	if (!mkdtemp(base))
		return 1;
	world_begin(base);
	if (argc == 4)
		return replay(argv[1], strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
	for (size_t i = 0; i < world_situations_n; i++)
		cut_everywhere(&world_situations[i], 1);
	ok(checked_acks > 50, "acknowledged files looked for: %" PRIu64, checked_acks);
	return world_end() ? tap_done() : 1;
}
