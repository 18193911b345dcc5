/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: keeping the WAL short without losing a frame and without stopping writers for long.
 *
 * Phase 1, no lock: PASSIVE up to our pin, which stands at the horizon: the bulk of the copying and
 * both fsyncs. Phase 2, under the write lock for a few milliseconds: capture the few frames that
 * came meanwhile, PASSIVE again, and move the pin to slot 0, so that the next writer restarts the
 * WAL. If too many frames came, the lock is given back and phase 1 repeated. On a disk that is slow
 * beside the application they are always too many: when the WAL is long, more of them are captured
 * under the lock, so that it stays within wal-max-size. FULL and RESTART are never used (H27).
 * Source: engine.md 7.4. Threads: single (the owner of the capture).
 */
#ifndef ENGINE_SYNC_CHECKPOINT_H
#define ENGINE_SYNC_CHECKPOINT_H

#include "engine/sync/capture.h"

struct checkpoint {
	uint64_t last_ns; /* end of the last success, or the start */
	uint64_t not_before_ns;
	uint64_t barrier_ns; /* how long writers were stopped, last time */
	uint64_t usual_ns;   /* a running mean of it */
	uint64_t worst_ns;
	uint64_t count;
	unsigned failures; /* in a row */
};

/* As many frames the WAL may have: min-checkpoint-page-count, and while the application is busy and
 * each batch costs a request, more, because each checkpoint closes one or two. */
uint32_t checkpoint_frames(const struct capture *c);
/* Whether it has. */
bool checkpoint_full(const struct capture *c);

/* Whether frames that are not in the database file yet are too many or too old. */
bool checkpoint_wanted(const struct checkpoint *k, const struct capture *c, uint64_t now_ns);

/* Not getting the lock is no error: it sets not_before_ns. *ret_batches: files written. */
LS_MUST_USE int
checkpoint_run(struct checkpoint *k, struct capture *c, unsigned *ret_batches, struct ls_err *err);

#endif
