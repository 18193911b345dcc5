/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/world.h"

#include "engine/replica/plan.h"
#include "engine/sync/fleet.h"
#include "engine/view/restore.h"
#include "tests/lib/fault_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char world_dir[64];
int world_rows;
static char db_path[96], url[96], out[96];
static sqlite3 *app;

#define LEVELS "WORLD_LEVELS"

void
world_must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s (%s), in %s\n", what, fault_io_struck(), world_dir);
	exit(1);
}

void
world_sql(const char *text)
{
	world_must(sqlite3_exec(app, text, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(app));
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
	world_sql("BEGIN; INSERT INTO t(v) VALUES(hex(randomblob(700))); COMMIT");
	world_rows++;
}

/* ---- litestream replicate -once ---- */

int
world_once(struct ls_err *err)
{
	bool levels = getenv(LEVELS) != NULL;
	struct fleet_opts opts = {
		.once = true, .force_snapshot = levels, .enforce_retention = levels};
	struct fleet *f = NULL;
	struct conf conf;
	int rc = conf_from_args(db_path, url, &conf, err);

	if (rc < 0)
		return rc;
	conf.dbs[0].min_checkpoint_page_count = 12;
	if (levels)
		conf.dbs[0].levels.snapshot_retention_ms = 1;
	rc = fleet_new(&conf, &opts, &f, err);
	if (rc == 0)
		rc = fleet_run(f, err);
	fleet_free(f);
	conf_done(&conf);
	return rc;
}

void
world_once_must(const char *what)
{
	struct ls_err err = {0};

	if (world_once(&err) < 0) {
		printf("# %s\n", err.msg);
		world_must(false, what);
	}
}

/* Restores a TXID, 0 for the latest; returns the number of world_rows, or -1 if it is not sound. */
int
world_restored(uint64_t txid)
{
	struct restore_opts o = {.output = out, .force = true, .target.txid = txid};
	struct restore_result res;
	struct ls_err err = {0};
	struct conf_replica r;
	struct store *st = NULL;
	sqlite3 *db = NULL;
	int n = -1;

	world_must(conf_replica_from_url(url, &r, &err) == 0 && conf_open_store(&r, &st, &err) == 0,
		   err.msg);
	world_must(restore_run(st, NULL, &o, &res, &err) == 0, err.msg);
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

void
world_check_all_states(void)
{
	struct ls_err err = {0};
	LS_AUTO(catalog_done) struct catalog cat = {0};
	ls_autofree struct catalog_point *points = NULL;
	struct conf_replica r;
	struct replica replica;
	struct store *st = NULL;
	size_t n = 0;
	int before = 0;

	world_must(conf_replica_from_url(url, &r, &err) == 0 && conf_open_store(&r, &st, &err) == 0,
		   err.msg);
	replica_init(&replica, st);
	world_must(catalog_load(&replica, NULL, &cat, &err) == 0 &&
			   catalog_points(&cat, &points, &n, &err) == 0,
		   err.msg);
	for (size_t i = 0; i < n; i++) {
		int now = world_restored(points[i].txid);

		world_must(now >= before && now <= world_rows,
			   "a TXID restores to what was never committed");
		before = now;
	}
	world_must(before == world_rows, "the last TXID is not what was committed last");
	store_close(st);
	conf_replica_done(&r);
}

/* ---- the situations in which a run begins ---- */

static void
wipe(void)
{
	char cmd[256];

	snprintf(cmd, sizeof cmd, "rm -rf '%s/rep' '%s/.a.db-litestream'", world_dir, world_dir);
	world_must(system(cmd) == 0, cmd);
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
	world_sql("PRAGMA wal_checkpoint(RESTART)");
	commit();
}

static void
wal_truncated(void)
{
	commit();
	world_sql("PRAGMA wal_checkpoint(TRUNCATE)");
	commit();
}

static void
vacuumed(void)
{
	commit();
	world_sql("VACUUM");
}

const struct world_situation world_situations[] = {
	{"first start", first_start, false},	      {"one commit", one_commit, false},
	{"checkpoint due", checkpoint_due, false},    {"WAL restarted", wal_restarted, false},
	{"WAL truncated", wal_truncated, false},      {"vacuumed", vacuumed, false},
	{"snapshot and retention", one_commit, true},
};

/* A replica of some length begins anew, so that it does not grow for ever. */
void
world_prepare(const struct world_situation *s, uint64_t nth)
{
	unsetenv(LEVELS); /* by the environment, so that a child that is killed knows it, too */
	if (nth % 16 == 1 || s->make == first_start) {
		wipe();
		world_sql("DELETE FROM t");
		world_rows = 0;
		commit();
		world_once_must("a fresh start");
	}
	s->make();
	if (s->levels)
		setenv(LEVELS, "1", 1);
}

void
world_check_after(int rc, uint64_t nth)
{
	if (rc == 0)
		world_must(world_restored(0) == world_rows,
			   "it said 0, but the replica is not up to date");
	world_once_must("the run after the failure");
	world_must(world_restored(0) == world_rows, "the replica is not what was committed");
	if (nth % 8 == 0)
		world_check_all_states();
}

const size_t world_situations_n = sizeof world_situations / sizeof world_situations[0];

/* ---- begin and end ---- */

void
world_set_paths(const char *base)
{
	snprintf(world_dir, sizeof world_dir, "%s", base);
	snprintf(db_path, sizeof db_path, "%s/a.db", world_dir);
	snprintf(url, sizeof url, "file://%s/rep", world_dir);
	snprintf(out, sizeof out, "%s/out.db", world_dir);
}

void
world_begin(const char *base)
{
	world_set_paths(base);
	world_must(sqlite3_open(db_path, &app) == SQLITE_OK, "open");
	sqlite3_busy_timeout(app, 10000);
	world_sql("PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
		  "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
}

bool
world_end(void)
{
	char cmd[128];

	sqlite3_close(app);
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", world_dir);
	return system(cmd) == 0;
}
