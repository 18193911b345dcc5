/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing side while calls fail, and while the process is killed at each of them.
 *
 * An application (this process) commits; "replicate -once" runs with the n-th call failing, or in a
 * child that is killed there, n = 1, 2, ... until a run passes untouched. Then:
 *   - a run that said 0 has put everything committed into the replica;
 *   - the next run, without faults, succeeds, and the replica restores to what was committed;
 *   - every TXID of the replica restores to a state that was committed once, in order.
 *
 * "make check-long" takes all kinds of faults, "make check" the brief ones; kills are complete in
 * both.
 */
#include "config.h"

#include "engine/base/log.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *self;

/* ---- faults ---- */

static void
fail_everywhere(const struct world_situation *s)
{
	unsigned cells = 0, felt = 0;
	bool all = getenv("LS_TEST_LONG");

	for (size_t k = 0; k < fault_kinds_n; k++)
		for (uint64_t nth = 1; all || fault_kinds[k].brief; nth++) {
			struct ls_err err = {0};
			int rc;

			world_prepare(s, nth);
			fault_begin(&fault_kinds[k], nth);
			rc = world_once(&err);
			if (!fault_end(&fault_kinds[k])) {
				if (rc < 0)
					printf("# %s: %s\n", fault_kinds[k].name, err.msg);
				world_must(rc == 0, "nothing failed, but it did");
				world_check_after(0, nth);
				break;
			}
			cells++;
			felt += rc < 0;
			world_must(rc == 0 || *err.msg, "an error without a text");
			world_check_after(rc, nth);
		}
	ok(cells > 100 && felt, "%s: %u failed calls, %u felt", s->name, cells, felt);
}

/* ---- kills ---- */

static int
child(uint64_t nth)
{
	struct fault_io_plan plan = {.nth = nth, .die = true};
	struct ls_err err = {0};
	int rc;

	fault_io_arm(&plan);
	rc = world_once(&err);
	if (rc < 0)
		fprintf(stderr, "# child %d: %s\n", (int)nth, err.msg);
	return rc < 0 ? 1 : 0;
}

/* Whether it was killed. */
static bool
run_child(uint64_t nth)
{
	char number_text[24];
	int status;
	pid_t pid;

	snprintf(number_text, sizeof number_text, "%d", (int)nth);
	pid = fork();
	world_must(pid >= 0, "fork");
	if (pid == 0) {
		execl(self, self, world_dir, number_text, NULL);
		_exit(127);
	}
	world_must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	world_must(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		   "a child that was not killed failed");
	return false;
}

static void
kill_everywhere(const struct world_situation *s)
{
	unsigned cells = 0;

	for (uint64_t nth = 1;; nth++) {
		bool killed;

		world_prepare(s, nth);
		killed = run_child(nth);
		world_check_after(killed ? -1 : 0, nth);
		if (!killed)
			break;
		cells++;
	}
	ok(cells > 20, "%s: killed at each of %u system calls, nothing lost", s->name, cells);
}

int
main(int argc, char **argv)
{
	struct log_config quiet = {.level = LOG_ERROR + 1, .fd = 2};
	char base[] = "/dev/shm/test_fault_sync.XXXXXX";

	log_setup(&quiet);
	self = "/proc/self/exe";
	if (argc == 3) {
		world_set_paths(argv[1]);
		return child(strtoull(argv[2], NULL, 10));
	}
	if (!mkdtemp(base))
		return 1;
	world_begin(base);
	for (size_t i = 0; i < world_situations_n; i++)
		kill_everywhere(&world_situations[i]);
	for (size_t i = 0; i < world_situations_n; i++)
		fail_everywhere(&world_situations[i]);
	return world_end() ? tap_done() : 1;
}
