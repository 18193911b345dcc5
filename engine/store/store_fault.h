/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_fault: a wrapper that fails, delays or cuts calls, for tests with the shipping code.
 * Threads: locked.
 */
#ifndef ENGINE_STORE_STORE_FAULT_H
#define ENGINE_STORE_STORE_FAULT_H

#include "engine/store/store.h"

enum store_fault_op {
	STORE_FAULT_GET = 1 << 0,
	STORE_FAULT_PUT = 1 << 1,
	STORE_FAULT_LIST = 1 << 2,
	STORE_FAULT_HEAD = 1 << 3,
	STORE_FAULT_DEL = 1 << 4,
	STORE_FAULT_ROOT = 1 << 5,
	STORE_FAULT_ALL = (1 << 6) - 1,
};

struct store_fault_plan {
	unsigned ops;	   /* calls that count */
	uint64_t nth;	   /* the nth of them fails, from 1; 0: none */
	bool persistent;   /* and all after it */
	int code;	   /* with this */
	bool lost_ack;	   /* puts and deletions are done, then fail */
	bool short_read;   /* counted gets deliver half of what they could, without an error */
	uint64_t delay_ms; /* before every counted call, ended by its token or deadline */
	/* NULL, or asked for every counted call instead of nth: the code it fails with, or 0.
	 * lost_ack may be set. Threads: one at a time for each store. */
	int (*draw)(void *arg, bool *ret_lost_ack);
	void *arg;
};

/* Takes inner. */
LS_MUST_USE int store_fault_open(struct store *inner, struct store **ret, struct ls_err *err);
/* A new plan; counting starts again. */
void store_fault_set(struct store *st, const struct store_fault_plan *plan);
uint64_t store_fault_count(struct store *st); /* counted calls since then */

#endif
