/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/follow_apply.h"

#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/format/dbhdr.h"
#include "engine/format/journal.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

enum {
	BUSY_MS = 10000, /* for readers to end */
	AT_WRITE_VERSION = 18,
	AT_READ_VERSION = 19,
	AT_COUNTER = 24,
	AT_VALID_FOR = 92,
	RECORDS = 64, /* in memory */
};

struct apply {
	const struct follow_pages *in;
	const struct stop *stop;
	sqlite3 *conn;
	sqlite3_file *file; /* of conn */
	char *journal, *dir;
	int journal_fd;
	uint64_t size;	    /* of the file before */
	uint32_t page_size; /* before */
	uint32_t old;	    /* pages before */
	uint32_t counter;   /* the next one */
	uint32_t nonce, nrecords, nwritten;
	bool all; /* the page size changes: every page is another one */
	uint8_t *records;
	size_t nbuffered;
	uint8_t was[PAGE_SIZE_MAX], now[PAGE_SIZE_MAX];
};

/* ---- the database file, through SQLite's own descriptor: closing another one drops its locks ----
 */

static int
file_error(const struct apply *a, int sql_rc, const char *what, struct ls_err *err)
{
	int code = (sql_rc & 0xff) == SQLITE_FULL ? -ENOSPC : -EIO;

	return ls_err_set(err, code, "%s '%s': %s", what, sqlite3_db_filename(a->conn, "main"),
			  sqlite3_errstr(sql_rc));
}

static int
read_at(struct apply *a, void *p, size_t n, uint64_t off, struct ls_err *err)
{
	int rc = a->file->pMethods->xRead(a->file, p, (int)n, (sqlite3_int64)off);

	return rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ ? 0
								: file_error(a, rc, "read", err);
}

