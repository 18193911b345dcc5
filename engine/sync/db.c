/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/db.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/format/dbhdr.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WALIDX_TRIES_NS = 1000000 };

int
db_library_init(struct ls_err *err)
{
	/* Each connection is used by one thread at a time and reads one page: no shared page cache
	 * memory, no lookaside, no statistics. */
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
	if (sqlite3_initialize() != SQLITE_OK)
		return ls_err_set(err, -EIO, "SQLite cannot be initialised");
	return 0;
}

int
db_sqlite_error(sqlite3 *conn, int sql_rc, const char *what, struct ls_err *err)
{
	int code = -EIO;

	switch (sql_rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		code = -EBUSY;
		break;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		code = -EBADMSG;
		break;
	case SQLITE_FULL:
		code = -ENOSPC;
		break;
	case SQLITE_NOMEM:
		code = -ENOMEM;
		break;
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		code = -EACCES;
		break;
	default:
		break;
	}
	return ls_err_set(err, code, "%s: %s", what,
			  conn ? sqlite3_errmsg(conn) : sqlite3_errstr(sql_rc));
}

static int
exec(sqlite3 *conn, const char *sql, struct ls_err *err)
{
	int rc = sqlite3_exec(conn, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_sqlite_error(conn, rc, "open database", err);
}

/* The first column of the first row as text; "" without one. */
static int
query(sqlite3 *conn, const char *sql, char *out, size_t n, struct ls_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL);

	*out = '\0';
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW)
			snprintf(out, n, "%s", (const char *)sqlite3_column_text(stmt, 0));
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : db_sqlite_error(conn, rc, sql, err);
}

