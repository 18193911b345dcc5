/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err: what went wrong, as a code for programs and one line for people.
 *
 * A function that can fail returns 0 or a negative errno from the closed list below and takes a
 * caller-owned struct ls_err * (may be NULL) as its last parameter. The text reads from the outside
 * in, "outer: inner: cause". Fixed size and no allocation: it works when memory is short, and '='
 * copies it across threads.
 *
 *   -ENOENT   object, table or version absent        -EAGAIN     try again (slow down, 5xx, reset)
 *   -EEXIST   create-only write lost                 -ETIMEDOUT  deadline passed
 *   -ESTALE   lease, position or object moved        -ECANCELED  our stop token fired
 *   -EBADMSG  checksum, magic, length: corrupt       -ENODATA    gap in the chain
 *   -EINVAL   configuration or caller's argument     -EACCES     credentials or permission
 *   -ENOSPC, -ENOMEM, -EBUSY as libc says            -EIO        anything else, text kept
 */
#ifndef ENGINE_BASE_ERR_H
#define ENGINE_BASE_ERR_H

#include "engine/base/auto.h"

#include <stdbool.h>

enum { LS_ERR_MAX = 480 };

struct ls_err {
	int code;   /* 0 or one of the list above */
	bool retry; /* the same call may succeed later */
	char msg[LS_ERR_MAX];
};

/* Sets code and text; returns code, so that "return ls_err_set(...)" reads well. */
int ls_err_set(struct ls_err *err, int code, const char *fmt, ...) LS_PRINTF(3, 4);

/* Like ls_err_set() from an errno value (positive): maps it to the list and appends its text. */
int ls_err_sys(struct ls_err *err, int errnum, const char *fmt, ...) LS_PRINTF(3, 4);

/* Puts "fmt: " before the text that err already holds. When it is full the outer words are
 * dropped, never the root cause. Returns code, and leaves err->code and err->retry as they are. */
int ls_err_wrap(struct ls_err *err, int code, const char *fmt, ...) LS_PRINTF(3, 4);

/* The negative code of the closed list for an errno value. */
int ls_err_code(int errnum);

/* Whether trying again may help for this code. */
bool ls_err_retryable(int code);

#endif
