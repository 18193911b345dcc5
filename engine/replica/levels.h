/* SPDX-License-Identifier: Apache-2.0 */
/*
 * levels: what is to be merged, and what may be deleted, so that a replica stays small and fast and
 * every point of the promised window can be restored.
 *
 * Level L + 1 has one file for each interval of the clock in which level L has files. A batch that
 * holds (nearly) the whole database is not copied upward: a snapshot ends at the same TXID, the
 * level ends before it and begins anew behind it (decisions.md 3). A snapshot is what a plan for
 * the newest TXID merges to. Times are those of the last transaction in a file.
 *
 * Batches of level 0 that are to be kept longer than level 0 are packed (format/pack.h), those of
 * each five minutes into one object. A pack is work like a level, REPLICA_PACKS in place of one.
 *
 * Deleted are, when they are old enough: batches that level 1 covers or a snapshot replaces, once
 * they are packed; packs that are older than fine_retention_ms; and everything that only serves
 * points before the base, the newest snapshot that is older than snapshot_retention_ms. The newest
 * file of a level stays. While history is held, because a restore may have been forgotten
 * (decisions.md 11), there is no base, and packs stay.
 *
 * Pure: no I/O, no clock. Cost: O(n log n) in the files of the catalog.
 */
#ifndef ENGINE_REPLICA_LEVELS_H
#define ENGINE_REPLICA_LEVELS_H

#include "engine/replica/catalog.h"

enum { LEVELS_MAX = 8, LEVELS_INPUTS_MAX = 512 };

struct levels_conf {
	uint64_t interval_ms[LEVELS_MAX]; /* of level 1 and on, each greater than 0 */
	unsigned n;			  /* levels above 0; 0: level 0 stays for ever */
	uint64_t snapshot_interval_ms, snapshot_retention_ms;
	uint64_t l0_retention_ms;   /* 0: level 0 stays for ever */
	uint64_t fine_retention_ms; /* 0: no packs */
	bool keep;		    /* nothing is deleted */
	bool verify;		    /* what was merged is read back; not this module's */
	bool hold;		    /* no point is: there is no base */
};

/* One file to be written: the merge or the pack of in, oldest first. */
struct levels_work {
	int level;
	struct catalog_file *in; /* copies, without etags */
	size_t n; /* 0: nothing is due; at most LEVELS_INPUTS_MAX or PACK_FILES_MAX */
};

void levels_work_done(struct levels_work *w);

/* The next file that is due at this time of the wall clock: lower levels first. -ENOMEM. Free *ret
 * in any case. */
LS_MUST_USE int levels_next(const struct catalog *c, const struct levels_conf *k, int64_t now_ms,
			    struct levels_work *ret, struct ls_err *err);
/* Batches up to this TXID have been merged and packed: no work will hold one of them, but for a
 * snapshot that nothing else leads to. */
uint64_t levels_merged(const struct catalog *c, const struct levels_conf *k);
/* Whether level 1 holds everything that this batch holds. */
bool levels_holds(const struct catalog *c, const struct catalog_file *batch);
/* What may be deleted, copies without etags, oldest first; caller frees. */
LS_MUST_USE int levels_expired(const struct catalog *c, const struct levels_conf *k, int64_t now_ms,
			       struct catalog_file **ret, size_t *ret_n, struct ls_err *err);
/* When one of the two may have something next, later than now, after both have been called for now
 * and if nothing is written before; INT64_MAX: never. */
int64_t levels_due(const struct catalog *c, const struct levels_conf *k, int64_t now_ms);

#endif
