/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/sync/db.h"

#include <time.h>

enum { WAIT_NS = 8000000, MOMENT_NS = 200000, SPIN_NS = 300000, PAUSE_NS = 20000 };

/* Lock numbers of the wal-index: https://sqlite.org/walformat.html, "WAL locks". */
enum { WRITE_LOCK = 0, CHECKPOINT_LOCK = 1, READ_LOCK = 3 /* + number of the read mark */ };

enum { HIGH_MARK = 3, LAST_MARK = 4, LOW_REFUSED = 9 /* SQLite sleeps for 0.2 ms in all then */ };

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

/* A writer at full speed leaves a lock for microseconds only: such a gap is met by asking without a
 * pause. */
static bool
shm_lock_within(struct db *db, int lock, uint64_t ns)
{
	static const struct timespec pause = {.tv_nsec = PAUSE_NS};
	uint64_t start = clock_mono_ns(), passed;

	while (shm_lock(db, lock, SQLITE_SHM_LOCK) < 0) {
		passed = clock_mono_ns() - start;
		if (passed > ns)
			return false;
		if (passed > SPIN_NS)
			nanosleep(&pause, NULL);
	}
	return true;
}

/* What SQLite is told while this thread does one of two things.
 *
 * A checkpoint while db->locks holds the lock for it: its connection has it. Given up and taken
 * again, an application that tries a checkpoint at each commit would get it in between, and walk
 * through the whole WAL each time.
 *
 * A pin: read marks 1 and 2 are taken. Who begins a transaction behind a new commit tries to move
 * mark 1, then the next one: a writer would try that of a pin in vain at each of its commits. */
static _Thread_local bool lock_is_held;
static _Thread_local int refusals; /* that are left */
static _Thread_local volatile void *pinned_shm;
static const sqlite3_io_methods *system_methods;
static sqlite3_io_methods methods;

/* A low mark stands where the pin is to stand: so does a high one from now on, and SQLite, which is
 * told to try again, prefers it. */
static void
raise_mark(sqlite3_file *f, int low)
{
	for (int i = LAST_MARK; i >= HIGH_MARK; i--) {
		if (system_methods->xShmLock(f, READ_LOCK + i, 1,
					     SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE) != SQLITE_OK)
			continue;
		walidx_copy_mark(pinned_shm, low, i);
		system_methods->xShmLock(f, READ_LOCK + i, 1,
					 SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
		return;
	}
}

static bool
refuse_low_mark(sqlite3_file *f, int lock, int flags)
{
	int mark = lock - READ_LOCK;

	if (!refusals || mark < 1 || mark >= HIGH_MARK || !(flags & SQLITE_SHM_LOCK))
		return false;
	if (flags & SQLITE_SHM_SHARED) {
		refusals--;
		raise_mark(f, mark);
	}
	return true;
}

static int
shm_lock_told(sqlite3_file *f, int lock, int n, int flags)
{
	int rc;

	if (lock_is_held && lock == CHECKPOINT_LOCK && n == 1)
		return SQLITE_OK;
	if (refuse_low_mark(f, lock, flags))
		return SQLITE_BUSY;
	rc = system_methods->xShmLock(f, lock, n, flags);
	if (rc != SQLITE_OK && lock == READ_LOCK + LAST_MARK)
		refusals /= 2; /* another one has it, for a moment or for long */
	return rc;
}

/* Whether SQLite can be told. */
static bool
take_methods(sqlite3 *conn)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	sqlite3_file *f = NULL;

	LS_AUTOLOCK(&lock);
	sqlite3_file_control(conn, "main", SQLITE_FCNTL_FILE_POINTER, &f);
	if (!f || !f->pMethods || f->pMethods->iVersion < 2)
		return false;
	if (!system_methods) {
		system_methods = f->pMethods;
		methods = *system_methods;
		methods.xShmLock = shm_lock_told;
	}
	if (f->pMethods == system_methods)
		f->pMethods = &methods;
	return f->pMethods == &methods;
}

/* It reads page 1 without loading the schema, and stays in the middle. */
static int
prepare_pin(struct db *db, int i)
{
	take_methods(db->conn[i]);
	return sqlite3_prepare_v2(db->conn[i], "PRAGMA schema_version", -1, &db->pin[i], NULL);
}

int
db_step_pin(struct db *db, int i)
{
	int rc = db->pin[i] ? SQLITE_OK : prepare_pin(db, i);

	if (rc != SQLITE_OK)
		return rc;
	pinned_shm = db->shm;
	refusals = db->shm ? LOW_REFUSED : 0;
	rc = sqlite3_step(db->pin[i]);
	refusals = 0;
	return rc;
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
	db->lent_checkpoints = false;
	if (hold == db->holds_checkpoints || (hold && db_connect_again(db, &db->locks, NULL) < 0))
		return;
	if (hold) {
		db->holds_checkpoints = shm_lock_within(db, CHECKPOINT_LOCK, WAIT_NS);
		return;
	}
	shm_lock(db, CHECKPOINT_LOCK, SQLITE_SHM_UNLOCK);
	db->holds_checkpoints = false;
}

void
db_lend_checkpoints(struct db *db)
{
	db_hold_checkpoints(db, false);
	db->lent_checkpoints = true;
}

bool
db_take_back_checkpoints(struct db *db)
{
	db->holds_checkpoints = shm_lock_within(db, CHECKPOINT_LOCK, MOMENT_NS);
	db->lent_checkpoints = !db->holds_checkpoints;
	return db->holds_checkpoints;
}

bool
db_checkpoints_are_free(struct db *db)
{
	bool got = shm_lock(db, CHECKPOINT_LOCK, SQLITE_SHM_LOCK) == 0;

	if (got)
		shm_lock(db, CHECKPOINT_LOCK, SQLITE_SHM_UNLOCK);
	return got;
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
	lock_is_held = held && take_methods(conn);
	if (!lock_is_held)
		db_hold_checkpoints(db, false);
	sqlite3_busy_timeout(conn, 0);
	rc = sqlite3_wal_checkpoint_v2(
		conn, "main", truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
		NULL, NULL);
	sqlite3_busy_timeout(conn, (int)db->conf->busy_timeout_ms);
	lock_is_held = false;
	db_hold_checkpoints(db, held);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
		return db_sqlite_error(conn, rc, "checkpoint", err);
	return 0;
}

int
db_barrier_begin(struct db *db, struct ls_err *err)
{
	int rc = db_connect_again(db, &db->locks, err);

	if (rc < 0)
		return rc;
	if (!shm_lock_within(db, WRITE_LOCK, WAIT_NS))
		return ls_err_set(err, -EBUSY, "a writer holds the write lock");
	db->holds_write = true;
	return 0;
}

void
db_barrier_end(struct db *db)
{
	shm_lock(db, WRITE_LOCK, SQLITE_SHM_UNLOCK);
	db->holds_write = false;
}
