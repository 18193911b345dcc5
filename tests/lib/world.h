/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world: an application that commits (this process), "replicate -once" beside it, and what has to
 * be true afterwards: in world_dir a.db, its state directory, and the replica rep. What must not be
 * ends the test. Threads: single.
 */
#ifndef TESTS_LIB_WORLD_H
#define TESTS_LIB_WORLD_H

#include "engine/base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

extern char world_dir[64];
extern int world_rows; /* committed */

void world_begin(const char *base);	/* makes the database */
void world_set_paths(const char *base); /* for a child, in a world that is there */
bool world_end(void);
void world_must(bool good, const char *what);
void world_sql(const char *text);

int world_once(struct ls_err *err);
void world_once_must(const char *what);

/* Restores a TXID, 0 for the latest; returns the number of rows, or -1 if it is not sound. */
int world_restored(uint64_t txid);
/* Every TXID is a state that was committed, in order; the last one is the last. */
void world_check_all_states(void);
/* What has to be after a run; rc: of that run, 0 only if it has said so. */
void world_check_after(int rc, uint64_t nth);

/* In which a run begins. */
struct world_situation {
	const char *name;
	void (*make)(void);
	const char *levels; /* NULL, or what runs also do: "snapshot" and delete the older ones, or
			       all "levels": merge, pack and delete batches, snapshots */
};
extern const struct world_situation world_situations[];
extern const size_t world_situations_n;
void world_prepare(const struct world_situation *s, uint64_t nth);

#endif
