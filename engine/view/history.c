/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/history.h"

#include "engine/view/history_int.h"

#include <string.h>

enum { CACHE_DEFAULT = 16 << 20, POOL_THREADS = 8 };

int
history_open(struct store *store, const struct store_call *call, const struct history_opts *opts,
	     struct history **ret, struct ls_err *err)
{
	size_t bytes = opts && opts->cache_bytes ? opts->cache_bytes : CACHE_DEFAULT;
	struct history *h = calloc(1, sizeof *h);
	int rc;

	if (!h) {
		store_close(store);
		return ls_err_set(err, -ENOMEM, "open replica: out of memory");
	}
	h->store = store;
	pthread_mutex_init(&h->lock, NULL);
	replica_init(&h->replica, store);
	if ((rc = objects_new(&h->replica, bytes, &h->objects, err)) < 0 ||
	    (rc = listing_load(&h->replica, call, NULL, &h->listing, err)) < 0) {
		history_close(h);
		return rc;
	}
	*ret = h;
	return 0;
}

void
history_close(struct history *h)
{
	if (!h)
		return;
	job_pool_free(h->pool);
	listing_unref(h->listing);
	objects_free(h->objects);
	store_close(h->store);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

struct listing *
history_listing(struct history *h)
{
	LS_AUTOLOCK(&h->lock);

	return listing_ref(h->listing);
}

struct job_pool *
history_pool(struct history *h)
{
	LS_AUTOLOCK(&h->lock);

	if (!h->pool && job_pool_new("view", POOL_THREADS, &h->pool, NULL) < 0)
		h->pool = NULL;
	return h->pool;
}

/* Makes fresh the current listing, unless a later look was faster. Takes it. */
static bool
replace(struct history *h, struct listing *fresh, uint64_t serial)
{
	struct listing *old = fresh;
	bool changed = false;

	pthread_mutex_lock(&h->lock);
	fresh->serial = serial;
	if (serial >= h->listing->serial) {
		old = h->listing;
		changed = listing_differs(old, fresh);
		h->listing = fresh;
	}
	pthread_mutex_unlock(&h->lock);
	listing_unref(old);
	return changed;
}

int
history_refresh(struct history *h, const struct store_call *call, bool *ret_changed,
		struct ls_err *err)
{
	struct listing *old = history_listing(h), *fresh = NULL;
	uint64_t serial;
	int rc;

	pthread_mutex_lock(&h->lock);
	serial = ++h->serial;
	pthread_mutex_unlock(&h->lock);
	rc = listing_load(&h->replica, call, old, &fresh, err);
	listing_unref(old);
	if (rc < 0)
		return rc;
	*ret_changed = replace(h, fresh, serial);
	return 0;
}

int
history_points(struct history *h, struct catalog_point **ret, size_t *ret_n, struct ls_err *err)
{
	struct listing *l = history_listing(h);
	struct catalog_point *points = ls_alloc_array(l->n, sizeof *points);
	int rc = 0;

	if (points) {
		memcpy(points, l->points, l->n * sizeof *points);
		*ret = points;
		*ret_n = l->n;
	} else {
		rc = ls_err_set(err, -ENOMEM, "points: out of memory");
	}
	listing_unref(l);
	return rc;
}

static int
select_txid(const struct listing *l, const struct plan_target *target, uint64_t *ret_txid,
	    struct ls_err *err)
{
	struct plan plan = {0};
	int rc = plan_build(&l->cat, target, &plan, err);

	if (rc == 0)
		*ret_txid = plan.txid;
	plan_done(&plan);
	return rc;
}

int
history_latest(struct history *h, uint64_t *ret_txid, struct ls_err *err)
{
	struct listing *l = history_listing(h);
	struct plan_target target = {0};
	int rc = select_txid(l, &target, ret_txid, err);

	listing_unref(l);
	return rc;
}

int
history_at(struct history *h, const struct store_call *call, int64_t time_ms, uint64_t *ret_txid,
	   struct ls_err *err)
{
	struct plan_target target = {.by_time = true, .time_ms = time_ms};
	struct listing *l = history_listing(h);
	int rc = 0;

	if (!l->exact) {
		struct listing *exact = NULL;

		rc = listing_exact(&h->replica, call, l, &exact, err);
		if (rc == 0) {
			uint64_t serial = l->serial;

			listing_unref(l);
			l = listing_ref(exact);
			replace(h, exact, serial);
		}
	}
	if (rc == 0)
		rc = select_txid(l, &target, ret_txid, err);
	listing_unref(l);
	return rc;
}

int
history_stamp(struct history *h, uint64_t txid, uint64_t *ret_stamp, struct ls_err *err)
{
	struct listing *l = history_listing(h);
	size_t i = 0;
	int rc = listing_find(l, txid, &i, err);

	if (rc == 0) {
		const struct catalog_file *f = &l->cat.files[l->notes[i].file];

		*ret_stamp = listing_stamp(&f, 1);
	}
	listing_unref(l);
	return rc;
}