static int
take_lock(struct apply *a, const char *path, struct ls_err *err)
{
	int rc = sqlite3_open_v2(path, &a->conn, SQLITE_OPEN_READWRITE, NULL);

	sqlite3_busy_timeout(a->conn, BUSY_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(a->conn, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_file_control(a->conn, "main", SQLITE_FCNTL_FILE_POINTER, &a->file);
	if (rc == SQLITE_OK)
		return 0;
	return ls_err_set(err, (rc & 0xff) == SQLITE_BUSY ? -EAGAIN : -EIO, "lock '%s': %s", path,
			  sqlite3_errmsg(a->conn));
}

/* What the file is before. */
static int
examine(struct apply *a, int64_t known, struct ls_err *err)
{
	uint8_t raw[DBHDR_SIZE];
	sqlite3_int64 size = 0;
	struct dbhdr h;
	int rc;

	if (a->file->pMethods->xFileSize(a->file, &size) != SQLITE_OK)
		return ls_err_set(err, -EIO, "the size of the database cannot be read");
	if ((rc = read_at(a, raw, sizeof raw, 0, err)) < 0 ||
	    (rc = dbhdr_decode(raw, size < DBHDR_SIZE ? (size_t)size : sizeof raw, &h, err)) < 0)
		return rc;
	if (h.read_version != 1)
		return ls_err_set(err, -EBUSY,
				  "it was switched to WAL mode: what follows a replica can only be "
				  "read; restore it again with -force");
	if (known >= 0 && h.change_counter != (uint32_t)known)
		return ls_err_set(err, -ESTALE, "somebody else has written into the database");
	a->size = (uint64_t)size;
	a->page_size = h.page_size;
	a->old = (uint32_t)(a->size / h.page_size);
	a->counter = h.change_counter + 1;
	a->all = h.page_size != a->in->page_size;
	return 0;
}

/* ---- which pages ---- */

static bool
is_lock_page(const struct apply *a, uint32_t pgno)
{
	return pgno == dbhdr_lock_page(a->page_size);
}

/* The new page 1 is one of a database in rollback mode that has changed. */
static void
patch_header(struct apply *a)
{
	a->now[AT_WRITE_VERSION] = a->now[AT_READ_VERSION] = 1;
	put_be32(a->now + AT_COUNTER, a->counter);
	put_be32(a->now + AT_VALID_FOR, a->counter);
}

/* Reads a page as it was and as it is to be. *ret: it has to be written. */
static int
load(struct apply *a, uint32_t pgno, bool *ret, struct ls_err *err)
{
	uint64_t off = (uint64_t)(pgno - 1) * a->page_size;
	bool has = a->in->has(a->in->arg, pgno);
	size_t n = 0;
	int rc;

	*ret = false;
	if (is_lock_page(a, pgno) || (!has && pgno != 1))
		return 0;
	if ((rc = read_at(a, a->was, a->page_size, off, err)) < 0)
		return rc;
	memcpy(a->now, a->was, a->page_size);
	if (has && (rc = io_pread(a->in->fd, a->now, a->page_size, off, &n, err)) < 0)
		return rc;
	if (pgno == 1)
		patch_header(a);
	*ret = pgno > a->old || memcmp(a->was, a->now, a->page_size) != 0;
	return 0;
}

/* ---- the journal ---- */

static int
flush_records(struct apply *a, struct ls_err *err)
{
	size_t size = a->page_size + JOURNAL_RECORD_EXTRA;
	uint64_t at = JOURNAL_SECTOR + (uint64_t)(a->nrecords - a->nbuffered) * size;
	int rc = io_pwrite(a->journal_fd, a->records, a->nbuffered * size, at, err);

	a->nbuffered = 0;
	return rc;
}

static int
add_record(struct apply *a, uint32_t pgno, struct ls_err *err)
{
	size_t size = a->page_size + JOURNAL_RECORD_EXTRA;

	journal_record_encode(pgno, a->was, a->page_size, a->nonce,
			      a->records + a->nbuffered * size);
	a->nrecords++;
	return ++a->nbuffered < RECORDS ? 0 : flush_records(a, err);
}

/* Whether the old page goes, because the database gets shorter or all pages do. */
static bool
goes(const struct apply *a, uint32_t pgno)
{
	return a->all || pgno > a->in->commit;
}

static int
journal_pages(struct apply *a, struct ls_err *err)
{
	int rc = 0;

	for (uint32_t pgno = 1; rc == 0 && pgno <= a->old; pgno++) {
		bool changes = goes(a, pgno) && !is_lock_page(a, pgno);

		if (changes)
			rc = read_at(a, a->was, a->page_size, (uint64_t)(pgno - 1) * a->page_size,
				     err);
		else
			rc = load(a, pgno, &changes, err);
		if (rc == 0 && changes)
			rc = add_record(a, pgno, err);
		if (rc == 0 && stop_fired(a->stop))
			rc = ls_err_set(err, -ECANCELED, "stopped");
	}
	for (uint32_t pgno = a->old + 1; rc == 0 && !a->all && pgno <= a->in->commit; pgno++)
		if (!a->in->has(a->in->arg, pgno) && !is_lock_page(a, pgno))
			rc = ls_err_set(err, -ENODATA, "page %u of the grown database is missing",
					pgno);
	return rc < 0 ? rc : flush_records(a, err);
}

static int
write_journal(struct apply *a, struct ls_err *err)
{
	uint8_t head[JOURNAL_SECTOR];
	int rc;

	a->journal_fd = io_open(a->journal, O_RDWR | O_CREAT | O_TRUNC, 0666, err);
	if (a->journal_fd < 0)
		return a->journal_fd;
	if ((rc = journal_pages(a, err)) < 0)
		return rc;
	journal_header_encode(a->nrecords, a->nonce, a->old, a->page_size, head);
	if ((rc = io_pwrite(a->journal_fd, head, sizeof head, 0, err)) < 0 ||
	    (rc = io_fsync(a->journal_fd, a->journal, err)) < 0)
		return rc;
	return io_fsync_dir(a->dir, err);
}

/* ---- the pages ---- */

static int
write_pages(struct apply *a, struct ls_err *err)
{
	const struct sqlite3_io_methods *m = a->file->pMethods;
	uint32_t old = a->old;
	int rc = 0, sql_rc = SQLITE_OK;

	if (a->all) { /* nothing of what is there is a page of the new size */
		a->page_size = a->in->page_size;
		a->old = 0;
	}
	for (uint32_t pgno = 1; rc == 0 && sql_rc == SQLITE_OK && pgno <= a->in->commit; pgno++) {
		bool changes;

		if ((rc = load(a, pgno, &changes, err)) < 0 || !changes)
			continue;
		sql_rc = m->xWrite(a->file, a->now, (int)a->page_size,
				   (sqlite3_int64)(pgno - 1) * a->page_size);
		a->nwritten++;
	}
	if (rc == 0 && sql_rc == SQLITE_OK)
		sql_rc = m->xTruncate(a->file, (sqlite3_int64)a->in->commit * a->page_size);
	if (rc == 0 && sql_rc == SQLITE_OK)
		sql_rc = m->xSync(a->file, SQLITE_SYNC_FULL);
	a->old = old;
	return sql_rc == SQLITE_OK ? rc : file_error(a, sql_rc, "write", err);
}

/* From the first page on there is no way but through: what fails leaves the journal, with which
 * SQLite puts everything back. */
static int
commit(struct apply *a, struct ls_err *err)
{
	int rc;

	if ((rc = write_journal(a, err)) < 0) {
		int ignored = io_unlink(a->journal, NULL);

		(void)ignored;
		return rc;
	}
	if ((rc = write_pages(a, err)) < 0 || (rc = io_unlink(a->journal, err)) < 0)
		return rc;
	return io_fsync_dir(a->dir, err);
}

static int
name_files(struct apply *a, const char *path, struct ls_err *err)
{
	char *slash;

	a->journal = ls_buf_format("%s-journal", path);
	a->dir = strdup(path);
	a->records = ls_alloc_array(RECORDS, PAGE_SIZE_MAX + JOURNAL_RECORD_EXTRA);
	if (!a->journal || !a->dir || !a->records)
		return ls_err_set(err, -ENOMEM, "follow: out of memory");
	slash = strrchr(a->dir, '/');
	if (slash)
		slash[slash == a->dir ? 1 : 0] = '\0';
	else
		memcpy(a->dir, ".", 2);
	return 0;
}

static void
apply_done(struct apply *a)
{
	if (a->journal_fd >= 0)
		close(a->journal_fd);
	if (a->conn && !sqlite3_get_autocommit(a->conn))
		sqlite3_exec(a->conn, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(a->conn);
	free(a->journal);
	free(a->dir);
	free(a->records);
	free(a);
}

int
follow_apply(const char *path, const struct follow_pages *pages, int64_t *counter,
	     const struct stop *stop, uint32_t *ret_pages, struct ls_err *err)
{
	struct apply *a = calloc(1, sizeof *a);
	int rc;

	*ret_pages = 0;
	if (!a)
		return ls_err_set(err, -ENOMEM, "follow: out of memory");
	a->in = pages;
	a->stop = stop;
	a->journal_fd = -1;
	a->nonce = (uint32_t)clock_mono_ns();
	if ((rc = name_files(a, path, err)) == 0 && (rc = take_lock(a, path, err)) == 0 &&
	    (rc = examine(a, *counter, err)) == 0 && (rc = commit(a, err)) == 0) {
		*counter = a->counter;
		*ret_pages = a->nwritten;
	}
	apply_done(a);
	return rc;
}

int
follow_prepare(int fd, struct ls_err *err)
{
	static const uint8_t versions[2] = {1, 1};

	return io_pwrite(fd, versions, sizeof versions, AT_WRITE_VERSION, err);
}
