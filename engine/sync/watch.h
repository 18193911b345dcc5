/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch: inotify as a hint that something was written to a database (engine.md 7.2). It is never
 * the reason to believe anything: the wal-index decides.
 *
 * A one-shot watch on the -wal file is armed while nothing is going on, and another on the database
 * file while the WAL has what that lacks; a watch on the directory tells when the database file
 * itself comes, goes or is replaced, and with fresh when a file in it was written and closed.
 * Threads: single (the event thread).
 */
#ifndef ENGINE_SYNC_WATCH_H
#define ENGINE_SYNC_WATCH_H

#include "engine/base/err.h"

struct watch {
	int fd; /* inotify; -1: not available, poll instead */
};

/* wd: as returned by watch_writes() or watch_dir(); -1: events were lost, look at everything.
 * closed: somebody has closed the file, that is all. */
typedef void watch_fn(void *arg, int wd, const char *name, bool closed);

LS_MUST_USE int watch_init(struct watch *w, struct ls_err *err);
void watch_done(struct watch *w);
/* A watch descriptor, or -1 where there is none to be had. Arming again gives the same one. */
int watch_writes(struct watch *w, const char *path); /* of the next one */
int watch_dir(struct watch *w, const char *dir, bool fresh);
/* Reports what is queued; does not block. */
void watch_read(struct watch *w, watch_fn *fn, void *arg);

#endif
