/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret: a text that no log line, message or formatter may show. It is wiped when it is released.
 * Threads: single.
 */
#ifndef ENGINE_BASE_SECRET_H
#define ENGINE_BASE_SECRET_H

#include "engine/base/err.h"

struct secret {
	char *text; /* NULL: none */
};

/* Copies n bytes, in place of what it held. */
LS_MUST_USE int secret_set(struct secret *s, const char *text, size_t n, struct ls_err *err);
void secret_done(struct secret *s);
/* Takes ownership of a string from malloc(); *text becomes NULL. */
void secret_take(struct secret *s, char **text);
/* Wipes and frees a string from malloc(). */
void secret_wipe(char *text);

/* Neither core dumps nor other processes of this user see the memory of this process any more.
 * Cost: nothing after the first call. */
void secret_guard_process(void);

#endif
