/* SPDX-License-Identifier: Apache-2.0 */
/* What the wrappers do: a retry goes on where a call was cut, and gives up; limits make calls wait.
 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/store/store_fault.h"
#include "engine/store/store_limit.h"
#include "engine/store/store_retry.h"
#include "tests/lib/store_drivers.h"
#include "tests/lib/tap.h"

enum { SIZE = 100000 };

static struct ls_err err;
static uint8_t data[SIZE], back[SIZE];

/* A directory with some objects. */
static struct store *
made(void)
{
	struct store *st = store_drivers[0].open(&store_drivers[0]);
	struct store_source src = store_source_mem(data, SIZE);
	char identity[STORE_ETAG_MAX], key[16];
	bool parent_ok;

	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 9);
	ok(store_root(st, NULL, true, identity, &parent_ok, &err) == 0, "a root");
	for (int i = 0; i < 5; i++) {
		struct store_put p = {.key = key, .time_ms = 1};

		snprintf(key, sizeof key, "k%d", i);
		ok(store_put(st, NULL, &p, &src, NULL, &err) == 0, "an object");
	}
	return st;
}

/* An inner store that delivers a part and fails, every other time. */
struct cutting {
	struct store base;
	struct store_ops ops;
	struct store *inner;
	unsigned calls;
	int code;
};

static int
cut_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	size_t *ret_n, struct store_meta *m, struct ls_err *e)
{
	struct cutting *c = (struct cutting *)st;
	struct store_get part = *g;
	int rc;

	part.len = g->len / 2;
	if (++c->calls % 2 == 0)
		return c->inner->ops->get(c->inner, call, g, buf, ret_n, m, e);
	if ((rc = c->inner->ops->get(c->inner, call, &part, buf, ret_n, m, e)) < 0)
		return rc;
	return ls_err_set(e, c->code, "cut");
}

struct keys {
	char text[64];
	int fail_at, n;
};

static int
see(void *arg, const struct store_entry *e, struct ls_err *e_err)
{
	struct keys *k = arg;

	if (++k->n == k->fail_at)
		return ls_err_set(e_err, -EAGAIN, "mine");
	strcat(k->text, e->key);
	return 0;
}

static int
cut_list(struct store *st, const struct store_call *call, const char *prefix, const char *after,
	 store_entry_fn *fn, void *arg, struct ls_err *e)
{
	struct cutting *c = (struct cutting *)st;
	char key[16] = "k0";
	struct store_entry one = {.key = key};

	(void)call;
	(void)prefix;
	/* One more entry each time, then a failure. */
	if (after)
		snprintf(key, sizeof key, "k%d", after[1] - '0' + 1);
	if (strcmp(key, "k5") == 0)
		return 0;
	c->calls++;
	if (fn(arg, &one, e) < 0)
		return e->code;
	return ls_err_set(e, -EAGAIN, "cut");
}

static struct store *
cutting(struct cutting *c, struct store *inner, int code)
{
	*c = (struct cutting){.inner = inner, .code = code, .ops = *inner->ops};
	c->ops.get = cut_get;
	c->ops.list = cut_list;
	c->ops.close = NULL;
	c->base.ops = &c->ops;
	return &c->base;
}

static void
close_nothing(struct store *st)
{
	(void)st;
}

static void
test_retry(void)
{
	struct store *inner = made(), *st = NULL;
	struct store_get g = {.key = "k0", .len = SIZE};
	struct cutting c;
	struct keys k = {.n = 0};
	size_t n = 0;

	cutting(&c, inner, -EAGAIN);
	c.ops.close = close_nothing;
	ok(store_retry_open(&c.base, &st, &err) == 0, "a retry around it");
	ok(store_get(st, NULL, &g, back, &n, NULL, &err) == 0 && n == SIZE &&
		   memcmp(back, data, SIZE) == 0,
	   "a get that was cut goes on where it was");
	is_int(c.calls, 2, "with two calls");
	c.code = -EACCES;
	is_int(store_get(st, NULL, &g, back, &n, NULL, &err), -EACCES,
	       "what cannot pass is not tried again");
	is_int(c.calls, 3, "one call");
	is_int(store_list(st, NULL, "", NULL, see, &k, &err), 0,
	       "a listing that is cut after each entry");
	is_str(k.text, "k0k1k2k3k4", "delivers each once");
	k = (struct keys){.fail_at = 2};
	is_int(store_list(st, NULL, "", NULL, see, &k, &err), -EAGAIN, "the caller's own error");
	is_str(k.text, "k0", "ends it");
	store_close(st);
	store_close(inner);
}

static void
test_giving_up(void)
{
	struct store_call soon = {.deadline_ms = clock_mono_ms() + 150};
	struct store_call capture = {.priority = STORE_PRIO_CAPTURE};
	struct store *fault = NULL, *st = NULL;
	struct store_fault_plan plan = {
		.ops = STORE_FAULT_ALL, .nth = 1, .persistent = true, .code = -EAGAIN};
	struct store_get g = {.key = "k0", .len = SIZE};
	size_t n;

	ok(store_fault_open(made(), &fault, &err) == 0 && store_retry_open(fault, &st, &err) == 0,
	   "a store that is dead");
	store_fault_set(fault, &plan);
	is_int(store_get(st, &soon, &g, back, &n, NULL, &err), -EAGAIN,
	       "no later than the deadline");
	ok(store_fault_count(fault) <= 3, "after a try or two");
	store_fault_set(fault, &plan);
	is_int(store_get(st, &capture, &g, back, &n, NULL, &err), -EAGAIN, "capture");
	is_u64(store_fault_count(fault), 3, "tries three times, and says so");
	store_close(st);
}

static void
test_limits(void)
{
	const struct store_limits limits = {.requests = 20, .bytes_down = 4 * SIZE};
	struct store_call soon = {.deadline_ms = clock_mono_ms() + 10};
	struct store_get g = {.key = "k0", .len = SIZE};
	struct store *st = NULL;
	uint64_t start;
	size_t n;

	ok(store_limit_open(made(), &limits, &st, &err) == 0, "a store with limits");
	start = clock_mono_ms();
	for (int i = 0; i < 6; i++)
		ok(store_get(st, NULL, &g, back, &n, NULL, &err) == 0 && n == SIZE, "get");
	ok(clock_mono_ms() - start >= 450, "six where four a second may be: %u ms",
	   (unsigned)(clock_mono_ms() - start));
	is_int(store_get(st, &soon, &g, back, &n, NULL, &err), -ETIMEDOUT, "no time to wait for");
	store_close(st);
}

int
main(void)
{
	test_retry();
	test_giving_up();
	test_limits();
	store_drivers_done();
	return tap_done();
}
