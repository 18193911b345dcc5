/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_retry: a wrapper that tries again what may succeed later: errors with ->retry set, up to
 * ten times, after 0.1 s doubling to 20 s, as far as the call's token and deadline allow. Capture
 * repeats what failed by itself, and tells its user: for it three times.
 *
 * A get that was cut goes on where it ended, on the same object; a listing goes on behind the last
 * key that was delivered. Threads: locked.
 */
#ifndef ENGINE_STORE_STORE_RETRY_H
#define ENGINE_STORE_STORE_RETRY_H

#include "engine/store/store.h"

/* Takes inner, also on failure. */
LS_MUST_USE int store_retry_open(struct store *inner, struct store **ret, struct ls_err *err);

#endif
