/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/world.h"

#include "engine/replica/unpack.h"
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
	const char *levels = getenv(LEVELS);
	bool all = levels && strcmp(levels, "levels") == 0, snapshot = levels && !all;
	struct fleet_opts opts = {.once = true,
				  .force_snapshot = snapshot,
				  .enforce_retention = snapshot,
				  .maintain = all};
	struct fleet *f = NULL;
	struct conf conf;
	int rc = conf_from_args(db_path, (const char *[]){url}, 1, &conf, err);

	if (rc < 0)
		return rc;
	conf.dbs[0].min_checkpoint_page_count = 12;
	if (snapshot)
		conf.dbs[0].levels.snapshot_retention_ms = 1;
	if (all) { /* an interval is over when the next commit is captured */
		conf.dbs[0].levels.n = 2;
		conf.dbs[0].levels.interval_ms[0] = conf.dbs[0].levels.interval_ms[1] = 1;
		conf.dbs[0].levels.l0_retention_ms = 1;
	}
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
			   unpack_all(&cat, &replica, NULL, NULL, &err) == 0 &&
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
	{"first start", first_start, NULL},
	{"one commit", one_commit, NULL},
	{"checkpoint due", checkpoint_due, NULL},
	{"WAL restarted", wal_restarted, NULL},
	{"WAL truncated", wal_truncated, NULL},
	{"vacuumed", vacuumed, NULL},
	{"snapshot and retention", one_commit, "snapshot"},
	{"levels and packs", one_commit, "levels"},
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
		setenv(LEVELS, s->levels, 1);
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
