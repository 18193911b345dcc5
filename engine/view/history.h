/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history: one replica opened for reading: its catalog, its points, and the objects and blocks that
 * all its views share.
 *
 * Nothing is materialised: a view is a list of objects, a page is found by the page indexes and
 * fetched by range. Caches are keyed by (key, size, etag) and bounded.
 * Threads: locked; calls from any thread.
 */
#ifndef ENGINE_VIEW_HISTORY_H
#define ENGINE_VIEW_HISTORY_H

#include "engine/replica/plan.h"

struct history;

struct history_opts {
	size_t cache_bytes; /* raw blocks of all views; 0: 16 MiB */
};

/* Takes store. Lists the replica once. */
LS_MUST_USE int
history_open(struct store *store, const struct store_call *call, const struct history_opts *opts,
	     struct history **ret, struct ls_err *err);
void history_close(struct history *h); /* after its last view */

/* Lists again. *ret_changed: points have come or gone, or an object behind one was replaced. */
LS_MUST_USE int history_refresh(struct history *h, const struct store_call *call, bool *ret_changed,
				struct ls_err *err);

/* A copy of the points, ascending; caller frees. */
LS_MUST_USE int
history_points(struct history *h, struct catalog_point **ret, size_t *ret_n, struct ls_err *err);
/* The newest TXID, and the one that a time selects (decisions.md 8). -ENOENT: none. */
LS_MUST_USE int history_latest(struct history *h, uint64_t *ret_txid, struct ls_err *err);
LS_MUST_USE int history_at(struct history *h, const struct store_call *call, int64_t time_ms,
			   uint64_t *ret_txid, struct ls_err *err);
/* A number that differs when the files that make up this point differ: for inode numbers. */
LS_MUST_USE int
history_stamp(struct history *h, uint64_t txid, uint64_t *ret_stamp, struct ls_err *err);

#endif
