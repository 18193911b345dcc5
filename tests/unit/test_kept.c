/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/kept.h"
#include "tests/lib/tap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BIG = KEPT_FILE_MAX, TURNS = 20000 };

static uint8_t bytes[BIG + 1], out[BIG + 1];

static bool
has(struct kept *k, uint64_t txid, size_t size)
{
	const struct kept_name name = {.min = txid, .max = txid};
	size_t n = 0;

	memset(out, 0xee, sizeof out);
	return kept_get(k, &name, size, 0, out, sizeof out, &n) && n == size &&
	       memcmp(out, bytes, n) == 0;
}

static void
put(struct kept *k, uint64_t txid, size_t size)
{
	const struct kept_name name = {.min = txid, .max = txid};

	kept_put(k, &name, bytes, size);
}

static void
test_one(void)
{
	struct kept *k = kept_new();
	const struct kept_name name = {.min = 1, .max = 1}, other = {k, 1, 1, 0},
			       level = {k, 1, 1, 1};
	size_t n = 0;

	put(k, 1, 100);
	ok(has(k, 1, 100), "what was put is here");
	ok(!has(k, 1, 99), "of another size it is not");
	ok(!has(k, 2, 100), "nor under another name");
	ok(kept_get(k, &name, 100, 90, out, 50, &n) && n == 10, "its end");
	ok(kept_get(k, &name, 100, 200, out, 50, &n) && n == 0, "nothing behind it");
	put(k, 1, 50);
	ok(has(k, 1, 50) && !has(k, 1, 100), "another one in its place");
	kept_put(k, &other, bytes, 7);
	kept_put(k, &level, bytes, 8);
	ok(kept_get(k, &other, 7, 0, out, 9, &n) && kept_get(k, &level, 8, 0, out, 9, &n),
	   "owner and level are of the name");
	kept_drop_all(k, k);
	ok(!kept_get(k, &other, 7, 0, out, 9, &n) && !kept_get(k, &level, 8, 0, out, 9, &n) &&
		   has(k, 1, 50),
	   "all of one owner go");
	kept_drop(k, &name);
	ok(!has(k, 1, 50), "one goes");
	put(k, 1, BIG + 1);
	ok(!has(k, 1, BIG + 1), "too large a file is not kept");
	put(NULL, 1, 1);
	ok(!has(NULL, 1, 1), "without memory nothing is");
	kept_free(k);
}

static void
test_limit(void)
{
	struct kept *a = kept_new(), *b = kept_new();
	unsigned n = 0;

	for (uint64_t t = 1; t <= 20; t++)
		put(a, t, BIG);
	for (uint64_t t = 1; t <= 20; t++)
		n += has(a, t, BIG);
	ok(n > 0 && (size_t)n * BIG <= KEPT_MAX, "no more than may be kept");
	ok(has(a, 20, BIG) && !has(a, 1, BIG), "the oldest went first");
	put(b, 1, BIG);
	ok(!has(b, 1, BIG) && has(a, 20, BIG), "another database pushes nothing out");
	kept_free(a);
	put(b, 1, BIG);
	ok(has(b, 1, BIG), "there is room again");
	kept_free(b);
}

static void *
writer(void *arg)
{
	for (uint64_t t = 1; t <= TURNS; t++)
		put(arg, t % 64, 1 + t % 3000);
	return NULL;
}

static void
test_threads(void)
{
	struct kept *k = kept_new();
	unsigned wrong = 0;
	pthread_t w;

	pthread_create(&w, NULL, writer, k);
	for (uint64_t t = 1; t <= TURNS; t++) {
		const struct kept_name name = {.min = t % 64, .max = t % 64};
		size_t n = 0;

		if (kept_get(k, &name, 1 + t % 3000, 0, out, sizeof out, &n))
			wrong += n != 1 + t % 3000 || memcmp(out, bytes, n) != 0;
		if (t % 10 == 0)
			kept_drop(k, &name);
	}
	pthread_join(w, NULL);
	ok(wrong == 0, "two threads");
	kept_free(k);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	test_one();
	test_limit();
	test_threads();
	return tap_done();
}
