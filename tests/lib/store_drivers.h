/* SPDX-License-Identifier: Apache-2.0 */
/* store_drivers: the kinds of storage that the contract suite runs against. A new driver is one
 * more row of the table in store_drivers.c. */
#ifndef TESTS_LIB_STORE_DRIVERS_H
#define TESTS_LIB_STORE_DRIVERS_H

#include "engine/store/store.h"

struct store_driver {
	const char *name;
	/* A store whose root is missing and whose parent can be listed; store_close() frees it. */
	struct store *(*open)(const struct store_driver *d);
	int64_t time_step_ms; /* how exactly it keeps a transaction time */
	bool bucket;	      /* its root is always there, and a listing knows no exact time */
};

/* Those without a server; with LS_TEST_S3 (the URL of one, with a bucket "contract" in it) only
 * those that speak to it. */
extern const struct store_driver *store_drivers;
extern size_t store_drivers_n;

/* Before the others. */
void store_drivers_choose(void);

/* Before all else: on tmpfs where there is one, for tests that make thousands of files. */
void store_drivers_in_memory(void);

/* The directory that holds the roots of all drivers; removed by store_drivers_done(). */
const char *store_drivers_dir(void);
void store_drivers_done(void);

/* Names below the root of the newest store that no object has: temporary files. */
unsigned store_drivers_leftovers(void);

/* The root directory of the newest store. */
const char *store_drivers_root(void);

#endif
