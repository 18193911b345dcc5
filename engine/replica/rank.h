/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rank: in which order the replicas of a database are to be read. Those that answer come first, the
 * one with the newest state before the others, and among equals as they are configured.
 * Cost: a listing of each, one after the other; nothing for a single one. Threads: any.
 */
#ifndef ENGINE_REPLICA_RANK_H
#define ENGINE_REPLICA_RANK_H

#include "engine/conf/conf.h"

struct rank {
	const struct conf_replica *conf;
	uint64_t txid;	   /* newest one in it, 0: none, or it was not asked */
	struct ls_err err; /* why it does not answer; code 0: it does, or was not asked */
};

/* ret: n of them. */
void rank_replicas(const struct conf_replica *v, size_t n, const struct store_call *call,
		   struct rank *ret);

#endif
