/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: which LTX files rebuild the database as of one transaction: the released program's choice
 * for the same listing (spec/format.md 6), without its silent gaps.
 *
 * A plan is an array of files, oldest first, gap-free from 1 to the target.
 * Pure: no I/O, no clock. Threads: immutable after plan_build().
 */
#ifndef ENGINE_REPLICA_PLAN_H
#define ENGINE_REPLICA_PLAN_H

#include "engine/replica/catalog.h"

struct plan_target {
	uint64_t txid; /* 0: not by TXID */
	bool by_time;
	int64_t time_ms; /* the last state strictly before; after the last file: the latest */
};

struct plan {
	const struct catalog_file **files; /* borrowed from the catalog */
	size_t n;
	uint64_t txid; /* of the result */
};

/*
 * Returns 0; -ENOENT: nothing to restore (empty, or the target is not available; the text names the
 * nearest neighbours or the window of times); -ENODATA: a gap (the text names both ends).
 * All targets zero: the latest. Cost: O(n log n).
 */
LS_MUST_USE int plan_build(const struct catalog *c, const struct plan_target *target,
			   struct plan *ret, struct ls_err *err);
/* The files of levels 0..8 that lead on from the state of TXID after (not 0), as far as they go:
 * ret->txid; it is after if there are none. */
LS_MUST_USE int
plan_onward(const struct catalog *c, uint64_t after, struct plan *ret, struct ls_err *err);
void plan_done(struct plan *p);

#endif
