/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: wall and monotonic time, settable in tests, and backoff.
 * Threads: any; clock_fake() is for single-threaded tests.
 */
#ifndef ENGINE_BASE_CLOCK_H
#define ENGINE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

int64_t clock_wall_ms(void); /* since the Unix epoch */
uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);
uint64_t clock_boot_ms(void); /* monotonic, and goes on while the machine sleeps */

/* This long from now, for pthread_cond_timedwait() by CLOCK_MONOTONIC; never faked. */
struct timespec clock_mono_after(uint64_t ms);

/* From now on both clocks answer these values; clock_real() ends it. */
void clock_fake(int64_t wall_ms, uint64_t mono_ns);
void clock_real(void);

/* Exponential backoff with jitter. Zero-initialised is ready. */
struct backoff {
	uint32_t attempt;
};

/* The next delay: base doubling up to max, times a random factor in [0.75, 1]. */
uint64_t backoff_next_ms(struct backoff *b, uint64_t base_ms, uint64_t max_ms);
void backoff_reset(struct backoff *b);

#endif
