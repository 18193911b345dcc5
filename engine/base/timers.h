/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timers: which of many things is due first. A heap of pointers to timers that are embedded in
 * their owners. Cost: O(log n) to set, O(1) to ask. Threads: single.
 */
#ifndef ENGINE_BASE_TIMERS_H
#define ENGINE_BASE_TIMERS_H

#include "engine/base/err.h"

#include <stdint.h>

struct timers_item {
	uint64_t due_ns;
	size_t at; /* place in the heap, from 1; 0: not set */
};

struct timers {
	struct timers_item **heap; /* from 1 */
	size_t n, cap;
};

/* Room for n timers, so that setting one never fails. */
LS_MUST_USE int timers_reserve(struct timers *t, size_t n, struct ls_err *err);
void timers_done(struct timers *t);

/* Sets it, or moves it. */
void timers_set(struct timers *t, struct timers_item *item, uint64_t due_ns);
void timers_clear(struct timers *t, struct timers_item *item);
/* The one that is due first, or NULL. */
struct timers_item *timers_first(const struct timers *t);

#endif
