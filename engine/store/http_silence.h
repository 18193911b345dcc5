/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_silence: servers that take a request and do not answer. Where few threads work for many
 * databases, such a server must not hold them all: while it is silent, a request goes to it now and
 * then, to see, and the others that would rather not wait are refused. So are those that would wait
 * where there has never been an answer, for a few seconds: a command with many requests ends.
 *
 * A server is silent from when a request has waited for a sign of life, and nobody got an answer
 * from it meanwhile, until it answers anything. Of one that has answered before, those that are
 * patient say nothing: what they ask for may take its time. Threads: locked. Cost: a walk through
 * the servers of this process.
 */
#ifndef ENGINE_STORE_HTTP_SILENCE_H
#define ENGINE_STORE_HTTP_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Before a request: whether it may go. origin: scheme://host:port. */
bool http_silence_enter(const char *origin, bool patient);
/* A request has waited, and nothing has moved since this time (monotonic). False: it is no use to
 * try again soon, nobody has ever got an answer from there. */
bool http_silence_wait(const char *origin, uint64_t since_ms, bool patient);
void http_silence_end(const char *origin);

#endif
