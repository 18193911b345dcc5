/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_apply: pages into a database file that SQLite's readers have open, as one transaction.
 *
 * It takes SQLite's exclusive lock, writes the pages that will change into a rollback journal of
 * SQLite's own format (format/journal.h), makes it durable, writes the new pages, makes them
 * durable, and removes the journal: that is the commit. After a crash anywhere in between, SQLite
 * itself puts the old pages back. The database is in rollback mode (header bytes 18 and 19 are 1),
 * and its change counter goes on with each step, so that readers drop what they have cached.
 * Threads: single. Cost: each page is read, and if it differs, written three times.
 */
#ifndef ENGINE_VIEW_FOLLOW_APPLY_H
#define ENGINE_VIEW_FOLLOW_APPLY_H

#include "engine/base/stop.h"

#include <stdint.h>

struct follow_pages {
	int fd;					     /* the new pages, each at its place */
	bool (*has)(const void *arg, uint32_t pgno); /* whether it is there; others stay */
	const void *arg;
	uint32_t page_size, commit;
};

/* *ret_pages: how many were written. *counter: that of the header; -1, or it must be what the file
 * has: -ESTALE otherwise, somebody else has written it, and all pages are needed. -EAGAIN: it is
 * locked. */
LS_MUST_USE int follow_apply(const char *path, const struct follow_pages *pages, int64_t *counter,
			     const struct stop *stop, uint32_t *ret_pages, struct ls_err *err);
/* Puts the header of a database that nobody has open into rollback mode. */
LS_MUST_USE int follow_prepare(int fd, struct ls_err *err);

#endif
