/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job: a fixed pool of threads for work that blocks.
 *
 * A job is embedded in its owner's struct, so that submitting never allocates and never fails. Jobs
 * start in the order of submission. The pool's threads have every signal blocked and a stack of 1
 * MiB.
 *
 * Lock order of the whole program: a module's own mutex, then the pool's. No lock is held across a
 * store call, fsync or FUSE reply.
 * Threads: any.
 */
#ifndef ENGINE_BASE_JOB_H
#define ENGINE_BASE_JOB_H

#include "engine/base/err.h"

struct job {
	struct job *next;
	void (*run)(struct job *job); /* may free the job */
};

struct job_pool;

/* How many threads work is given: wanted, or (0) one for each core, and at most max. */
unsigned job_threads(unsigned wanted, unsigned max);

/* name: at most 15 characters, seen in ps and gdb. */
LS_MUST_USE int
job_pool_new(const char *name, unsigned nthreads, struct job_pool **ret, struct ls_err *err);

/* Runs what was submitted to its end, joins the threads. Takes NULL. */
void job_pool_free(struct job_pool *pool);

/* The job must not be queued already. */
void job_submit(struct job_pool *pool, struct job *job);

/* fn(arg, i) for each i below n, at most `threads` at a time, this thread among them; after a
 * failure no more begin, and the first one is returned. Threads that cannot be had are done
 * without. */
LS_MUST_USE int
job_each(size_t n, unsigned threads, int (*fn)(void *arg, size_t i, struct ls_err *err), void *arg,
	 struct ls_err *err);

/* Starts one thread with every signal blocked and a stack of 1 MiB. */
LS_MUST_USE int
job_thread(pthread_t *ret, const char *name, void *(*fn)(void *), void *arg, struct ls_err *err);

#endif
