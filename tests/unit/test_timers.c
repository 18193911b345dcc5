/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/timers.h"
#include "tests/lib/tap.h"

#include <stdlib.h>

enum { N = 300, STEPS = 200000 };

static uint64_t seed = 1;

static uint32_t
any(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % n;
}

static uint64_t
least(const struct timers_item *v)
{
	uint64_t min = UINT64_MAX;

	for (int i = 0; i < N; i++)
		if (v[i].at && v[i].due_ns < min)
			min = v[i].due_ns;
	return min;
}

int
main(void)
{
	static struct timers_item v[N];
	struct timers t = {0};
	struct ls_err err;
	int wrong = 0;

	ok(timers_first(&t) == NULL, "nothing is due");
	ok(timers_reserve(&t, N, &err) == 0, "room");
	for (int i = 0; i < STEPS; i++) {
		struct timers_item *item = &v[any(N)], *first;

		if (any(4))
			timers_set(&t, item, any(3) ? any(1000) : UINT64_MAX);
		else
			timers_clear(&t, item);
		first = timers_first(&t);
		wrong += first ? first->due_ns != least(v) : t.n != 0;
	}
	ok(wrong == 0, "the first one is the one that is due first, %d steps", STEPS);
	for (int i = 0; i < N; i++)
		timers_clear(&t, &v[i]);
	ok(timers_first(&t) == NULL, "all cleared");
	timers_done(&t);
	return tap_done();
}
