/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_count: what is asked of a store, and about what it costs.
 *
 * The wrapper counts calls. A driver that makes requests of them counts those itself (s3: also each
 * part of an object, and each try). Threads: locked.
 */
#ifndef ENGINE_STORE_STORE_COUNT_H
#define ENGINE_STORE_STORE_COUNT_H

#include "engine/store/store.h"

#include <stdatomic.h>

struct store_counts {
	_Atomic uint64_t gets, puts, lists, heads, dels, roots;
	_Atomic uint64_t bytes_read, bytes_written;
};

/* In dollars, or what you will: of 1,000 requests, and of the 1,000,000,000 bytes that are read. */
struct store_prices {
	double put, get, list, download;
};

/* Amazon S3 Standard, us-east-1, to the Internet, as of January 2025: 0.005 for PUT, POST and LIST,
 * 0.0004 for GET and HEAD, 0.09 for what is read; deletes and what is written cost nothing. */
extern const struct store_prices store_count_prices;

double store_count_cost(const struct store_counts *c, const struct store_prices *p);

/* Takes inner, also on failure; counts must outlive the store. */
LS_MUST_USE int store_count_open(struct store *inner, struct store_counts *counts,
				 struct store **ret, struct ls_err *err);

#endif
