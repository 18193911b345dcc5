/* SPDX-License-Identifier: Apache-2.0 */
/* progress: one line on a terminal with bytes, rate and time left; nothing anywhere else. */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	pthread_mutex_t lock;
	bool enabled; /* standard error is a terminal */
	bool shown;
	uint64_t start_ms, last_ms;
};

void progress_init(struct progress *p);
/* Shows the line at most five times a second, and not in the first second. Any thread. */
void progress_show(struct progress *p, uint64_t done, uint64_t total);
/* Clears the line. */
/* Takes the line away; it may come back. */
void progress_hide(struct progress *p);
void progress_done(struct progress *p);

/* "1.5 GB", "312 kB" (powers of 1000). */
void progress_bytes(double n, char out[32]);

#endif
