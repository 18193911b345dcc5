/* SPDX-License-Identifier: Apache-2.0 */
/* history_int: what history.c and view.c share. Threads: fields below lock are guarded by it. */
#ifndef ENGINE_VIEW_HISTORY_INT_H
#define ENGINE_VIEW_HISTORY_INT_H

#include "engine/base/job.h"
#include "engine/view/history.h"
#include "engine/view/listing.h"
#include "engine/view/object.h"

struct history {
	struct store *store;
	struct replica replica;
	struct objects *objects;

	pthread_mutex_t lock;
	struct listing *listing;
	uint64_t serial;
	struct view *views;    /* open ones */
	struct job_pool *pool; /* opens objects; started when it is first of use */
};

/* The newest listing; the caller unrefs it. */
struct listing *history_listing(struct history *h);
/* NULL when there is no memory for it: then do without. */
struct job_pool *history_pool(struct history *h);

#endif
