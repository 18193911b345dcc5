/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_ahead: what a restore reads first of each object, fetched before its turn comes, where a
 * request takes long: small objects whole, of large ones the header and the end with the index.
 * Memory: a few MiB ahead. Threads: restore_ahead_take() from one thread.
 */
#ifndef ENGINE_VIEW_RESTORE_AHEAD_H
#define ENGINE_VIEW_RESTORE_AHEAD_H

#include "engine/replica/catalog.h"

enum { RESTORE_AHEAD_WHOLE = 1 << 20, RESTORE_AHEAD_END = 256 << 10 };

/* Ranges of one object: [0, nhead) and [size - ntail, size); of a whole one nhead is the size. */
struct restore_ahead_item {
	uint8_t *head, *tail; /* owned; NULL: not fetched */
	size_t nhead, ntail;
};

struct restore_ahead;

/* files: in the order in which they will be taken, borrowed. *ret is NULL where it is no use. */
LS_MUST_USE int restore_ahead_new(struct replica *r, const struct store_call *call,
				  const struct catalog_file *const *files, size_t n,
				  struct restore_ahead **ret, struct ls_err *err);
/* Waits for the next file's ranges, which the caller then frees. */
LS_MUST_USE int
restore_ahead_take(struct restore_ahead *a, struct restore_ahead_item *ret, struct ls_err *err);
void restore_ahead_item_done(struct restore_ahead_item *it);
void restore_ahead_free(struct restore_ahead *a); /* takes NULL; ends what is under way */

#endif
