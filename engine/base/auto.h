/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auto: scope-owned resources. A variable with one of these attributes is released when it goes
 * out of scope; ownership leaves with ls_steal_fd() or ls_steal_ptr().
 */
#ifndef ENGINE_BASE_AUTO_H
#define ENGINE_BASE_AUTO_H

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define LS_MUST_USE __attribute__((warn_unused_result))
#define LS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

static inline void
ls_auto_free_(void *p)
{
	free(*(void **)p);
}

static inline void
ls_auto_close_(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void
ls_auto_unlock_(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

#define ls_autofree __attribute__((cleanup(ls_auto_free_)))
#define ls_autoclose __attribute__((cleanup(ls_auto_close_)))

/* Holds mutex m until the end of the enclosing scope. */
#define LS_AUTOLOCK(m)                                                                             \
	__attribute__((cleanup(ls_auto_unlock_), unused)) pthread_mutex_t *ls_autolock_ =          \
		(pthread_mutex_lock(m), (m))

/* Calls done(&variable) at the end of the scope; initialise it where it is declared. */
#define LS_AUTO(done) __attribute__((cleanup(done)))

static inline int
ls_steal_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

static inline void *
ls_steal_ptr_(void *p)
{
	void *ret = *(void **)p;

	*(void **)p = NULL;
	return ret;
}

#define ls_steal_ptr(p) ((__typeof__(*(p)))ls_steal_ptr_(p))

/* The struct of this type of which p points to the member. */
#define LS_CONTAINER(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* n zeroed elements of size bytes; NULL when the product overflows or memory is short. */
static inline void *
ls_alloc_array(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

/* Resizes an array; NULL on overflow or no memory, and p is then still valid. */
static inline void *
ls_grow_array(void *p, size_t n, size_t size)
{
	return reallocarray(p, n ? n : 1, size);
}

#endif
