/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/store_limit.h"

#include "engine/base/clock.h"

/* What may still be used; below zero after a call that was longer than a second's worth. */
struct bucket {
	double rate, left;
	uint64_t at_ns;
};

struct store_limit {
	struct store base;
	struct store_ops ops;
	struct store *inner;
	pthread_mutex_t lock;
	struct bucket requests, up, down; /* under lock */
};

static struct store_limit *
self(struct store *st)
{
	return (struct store_limit *)st;
}

static void
begin(struct bucket *b, double rate)
{
	*b = (struct bucket){.rate = rate, .left = rate, .at_ns = clock_mono_ns()};
}

/* Takes n from a bucket; returns how long to wait before it is there, in ms. */
static uint64_t
spend(struct bucket *b, double n)
{
	uint64_t now = clock_mono_ns();

	if (b->rate <= 0)
		return 0;
	b->left += (double)(now - b->at_ns) / 1e9 * b->rate;
	if (b->left > b->rate)
		b->left = b->rate;
	b->at_ns = now;
	b->left -= n;
	return b->left < 0 ? (uint64_t)(-b->left / b->rate * 1000) : 0;
}

static int
wait_for(struct store_limit *l, const struct store_call *call, uint64_t up, uint64_t down,
	 struct ls_err *err)
{
	uint64_t ms, other;

	pthread_mutex_lock(&l->lock);
	ms = spend(&l->requests, 1);
	other = spend(&l->up, (double)up);
	ms = other > ms ? other : ms;
	other = spend(&l->down, (double)down);
	ms = other > ms ? other : ms;
	pthread_mutex_unlock(&l->lock);
	if (ms && call && call->deadline_ms && call->deadline_ms < clock_mono_ms() + ms)
		return ls_err_set(err, -ETIMEDOUT, "the limits that are set leave no time for it");
	if (ms && stop_sleep(call ? call->stop : NULL, ms) < 0)
		return ls_err_set(err, -ECANCELED, "stopped");
	return 0;
}

static int
limit_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	  size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err)
{
	struct store_limit *l = self(st);
	int rc = wait_for(l, call, 0, g->len, err);

	if (rc < 0)
		return rc;
	rc = l->inner->ops->get(l->inner, call, g, buf, ret_n, ret_meta, err);
	if (rc == 0 && *ret_n < g->len) { /* less than was taken for it */
		LS_AUTOLOCK(&l->lock);
		l->down.left += (double)(g->len - *ret_n);
	}
	return rc;
}

static int
limit_put(struct store *st, const struct store_call *call, const struct store_put *p,
	  const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	struct store_limit *l = self(st);
	int rc = wait_for(l, call, src->size, 0, err);

	return rc < 0 ? rc : l->inner->ops->put(l->inner, call, p, src, ret_meta, err);
}

static int
limit_list(struct store *st, const struct store_call *call, const char *prefix, const char *after,
	   store_entry_fn *fn, void *arg, struct ls_err *err)
{
	struct store_limit *l = self(st);
	int rc = wait_for(l, call, 0, 0, err);

	return rc < 0 ? rc : l->inner->ops->list(l->inner, call, prefix, after, fn, arg, err);
}

static int
limit_head(struct store *st, const struct store_call *call, const char *key, struct store_meta *ret,
	   struct ls_err *err)
{
	struct store_limit *l = self(st);
	int rc = wait_for(l, call, 0, 0, err);

	return rc < 0 ? rc : l->inner->ops->head(l->inner, call, key, ret, err);
}

static int
limit_del(struct store *st, const struct store_call *call, const char *const *keys, size_t n,
	  struct ls_err *err)
{
	struct store_limit *l = self(st);
	int rc = wait_for(l, call, 0, 0, err);

	return rc < 0 ? rc : l->inner->ops->del(l->inner, call, keys, n, err);
}

static int
limit_root(struct store *st, const struct store_call *call, bool create,
	   char identity[STORE_ETAG_MAX], bool *ret_parent_ok, struct ls_err *err)
{
	struct store *in = self(st)->inner;

	return in->ops->root(in, call, create, identity, ret_parent_ok, err);
}

static void
limit_close(struct store *st)
{
	struct store_limit *l = self(st);

	store_close(l->inner);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

int
store_limit_open(struct store *inner, const struct store_limits *limits, struct store **ret,
		 struct ls_err *err)
{
	struct store_limit *l = calloc(1, sizeof *l);

	if (!l) {
		store_close(inner);
		return ls_err_set(err, -ENOMEM, "storage: out of memory");
	}
	l->ops = (struct store_ops){.scheme = inner->ops->scheme,
				    .parallel = inner->ops->parallel,
				    .get = limit_get,
				    .put = limit_put,
				    .list = limit_list,
				    .head = limit_head,
				    .del = limit_del,
				    .root = limit_root,
				    .close = limit_close};
	l->base.ops = &l->ops;
	l->inner = inner;
	pthread_mutex_init(&l->lock, NULL);
	begin(&l->requests, limits->requests);
	begin(&l->up, (double)limits->bytes_up);
	begin(&l->down, (double)limits->bytes_down);
	*ret = &l->base;
	return 0;
}
