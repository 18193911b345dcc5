/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
ls_buf_init(struct ls_buf *b, size_t max)
{
	*b = (struct ls_buf){.max = max};
}

void
ls_buf_done(struct ls_buf *b)
{
	free(b->p);
	*b = (struct ls_buf){.max = b->max};
}

int
ls_buf_reserve(struct ls_buf *b, size_t n)
{
	size_t want, cap;
	uint8_t *p;

	if (__builtin_add_overflow(b->len, n, &want) || want > b->max)
		return -ENOMEM;
	if (want <= b->cap)
		return 0;
	cap = b->cap ? b->cap : 64;
	while (cap < want)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	p = realloc(b->p, cap);
	if (!p)
		return -ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

int
ls_buf_append(struct ls_buf *b, const void *p, size_t n)
{
	int rc = ls_buf_reserve(b, n);

	if (rc < 0 || n == 0)
		return rc;
	memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

int
ls_buf_printf(struct ls_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	rc = ls_buf_reserve(b, (size_t)n + 1);
	if (rc < 0)
		return rc;
	va_start(ap, fmt);
	vsnprintf((char *)b->p + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

const char *
ls_buf_cstr(struct ls_buf *b)
{
	if (ls_buf_reserve(b, 1) < 0)
		return NULL;
	b->p[b->len] = '\0';
	return (const char *)b->p;
}

char *
ls_buf_format(const char *fmt, ...)
{
	char *ret = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&ret, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : ret;
}

bool
ls_buf_ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}
