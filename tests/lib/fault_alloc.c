/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/fault_alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

static atomic_bool armed, struck;
static _Atomic uint64_t count;
static uint64_t nth;
static bool persistent;

void
fault_alloc_arm(uint64_t n, bool all_after)
{
	nth = n;
	persistent = all_after;
	count = 0;
	struck = false;
	armed = true;
}

bool
fault_alloc_disarm(void)
{
	armed = false;
	return struck;
}

static bool
strike(void)
{
	uint64_t n;

	if (!armed)
		return false;
	n = ++count;
	if (nth == 0 || n < nth || (n > nth && !persistent))
		return false;
	struck = true;
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **p, size_t align, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
int __real_vasprintf(char **ret, const char *fmt, va_list ap);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
int __wrap_vasprintf(char **ret, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
int __wrap_asprintf(char **ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void *
__wrap_malloc(size_t n)
{
	return strike() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return strike() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return strike() ? NULL : __real_realloc(p, n);
}

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return strike() ? NULL : __real_reallocarray(p, n, size);
}

void *
__wrap_aligned_alloc(size_t align, size_t n)
{
	return strike() ? NULL : __real_aligned_alloc(align, n);
}

int
__wrap_posix_memalign(void **p, size_t align, size_t n)
{
	return strike() ? ENOMEM : __real_posix_memalign(p, align, n);
}

char *
__wrap_strdup(const char *s)
{
	return strike() ? NULL : __real_strdup(s);
}

char *
__wrap_strndup(const char *s, size_t n)
{
	return strike() ? NULL : __real_strndup(s, n);
}

/* On failure the result is undefined, as the manual says: callers must not look at it. */
int
__wrap_vasprintf(char **ret, const char *fmt, va_list ap)
{
	if (!strike())
		return __real_vasprintf(ret, fmt, ap);
	*ret = (char *)(uintptr_t)0xdead;
	return -1;
}

int
__wrap_asprintf(char **ret, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = __wrap_vasprintf(ret, fmt, ap);
	va_end(ap);
	return n;
}
