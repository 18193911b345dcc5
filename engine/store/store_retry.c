/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/store_retry.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <stdio.h>
#include <string.h>

enum { TRIES = 10, CAPTURE_TRIES = 3, BASE_MS = 100, MAX_MS = 20000, TOLD_FROM = 3 };

struct store_retry {
	struct store base;
	struct store_ops ops;
	struct store *inner;
};

/* The tries of one call. */
struct tries {
	const struct store_call *call;
	struct backoff backoff;
	unsigned n;
};

static struct store *
inner(struct store *st)
{
	return ((struct store_retry *)st)->inner;
}

/* After rc: waits, and says whether to try once more; false also when it is no use to wait. */
static bool
once_more(struct tries *t, int rc, const struct ls_err *err)
{
	bool capture = t->call && t->call->priority == STORE_PRIO_CAPTURE;
	uint64_t ms, now = clock_mono_ms();

	if (rc >= 0 || !err->retry || ++t->n >= (capture ? CAPTURE_TRIES : TRIES))
		return false;
	ms = backoff_next_ms(&t->backoff, BASE_MS, MAX_MS);
	if (t->call && t->call->deadline_ms && t->call->deadline_ms <= now + ms)
		return false;
	if (t->n >= TOLD_FROM)
		log_write(LOG_DEBUG, "storage: trying again", LOG_STR("error", err->msg));
	return stop_sleep(t->call ? t->call->stop : NULL, ms) == 0;
}

static int
finish(int rc, const struct ls_err *local, struct ls_err *err)
{
	if (rc < 0 && err)
		*err = *local;
	return rc;
}

static int
retry_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	  size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err)
{
	struct tries t = {.call = call};
	struct store_meta meta = {0};
	struct store_get rest = *g;
	char etag[STORE_ETAG_MAX];
	struct ls_err local;
	size_t done = 0;
	int rc;

	do {
		size_t n = 0;

		local = (struct ls_err){0};
		rest.off = g->off + done;
		rest.len = g->len - done;
		rc = inner(st)->ops->get(inner(st), call, &rest, (char *)buf + done, &n, &meta,
					 &local);
		if (n && !rest.etag && meta.etag[0]) {
			snprintf(etag, sizeof etag, "%s", meta.etag);
			rest.etag = etag;
		}
		if (n)
			t.n = 0;
		done += n;
		if (rc < 0 && done && done == g->len)
			rc = 0;
	} while (once_more(&t, rc, &local));
	*ret_n = done;
	if (rc == 0 && ret_meta)
		*ret_meta = meta;
	return finish(rc, &local, err);
}

static int
retry_put(struct store *st, const struct store_call *call, const struct store_put *p,
	  const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	struct tries t = {.call = call};
	struct ls_err local;
	int rc;

	do {
		local = (struct ls_err){0};
		rc = inner(st)->ops->put(inner(st), call, p, src, ret_meta, &local);
	} while (once_more(&t, rc, &local));
	return finish(rc, &local, err);
}

/* What has been delivered. */
struct listing {
	store_entry_fn *fn;
	void *arg;
	bool callers; /* the error is the caller's own: it is not tried again */
	char last[STORE_KEY_MAX + 1];
};

static int
take_entry(void *arg, const struct store_entry *e, struct ls_err *err)
{
	struct listing *l = arg;
	int rc = l->fn(l->arg, e, err);

	l->callers = rc < 0;
	snprintf(l->last, sizeof l->last, "%s", e->key);
	return rc;
}

static int
retry_list(struct store *st, const struct store_call *call, const char *prefix, const char *after,
	   store_entry_fn *fn, void *arg, struct ls_err *err)
{
	struct listing l = {.fn = fn, .arg = arg};
	struct tries t = {.call = call};
	struct ls_err local;
	int rc;

	do {
		char from[STORE_KEY_MAX + 1];

		local = (struct ls_err){0};
		snprintf(from, sizeof from, "%s", l.last);
		rc = inner(st)->ops->list(inner(st), call, prefix, *from ? from : after, take_entry,
					  &l, &local);
	} while (!l.callers && once_more(&t, rc, &local));
	return finish(rc, &local, err);
}

static int
retry_head(struct store *st, const struct store_call *call, const char *key, struct store_meta *ret,
	   struct ls_err *err)
{
	struct tries t = {.call = call};
	struct ls_err local;
	int rc;

	do {
		local = (struct ls_err){0};
		rc = inner(st)->ops->head(inner(st), call, key, ret, &local);
	} while (once_more(&t, rc, &local));
	return finish(rc, &local, err);
}

static int
retry_del(struct store *st, const struct store_call *call, const char *const *keys, size_t n,
	  struct ls_err *err)
{
	struct tries t = {.call = call};
	struct ls_err local;
	int rc;

	do {
		local = (struct ls_err){0};
		rc = inner(st)->ops->del(inner(st), call, keys, n, &local);
	} while (once_more(&t, rc, &local));
	return finish(rc, &local, err);
}

static int
retry_root(struct store *st, const struct store_call *call, bool create,
	   char identity[STORE_ETAG_MAX], bool *ret_parent_ok, struct ls_err *err)
{
	struct tries t = {.call = call};
	struct ls_err local;
	int rc;

	do {
		local = (struct ls_err){0};
		rc = inner(st)->ops->root(inner(st), call, create, identity, ret_parent_ok, &local);
	} while (once_more(&t, rc, &local));
	return finish(rc, &local, err);
}

static void
retry_close(struct store *st)
{
	store_close(inner(st));
	free(st);
}

int
store_retry_open(struct store *in, struct store **ret, struct ls_err *err)
{
	struct store_retry *r = calloc(1, sizeof *r);

	if (!r) {
		store_close(in);
		return ls_err_set(err, -ENOMEM, "storage: out of memory");
	}
	r->ops = (struct store_ops){.scheme = in->ops->scheme,
				    .parallel = in->ops->parallel,
				    .get = retry_get,
				    .put = retry_put,
				    .list = retry_list,
				    .head = retry_head,
				    .del = retry_del,
				    .root = retry_root,
				    .close = retry_close};
	r->base.ops = &r->ops;
	r->inner = in;
	*ret = &r->base;
	return 0;
}
