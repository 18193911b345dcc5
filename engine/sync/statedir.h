/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statedir: the directory in which the writing side remembers (decisions.md, "State directory"):
 * ltx/0/, position, lock, pagehash, replicas/NAME/{cursor,catalog}. A cache of what can be proved:
 * all of it may be removed while no daemon runs.
 * Threads: single. Modes and owner follow the database file and its directory (H38).
 */
#ifndef ENGINE_SYNC_STATEDIR_H
#define ENGINE_SYNC_STATEDIR_H

#include "engine/base/err.h"
#include "engine/sync/kept.h"

#include <sys/stat.h>

struct statedir {
	char *path;  /* absolute */
	char *ltx0;  /* path/ltx/0 */
	int ltx0_fd; /* open while batches come, to be made durable; else -1 */
	int lock_fd; /* flock held; -1 before statedir_lock() */
	mode_t file_mode, dir_mode;
	uid_t uid;
	gid_t gid;
	bool others;	   /* these are not those of our process */
	struct kept *kept; /* what levels will be made of; NULL: nothing is kept */
};

/* Makes the directories, removes *.tmp left by a crash, takes the lock and writes the holder
 * (pid, start time) into it. -EBUSY: another daemon has it; the text names its pid. */
LS_MUST_USE int statedir_open(const char *path, const struct stat *db, const struct stat *db_dir,
			      struct statedir *ret, struct ls_err *err);
/* Remembers that the database may be a wrong one; whether that is less than seven days ago. */
LS_MUST_USE int statedir_hold(const struct statedir *s, struct ls_err *err);
bool statedir_is_held(const struct statedir *s);
/* Makes the names in ltx/0 durable. It stays open for the next time, until statedir_rest(). */
LS_MUST_USE int statedir_sync_ltx0(struct statedir *s, struct ls_err *err);
void statedir_rest(struct statedir *s);
void statedir_close(struct statedir *s);

#endif
