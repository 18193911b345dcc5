/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_limit: a wrapper that waits, so that not more is asked for than the user allows: requests a
 * second, and bytes a second in each direction. Up to one second's worth that was not used may be
 * made up for. A call that is longer than that goes through and is paid for by those behind it.
 * Threads: locked.
 */
#ifndef ENGINE_STORE_STORE_LIMIT_H
#define ENGINE_STORE_STORE_LIMIT_H

#include "engine/store/store.h"

/* Each a second; 0: no limit. */
struct store_limits {
	double requests;
	uint64_t bytes_up, bytes_down;
};

/* Takes inner, also on failure. */
LS_MUST_USE int store_limit_open(struct store *inner, const struct store_limits *limits,
				 struct store **ret, struct ls_err *err);

#endif
