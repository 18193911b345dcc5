/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the objects of a plan: the caller and threads of the pool take one after the other. */
#include "config.h"

#include "engine/view/view_int.h"

enum { HELPERS_MAX = 8, HELP_FROM = 8 };

struct loader {
	struct view *v;
	const struct store_call *call;
	const struct plan *plan;
	_Atomic size_t next;
	pthread_mutex_t lock;
	pthread_cond_t done;
	size_t helpers;
	struct ls_err err; /* the first failure */
};

struct helper {
	struct job job;
	struct loader *l;
};

static bool
failed(struct loader *l)
{
	LS_AUTOLOCK(&l->lock);

	return l->err.code != 0;
}

static void
load(struct loader *l)
{
	size_t n = l->plan->n, i;

	while ((i = atomic_fetch_add(&l->next, 1)) < n && !failed(l)) {
		struct ls_err err = {0};
		int rc = objects_get(l->v->history->objects, l->call, l->plan->files[n - 1 - i],
				     &l->v->objs[i], &err);

		if (rc == 0)
			continue;
		pthread_mutex_lock(&l->lock);
		if (!l->err.code)
			l->err = err;
		l->err.code = rc;
		pthread_mutex_unlock(&l->lock);
	}
}

static void
help(struct job *job)
{
	struct loader *l = ((struct helper *)job)->l;

	load(l);
	pthread_mutex_lock(&l->lock);
	l->helpers--;
	pthread_cond_signal(&l->done);
	pthread_mutex_unlock(&l->lock);
}

int
view_load_objects(struct view *v, const struct store_call *call, const struct plan *plan,
		  struct ls_err *err)
{
	struct loader l = {.v = v, .call = call, .plan = plan};
	struct helper helpers[HELPERS_MAX];
	struct job_pool *pool = plan->n >= HELP_FROM ? history_pool(v->history) : NULL;

	pthread_mutex_init(&l.lock, NULL);
	pthread_cond_init(&l.done, NULL);
	l.helpers = pool ? HELPERS_MAX : 0;
	for (size_t i = 0; pool && i < HELPERS_MAX; i++) {
		helpers[i] = (struct helper){.job.run = help, .l = &l};
		job_submit(pool, &helpers[i].job);
	}
	load(&l);
	pthread_mutex_lock(&l.lock);
	while (l.helpers)
		pthread_cond_wait(&l.done, &l.lock);
	pthread_mutex_unlock(&l.lock);
	pthread_cond_destroy(&l.done);
	pthread_mutex_destroy(&l.lock);
	if (l.err.code && err)
		*err = l.err;
	return l.err.code;
}
