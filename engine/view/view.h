/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: the database file as of one TXID, readable at any offset, never built.
 * Threads: immutable content, reference counted; reads from any thread.
 */
#ifndef ENGINE_VIEW_VIEW_H
#define ENGINE_VIEW_VIEW_H

#include "engine/view/history.h"

struct view;

struct view_info {
	uint64_t txid;
	uint64_t size; /* commit * page_size */
	uint32_t page_size, commit;
	int64_t time_ms; /* of the newest file */
	bool wal_mode;	 /* header bytes 18 and 19 of page 1 are 2 */
};

/*
 * Opens the view; its objects stay known until view_unref(). The same view is shared by all who
 * have it open. -ENOENT: this TXID cannot be restored; -EBADMSG: damage.
 * Cost: each object of at most 1 MiB is read and verified whole, once for all views; of a large one
 * the header and the last 4 KiB.
 */
LS_MUST_USE int view_open(struct history *h, const struct store_call *call, uint64_t txid,
			  struct view **ret, struct ls_err *err);
/* The same figures for a directory listing, from the header of the file that ends there: one ranged
 * get, remembered as long as it is that file. Nothing is opened; wal_mode is not set. */
LS_MUST_USE int view_stat(struct history *h, const struct store_call *call, uint64_t txid,
			  struct view_info *ret, struct ls_err *err);
const struct view_info *view_info(const struct view *v);
void view_ref(struct view *v);
void view_unref(struct view *v); /* takes NULL */

/*
 * Reads up to n bytes at off; fewer only at the end of the file. Every page is verified as
 * decisions.md 5 says. -EBADMSG damage, -ENODATA a page that no file holds, -ESTALE an object that
 * is gone or replaced. sequential: the reader goes on at off + n, so fetch far ahead.
 */
LS_MUST_USE int view_read(struct view *v, const struct store_call *call, uint64_t off, void *buf,
			  size_t n, bool sequential, size_t *ret_n, struct ls_err *err);

/* Whether the range can be answered without a store call, so that it may be answered at once. */
bool view_cached(struct view *v, uint64_t off, size_t n);

#endif
