/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/store_fault.h"

#include "engine/base/clock.h"

struct store_fault {
	struct store base;
	struct store_ops ops;
	struct store *inner;
	pthread_mutex_t lock;
	struct store_fault_plan plan;
	uint64_t count;
};

static struct store_fault *
self(struct store *st)
{
	return (struct store_fault *)st;
}

/* Waits as the plan says, not longer than the call may last. */
static int
delay(const struct store_call *call, uint64_t ms, struct ls_err *err)
{
	uint64_t now = clock_mono_ms(), end = call ? call->deadline_ms : 0;

	if (end && end < now + ms)
		ms = end > now ? end - now : 0;
	if (stop_sleep(call ? call->stop : NULL, ms) < 0)
		return ls_err_set(err, -ECANCELED, "stopped");
	return store_call_check(call, err);
}

/* Counts one call; returns the code it is to fail with, or 0. *ret_plan: the plan of this call. */
static int
strike(struct store_fault *f, const struct store_call *call, enum store_fault_op op,
       struct store_fault_plan *ret_plan, struct ls_err *err)
{
	struct store_fault_plan plan;
	uint64_t n;
	int rc;

	pthread_mutex_lock(&f->lock);
	plan = f->plan;
	n = plan.ops & op ? ++f->count : 0;
	if (n && plan.draw)
		plan.code = plan.draw(plan.arg, &plan.lost_ack);
	else if (plan.nth == 0 || n < plan.nth || (n > plan.nth && !plan.persistent))
		plan.code = 0;
	pthread_mutex_unlock(&f->lock);
	*ret_plan = (struct store_fault_plan){0};
	if (n == 0)
		return 0;
	if (plan.delay_ms && (rc = delay(call, plan.delay_ms, err)) < 0)
		return rc;
	*ret_plan = plan;
	if (plan.code)
		return ls_err_set(err, plan.code, "injected failure of call %llu",
				  (unsigned long long)n);
	return 0;
}

static int
fault_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	  size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err)
{
	struct store_fault *f = self(st);
	struct store_get cut = *g;
	struct store_fault_plan plan;
	int rc = strike(f, call, STORE_FAULT_GET, &plan, err);

	if (rc < 0)
		return rc;
	if (plan.short_read && cut.len > 1)
		cut.len /= 2;
	return f->inner->ops->get(f->inner, call, &cut, buf, ret_n, ret_meta, err);
}

static int
fault_put(struct store *st, const struct store_call *call, const struct store_put *p,
	  const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	struct store_fault *f = self(st);
	struct store_fault_plan plan;
	int rc = strike(f, call, STORE_FAULT_PUT, &plan, err);

	if (rc < 0 && plan.lost_ack) {
		int done = f->inner->ops->put(f->inner, call, p, src, ret_meta, NULL);

		(void)done;
	}
	return rc < 0 ? rc : f->inner->ops->put(f->inner, call, p, src, ret_meta, err);
}

static int
fault_list(struct store *st, const struct store_call *call, const char *prefix, const char *after,
	   store_entry_fn *fn, void *arg, struct ls_err *err)
{
	struct store_fault *f = self(st);
	struct store_fault_plan plan;
	int rc = strike(f, call, STORE_FAULT_LIST, &plan, err);

	return rc < 0 ? rc : f->inner->ops->list(f->inner, call, prefix, after, fn, arg, err);
}

static int
fault_head(struct store *st, const struct store_call *call, const char *key, struct store_meta *ret,
	   struct ls_err *err)
{
	struct store_fault *f = self(st);
	struct store_fault_plan plan;
	int rc = strike(f, call, STORE_FAULT_HEAD, &plan, err);

	return rc < 0 ? rc : f->inner->ops->head(f->inner, call, key, ret, err);
}

static int
fault_del(struct store *st, const struct store_call *call, const char *const *keys, size_t n,
	  struct ls_err *err)
{
	struct store_fault *f = self(st);
	struct store_fault_plan plan;
	int rc = strike(f, call, STORE_FAULT_DEL, &plan, err);

	if (rc < 0 && plan.lost_ack) {
		int done = f->inner->ops->del(f->inner, call, keys, n, NULL);

		(void)done;
	}
	return rc < 0 ? rc : f->inner->ops->del(f->inner, call, keys, n, err);
}

static int
fault_root(struct store *st, const struct store_call *call, bool create,
	   char identity[STORE_ETAG_MAX], bool *ret_parent_ok, struct ls_err *err)
{
	struct store_fault *f = self(st);
	struct store_fault_plan plan;
	int rc = strike(f, call, STORE_FAULT_ROOT, &plan, err);

	*ret_parent_ok = false;
	return rc < 0 ? rc
		      : f->inner->ops->root(f->inner, call, create, identity, ret_parent_ok, err);
}

static void
fault_close(struct store *st)
{
	struct store_fault *f = self(st);

	store_close(f->inner);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

int
store_fault_open(struct store *inner, struct store **ret, struct ls_err *err)
{
	struct store_fault *f = calloc(1, sizeof *f);

	if (!f)
		return ls_err_set(err, -ENOMEM, "fault store: out of memory");
	f->ops = (struct store_ops){.scheme = inner->ops->scheme,
				    .parallel = inner->ops->parallel,
				    .get = fault_get,
				    .put = fault_put,
				    .list = fault_list,
				    .head = fault_head,
				    .del = fault_del,
				    .root = fault_root,
				    .close = fault_close};
	f->base.ops = &f->ops;
	f->inner = inner;
	pthread_mutex_init(&f->lock, NULL);
	*ret = &f->base;
	return 0;
}

void
store_fault_set(struct store *st, const struct store_fault_plan *plan)
{
	struct store_fault *f = self(st);

	pthread_mutex_lock(&f->lock);
	f->plan = *plan;
	f->count = 0;
	pthread_mutex_unlock(&f->lock);
}

uint64_t
store_fault_count(struct store *st)
{
	struct store_fault *f = self(st);
	uint64_t n;

	pthread_mutex_lock(&f->lock);
	n = f->count;
	pthread_mutex_unlock(&f->lock);
	return n;
}
