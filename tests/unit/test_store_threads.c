/* SPDX-License-Identifier: Apache-2.0 */
/* Calls from many threads at once, and a long random history against a model, for every driver. */
#include "config.h"

#include "engine/store/store.h"
#include "tests/lib/store_drivers.h"
#include "tests/lib/rnd.h"
#include "tests/lib/tap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 60, SIZE = 200000, KEYS = 12, STEPS = 600 };

static const struct store_driver *driver;
static struct store *st;
static uint64_t seed;

static void
fresh(void)
{
	char identity[STORE_ETAG_MAX];
	bool parent_ok;

	st = driver->open(driver);
	if (store_root(st, NULL, true, identity, &parent_ok, NULL) < 0)
		exit(1);
}

static int
put(const char *key, uint8_t fill, size_t n, bool create_only)
{
	ls_autofree uint8_t *p = calloc(1, n ? n : 1);
	struct store_put put = {.key = key, .time_ms = 1, .create_only = create_only};
	struct store_source src = store_source_mem(p, n);

	if (!p)
		return -ENOMEM;
	memset(p, fill, n);
	return store_put(st, NULL, &put, &src, NULL, NULL);
}

/* ---- threads ---- */

static pthread_barrier_t barrier;
static atomic_uint won, repeated, torn, odd;
static atomic_bool over;

static void *
race(void *arg)
{
	uint8_t id = (uint8_t)(uintptr_t)arg;
	char key[64];

	for (unsigned i = 0; i < ROUNDS; i++) {
		int rc;

		pthread_barrier_wait(&barrier);
		snprintf(key, sizeof key, "new%u/dir/one", i);
		rc = put(key, id, 1000, true);
		won += rc == 0;
		odd += rc != 0 && rc != -EEXIST;
		snprintf(key, sizeof key, "new%u/dir/same", i);
		repeated += put(key, 7, 1000, true) == 0;
		odd += put("replaced", id, SIZE, false) != 0;
	}
	return NULL;
}

/* Every version is whole. */
static void *
watch(void *arg)
{
	ls_autofree uint8_t *buf = malloc(SIZE);
	struct store_get g = {.key = "replaced", .len = SIZE};

	(void)arg;
	while (buf && !over) {
		size_t n = 0;
		int rc = store_get(st, NULL, &g, buf, &n, NULL, NULL);

		torn += rc != 0 || n != SIZE || memcmp(buf, buf + 1, SIZE - 1) != 0;
	}
	return NULL;
}

static void
test_threads(void)
{
	pthread_t t[THREADS], watcher;

	won = repeated = torn = odd = 0;
	over = false;
	fresh();
	ok(put("replaced", 0, SIZE, false) == 0, "an object that will be replaced");
	pthread_barrier_init(&barrier, NULL, THREADS);
	pthread_create(&watcher, NULL, watch, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, race, (void *)(i + 1)); /* NOLINT */
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	over = true;
	pthread_join(watcher, NULL);
	pthread_barrier_destroy(&barrier);
	is_int(won, ROUNDS, "one of many that create a key wins");
	is_int(repeated, ROUNDS * THREADS, "all of them do with the same bytes");
	is_int(torn, 0, "no reader saw a mixture");
	is_int(odd, 0, "nothing else failed");
	is_int(store_drivers_leftovers(), 0, "no temporary name is left");
	store_close(st);
}

/* ---- model ---- */

static const char *const keys[KEYS] = {"a",    "a.b", "b/a",   "b/b",	  "b/c/d", "b-",
				       "b0/x", "c/c", "c/c.c", "d/e/f/g", "zz",	   "b/c.d"};

struct object {
	bool there;
	uint8_t fill;
	uint16_t size;
};

static struct object model[KEYS];
struct walk {
	const char *last;
	char copy[64];
	unsigned n, bad;
};

static int
see(void *arg, const struct store_entry *e, struct ls_err *err)
{
	struct walk *w = arg;
	bool found = false;

	(void)err;
	w->bad += w->last && strcmp(w->last, e->key) >= 0;
	snprintf(w->copy, sizeof w->copy, "%s", e->key);
	w->last = w->copy;
	for (unsigned i = 0; i < KEYS; i++)
		found |= model[i].there && strcmp(keys[i], e->key) == 0 &&
			 model[i].size == e->meta.size;
	w->bad += !found;
	w->n++;
	return 0;
}

static bool
listing_ok(const char *prefix, const char *after)
{
	struct walk w = {.n = 0};
	unsigned want = 0;

	for (unsigned i = 0; i < KEYS; i++)
		want += model[i].there && strncmp(keys[i], prefix, strlen(prefix)) == 0 &&
			(!after || strcmp(keys[i], after) > 0);
	return store_list(st, NULL, prefix, after, see, &w, NULL) == 0 && w.bad == 0 && w.n == want;
}

static bool
get_ok(unsigned i)
{
	static uint8_t buf[600];
	unsigned off = rnd(300), len = rnd(600);
	struct store_get g = {.key = keys[i], .off = off, .len = len};
	unsigned want = off < model[i].size ? model[i].size - off : 0;
	size_t n = 0;
	int rc = store_get(st, NULL, &g, buf, &n, NULL, NULL);

	if (!model[i].there)
		return rc == -ENOENT;
	if (rc < 0 || n != (want < len ? want : len))
		return false;
	for (size_t k = 0; k < n; k++)
		if (buf[k] != model[i].fill)
			return false;
	return true;
}

static bool
put_ok(unsigned i)
{
	struct object o = {true, (uint8_t)rnd(3), (uint16_t)rnd(3)}, *m = &model[i];
	bool create = rnd(2), same;
	int rc;

	if (rnd(4) == 0)
		o.size = (uint16_t)rnd(500);
	same = m->there && m->size == o.size && (m->fill == o.fill || o.size == 0);
	rc = put(keys[i], o.fill, o.size, create);
	if (create && m->there)
		return rc == (same ? 0 : -EEXIST);
	*m = o;
	return rc == 0;
}

static bool
step(void)
{
	unsigned i = rnd(KEYS), k = rnd(KEYS);
	const char *two[] = {keys[i], keys[k]};

	switch (rnd(6)) {
	case 0:
	case 1:
		return put_ok(i);
	case 2:
		model[i].there = model[k].there = false;
		return store_del(st, NULL, two, 2, NULL) == 0;
	case 3:
		return listing_ok("", rnd(2) ? keys[i] : NULL);
	case 4:
		return listing_ok(rnd(2) ? "b/" : "c", rnd(2) ? keys[i] : NULL);
	default:
		return get_ok(i);
	}
}

static void
test_model(void)
{
	unsigned bad = 0;

	rng = seed | 1;
	memset(model, 0, sizeof model);
	fresh();
	for (unsigned i = 0; i < STEPS && !bad; i++)
		bad += !step();
	is_int(bad, 0, "a random history agrees with the model");
	is_int(store_drivers_leftovers(), 0, "no temporary name is left");
	store_close(st);
}

int
main(void)
{
	const char *env = getenv("SEED");

	seed = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	printf("# SEED=%llu\n", (unsigned long long)seed);
	for (size_t d = 0; d < store_drivers_n; d++) {
		driver = &store_drivers[d];
		printf("# driver %s\n", driver->name);
		test_threads();
		test_model();
	}
	store_drivers_done();
	return tap_done();
}
