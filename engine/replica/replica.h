/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replica: what the objects of a store mean: LTX files by level and TXID range.
 *
 * The only place that knows the layout: P/ltx/LEVEL/MIN-MAX.ltx (file, gs, abs, sftp, webdav, nats)
 * or P/LLLL/MIN-MAX.ltx (s3, oss). Source: spec/format.md 2. Packs (format/pack.h) are
 * P/fine/MIN-MAX.pack everywhere, where the released program does not look.
 * Threads: immutable after replica_open(); calls from any thread.
 */
#ifndef ENGINE_REPLICA_REPLICA_H
#define ENGINE_REPLICA_REPLICA_H

#include "engine/format/ltx_name.h"
#include "engine/store/store.h"

enum { REPLICA_KEY_MAX = 64, REPLICA_PACKS = LTX_LEVEL_MAX + 1 /* in place of a level */ };

struct replica {
	struct store *store; /* borrowed */
	const char *scheme;
};

void replica_init(struct replica *r, struct store *store);

/* What the keys of all levels begin with, and few others. */
const char *replica_levels_prefix(const struct replica *r);
/* "ltx/0/" for level 0, and the key of one file. */
void replica_level_prefix(const struct replica *r, int level, char out[REPLICA_KEY_MAX]);
void replica_key(const struct replica *r, int level, uint64_t min, uint64_t max,
		 char out[REPLICA_KEY_MAX]);
/*
 * P/fine/MAX.interior: the interior b-tree pages of the snapshot 1-MAX once more, so that a reader
 * from afar gets them with one request: an LTX file of TXID MAX + 1 (one of TXID 1 has to be whole)
 * with the file checksum of the snapshot as its node id. No part of a plan, and nothing is lost
 * without it.
 */
void replica_interior_key(uint64_t max, char out[REPLICA_KEY_MAX]);
bool replica_interior_parse(const char *key, uint64_t *ret_max);
/* The reverse; false for every key that is not exactly one of ours. */
bool replica_key_parse(const struct replica *r, const char *key, int *ret_level, uint64_t *ret_min,
		       uint64_t *ret_max);

#endif
