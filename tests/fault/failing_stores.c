/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failing_stores: linked to the program with --wrap=store_open, it makes one call in thirty of
 * every store fail at random; of the puts and deletions half are done all the same. The environment
 * has the seed, LS_TEST_SEED.
 */
#include "config.h"

#include "engine/store/store_fault.h"
#include "tests/lib/rnd.h"

#include <stdlib.h>

int __real_store_open(const struct store_config *cfg, struct store **ret, struct ls_err *err);
int __wrap_store_open(const struct store_config *cfg, struct store **ret, struct ls_err *err);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int
now_and_then(void *arg, bool *ret_lost_ack)
{
	static const int codes[] = {-EIO, -ENOSPC, -EACCES, -ETIMEDOUT};
	const char *seed = getenv("LS_TEST_SEED");
	int code = 0;

	(void)arg;
	pthread_mutex_lock(&lock);
	if (rng == 0)
		rng = 1 + strtoull(seed ? seed : "1", NULL, 10);
	if (rnd(30) == 0)
		code = codes[rnd(sizeof codes / sizeof codes[0])];
	*ret_lost_ack = rnd(2) == 0;
	pthread_mutex_unlock(&lock);
	return code;
}

int
__wrap_store_open(const struct store_config *cfg, struct store **ret, struct ls_err *err)
{
	struct store_fault_plan plan = {.ops = STORE_FAULT_ALL, .draw = now_and_then};
	struct store *st = NULL;
	int rc = __real_store_open(cfg, &st, err);

	if (rc == 0 && (rc = store_fault_open(st, ret, err)) < 0)
		store_close(st);
	if (rc == 0)
		store_fault_set(*ret, &plan);
	return rc;
}
