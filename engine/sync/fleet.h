/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet: the databases of this process, from the first look to the final sync. The supervisor: the
 * one place of the writing side that logs.
 */
#ifndef ENGINE_SYNC_FLEET_H
#define ENGINE_SYNC_FLEET_H

#include "engine/conf/conf.h"

struct fleet_opts {
	bool once;		  /* capture everything, make it durable in the replica, end */
	const struct stop *stop;  /* fires on SIGTERM and SIGINT: final sync, then end */
	const struct stop *abort; /* fires on the second signal: end without waiting for storage */
	/* Called once all databases have been opened: from here on no commit is missed. An error
	 * ends the run, after the final sync. May be NULL. */
	int (*armed)(void *arg, struct ls_err *err);
	void *armed_arg;
	bool stay; /* go on without a database that can be replicated: an application runs */
};

/*
 * Runs until stopped. Every database is opened before stop is looked at, and captured before the
 * end (H87). Returns 0, or an error whose text names what is not replicated.
 */
LS_MUST_USE int
fleet_run(const struct conf *conf, const struct fleet_opts *opts, struct ls_err *err);

#endif
