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
 * "make check-long" takes all kinds of faults, "make check" every third of them; kills are complete
 * in both.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/replica/plan.h"
#include "engine/sync/fleet.h"
#include "engine/view/restore.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], db_path[96], url[96], out[96];
static sqlite3 *app;
static int rows;
static const char *self;

static void
must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s (%s), in %s\n", what, fault_io_struck(), dir);
	exit(1);
}

static void
sql(const char *text)
{
	must(sqlite3_exec(app, text, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(app));
}

static int
number(sqlite3 *db, const char *text)
{
	sqlite3_stmt *s = NULL;
	int n = -1;

	if (sqlite3_prepare_v2(db, text, -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return n;
}

static void
commit(void)
{
	sql("BEGIN; INSERT INTO t(v) VALUES(hex(randomblob(700))); COMMIT");
	rows++;
}

/* ---- litestream replicate -once ---- */

static int
once(struct ls_err *err)
{
	struct fleet_opts opts = {.once = true};
	struct fleet *f = NULL;
	struct conf conf;
	int rc = conf_from_args(db_path, url, &conf, err);

	if (rc < 0)
		return rc;
	conf.dbs[0].min_checkpoint_page_count = 12;
	rc = fleet_new(&conf, &opts, &f, err);
	if (rc == 0)
		rc = fleet_run(f, err);
	fleet_free(f);
	conf_done(&conf);
	return rc;
}

static void
once_must(const char *what)
{
	struct ls_err err = {0};

	if (once(&err) < 0) {
		printf("# %s\n", err.msg);
		must(false, what);
	}
}

/* Restores a TXID, 0 for the latest; returns the number of rows, or -1 if it is not sound. */
static int
restored(uint64_t txid)
{
	struct restore_opts o = {.output = out, .force = true, .target.txid = txid};
	struct restore_result res;
	struct ls_err err = {0};
	struct conf_replica r;
	struct store *st = NULL;
	sqlite3 *db = NULL;
	int n = -1;

	must(conf_replica_from_url(url, &r, &err) == 0 && conf_open_store(&r, &st, &err) == 0,
	     err.msg);
	must(restore_run(st, NULL, &o, &res, &err) == 0, err.msg);
	store_close(st);
	conf_replica_done(&r);
	if (sqlite3_open_v2(out, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    number(db,
		   "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") ==
		    1 &&
	    number(db, "SELECT count(*) = max(id) FROM t") == 1)
		n = number(db, "SELECT count(*) FROM t");
	sqlite3_close(db);
	return n;
}

static void
check_all_states(void)
{
	struct ls_err err = {0};
	LS_AUTO(catalog_done) struct catalog cat = {0};
	ls_autofree struct catalog_point *points = NULL;
	struct conf_replica r;
	struct replica replica;
	struct store *st = NULL;
	size_t n = 0;
	int before = 0;

	must(conf_replica_from_url(url, &r, &err) == 0 && conf_open_store(&r, &st, &err) == 0,
	     err.msg);
	replica_init(&replica, st);
	must(catalog_load(&replica, NULL, &cat, &err) == 0 &&
		     catalog_points(&cat, &points, &n, &err) == 0,
	     err.msg);
	for (size_t i = 0; i < n; i++) {
		int now = restored(points[i].txid);

		must(now >= before && now <= rows, "a TXID restores to what was never committed");
		before = now;
	}
	must(before == rows, "the last TXID is not what was committed last");
	store_close(st);
	conf_replica_done(&r);
}

/* ---- the situations in which a run begins ---- */

static void
wipe(void)
{
	char cmd[256];

	snprintf(cmd, sizeof cmd, "rm -rf '%s/rep' '%s/.a.db-litestream'", dir, dir);
	must(system(cmd) == 0, cmd);
}

static void
first_start(void)
{
	wipe();
	commit();
}

static void
one_commit(void)
{
	commit();
}

static void
checkpoint_due(void)
{
	for (int i = 0; i < 8; i++)
		commit();
}

static void
wal_restarted(void)
{
	commit();
	sql("PRAGMA wal_checkpoint(RESTART)");
	commit();
}

static void
wal_truncated(void)
{
	commit();
	sql("PRAGMA wal_checkpoint(TRUNCATE)");
	commit();
}

static void
vacuumed(void)
{
	commit();
	sql("VACUUM");
}

static const struct situation {
	const char *name;
	void (*make)(void);
} situations[] = {
	{"first start", first_start},	    {"one commit", one_commit},
	{"checkpoint due", checkpoint_due}, {"WAL restarted", wal_restarted},
	{"WAL truncated", wal_truncated},   {"vacuumed", vacuumed},
};

/* A replica of some length begins anew, so that it does not grow for ever. */
static void
prepare(const struct situation *s, uint64_t nth)
{
	if (nth % 16 == 1 || s->make == first_start) {
		wipe();
		sql("DELETE FROM t");
		rows = 0;
		commit();
		once_must("a fresh start");
	}
	s->make();
}

static void
check_after(int rc, uint64_t nth)
{
	if (rc == 0)
		must(restored(0) == rows, "it said 0, but the replica is not up to date");
	once_must("the run after the failure");
	must(restored(0) == rows, "the replica is not what was committed");
	if (nth % 8 == 0)
		check_all_states();
}

/* ---- faults ---- */

static void
fail_everywhere(const struct situation *s)
{
	unsigned cells = 0, felt = 0, step = getenv("LS_TEST_LONG") ? 1 : 3;

	for (size_t k = 0; k < fault_kinds_n; k += step)
		for (uint64_t nth = 1;; nth++) {
			struct ls_err err = {0};
			int rc;

			prepare(s, nth);
			fault_begin(&fault_kinds[k], nth);
			rc = once(&err);
			if (!fault_end(&fault_kinds[k])) {
				if (rc < 0)
					printf("# %s: %s\n", fault_kinds[k].name, err.msg);
				must(rc == 0, "nothing failed, but it did");
				check_after(0, nth);
				break;
			}
			cells++;
			felt += rc < 0;
			must(rc == 0 || *err.msg, "an error without a text");
			check_after(rc, nth);
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
	rc = once(&err);
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
	must(pid >= 0, "fork");
	if (pid == 0) {
		execl(self, self, dir, number_text, NULL);
		_exit(127);
	}
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child that was not killed failed");
	return false;
}

static void
kill_everywhere(const struct situation *s)
{
	unsigned cells = 0;

	for (uint64_t nth = 1;; nth++) {
		bool killed;

		prepare(s, nth);
		killed = run_child(nth);
		check_after(killed ? -1 : 0, nth);
		if (!killed)
			break;
		cells++;
	}
	ok(cells > 20, "%s: killed at each of %u system calls, nothing lost", s->name, cells);
}

static void
set_paths(const char *base)
{
	snprintf(dir, sizeof dir, "%s", base);
	snprintf(db_path, sizeof db_path, "%s/a.db", dir);
	snprintf(url, sizeof url, "file://%s/rep", dir);
	snprintf(out, sizeof out, "%s/out.db", dir);
}

int
main(int argc, char **argv)
{
	struct log_config quiet = {.level = LOG_ERROR + 1, .fd = 2};
	char base[] = "/dev/shm/test_fault_sync.XXXXXX", cmd[128];

	log_setup(&quiet);
	self = "/proc/self/exe";
	if (argc == 3) {
		set_paths(argv[1]);
		return child(strtoull(argv[2], NULL, 10));
	}
	if (!mkdtemp(base))
		return 1;
	set_paths(base);
	must(sqlite3_open(db_path, &app) == SQLITE_OK, "open");
	sqlite3_busy_timeout(app, 10000);
	sql("PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
	    "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
	for (size_t i = 0; i < sizeof situations / sizeof situations[0]; i++)
		kill_everywhere(&situations[i]);
	for (size_t i = 0; i < sizeof situations / sizeof situations[0]; i++)
		fail_everywhere(&situations[i]);
	sqlite3_close(app);
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
	return system(cmd) == 0 ? tap_done() : 1;
}
