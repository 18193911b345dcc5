/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop: a token that says "give up what you are doing".
 *
 * It is passed down to everything that can wait; waiting code polls stop_fd() beside its own
 * descriptor or looks at stop_fired() between steps. Fires once, for ever.
 * Threads: any. Functions take NULL as a token that never fires.
 */
#ifndef ENGINE_BASE_STOP_H
#define ENGINE_BASE_STOP_H

#include "engine/base/err.h"

#include <stdatomic.h>

struct stop {
	atomic_bool fired;
	int fd;		   /* readable once fired */
	atomic_int signal; /* that fired it; 0: none */
};

LS_MUST_USE int stop_init(struct stop *s, struct ls_err *err);
void stop_done(struct stop *s);

/* Safe in a signal handler. */
void stop_fire(struct stop *s);
void stop_fire_signal(struct stop *s, int signal);
/* "interrupt", "terminated", "hangup", "" */
const char *stop_signal_name(const struct stop *s);
bool stop_fired(const struct stop *s);
int stop_fd(const struct stop *s); /* -1 for NULL */

/* Sleeps; returns 0 when the time is over, -ECANCELED as soon as the token fires. */
int stop_sleep(const struct stop *s, uint64_t ms);

#endif
