/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing: what one look at a replica found: its files, the points that can be restored, and what
 * was learned about them since.
 * Threads: reference counted; files and points do not change, the notes are locked.
 */
#ifndef ENGINE_VIEW_LISTING_H
#define ENGINE_VIEW_LISTING_H

#include "engine/format/ltx.h"
#include "engine/replica/plan.h"

#include <stdatomic.h>

/* Of one point. */
struct listing_note {
	uint32_t file;	    /* of those that end here the one of the lowest level */
	uint32_t page_size; /* the rest from its header; 0: not read yet */
	uint32_t commit;
	int64_t time_ms;
};

struct listing {
	_Atomic unsigned refs;
	uint64_t serial; /* later looks have larger ones */
	struct catalog cat;
	struct catalog_point *points;
	size_t n;
	bool exact; /* all times are the transactions' */
	pthread_mutex_t lock;
	struct listing_note *notes; /* one for each point */
};

/* Lists r. What is known from old (may be NULL) is taken over; a few missing times are read. */
LS_MUST_USE int listing_load(const struct replica *r, const struct store_call *call,
			     struct listing *old, struct listing **ret, struct ls_err *err);
/* The same files, with the exact time of each. */
LS_MUST_USE int listing_exact(const struct replica *r, const struct store_call *call,
			      struct listing *l, struct listing **ret, struct ls_err *err);
struct listing *listing_ref(struct listing *l);
void listing_unref(struct listing *l); /* takes NULL */

/* Points have come or gone, or an object that both have was replaced. */
bool listing_differs(const struct listing *a, const struct listing *b);

/* Index of a point; -ENOENT as plan_build() words it. */
LS_MUST_USE int
listing_find(const struct listing *l, uint64_t txid, size_t *ret, struct ls_err *err);
LS_MUST_USE int
listing_plan(const struct listing *l, uint64_t txid, struct plan *ret, struct ls_err *err);
/* A number made from all that names these files. */
uint64_t listing_stamp(const struct catalog_file *const *files, size_t n);

#endif
