/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow: a restored database that goes on with its replica.
 *
 * The file stays one that SQLite's readers can have open: each step is one transaction for them
 * (follow_apply.h). OUT-txid beside it says which TXID it is at: 16 hex digits and a newline, as
 * the released program has it; 0 while that is not known, because the file is being made or made
 * anew.
 *
 * A step applies the files of the levels that lead from there to the newest state; where none do,
 * because history was merged away or expired, it compares with the whole of the newest state and
 * applies the difference.
 * Memory: 1 bit a page, and that of a restore. Threads: single.
 */
#ifndef ENGINE_VIEW_FOLLOW_H
#define ENGINE_VIEW_FOLLOW_H

#include "engine/view/restore.h"

struct follow {
	char *path, *sidecar;
	uint64_t txid;		/* the file is at; 0: not known */
	int64_t change_counter; /* that we wrote last; -1: none yet */
	unsigned parallelism;
};

/* Looks at what is there. *ret_resume: the database and what it is at; otherwise follow_begin() is
 * next. -EEXIST: a database without OUT-txid. force: it does not count. */
LS_MUST_USE int
follow_open(const char *path, bool force, struct follow *ret, bool *ret_resume, struct ls_err *err);
/* Restores the newest state, ready to be followed. */
LS_MUST_USE int
follow_begin(struct follow *f, struct store *store, const struct store_call *call,
	     const struct restore_opts *opts, struct restore_result *ret, struct ls_err *err);
/* Brings it to the newest state of the replica. *ret_pages: written; 0: nothing was new. -EAGAIN:
 * readers would not make room. -ESTALE: the replica is not where it was. */
LS_MUST_USE int follow_step(struct follow *f, struct store *store, const struct store_call *call,
			    uint32_t *ret_pages, struct ls_err *err);
void follow_done(struct follow *f); /* safe on a zeroed struct */

#endif
