/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leases: keeps the leases of this process alive, tries to get those that others have, and says
 * what becomes of them. A few threads, so that a storage that does not answer delays no other's.
 * Threads: any.
 */
#ifndef ENGINE_SYNC_LEASES_H
#define ENGINE_SYNC_LEASES_H

#include "engine/conf/conf.h"
#include "engine/replica/lease.h"

struct leases;
struct leases_item;

/* Called by a thread of ours when a lease that was held is somebody else's now. */
typedef void leases_lost_fn(void *arg);

/* abort: gives up giving them back. */
LS_MUST_USE int
leases_new(const struct stop *abort, leases_lost_fn *lost, struct leases **ret, struct ls_err *err);
/* Ends the threads; every item has to be removed before. Takes NULL. */
void leases_free(struct leases *ls);

/* The lease of this replica, of which there has to be one in the configuration; arg: for lost.
 * Borrows db and conf. */
LS_MUST_USE int
leases_add(struct leases *ls, const struct conf_db *db, const struct conf_replica *conf,
	   struct store_counts *counts, void *arg, struct leases_item **ret, struct ls_err *err);
/* Gives it back, within seconds; from then on it is not held. */
void leases_end(struct leases *ls, struct leases_item *it);
/* The same unless it was done, and frees it. Takes NULL. */
void leases_remove(struct leases *ls, struct leases_item *it);
/* Once it has been asked for, which may take ten seconds. */
struct lease *leases_lease(struct leases_item *it);

/*
 * Waits until each is held, or its storage has failed to answer. -EBUSY: somebody else has one,
 * and the database is not to stand by (conf_stands_by()). 1: stopped while waiting.
 */
LS_MUST_USE int leases_wait(struct leases *ls, const struct stop *stop, struct ls_err *err);

/* Leaves the id in the state directory, by the one who has locked it. */
LS_MUST_USE int leases_note(struct leases_item *it, struct ls_err *err);

#endif
