/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rank: in which order the replicas of a database are to be read. Those that answer come first, the
 * one with the newest state before the others, and among equals as they are configured.
 * Cost: a listing of each, one after the other; nothing for a single one. Threads: any.
 */
#ifndef ENGINE_REPLICA_RANK_H
#define ENGINE_REPLICA_RANK_H

#include "engine/replica/replica.h"

struct conf_replica;

struct rank {
	const struct conf_replica *conf; /* the caller's, not looked at but for its place */
	struct store *store;		 /* the caller's; NULL: err says why */
	uint64_t txid;			 /* newest one in it, 0: none, or it was not asked */
	struct ls_err err;		 /* code 0: it answers, or was not asked */
};

/* Asks and sorts; conf, store and err are set. */
void rank_replicas(struct rank *v, size_t n, const struct store_call *call);

#endif
