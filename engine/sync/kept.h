/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept: small files that were written a moment ago and are soon read again, in memory, so that
 * levels and packs are made without reading. One for each database; all of them together hold
 * KEPT_MAX bytes: what comes then pushes out the oldest of its own database, or is not kept.
 * A cache: whoever does not find a file here reads it where it is.
 * Threads: any. Cost: a copy in and a copy out, O(1).
 */
#ifndef ENGINE_SYNC_KEPT_H
#define ENGINE_SYNC_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEPT_MAX = 8 << 20, KEPT_FILE_MAX = 1 << 20 };

struct kept;

struct kept_name {
	const void *owner; /* NULL: a local batch, which is the same in all replicas */
	uint64_t min, max;
	uint8_t level;
};

struct kept *kept_new(void); /* NULL when memory is short: all calls do nothing then */
void kept_free(struct kept *k);
/* In place of one of that name. */
void kept_put(struct kept *k, const struct kept_name *name, const void *p, size_t n);
/* Of the file; 0: it is not here. */
uint64_t kept_size(struct kept *k, const struct kept_name *name);
/* Up to n bytes from off of the file, which must have this size; false: it is not here. */
bool kept_get(struct kept *k, const struct kept_name *name, uint64_t size, uint64_t off, void *p,
	      size_t n, size_t *ret_n);
void kept_drop(struct kept *k, const struct kept_name *name);
/* All of this owner. */
void kept_drop_all(struct kept *k, const void *owner);

#endif
