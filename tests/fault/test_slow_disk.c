/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that is slow beside the application: each time that the writing side waits for it, here in
 * each of its fsyncs, the application commits more frames than a checkpoint takes up while writers
 * wait. The WAL is kept within wal-max-size all the same, by letting the application wait, and
 * nothing is lost. It does not wait in vain while a reader keeps the WAL from being restarted.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/base/stop.h"
#include "engine/sync/fleet.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

#include <pthread.h>
#include <stdlib.h>

enum { ROWS = 1000, COMMITS = 300, WAL_MAX = 64 << 20 };

static struct {
	pthread_mutex_t lock;
	sqlite3 *db;
	struct stop end;
	char wal[96];
	int commits, refused; /* done; not done because the lock was held */
	uint64_t longest;     /* WAL, bytes */
} app = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int
fsync_slowly(int fd)
{
	char text[64];
	struct stat st;
	int rc;

	pthread_mutex_lock(&app.lock);
	if (app.commits < COMMITS) {
		snprintf(text, sizeof text, "UPDATE t SET v = '%-40d'", app.commits + 1);
		rc = sqlite3_exec(app.db, text, NULL, NULL, NULL);
		world_must(rc == SQLITE_OK || rc == SQLITE_BUSY, sqlite3_errmsg(app.db));
		app.commits += rc == SQLITE_OK;
		app.refused += rc == SQLITE_BUSY;
		if (stat(app.wal, &st) == 0 && (uint64_t)st.st_size > app.longest)
			app.longest = (uint64_t)st.st_size;
	} else {
		stop_fire(&app.end);
	}
	pthread_mutex_unlock(&app.lock);
	return io_system.fsync(fd);
}

static void
replicate(const char *base)
{
	struct fleet_opts opts = {.stop = &app.end};
	struct io_ops slow = io_system;
	struct ls_err err = {0};
	struct fleet *f = NULL;
	struct conf conf;
	char db[96], url[96];

	snprintf(db, sizeof db, "%s/a.db", base);
	snprintf(url, sizeof url, "file://%s/rep", base);
	snprintf(app.wal, sizeof app.wal, "%s/a.db-wal", base);
	world_must(stop_init(&app.end, &err) == 0 && sqlite3_open(db, &app.db) == SQLITE_OK &&
			   sqlite3_exec(app.db, "PRAGMA wal_autocheckpoint=0", NULL, NULL, NULL) ==
				   SQLITE_OK,
		   "open");
	app.commits = app.refused = 0;
	app.longest = 0;
	slow.fsync = slow.fdatasync = fsync_slowly;
	io_set_ops(&slow);
	world_must(conf_from_args(db, (const char *[]){url}, 1, &conf, &err) == 0, err.msg);
	conf.dbs[0].wal_max = WAL_MAX;
	world_must(fleet_new(&conf, &opts, &f, &err) == 0 && fleet_run(f, &err) == 0, err.msg);
	fleet_free(f);
	conf_done(&conf);
	io_set_ops(NULL);
	sqlite3_close(app.db);
	stop_done(&app.end);
}

/* All rows say which commit they are of. */
static int
last_commit(const char *path)
{
	sqlite3_stmt *s = NULL;
	sqlite3 *db = NULL;
	int n = -1;

	if (sqlite3_open(path, &db) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "SELECT v FROM t GROUP BY v", -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int(s, 0);
	if (sqlite3_step(s) != SQLITE_DONE)
		n = -1;
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

static void
test_wal_is_within_its_limit(const char *base)
{
	char out[96];

	replicate(base);
	ok(app.longest <= WAL_MAX, "after %d commits the WAL was %" PRIu64 " bytes long at most",
	   app.commits, app.longest);
	ok(app.refused > 0, "the application waited %d times for it", app.refused);
	is_int(world_restored(0), ROWS, "all rows are in the replica");
	snprintf(out, sizeof out, "%s/out.db", base);
	is_int(last_commit(out), COMMITS, "and are of the last commit");
}

static void
test_a_reader_is_no_reason_to_wait(const char *base)
{
	sqlite3 *reader = NULL;
	char path[96];

	snprintf(path, sizeof path, "%s/a.db", base);
	world_must(sqlite3_open(path, &reader) == SQLITE_OK &&
			   sqlite3_exec(reader, "BEGIN; SELECT * FROM t", NULL, NULL, NULL) ==
				   SQLITE_OK,
		   "reader");
	replicate(base);
	sqlite3_close(reader);
	ok(app.longest > WAL_MAX / 2, "a reader keeps the WAL, it grows to %" PRIu64 " bytes",
	   app.longest);
	is_int(app.refused, 0, "nobody waited for a checkpoint that cannot be");
}

int
main(void)
{
	struct log_config quiet = {.level = LOG_ERROR + 1, .fd = 2};
	char base[] = "/dev/shm/test_slow_disk.XXXXXX", text[160];

	log_setup(&quiet);
	if (!mkdtemp(base))
		return 1;
	world_begin(base);
	snprintf(text, sizeof text,
		 "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) "
		 "INSERT INTO t(id, v) SELECT i, hex(zeroblob(400)) FROM s",
		 ROWS);
	world_sql(text);
	test_wal_is_within_its_limit(base);
	test_a_reader_is_no_reason_to_wait(base);
	return world_end() ? tap_done() : 1;
}
