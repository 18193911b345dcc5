/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/sync/db.h"

#include <time.h>

enum { BARRIER_WAIT_NS = 8000000, BARRIER_SPIN_NS = 300000, BARRIER_PAUSE_NS = 20000 };

/* Lock numbers of the wal-index: https://sqlite.org/walformat.html, "WAL locks". */
enum { WRITE_LOCK = 0, CHECKPOINT_LOCK = 1 };

/* -EBUSY: another process or connection has it. */
static int
shm_lock(struct db *db, int lock, int action)
{
	sqlite3_file *f = NULL;

	sqlite3_file_control(db->locks, "main", SQLITE_FCNTL_FILE_POINTER, &f);
	return f->pMethods->xShmLock(f, lock, 1, action | SQLITE_SHM_EXCLUSIVE) == SQLITE_OK
		       ? 0
		       : -EBUSY;
}

void
db_locks_close(struct db *db)
{
	if (db->holds_write)
		db_barrier_end(db);
	db_hold_checkpoints(db, false);
	sqlite3_close(db->locks);
	db->locks = NULL;
}

void
db_hold_checkpoints(struct db *db, bool hold)
{
	if (hold == db->holds_checkpoints || (hold && db_connect_again(db, &db->locks, NULL) < 0))
		return;
	if (hold) {
		db->holds_checkpoints = shm_lock(db, CHECKPOINT_LOCK, SQLITE_SHM_LOCK) == 0;
		return;
	}
	shm_lock(db, CHECKPOINT_LOCK, SQLITE_SHM_UNLOCK);
	db->holds_checkpoints = false;
}

int
db_checkpoint(struct db *db, bool truncate, struct ls_err *err)
{
	bool held = db->holds_checkpoints;
	sqlite3 *conn;
	int rc;

	if (db->next)
		return ls_err_set(err, -EBUSY, "checkpoint: both connections hold a pin");
	if ((rc = db_idle_connection(db, &conn, err)) < 0)
		return rc;
	db_hold_checkpoints(db, false);
	sqlite3_busy_timeout(conn, 0);
	rc = sqlite3_wal_checkpoint_v2(
		conn, "main", truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
		NULL, NULL);
	sqlite3_busy_timeout(conn, (int)db->conf->busy_timeout_ms);
	db_hold_checkpoints(db, held);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
		return db_sqlite_error(conn, rc, "checkpoint", err);
	return 0;
}

/* A writer at full speed leaves the lock for microseconds only: such a gap is met by asking without
 * a pause. */
int
db_barrier_begin(struct db *db, struct ls_err *err)
{
	static const struct timespec pause = {.tv_nsec = BARRIER_PAUSE_NS};
	uint64_t start = clock_mono_ns(), passed;
	int rc;

	if ((rc = db_connect_again(db, &db->locks, err)) < 0)
		return rc;
	while (shm_lock(db, WRITE_LOCK, SQLITE_SHM_LOCK) < 0) {
		passed = clock_mono_ns() - start;
		if (passed > BARRIER_WAIT_NS)
			return ls_err_set(err, -EBUSY, "a writer holds the write lock");
		if (passed > BARRIER_SPIN_NS)
			nanosleep(&pause, NULL);
	}
	db->holds_write = true;
	return 0;
}

void
db_barrier_end(struct db *db)
{
	shm_lock(db, WRITE_LOCK, SQLITE_SHM_UNLOCK);
	db->holds_write = false;
}
