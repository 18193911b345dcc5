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
note(struct fleet_request *r)
{
	r->synced.txid = atomic_load(&r->task->staged);
	r->synced.replicated = dbtask_acked(r->task);
	r->synced.changed = r->synced.txid != r->before;
}

/* From here on the task may be freed. */
static void
finish_request(struct fleet *f, struct fleet_request *r, int rc)
{
	r->state = REQUEST_DONE;
	r->rc = rc;
	note(r);
	r->task = NULL;
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
		if (r->state == REQUEST_UPLOADING && dbtask_acked(t) >= r->txid)
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
fleet_end_requests(struct fleet *f, const struct dbtask *t, int rc)
{
	LS_AUTOLOCK(&f->lock);

	f->ended |= !t;
	for (struct fleet_request *r = f->requests; r; r = r->next)
		if (r->state != REQUEST_DONE && (!t || r->task == t))
			finish_request(f, r, rc);
}

static void
enqueue(struct fleet *f, struct fleet_request *r)
{
	r->before = atomic_load(&r->task->staged);
	r->next = f->requests;
	f->requests = r;
	atomic_fetch_add(&f->nrequests, 1);
	if (f->ended)
		finish_request(f, r, -ECANCELED);
	else
		fleet_touch(f, r->task);
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

/* Under the lock: the task is there if the request is not done. */
static int
explain(const struct fleet_request *r, const char *path, uint64_t timeout_ms, struct ls_err *err)
{
	switch (r->state == REQUEST_DONE ? r->rc : -ETIMEDOUT) {
	case 0:
		return 0;
	case -ECANCELED:
		return ls_err_set(err, -ECANCELED, "litestream is shutting down");
	case -ENOENT:
		return ls_err_set(err, -ENOENT, "database was removed: %s", path);
	case -EIO:
		return ls_err_set(err, -EIO, "database '%s' is not replicated, the log says why",
				  path);
	default:
		break;
	}
	if (r->state == REQUEST_UPLOADING)
		return ls_err_set(err, -ETIMEDOUT,
				  "not within %.1f s: captured here up to TXID %016" PRIx64
				  ", the replica has %016" PRIx64,
				  (double)timeout_ms / 1000, r->txid, r->synced.replicated);
	return ls_err_set(err, -ETIMEDOUT, "not within %.1f s: not captured yet, the log says why",
			  (double)timeout_ms / 1000);
}

int
fleet_sync(struct fleet *f, const char *path, const struct fleet_wish *wish,
	   struct fleet_synced *ret, struct ls_err *err)
{
	struct fleet_request r = {.wait = wish->wait};
	struct timespec end = clock_mono_after(wish->timeout_ms);

	*ret = (struct fleet_synced){0};
	LS_AUTOLOCK(&f->lock);
	r.task = fleet_find(f, path);
	if (!r.task || r.task->leaving)
		return ls_err_set(err, -ENOENT, "database not found: %s", path);
	enqueue(f, &r);
	while (r.state != REQUEST_DONE &&
	       pthread_cond_clockwait(&f->answered, &f->lock, CLOCK_MONOTONIC, &end) != ETIMEDOUT)
		;
	dequeue(f, &r);
	if (r.state != REQUEST_DONE)
		note(&r);
	*ret = r.synced;
	return explain(&r, path, wish->timeout_ms, err);
}

static void
add_counts(const struct dbtask *t, struct fleet_entry *e)
{
	for (size_t i = 0; i < t->nreplicas; i++) {
		const struct store_counts *c = &t->replicas[i].counts;

		if (!t->replicas[i].conf->s3)
			continue;
		e->puts += atomic_load(&c->puts);
		e->gets += atomic_load(&c->gets) + atomic_load(&c->heads);
		e->lists += atomic_load(&c->lists);
		e->dels += atomic_load(&c->dels);
		e->sent += atomic_load(&c->bytes_written);
		e->received += atomic_load(&c->bytes_read);
		e->cost += store_count_cost(c, &t->replicas[i].conf->prices);
	}
}

static int
tell(struct dbtask *t, fleet_list_fn *fn, void *arg)
{
	struct fleet_entry e = {.path = t->conf->path,
				.txid = atomic_load(&t->staged),
				.replicated = dbtask_acked(t),
				.synced_ms = dbtask_synced_ms(t)};
	struct trouble trouble;

	dbtask_get_trouble(t, &trouble);
	e.trouble = trouble.text;
	e.trouble_ms = trouble.since_ms;
	add_counts(t, &e);
	switch (atomic_load(&t->state)) {
	case DBTASK_OPEN:
		e.status = "replicating";
		break;
	case DBTASK_DEAD:
		e.status = "stopped";
		break;
	default:
		e.status = "open";
		break;
	}
	return fn(arg, &e);
}

int
fleet_list(struct fleet *f, fleet_list_fn *fn, void *arg)
{
	int rc = 0;

	LS_AUTOLOCK(&f->lock);

	for (size_t i = 0; rc >= 0 && i < f->n; i++)
		rc = tell(f->tasks[i], fn, arg);
	return rc < 0 ? rc : 0;
}
