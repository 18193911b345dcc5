/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf: growable bytes with a maximum set at birth. Growing past it is -ENOMEM for output and is
 * reported by the caller as -EBADMSG for input.
 * Threads: single.
 */
#ifndef ENGINE_BASE_BUF_H
#define ENGINE_BASE_BUF_H

#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct ls_buf {
	uint8_t *p; /* owned; NULL while empty */
	size_t len;
	size_t cap;
	size_t max;
};

void ls_buf_init(struct ls_buf *b, size_t max);
void ls_buf_done(struct ls_buf *b);

/* Makes room for n more bytes. Returns 0 or -ENOMEM (also when max would be passed). */
LS_MUST_USE int ls_buf_reserve(struct ls_buf *b, size_t n);
LS_MUST_USE int ls_buf_append(struct ls_buf *b, const void *p, size_t n);
LS_MUST_USE int ls_buf_printf(struct ls_buf *b, const char *fmt, ...) LS_PRINTF(2, 3);

/* The bytes as a C string; NULL only when memory is short. The NUL is not counted in len. */
const char *ls_buf_cstr(struct ls_buf *b);

/* Text in new memory, caller frees; NULL when memory is short. */
char *ls_buf_format(const char *fmt, ...) LS_PRINTF(1, 2);

bool ls_buf_ends_with(const char *s, const char *end);

#endif
