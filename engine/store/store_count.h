/* SPDX-License-Identifier: Apache-2.0 */
/* store_count: a wrapper that counts calls and bytes. Threads: locked. */
#ifndef ENGINE_STORE_STORE_COUNT_H
#define ENGINE_STORE_STORE_COUNT_H

#include "engine/store/store.h"

#include <stdatomic.h>

struct store_counts {
	_Atomic uint64_t gets, puts, lists, heads, dels, roots;
	_Atomic uint64_t bytes_read, bytes_written;
};

/* Takes inner; counts must outlive the store. */
LS_MUST_USE int store_count_open(struct store *inner, struct store_counts *counts,
				 struct store **ret, struct ls_err *err);

#endif
