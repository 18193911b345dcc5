/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/job.h"
#include "engine/base/stop.h"
#include "tests/lib/tap.h"

#include <stdatomic.h>

static atomic_int ran;

static void
count(struct job *job)
{
	(void)job;
	atomic_fetch_add(&ran, 1);
}

static void
test_pool_runs_everything(void)
{
	struct job jobs[1000];
	struct job_pool *pool = NULL;
	struct ls_err err = {0};

	is_int(job_pool_new("test", 4, &pool, &err), 0, "start four threads");
	for (int i = 0; i < 1000; i++) {
		jobs[i].run = count;
		job_submit(pool, &jobs[i]);
	}
	job_pool_free(pool);
	is_int(atomic_load(&ran), 1000, "every job ran before the pool was gone");
	job_pool_free(NULL);
}

static void *
fire(void *arg)
{
	stop_fire(arg);
	return NULL;
}

static void
test_stop_wakes_a_sleeper(void)
{
	struct ls_err err = {0};
	struct stop s;
	pthread_t t;

	is_int(stop_init(&s, &err), 0, "init");
	is_int(stop_sleep(&s, 0), 0, "not fired");
	is_int(job_thread(&t, "fire", fire, &s, &err), 0, "another thread fires");
	is_int(stop_sleep(&s, 60000), -ECANCELED, "the sleeper wakes");
	ok(stop_fired(&s), "and stays fired");
	ok(!stop_fired(NULL), "no token never fires");
	pthread_join(t, NULL);
	stop_done(&s);
}

int
main(void)
{
	RUN(test_pool_runs_everything);
	RUN(test_stop_wakes_a_sleeper);
	return tap_done();
}
