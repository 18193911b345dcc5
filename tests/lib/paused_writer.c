/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paused_writer DB SQL: runs SQL and stops before each write into the -wal file: prints "OFFSET
 * LENGTH" and goes on after a line on standard input. Ends with "done". For the moments inside a
 * commit in which wal-index and file disagree (H84).
 */
#include "config.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static sqlite3_vfs vfs, *real;
static sqlite3_io_methods paused;
static const sqlite3_io_methods *wal_methods;

static int
write_paused(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	char line[16];

	printf("%lld %d\n", (long long)off, n);
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		return SQLITE_IOERR_WRITE;
	return wal_methods->xWrite(f, p, n, off);
}

static int
open_file(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	int rc = real->xOpen(real, name, f, flags, ret_flags);

	(void)v;
	if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_WAL))
		return rc;
	wal_methods = f->pMethods;
	paused = *wal_methods;
	paused.xWrite = write_paused;
	f->pMethods = &paused;
	return rc;
}

int
main(int argc, char **argv)
{
	sqlite3 *db = NULL;

	real = sqlite3_vfs_find(NULL);
	vfs = *real;
	vfs.zName = "paused";
	vfs.xOpen = open_file;
	sqlite3_vfs_register(&vfs, 0);
	if (argc != 3 ||
	    sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, "paused") != SQLITE_OK ||
	    sqlite3_exec(db, argv[2], NULL, NULL, NULL) != SQLITE_OK) {
		fprintf(stderr, "paused_writer: %s\n", db ? sqlite3_errmsg(db) : argv[0]);
		return 1;
	}
	puts("done");
	fflush(stdout);
	return getchar() == EOF ? 0 : 1; /* a close would checkpoint */
}
