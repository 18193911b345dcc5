/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare: a live database, held still by a read transaction, against a file that was restored.
 *
 * What TXID the held state is, the position record in the state directory knows: it is that one's
 * if the wal-index is at the very frame through which it was captured. Nothing is written; the
 * application goes on, and its WAL is not begun anew meanwhile.
 * Memory: 2 MiB, and 4 bytes a page. Threads: single.
 */
#ifndef ENGINE_SYNC_COMPARE_H
#define ENGINE_SYNC_COMPARE_H

#include "engine/base/stop.h"
#include "engine/sync/held.h"

struct compare {
	struct held held;
};

struct compare_result {
	uint32_t npages;     /* of the larger one */
	uint32_t ndifferent; /* pages, those that only one of them has included */
	uint32_t first;	     /* number of the first of them */
};

/*
 * Holds the database. -EAGAIN: just now it is in a state that is not captured yet, or busy.
 * -ENOENT: there is no database, or no record of what was captured of it.
 */
LS_MUST_USE int compare_begin(const struct conf_db *conf, struct compare *ret, struct ls_err *err);
LS_MUST_USE int compare_with(struct compare *c, const char *path, const struct stop *stop,
			     struct compare_result *ret, struct ls_err *err);
void compare_end(struct compare *c); /* safe on one that never began, see held_end() */

#endif
