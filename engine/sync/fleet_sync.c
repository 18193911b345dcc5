/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others ask of a running fleet. A request is moved on by the event thread:
 *
 *   QUEUED -> CAPTURING, by the next capture that starts: it reads its horizon after the request
 *   came -> UPLOADING, once that capture is durable here -> DONE, once the replica has it.
 *
 * All that wait when a capture starts share it, and its upload.
 */
#include "config.h"

#include "engine/sync/fleet_impl.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static void
finish_request(struct fleet *f, struct fleet_request *r, int rc)
{
	r->state = REQUEST_DONE;
	r->rc = rc;
	pthread_cond_broadcast(&f->answered);
}

/* The capture that a request waited for has ended. */
static void
after_capture(struct fleet *f, struct fleet_request *r)
{
	const struct dbtask *t = r->task;

	if (t->state != DBTASK_OPEN || t->errors) {
		r->state = REQUEST_QUEUED;
		return;
	}
	r->txid = atomic_load(&t->staged);
	if (r->wait)
		r->state = REQUEST_UPLOADING;
	else
		finish_request(f, r, 0);
}

void
fleet_progress(struct fleet *f, struct dbtask *t, enum fleet_phase phase)
{
	if (atomic_load(&f->nrequests) == 0)
		return;
	LS_AUTOLOCK(&f->lock);

	for (struct fleet_request *r = f->requests; r; r = r->next) {
		if (r->task != t || r->state == REQUEST_DONE)
			continue;
		if (r->state == REQUEST_QUEUED && phase == FLEET_STARTS)
			r->state = REQUEST_CAPTURING;
		if (r->state == REQUEST_CAPTURING && phase == FLEET_RESTS)
			after_capture(f, r);
		if (r->state == REQUEST_UPLOADING && atomic_load(&t->acked) >= r->txid)
			finish_request(f, r, 0);
		if (phase == FLEET_RESTS && t->state == DBTASK_DEAD)
			finish_request(f, r, -EIO);
	}
}

bool
fleet_wanted(struct fleet *f, const struct dbtask *t)
{
	if (atomic_load(&f->nrequests) == 0)
		return false;
	LS_AUTOLOCK(&f->lock);

	for (const struct fleet_request *r = f->requests; r; r = r->next)
		if (r->task == t && r->state == REQUEST_QUEUED)
			return true;
	return false;
}

void
fleet_end_requests(struct fleet *f)
{
	LS_AUTOLOCK(&f->lock);

	f->ended = true;
	for (struct fleet_request *r = f->requests; r; r = r->next)
		if (r->state != REQUEST_DONE)
			finish_request(f, r, -ECANCELED);
}

static void
enqueue(struct fleet *f, struct fleet_request *r)
{
	r->before = atomic_load(&r->task->staged);
	r->next = f->requests;
	f->requests = r;
	atomic_fetch_add(&f->nrequests, 1);
	if (f->ended)
		r->state = REQUEST_DONE;
	fleet_wake(f);
}

static void
dequeue(struct fleet *f, struct fleet_request *r)
{
	struct fleet_request **at = &f->requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	atomic_fetch_sub(&f->nrequests, 1);
}

static int
explain(const struct fleet_request *r, uint64_t timeout_ms, struct ls_err *err)
{
	switch (r->state == REQUEST_DONE ? r->rc : -ETIMEDOUT) {
	case 0:
		return 0;
	case -ECANCELED:
		return ls_err_set(err, -ECANCELED, "litestream is shutting down");
	case -EIO:
		return ls_err_set(err, -EIO, "database '%s' is not replicated, the log says why",
				  r->task->conf->path);
	default:
		break;
	}
	if (r->state == REQUEST_UPLOADING)
		return ls_err_set(err, -ETIMEDOUT,
				  "not within %.1f s: captured here up to TXID %016" PRIx64
				  ", the replica has %016" PRIx64,
				  (double)timeout_ms / 1000, r->txid, atomic_load(&r->task->acked));
	return ls_err_set(err, -ETIMEDOUT, "not within %.1f s: not captured yet, the log says why",
			  (double)timeout_ms / 1000);
}

int
fleet_sync(struct fleet *f, const char *path, const struct fleet_wish *wish,
	   struct fleet_synced *ret, struct ls_err *err)
{
	struct fleet_request r = {.wait = wish->wait, .rc = -ECANCELED};
	struct timespec end;

	*ret = (struct fleet_synced){0};
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->tasks[i].conf->path, path) == 0)
			r.task = &f->tasks[i];
	if (!r.task)
		return ls_err_set(err, -ENOENT, "database not found: %s", path);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (time_t)(wish->timeout_ms / 1000);
	end.tv_nsec += (long)(wish->timeout_ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	LS_AUTOLOCK(&f->lock);
	enqueue(f, &r);
	while (r.state != REQUEST_DONE &&
	       pthread_cond_clockwait(&f->answered, &f->lock, CLOCK_MONOTONIC, &end) != ETIMEDOUT)
		;
	dequeue(f, &r);
	ret->txid = atomic_load(&r.task->staged);
	ret->replicated = atomic_load(&r.task->acked);
	ret->changed = ret->txid != r.before;
	return explain(&r, wish->timeout_ms, err);
}

int
fleet_list(struct fleet *f, fleet_list_fn *fn, void *arg)
{
	for (size_t i = 0; i < f->n; i++) {
		struct dbtask *t = &f->tasks[i];
		struct fleet_entry e = {
			.path = t->conf->path,
			.status = t->state == DBTASK_OPEN   ? "replicating"
				  : t->state == DBTASK_DEAD ? "stopped"
							    : "open",
			.txid = atomic_load(&t->staged),
			.synced_ms = atomic_load(&t->synced_ms),
		};
		int rc = fn(arg, &e);

		if (rc < 0)
			return rc;
	}
	return 0;
}
