/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generations: what a replica of Litestream 0.3 holds, and what a restore from it reads
 * (format/name03.h; spec/format.md 4). The times of the objects are the only ones there are.
 * Threads: single while it is built, then immutable.
 */
#ifndef ENGINE_REPLICA_GENERATIONS_H
#define ENGINE_REPLICA_GENERATIONS_H

#include "engine/format/name03.h"
#include "engine/store/store.h"

enum { GENERATIONS_KEY_MAX = 80 };

struct generations_object {
	uint32_t index;
	uint64_t offset; /* of a segment: in its WAL, uncompressed */
	uint64_t size;	 /* compressed */
	int64_t time_ms;
};

struct generation {
	char id[NAME03_GENERATION_LEN + 1];
	struct generations_object *snapshots, *segments; /* by index, offset */
	size_t nsnapshots, nsegments;
	int64_t created_ms, updated_ms; /* of its oldest and newest object */
};

struct generations {
	struct generation *v; /* by creation */
	size_t n;
};

/* Lists. A replica of the later format has none. */
LS_MUST_USE int generations_load(struct store *store, const struct store_call *call,
				 struct generations *ret, struct ls_err *err);
void generations_done(struct generations *g);

void generations_snapshot_key(const struct generation *g, const struct generations_object *o,
			      char out[GENERATIONS_KEY_MAX]);
void generations_segment_key(const struct generation *g, const struct generations_object *o,
			     char out[GENERATIONS_KEY_MAX]);

struct generations_target {
	const char *generation; /* NULL: any */
	bool by_index;
	uint32_t index; /* up to and including it */
	bool by_time;
	int64_t time_ms; /* up to and including it; after the last object: the latest */
};

/* A snapshot and the segments to be applied to it, in order. */
struct generations_plan {
	const struct generation *generation;
	const struct generations_object *snapshot;
	const struct generations_object *segments; /* n in a row */
	size_t n;
	int64_t time_ms; /* of its newest object */
};

/* -ENOENT: nothing fits. -ENODATA: an index between snapshot and target is missing or does not
 * begin at its start. What is missing inside an index shows when the segments are read. */
LS_MUST_USE int generations_plan(const struct generations *g, const struct generations_target *t,
				 struct generations_plan *ret, struct ls_err *err);

#endif
