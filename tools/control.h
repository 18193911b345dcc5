/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: the control socket of a running daemon, HTTP/1.1 over a Unix socket.
 *
 *   POST /sync   {"path", "wait"?, "timeout"?}     GET /list     GET /info     GET /txid?path=
 *
 * Access is by the mode of the socket file alone. Source: spec/contract.md 6.
 * Threads: one for each connection, made by libmicrohttpd; nothing runs while nobody calls.
 */
#ifndef TOOLS_CONTROL_H
#define TOOLS_CONTROL_H

#include "engine/sync/fleet.h"

struct control;

/* Replaces a socket that nobody listens on. -EEXIST: another kind of file; -EBUSY: in use. */
LS_MUST_USE int control_start(const char *path, mode_t mode, struct fleet *fleet,
			      struct control **ret, struct ls_err *err);
/* The fleet has ended (its callers were answered); takes NULL. */
void control_stop(struct control *c);

#endif
