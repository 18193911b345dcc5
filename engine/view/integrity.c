/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/integrity.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { STEPS = 10000 }; /* of SQLite's machine between two looks at the stop token */

static const char *const names[] = {"none", "quick", "full"};

const char *
integrity_name(enum integrity_mode mode)
{
	return names[mode];
}

bool
integrity_parse(const char *name, enum integrity_mode *ret)
{
	for (int i = INTEGRITY_NONE; i <= INTEGRITY_FULL; i++)
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum integrity_mode)i;
			return true;
		}
	return false;
}

/* "immutable": no locks, no -wal and -shm file, which the file may have in its header. */
static char *
uri_of(const char *path)
{
	static const char ending[] = "?immutable=1";
	char *uri = malloc(5 + 3 * strlen(path) + sizeof ending), *p = uri;

	if (!uri)
		return NULL;
	p = stpcpy(p, "file:");
	for (; *path; path++)
		if (isalnum((unsigned char)*path) || strchr("/._-", *path))
			*p++ = *path;
		else
			p += snprintf(p, 4, "%%%02X", (unsigned char)*path);
	memcpy(p, ending, sizeof ending);
	return uri;
}

static int
should_stop(void *arg)
{
	return stop_fired(arg);
}

static int
failed(sqlite3 *conn, int sql_rc, const struct stop *stop, struct ls_err *err)
{
	int code = sql_rc == SQLITE_CORRUPT || sql_rc == SQLITE_NOTADB ? -EBADMSG
		   : sql_rc == SQLITE_NOMEM			       ? -ENOMEM
								       : -EIO;

	if (stop_fired(stop))
		return ls_err_set(err, -ECANCELED, "interrupted");
	return ls_err_set(err, code, "%s", sqlite3_errmsg(conn));
}

static int
run_check(sqlite3 *conn, const char *sql, const struct stop *stop, struct ls_err *err)
{
	sqlite3_stmt *stmt = NULL;
	const char *text = NULL;
	int rc = sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(stmt, 0);
	if (rc != SQLITE_ROW || !text)
		rc = failed(conn, rc, stop, err);
	else
		rc = strcmp(text, "ok") == 0 ? 0 : ls_err_set(err, -EBADMSG, "%s", text);
	sqlite3_finalize(stmt);
	return rc;
}

int
integrity_check(const char *path, enum integrity_mode mode, const struct stop *stop,
		struct ls_err *err)
{
	const char *sql =
		mode == INTEGRITY_FULL ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)";
	ls_autofree char *uri = uri_of(path);
	sqlite3 *conn = NULL;
	int rc;

	if (mode == INTEGRITY_NONE)
		return 0;
	if (!uri)
		return ls_err_set(err, -ENOMEM, "integrity check: out of memory");
	rc = sqlite3_open_v2(uri, &conn, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_progress_handler(conn, STEPS, should_stop, (void *)(uintptr_t)stop);
		rc = sqlite3_exec(conn, "PRAGMA cache_size=-65536", NULL, NULL, NULL);
	}
	rc = rc == SQLITE_OK ? run_check(conn, sql, stop, err) : failed(conn, rc, stop, err);
	sqlite3_close(conn);
	return rc < 0 ? ls_err_wrap(err, rc, "integrity check failed") : 0;
}
