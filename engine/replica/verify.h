/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: reads every object of a replica whole and tells which are damaged: name against header,
 * every page against index and checksum, the checksum of the file, a snapshot for its completeness,
 * a pack for its index and every file in it. Objects that expire meanwhile are passed over.
 * Memory: 400 KiB a thread. Cost: every byte of the replica once.
 */
#ifndef ENGINE_REPLICA_VERIFY_H
#define ENGINE_REPLICA_VERIFY_H

#include "engine/replica/catalog.h"

enum { VERIFY_DAMAGE_MAX = 100 };

struct verify_opts {
	unsigned parallelism;	     /* threads; 0: number of cores, at most 8 */
	const struct catalog *sound; /* what has been read already and needs not be; or NULL */
	/* May be NULL; from any thread, one call at a time. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

struct verify_damage {
	char key[REPLICA_KEY_MAX];
	uint64_t min, max; /* TXIDs */
	struct ls_err why;
};

struct verify_result {
	size_t files; /* LTX files, those in packs included */
	size_t packs;
	uint64_t bytes;
	size_t ndamaged;
	struct verify_damage damage[VERIFY_DAMAGE_MAX]; /* the first of them */
};

/* c: as catalog_load() and unpack_all() leave it. Fails when it cannot tell. */
LS_MUST_USE int
verify_objects(const struct replica *r, const struct store_call *call, const struct catalog *c,
	       const struct verify_opts *opts, struct verify_result *ret, struct ls_err *err);

#endif
