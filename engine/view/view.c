/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/view.h"

#include "engine/base/job.h"
#include "engine/view/view_int.h"

enum { TRIES = 3 };

static struct view *
find_open(struct history *h, uint64_t txid, uint64_t stamp)
{
	struct view *v;

	LS_AUTOLOCK(&h->lock);
	for (v = h->views; v; v = v->next)
		if (v->info.txid == txid && v->stamp == stamp) {
			v->refs++;
			break;
		}
	return v;
}

static void
view_free(struct view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->nobjs; i++)
		objects_put(v->history->objects, v->objs[i]);
	pagemap_done(&v->map);
	free(v->objs);
	free(v);
}

/* Makes a new view known, unless another thread opened the same: then that one. */
static struct view *
publish(struct history *h, struct view *v)
{
	struct view *first;

	pthread_mutex_lock(&h->lock);
	for (first = h->views; first; first = first->next)
		if (first->info.txid == v->info.txid && first->stamp == v->stamp)
			break;
	if (first) {
		first->refs++;
	} else {
		v->next = h->views;
		h->views = v;
	}
	pthread_mutex_unlock(&h->lock);
	if (!first)
		return v;
	view_free(v);
	return first;
}

static int
read_mode(struct view *v, const struct store_call *call, struct ls_err *err)
{
	uint8_t head[20];
	size_t n = 0;
	int rc = view_read(v, call, 0, head, sizeof head, false, &n, err);

	if (rc == 0 && n == sizeof head)
		v->info.wal_mode = head[18] == 2 && head[19] == 2;
	return rc;
}

struct mapping {
	struct view *v;
	const struct store_call *call;
};

/* The page map, and the interior pages meanwhile, which are wanted next. */
static int
map_one(void *arg, size_t i, struct ls_err *err)
{
	const struct mapping *m = arg;
	struct view *v = m->v;
	struct objects *os = v->history->objects;

	if (i == 0)
		return pagemap_build(os, m->call, v->objs, v->nobjs, &v->map, err);
	for (size_t k = 0; k < v->nobjs; k++)
		object_interior_load(os, m->call, v->objs[k]);
	return 0;
}

static bool
has_interior(const struct view *v)
{
	bool has = false;

	for (size_t k = 0; k < v->nobjs; k++)
		has |= v->objs[k]->interior > 0;
	return has;
}

static int
build(struct view *v, const struct store_call *call, const struct plan *plan, struct ls_err *err)
{
	struct mapping m = {v, call};
	const struct ltx_header *hdr;
	int rc;

	v->objs = ls_alloc_array(plan->n, sizeof *v->objs);
	if (!v->objs)
		return ls_err_set(err, -ENOMEM, "view: out of memory");
	v->nobjs = plan->n;
	if ((rc = view_load_objects(v, call, plan, err)) < 0 ||
	    (rc = job_each(has_interior(v) ? 2 : 1, 2, map_one, &m, err)) < 0)
		return rc;
	hdr = &v->objs[0]->hdr;
	v->info.page_size = hdr->page_size;
	v->info.commit = hdr->commit;
	v->info.size = (uint64_t)hdr->commit * hdr->page_size;
	v->info.time_ms = hdr->time_ms;
	return read_mode(v, call, err);
}

static int
open_once(struct history *h, const struct store_call *call, uint64_t txid, struct view **ret,
	  struct ls_err *err)
{
	LS_AUTO(plan_done) struct plan plan = {0};
	struct listing *l = history_listing(h);
	struct view *v = NULL;
	uint64_t stamp = 0;
	int rc = listing_plan(l, txid, &plan, err);

	if (rc == 0) {
		stamp = listing_stamp(plan.files, plan.n);
		v = find_open(h, txid, stamp);
	}
	if (rc == 0 && !v) {
		v = calloc(1, sizeof *v);
		if (!v) {
			listing_unref(l);
			return ls_err_set(err, -ENOMEM, "view: out of memory");
		}
		*v = (struct view){.history = h, .refs = 1, .stamp = stamp, .info.txid = txid};
		if ((rc = build(v, call, &plan, err)) == 0)
			v = publish(h, v);
		else
			view_free(v);
	}
	listing_unref(l);
	if (rc == 0)
		*ret = v;
	return rc;
}

int
view_open(struct history *h, const struct store_call *call, uint64_t txid, struct view **ret,
	  struct ls_err *err)
{
	bool changed;
	int rc = 0;

	for (int i = 0; i < TRIES; i++) {
		rc = open_once(h, call, txid, ret, err);
		if (rc != -ESTALE)
			return rc;
		/* Merged into another object, or expired, since the last look. */
		if ((rc = history_refresh(h, call, &changed, err)) < 0)
			return rc;
		rc = -ESTALE;
	}
	return rc;
}

const struct view_info *
view_info(const struct view *v)
{
	return &v->info;
}

void
view_ref(struct view *v)
{
	LS_AUTOLOCK(&v->history->lock);
	v->refs++;
}

void
view_unref(struct view *v)
{
	struct view **at;
	bool last;

	if (!v)
		return;
	pthread_mutex_lock(&v->history->lock);
	last = --v->refs == 0;
	if (last) {
		for (at = &v->history->views; *at != v;)
			at = &(*at)->next;
		*at = v->next;
	}
	pthread_mutex_unlock(&v->history->lock);
	if (last)
		view_free(v);
}
