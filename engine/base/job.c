/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/job.h"

#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

struct job_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *head, **tail;
	bool closing;
	unsigned nthreads;
	pthread_t threads[];
};

enum { JOB_STACK = 1024 * 1024 };

int
job_thread(pthread_t *ret, const char *name, void *(*fn)(void *), void *arg, struct ls_err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, JOB_STACK);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(ret, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc)
		return ls_err_sys(err, rc, "start thread %s", name);
	pthread_setname_np(*ret, name);
	return 0;
}

static void *
work(void *arg)
{
	struct job_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct job *job = pool->head;

		if (!job && pool->closing)
			break;
		if (!job) {
			pthread_cond_wait(&pool->more, &pool->lock);
			continue;
		}
		pool->head = job->next;
		if (!pool->head)
			pool->tail = &pool->head;
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

unsigned
job_threads(unsigned wanted, unsigned max)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = wanted ? wanted : cores > 0 ? (unsigned)cores : 1;

	return n < max ? n : max;
}

int
job_pool_new(const char *name, unsigned nthreads, struct job_pool **ret, struct ls_err *err)
{
	struct job_pool *pool = calloc(1, sizeof *pool + nthreads * sizeof pool->threads[0]);
	int rc;

	if (!pool)
		return ls_err_set(err, -ENOMEM, "thread pool %s: out of memory", name);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	pool->tail = &pool->head;
	for (unsigned i = 0; i < nthreads; i++) {
		rc = job_thread(&pool->threads[i], name, work, pool, err);
		if (rc < 0) {
			job_pool_free(pool);
			return rc;
		}
		pool->nthreads++;
	}
	*ret = pool;
	return 0;
}

void
job_pool_free(struct job_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->nthreads; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->more);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

void
job_submit(struct job_pool *pool, struct job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&pool->lock);
	*pool->tail = job;
	pool->tail = &job->next;
	pthread_mutex_unlock(&pool->lock);
	pthread_cond_signal(&pool->more); /* who wakes up finds the lock free */
}

/* ---- each of many ---- */

enum { EACH_THREADS_MAX = 64 };

struct each {
	pthread_mutex_t lock;
	size_t next, n;
	int (*fn)(void *arg, size_t i, struct ls_err *err);
	void *arg;
	struct ls_err err;
	int rc;
};

static void *
each_work(void *arg)
{
	struct each *e = arg;

	for (;;) {
		struct ls_err err = {0};
		size_t i;
		int rc;

		pthread_mutex_lock(&e->lock);
		i = e->rc < 0 ? e->n : e->next++;
		pthread_mutex_unlock(&e->lock);
		if (i >= e->n)
			return NULL;
		if ((rc = e->fn(e->arg, i, &err)) < 0) {
			LS_AUTOLOCK(&e->lock);
			if (e->rc == 0) {
				e->rc = rc;
				e->err = err;
			}
		}
	}
}

int
job_each(size_t n, unsigned threads, int (*fn)(void *arg, size_t i, struct ls_err *err), void *arg,
	 struct ls_err *err)
{
	struct each e = {.n = n, .fn = fn, .arg = arg};
	pthread_t v[EACH_THREADS_MAX];
	unsigned started = 0;

	pthread_mutex_init(&e.lock, NULL);
	while (started + 1 < threads && started + 1 < n && started < EACH_THREADS_MAX &&
	       job_thread(&v[started], "ls-each", each_work, &e, NULL) == 0)
		started++;
	each_work(&e);
	while (started)
		pthread_join(v[--started], NULL);
	pthread_mutex_destroy(&e.lock);
	if (e.rc < 0 && err)
		*err = e.err;
	return e.rc;
}
