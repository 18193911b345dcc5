/* SPDX-License-Identifier: Apache-2.0 */
/* ask: a question to a running daemon over its control socket (control.h). Threads: single. */
#ifndef TOOLS_ASK_H
#define TOOLS_ASK_H

#include "engine/base/err.h"

#include <jansson.h>
#include <stdint.h>

/*
 * body: JSON, or NULL for GET. *ret: an object, the caller's.
 * -ENOENT: no daemon listens there. -ETIMEDOUT. -EIO: the text has what the daemon said.
 */
LS_MUST_USE int ask_daemon(const char *socket, int64_t timeout_s, const char *verb,
			   const char *body, json_t **ret, struct ls_err *err);

#endif
