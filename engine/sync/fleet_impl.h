/* SPDX-License-Identifier: Apache-2.0 */
/* Between fleet.c, which looks and decides, and fleet_sync.c, which others ask for something. */
#ifndef ENGINE_SYNC_FLEET_IMPL_H
#define ENGINE_SYNC_FLEET_IMPL_H

#include "engine/sync/dbtask.h"
#include "engine/sync/fleet.h"
#include "engine/sync/watch.h"

/* A caller of fleet_sync(), on its stack. */
struct fleet_request {
	struct fleet_request *next;
	struct dbtask *task;
	enum { REQUEST_QUEUED, REQUEST_CAPTURING, REQUEST_UPLOADING, REQUEST_DONE } state;
	bool wait;
	uint64_t before; /* newest batch when it came */
	uint64_t txid;	 /* what has to be in the replica */
	int rc;
};

struct fleet {
	const struct fleet_opts *opts;
	struct dbtask *tasks;
	size_t n;
	struct watch watch;
	struct job_pool *capture_pool, *upload_pool;
	int done_fd; /* eventfd: a job has ended, or a request has come */
	pthread_mutex_t lock;
	pthread_cond_t idle, answered;
	struct fleet_request *requests;
	_Atomic size_t nrequests;
	bool ended;
};

void fleet_wake(struct fleet *f);

/* By the event thread. Whether the task has to be captured now, whatever its tokens say. */
bool fleet_wanted(struct fleet *f, const struct dbtask *t);
/* What the capture lane of the task does at this moment. */
enum fleet_phase {
	FLEET_STARTS, /* a capture is about to start */
	FLEET_WORKS,
	FLEET_RESTS,
};

/* Requests move on with what the lanes have done. */
void fleet_progress(struct fleet *f, struct dbtask *t, enum fleet_phase phase);
void fleet_end_requests(struct fleet *f);

#endif
