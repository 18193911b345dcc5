/* SPDX-License-Identifier: Apache-2.0 */
/*
 * points: the transactions that a mount shows. The replica is listed again when somebody looks and
 * the last listing is older than a second; a mount that nobody looks at makes no request.
 * Threads: locked.
 */
#ifndef FS_POINTS_H
#define FS_POINTS_H

#include "engine/view/history.h"

#include <stdatomic.h>

struct points_list {
	atomic_uint refs;
	size_t n;
	struct catalog_point *v; /* ascending TXID */
};

struct points {
	struct history *history;
	pthread_mutex_t lock;
	pthread_mutex_t refresh; /* one listing at a time */
	struct points_list *list;
	uint64_t at_ms; /* of the last listing */
};

LS_MUST_USE int points_init(struct points *p, struct history *h, struct ls_err *err);
void points_done(struct points *p);

/* The current list, at most a second old; the caller ends with points_put(). When the replica
 * cannot be listed now, the list before. */
struct points_list *points_get(struct points *p, const struct store_call *call);
void points_put(struct points_list *l);

/* The point of a TXID, or NULL. */
const struct catalog_point *points_find(const struct points_list *l, uint64_t txid);

#endif
