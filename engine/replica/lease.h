/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease: who may write into a replica, so that two hosts never do at the same time.
 *
 * It is the object "lock.json" at the root of the replica, changed by conditional writes only:
 *
 *   {"generation": 8, "expires_at": "2026-11-29T16:30:45.123Z", "owner": "host:4711",
 *    "id": "0f9c...", "ttl_ms": 30000}
 *
 * The first three are as the released program's library has them; generation is the fencing number,
 * one more with each holder. Nobody's clock is believed: a lease is free when it was given back
 * (expires_at is 1970), or when it has been seen unchanged for its whole ttl; and its holder counts
 * from before its last renewal was sent, and stops a tenth of the ttl before the end. A holder that
 * was killed takes its lease back at once by the id that it left in its state directory.
 *
 * What was sent in time and arrives late meets objects that are created only where there is none,
 * so that histories never mix: the new holder finds it, or it is refused.
 *
 * Threads: lease_step() and lease_release() by one at a time; the rest by any.
 */
#ifndef ENGINE_REPLICA_LEASE_H
#define ENGINE_REPLICA_LEASE_H

#include "engine/store/store.h"

#define LEASE_KEY "lock.json"

enum { LEASE_ID_LEN = 32, LEASE_OWNER_MAX = 128, LEASE_TTL_MIN_MS = 1000 };

struct lease;

enum lease_state {
	LEASE_UNKNOWN, /* not asked yet, or it ran out while the storage did not answer */
	LEASE_HELD,
	LEASE_OTHERS, /* somebody else has it, or had it since */
};

/* Takes the store over, also on failure. known: the id that an earlier run left, or "". */
LS_MUST_USE int lease_new(struct store *store, uint64_t ttl_ms, const char *known,
			  struct lease **ret, struct ls_err *err);
void lease_free(struct lease *l); /* takes NULL; does not give it back */

/*
 * Renews it, or tries to get it: one to four requests, within a third of the ttl and ten seconds.
 * *ret_wait_ms: when to call again. Not getting it is no error. -ENOTSUP: the server does not
 * compare, so that no lease can be had there.
 */
LS_MUST_USE int
lease_step(struct lease *l, const struct stop *stop, uint64_t *ret_wait_ms, struct ls_err *err);
/* Gives it back, so that the next one need not wait. */
LS_MUST_USE int lease_release(struct lease *l, const struct stop *stop, struct ls_err *err);

enum lease_state lease_state(const struct lease *l);
/* 0: held, *ret_number is its fencing number. -EBUSY: the text names the holder. -ETIMEDOUT: not
 * known. */
LS_MUST_USE int lease_check(struct lease *l, uint64_t *ret_number, struct ls_err *err);
/* For struct store_call: until when it is held under this number. */
const _Atomic uint64_t *lease_until(const struct lease *l, uint64_t number);
/* What to leave in the state directory. */
void lease_id(const struct lease *l, char out[LEASE_ID_LEN + 1]);

#endif
