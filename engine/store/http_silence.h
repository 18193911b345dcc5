/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_silence: servers that take a request and do not answer. Where few threads work for many
 * databases, such a server must not hold them all: while it is silent, one request at a time goes
 * to it, to see, and the others that would rather not wait are refused. So are those that wait,
 * for a few seconds, where there has never been an answer: a command with many requests ends.
 *
 * A server is silent from when a request has waited for a sign of life and nobody got an answer
 * from it meanwhile, until it answers anything. Threads: locked. Cost: a walk through the servers
 * of this process.
 */
#ifndef ENGINE_STORE_HTTP_SILENCE_H
#define ENGINE_STORE_HTTP_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

enum http_silence { HTTP_SILENCE_GO, HTTP_SILENCE_PROBE, HTTP_SILENCE_REFUSED };

/* Before a request. origin: scheme://host:port. Unless it is refused, http_silence_leave() after
 * it, with what this returned. */
enum http_silence http_silence_enter(const char *origin, bool patient);
/* A request still waits, and nothing has moved since this time (monotonic). */
void http_silence_wait(const char *origin, uint64_t since_ms);
/* gave_up: the same, and the request has ended. False: it is no use to try again soon, nobody has
 * ever got an answer from there. */
bool http_silence_leave(const char *origin, enum http_silence how, bool answered, bool gave_up);

#endif
