/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet: the databases of this process, from the first look to the final sync. The supervisor: the
 * one place of the writing side that logs.
 *
 * One event thread looks and decides; captures and uploads run in two small pools.
 * Threads: fleet_run() by one; fleet_sync(), fleet_list() by any, before, while and after it runs.
 */
#ifndef ENGINE_SYNC_FLEET_H
#define ENGINE_SYNC_FLEET_H

#include "engine/conf/conf.h"

struct fleet;

struct fleet_opts {
	bool once;		  /* capture everything, make it durable in the replica, end */
	bool force_snapshot;	  /* with once: then make a snapshot */
	bool enforce_retention;	  /* with once: then delete what has expired */
	bool maintain;		  /* with once: then merge, pack and delete what is due */
	const struct stop *stop;  /* fires on SIGTERM and SIGINT: final sync, then end */
	const struct stop *abort; /* fires on the second signal: end without waiting for storage */
	/* Called once all databases have been opened: from here on no commit is missed. An error
	 * ends the run, after the final sync. May be NULL. */
	int (*armed)(void *arg, struct ls_err *err);
	void *armed_arg;
	/* Called by any thread when another host has taken a lease that was held. May be NULL. */
	void (*lost)(void *arg);
	void *lost_arg;
	bool stay; /* go on without a database that can be replicated: an application runs */
};

/* conf and opts are borrowed until fleet_free(). */
LS_MUST_USE int fleet_new(const struct conf *conf, const struct fleet_opts *opts,
			  struct fleet **ret, struct ls_err *err);
void fleet_free(struct fleet *f);

/*
 * Runs until stopped. Every database is opened before stop is looked at, and captured before the
 * end (H87). Returns 0, or an error whose text names what is not replicated.
 */
LS_MUST_USE int fleet_run(struct fleet *f, struct ls_err *err);

/* Waits until the leases of the configuration are held, as leases_wait(); without one, returns 0 at
 * once. */
LS_MUST_USE int fleet_stand_by(struct fleet *f, struct ls_err *err);

struct fleet_wish {
	bool wait; /* for the replica, too */
	uint64_t timeout_ms;
};

struct fleet_synced {
	bool changed;	     /* something was captured since the call */
	uint64_t txid;	     /* newest local batch */
	uint64_t replicated; /* newest one in the replica */
};

/*
 * Returns when everything that was committed before the call is captured, and with wait, when it is
 * in every replica. Callers at the same time share captures and uploads.
 *   -ENOENT     no such database
 *   -ETIMEDOUT  not within timeout_ms; *ret says how far it got, the text why
 *   -ECANCELED  the fleet has ended
 */
LS_MUST_USE int fleet_sync(struct fleet *f, const char *path, const struct fleet_wish *wish,
			   struct fleet_synced *ret, struct ls_err *err);

struct fleet_entry {
	const char *path;    /* valid during the call */
	const char *status;  /* replicating, open, stopped (contract.md 6) */
	uint64_t txid;	     /* newest local batch */
	uint64_t replicated; /* newest one in the replica */
	int64_t synced_ms;   /* wall clock of the last sync without an error; 0: none yet */
	const char *trouble; /* what keeps it from being replicated; "": nothing */
	int64_t trouble_ms;  /* since when */
	/* Since the start, of its replicas in object storage: requests, bytes, and about what they
	 * cost by the prices of the configuration. */
	uint64_t puts, gets, lists, dels, sent, received;
	double cost;
};

typedef int fleet_list_fn(void *arg, const struct fleet_entry *e);
/* A negative result of fn ends the walk and is returned. */
LS_MUST_USE int fleet_list(struct fleet *f, fleet_list_fn *fn, void *arg);

#endif
