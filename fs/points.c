/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fs/points.h"

#include "engine/base/clock.h"

enum { FRESH_MS = 1000 };

static int
load(struct points *p, struct ls_err *err)
{
	struct points_list *l = calloc(1, sizeof *l), *old;
	int rc;

	if (!l)
		return ls_err_set(err, -ENOMEM, "points: out of memory");
	if ((rc = history_points(p->history, &l->v, &l->n, err)) < 0) {
		free(l);
		return rc;
	}
	atomic_init(&l->refs, 1);
	pthread_mutex_lock(&p->lock);
	old = p->list;
	p->list = l;
	pthread_mutex_unlock(&p->lock);
	points_put(old);
	return 0;
}

int
points_init(struct points *p, struct history *h, struct ls_err *err)
{
	*p = (struct points){.history = h, .at_ms = clock_mono_ms()};
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->refresh, NULL);
	return load(p, err);
}

void
points_done(struct points *p)
{
	points_put(p->list);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->refresh);
}

static bool
fresh(struct points *p)
{
	LS_AUTOLOCK(&p->lock);

	return clock_mono_ms() - p->at_ms < FRESH_MS;
}

static void
refresh(struct points *p, const struct store_call *call)
{
	bool changed = false;

	pthread_mutex_lock(&p->refresh);
	if (!fresh(p)) {
		if (history_refresh(p->history, call, &changed, NULL) == 0 && changed &&
		    load(p, NULL) < 0)
			changed = false;
		pthread_mutex_lock(&p->lock);
		p->at_ms = clock_mono_ms();
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_unlock(&p->refresh);
}

struct points_list *
points_get(struct points *p, const struct store_call *call)
{
	struct points_list *l;

	if (!fresh(p))
		refresh(p, call);
	pthread_mutex_lock(&p->lock);
	l = p->list;
	atomic_fetch_add(&l->refs, 1);
	pthread_mutex_unlock(&p->lock);
	return l;
}

void
points_put(struct points_list *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) > 1)
		return;
	free(l->v);
	free(l);
}

const struct catalog_point *
points_find(const struct points_list *l, uint64_t txid)
{
	size_t i = catalog_point_at(l->v, l->n, txid);

	return i < l->n && l->v[i].txid == txid ? &l->v[i] : NULL;
}
