/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/store_count.h"

const struct store_prices store_count_prices = {
	.put = 0.005, .get = 0.0004, .list = 0.005, .download = 0.09};

double
store_count_cost(const struct store_counts *c, const struct store_prices *p)
{
	return (double)atomic_load(&c->puts) * p->put / 1000 +
	       (double)(atomic_load(&c->gets) + atomic_load(&c->heads)) * p->get / 1000 +
	       (double)atomic_load(&c->lists) * p->list / 1000 +
	       (double)atomic_load(&c->bytes_read) * p->download / 1e9;
}

struct store_count {
	struct store base;
	struct store_ops ops;
	struct store *inner;
	struct store_counts *counts;
};

static struct store_count *
self(struct store *st)
{
	return (struct store_count *)st;
}

static int
count_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	  size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err)
{
	struct store_count *c = self(st);
	int rc = c->inner->ops->get(c->inner, call, g, buf, ret_n, ret_meta, err);

	atomic_fetch_add(&c->counts->gets, 1);
	if (rc == 0)
		atomic_fetch_add(&c->counts->bytes_read, *ret_n);
	return rc;
}

static int
count_put(struct store *st, const struct store_call *call, const struct store_put *p,
	  const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	struct store_count *c = self(st);

	atomic_fetch_add(&c->counts->puts, 1);
	atomic_fetch_add(&c->counts->bytes_written, src->size);
	return c->inner->ops->put(c->inner, call, p, src, ret_meta, err);
}

static int
count_list(struct store *st, const struct store_call *call, const char *prefix, const char *after,
	   store_entry_fn *fn, void *arg, struct ls_err *err)
{
	struct store_count *c = self(st);

	atomic_fetch_add(&c->counts->lists, 1);
	return c->inner->ops->list(c->inner, call, prefix, after, fn, arg, err);
}

static int
count_head(struct store *st, const struct store_call *call, const char *key, struct store_meta *ret,
	   struct ls_err *err)
{
	struct store_count *c = self(st);

	atomic_fetch_add(&c->counts->heads, 1);
	return c->inner->ops->head(c->inner, call, key, ret, err);
}

static int
count_del(struct store *st, const struct store_call *call, const char *const *keys, size_t n,
	  struct ls_err *err)
{
	struct store_count *c = self(st);

	atomic_fetch_add(&c->counts->dels, 1);
	return c->inner->ops->del(c->inner, call, keys, n, err);
}

static int
count_root(struct store *st, const struct store_call *call, bool create,
	   char identity[STORE_ETAG_MAX], bool *ret_parent_ok, struct ls_err *err)
{
	struct store_count *c = self(st);

	atomic_fetch_add(&c->counts->roots, 1);
	return c->inner->ops->root(c->inner, call, create, identity, ret_parent_ok, err);
}

static void
count_close(struct store *st)
{
	store_close(self(st)->inner);
	free(st);
}

int
store_count_open(struct store *inner, struct store_counts *counts, struct store **ret,
		 struct ls_err *err)
{
	struct store_count *c = calloc(1, sizeof *c);

	if (!c) {
		store_close(inner);
		return ls_err_set(err, -ENOMEM, "counting store: out of memory");
	}
	c->ops = (struct store_ops){.scheme = inner->ops->scheme,
				    .parallel = inner->ops->parallel,
				    .get = count_get,
				    .put = count_put,
				    .list = count_list,
				    .head = count_head,
				    .del = count_del,
				    .root = count_root,
				    .close = count_close};
	c->base.ops = &c->ops;
	c->inner = inner;
	c->counts = counts;
	*ret = &c->base;
	return 0;
}
