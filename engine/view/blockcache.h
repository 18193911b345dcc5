/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockcache: bytes that belong to (object, number), in memory up to a bound, least recently used
 * first out, each loaded by one thread at a time.
 *
 * Two of them serve all views of a replica: raw 64 KiB blocks of objects, and decoded pieces of
 * page indexes. What is pinned is never dropped, so the bound may be passed by what is in use.
 * Threads: locked; no lock is held while a block is loaded.
 */
#ifndef ENGINE_VIEW_BLOCKCACHE_H
#define ENGINE_VIEW_BLOCKCACHE_H

#include "engine/store/store.h"

struct blockcache;

/* One block, pinned until blockcache_release(). data does not change once it is ready. */
struct block {
	const void *data;
	size_t size;
};

LS_MUST_USE int blockcache_new(size_t max_bytes, struct blockcache **ret, struct ls_err *err);
void blockcache_free(struct blockcache *c); /* takes NULL; nothing may be pinned */

/*
 * Pins a block. Returns 0 when it is ready; 1 when the caller is the one to load it, and has to
 * call blockcache_fill() or blockcache_abandon(). While another loads it: waits, or -EAGAIN with
 * nowait. -ECANCELED, -ETIMEDOUT: the call ended first.
 */
LS_MUST_USE int
blockcache_pin(struct blockcache *c, const struct store_call *call, uint64_t object,
	       uint64_t number, bool nowait, struct block **ret, struct ls_err *err);
/* Pins it only if it is ready; else NULL. */
struct block *blockcache_peek(struct blockcache *c, uint64_t object, uint64_t number);
/* Gives the block its bytes; takes data (malloc'ed). It stays pinned for the caller. */
void blockcache_fill(struct blockcache *c, struct block *b, void *data, size_t size);
/* Loading failed: others that wait try themselves. Unpins. */
void blockcache_abandon(struct blockcache *c, struct block *b);
void blockcache_release(struct blockcache *c, struct block *b); /* takes NULL */

size_t blockcache_bytes(struct blockcache *c);

#endif