int
db_connect(const struct db *db, sqlite3 **ret, struct ls_err *err)
{
	sqlite3 *conn = NULL;
	int one = 1, rc;

	rc = sqlite3_open_v2(db->conf->path, &conn, SQLITE_OPEN_READWRITE, NULL);
	if (rc != SQLITE_OK) {
		rc = db_sqlite_error(conn, rc, "open database", err);
		sqlite3_close(conn);
		return rc;
	}
	sqlite3_busy_timeout(conn, (int)db->conf->busy_timeout_ms);
	sqlite3_db_config(conn, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_file_control(conn, "main", SQLITE_FCNTL_PERSIST_WAL, &one);
	if ((rc = exec(conn, "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=8", err)) < 0) {
		sqlite3_close(conn);
		return rc;
	}
	*ret = conn;
	return 0;
}

/* WAL mode, or the switch to it. */
static int
ensure_wal(struct db *db, enum db_state *state, struct ls_err *err)
{
	char mode[32];
	int rc;

	if ((rc = query(db->conn[0], "PRAGMA journal_mode", mode, sizeof mode, err)) < 0)
		return rc;
	if (strcmp(mode, "wal") == 0)
		return 0;
	if (db->conf->journal_keep) {
		*state = DB_ROLLBACK;
		ls_err_set(
			err, -EBUSY,
			"it is in journal mode '%s' and journal-mode: keep forbids the switch to "
			"WAL: nothing is replicated until the application switches",
			mode);
		return 0;
	}
	if ((rc = query(db->conn[0], "PRAGMA journal_mode=wal", mode, sizeof mode, err)) < 0)
		return rc;
	if (strcmp(mode, "wal") != 0)
		return ls_err_set(err, -EBUSY, "it cannot be switched to WAL mode now");
	db->switched = true;
	return 0;
}

int
db_pin(struct db *db, int i, struct ls_err *err)
{
	struct walidx_header hz;
	/* Before the pin: if it is still that afterwards, nothing came in between. */
	bool known = db->shm && db_walidx(db, &hz, NULL) == 0;
	int rc = db_step_pin(db, i);

	if (rc != SQLITE_ROW) {
		rc = db_sqlite_error(db->conn[i], rc, "read transaction", err);
		sqlite3_reset(db->pin[i]);
		return rc;
	}
	if ((db->pinned_known = known))
		db->pinned = hz;
	return 0;
}

static sqlite3_file *
file_of(sqlite3 *conn)
{
	sqlite3_file *f = NULL;

	sqlite3_file_control(conn, "main", SQLITE_FCNTL_FILE_POINTER, &f);
	return f && f->pMethods ? f : NULL;
}

static int
map_walidx(struct db *db, struct ls_err *err)
{
	sqlite3_file *f = file_of(db->conn[0]);
	volatile void *p = NULL;

	if (!f || f->pMethods->iVersion < 2 ||
	    f->pMethods->xShmMap(f, 0, WALIDX_REGION_SIZE, 0, &p) != SQLITE_OK || !p)
		return ls_err_set(err, -EBUSY,
				  "its wal-index cannot be mapped (locking_mode=EXCLUSIVE?)");
	db->shm = p;
	return 0;
}

/* What the file itself says, before SQLite looks, and while it has not opened it: closing fd drops
 * the locks of this process. */
static int
examine(struct db *db, int fd, enum db_state *state, struct ls_err *err)
{
	uint8_t raw[DBHDR_SIZE];
	struct dbhdr hdr;
	size_t n = 0;
	int rc;

	if ((rc = io_fstat(fd, &db->st, err)) < 0)
		return rc;
	db->remote_fs = io_remote_fs(fd);
	if (!S_ISREG(db->st.st_mode))
		return ls_err_set(err, -EBADMSG, "it is not a regular file");
	if (db->st.st_size == 0) {
		*state = DB_EMPTY;
		ls_err_set(err, -EAGAIN, "it is empty: waiting for the first table");
		return 0;
	}
	if ((rc = io_pread(fd, raw, sizeof raw, 0, &n, err)) < 0 ||
	    (rc = dbhdr_decode(raw, n, &hdr, err)) < 0)
		return rc;
	db->page_size = hdr.page_size;
	return 0;
}

static bool
is_file(const char *path, const struct stat *known)
{
	struct stat st;

	return io_stat(path, &st, NULL) == 0 && io_same_file(&st, known);
}

/* Of the file that SQLite has opened: a symbolic link may have led there. */
static int
name_sidecars(struct db *db, struct ls_err *err)
{
	const char *name = sqlite3_db_filename(db->conn[0], "main");

	if (!is_file(name, &db->st))
		return ls_err_set(err, -EBUSY, "its file was replaced this moment");
	db->wal_path = ls_buf_format("%s-wal", name);
	db->shm_path = ls_buf_format("%s-shm", name);
	return db->wal_path && db->shm_path ? 0
					    : ls_err_set(err, -ENOMEM, "database: out of memory");
}

static int
open_connections(struct db *db, enum db_state *state, struct ls_err *err)
{
	int rc;

	if ((rc = db_connect(db, &db->conn[0], err)) < 0 || (rc = name_sidecars(db, err)) < 0 ||
	    (rc = ensure_wal(db, state, err)) < 0 || *state != DB_READY)
		return rc;
	if ((rc = db_pin(db, 0, err)) < 0 || (rc = map_walidx(db, err)) < 0)
		return rc;
	/* Once more, now that the wal-index can be read before. */
	sqlite3_reset(db->pin[0]);
	if ((rc = db_pin(db, 0, err)) < 0 || (rc = io_stat(db->wal_path, &db->wal_st, err)) < 0 ||
	    (rc = io_stat(db->shm_path, &db->shm_st, err)) < 0)
		return rc;
	if (!is_file(db->conf->path, &db->st))
		return ls_err_set(err, -EBUSY, "its file was replaced this moment");
	return db_wake(db, err);
}

static int
open_all(struct db *db, enum db_state *state, struct ls_err *err)
{
	int fd = io_open(db->conf->path, O_RDONLY, 0, err), rc;

	if (fd == -ENOENT) {
		*state = DB_MISSING;
		ls_err_set(err, -ENOENT, "it does not exist yet");
		return 0;
	}
	if (fd < 0)
		return fd;
	rc = examine(db, fd, state, err);
	close(fd);
	if (rc < 0 || *state != DB_READY)
		return rc;
	rc = open_connections(db, state, err);
	if (rc == -EBUSY) {
		*state = DB_BUSY;
		return 0;
	}
	return rc;
}

int
db_open(const struct conf_db *conf, struct db *ret, enum db_state *ret_state, struct ls_err *err)
{
	struct db *db = ret;
	int rc;

	*db = (struct db){.conf = conf, .wal_fd = -1};
	*ret_state = DB_READY;
	rc = open_all(db, ret_state, err);
	if (rc < 0 || *ret_state != DB_READY)
		db_close(db);
	return rc;
}

static void
close_connection(sqlite3 **conn)
{
	sqlite3_close(*conn);
	*conn = NULL;
}

/* With its pin. */
static void
disconnect(struct db *db, int i)
{
	sqlite3_finalize(db->pin[i]);
	db->pin[i] = NULL;
	close_connection(&db->conn[i]);
}

void
db_close(struct db *db)
{
	db_rest(db);
	for (int i = 0; i < 2; i++)
		disconnect(db, i);
	free(db->wal_path);
	free(db->shm_path);
	*db = (struct db){.conf = db->conf, .wal_fd = -1};
}

void
db_rest(struct db *db)
{
	db_locks_close(db);
	if (!db->next)
		disconnect(db, !db->current);
	if (db->wal_fd >= 0)
		close(db->wal_fd);
	db->wal_fd = -1;
}

int
db_wake(struct db *db, struct ls_err *err)
{
	struct stat st;
	int fd, rc;

	if (db->wal_fd >= 0)
		return 0;
	if ((fd = io_open(db->wal_path, O_RDONLY, 0, err)) < 0)
		return fd;
	if ((rc = io_fstat(fd, &st, err)) == 0 && !io_same_file(&st, &db->wal_st))
		rc = ls_err_set(err, -EAGAIN, "'%s' was replaced", db->wal_path);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	db->wal_fd = fd;
	return 0;
}

/* A connection to the very files that are open: it shares their wal-index. */
int
db_connect_again(struct db *db, sqlite3 **conn, struct ls_err *err)
{
	volatile void *p = NULL;
	sqlite3_file *f;
	int rc;

	if (*conn)
		return 0;
	if ((rc = db_connect(db, conn, err)) < 0 ||
	    (rc = exec(*conn, "PRAGMA schema_version", err)) < 0) {
		close_connection(conn);
		return rc;
	}
	f = file_of(*conn);
	if (f && f->pMethods->xShmMap(f, 0, WALIDX_REGION_SIZE, 0, &p) == SQLITE_OK && p == db->shm)
		return 0;
	close_connection(conn);
	return ls_err_set(err, -EAGAIN, "'%s' was replaced", db->conf->path);
}

int
db_idle_connection(struct db *db, sqlite3 **ret, struct ls_err *err)
{
	int rc = db_connect_again(db, &db->conn[!db->current], err);

	*ret = db->conn[!db->current];
	return rc;
}

/* Whether a new pin would be no other: the same horizon, and as much of it backfilled. */
static bool
pinned_here(const struct db *db)
{
	struct walidx_header hz;

	return db->pinned_known && db_walidx(db, &hz, NULL) == 0 && walidx_same(&hz, &db->pinned);
}

bool
db_pin_is_behind(const struct db *db, const struct walidx_header *hz)
{
	const struct walidx_header *pin = &db->pinned;

	if (hz->mx_frame == 0 || !db->pinned_known)
		return hz->mx_frame;
	return pin->mx_frame != hz->mx_frame || !wal_salts_equal(pin->salts, hz->salts) ||
	       (hz->backfill == hz->mx_frame && pin->backfill != hz->backfill);
}

int
db_pin_next(struct db *db, struct ls_err *err)
{
	sqlite3 *conn;
	int rc;

	if (db->next || pinned_here(db))
		return 0;
	if ((rc = db_idle_connection(db, &conn, err)) < 0 ||
	    (rc = db_pin(db, !db->current, err)) < 0)
		return ls_err_wrap(err, rc, "pin");
	db->next = true;
	return 0;
}

void
db_pin_swap(struct db *db)
{
	if (!db->next)
		return;
	sqlite3_reset(db->pin[db->current]);
	db->current = !db->current;
	db->next = false;
}

void
db_pin_cancel(struct db *db)
{
	if (!db->next)
		return;
	sqlite3_reset(db->pin[!db->current]);
	db->next = false;
	db->pinned_known = false; /* that of the older one is not known any more */
}

/* It is not on slot 0 if what was committed before it was not all backfilled after it. */
bool
db_pin_advance(struct db *db, const struct walidx_header *before)
{
	struct walidx_header after;
	sqlite3 *conn;
	int rc;

	if (db->next || db_idle_connection(db, &conn, NULL) < 0)
		return false;
	sqlite3_busy_timeout(conn, 0); /* it is a look: others wait */
	rc = db_pin_next(db, NULL);
	sqlite3_busy_timeout(conn, (int)db->conf->busy_timeout_ms);
	if (rc < 0 || !db->next)
		return false;
	if (db_walidx(db, &after, NULL) < 0 || !wal_salts_equal(after.salts, before->salts) ||
	    after.backfill >= before->mx_frame) {
		db_pin_cancel(db);
		return false;
	}
	db_pin_swap(db);
	return true;
}

int
db_walidx(const struct db *db, struct walidx_header *ret, struct ls_err *err)
{
	uint64_t end = clock_mono_ns() + WALIDX_TRIES_NS;
	uint8_t raw[WALIDX_HEADER_SIZE];
	int rc;

	do {
		walidx_copy(db->shm, raw);
		rc = walidx_decode(raw, ret, err);
	} while (rc == -EAGAIN && clock_mono_ns() < end);
	return rc;
}

uint32_t
db_frame_pgno(const struct db *db, uint32_t frame)
{
	sqlite3_file *f = file_of(db->conn[db->current]);
	volatile void *p = NULL;

	if (!f ||
	    f->pMethods->xShmMap(f, (int)walidx_region(frame), WALIDX_REGION_SIZE, 0, &p) !=
		    SQLITE_OK ||
	    !p)
		return 0;
	return walidx_frame_pgno(p, frame);
}

int
db_size(const struct db *db, uint64_t *ret, struct ls_err *err)
{
	sqlite3_file *f = file_of(db->conn[db->current]);
	sqlite3_int64 n = 0;

	if (!f || f->pMethods->xFileSize(f, &n) != SQLITE_OK || n < 0)
		return ls_err_set(err, -EIO, "the size of the database file cannot be read");
	*ret = (uint64_t)n;
	return 0;
}

int
db_read(const struct db *db, void *buf, size_t n, uint64_t off, size_t *ret_n, struct ls_err *err)
{
	sqlite3_file *f = file_of(db->conn[db->current]);
	uint64_t size;
	int rc = db_size(db, &size, err);

	if (rc < 0)
		return rc;
	if (off >= size)
		n = 0;
	else if (n > size - off)
		n = (size_t)(size - off);
	*ret_n = n;
	/* A short read: it was cut meanwhile, and the rest is zero. */
	rc = n ? f->pMethods->xRead(f, buf, (int)n, (sqlite3_int64)off) : SQLITE_OK;
	if (rc != SQLITE_OK)
		return db_sqlite_error(NULL, rc, "read database file", err);
	return 0;
}

bool
db_is_named_directly(const struct db *db)
{
	struct stat st;

	return io_lstat(db->conf->path, &st, NULL) == 0 && io_same_file(&st, &db->st);
}

bool
db_replaced(const struct db *db, bool first_only)
{
	if (!is_file(db->conf->path, &db->st))
		return true;
	return !first_only &&
	       (!is_file(db->wal_path, &db->wal_st) || !is_file(db->shm_path, &db->shm_st));
}
