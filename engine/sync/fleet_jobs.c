/* SPDX-License-Identifier: Apache-2.0 */
/* What the pools of a fleet run, and how the event thread learns that it has ended. */
#include "config.h"

#include "engine/sync/fleet_impl.h"

enum { SEND_NOW = 2 /* batches */ };

static void
wake(struct fleet *f)
{
	static const uint64_t one = 1;
	ssize_t n = write(f->done_fd, &one, sizeof one);

	(void)n; /* a full counter wakes, too */
}

void
fleet_make_ready(struct fleet *f, struct dbtask *t)
{
	if (t->ready)
		return;
	t->ready = true;
	t->next_ready = f->ready;
	f->ready = t;
}

void
fleet_touch(struct fleet *f, struct dbtask *t)
{
	fleet_make_ready(f, t);
	wake(f);
}

/* Whether somebody waits for the end of a job. If not, the look that follows each capture a moment
 * later is soon enough. */
static bool
is_awaited(const struct dbtask *t)
{
	return atomic_load(&t->fleet->nrequests) || atomic_load(&t->waits) ||
	       atomic_load(&t->again) || atomic_load(&t->fate);
}

static bool
is_urgent(const struct dbreplica *r)
{
	return r->errors || atomic_load(&r->state) != DBREPLICA_READY ||
	       dbreplica_due_ns(r) != UINT64_MAX || atomic_load(&r->image);
}

/* urgent: whatever these n replicas, from first on, and the task say. */
static void
end_job(struct fleet *f, struct dbtask *t, atomic_bool *busy, bool urgent,
	const struct dbreplica *first, size_t n)
{
	pthread_mutex_lock(&f->lock);
	atomic_store(busy, false);
	/* After it is not busy any more: who finds it busy after saying that he waits is seen. */
	urgent |= is_awaited(t);
	for (size_t i = 0; i < n; i++)
		urgent |= is_urgent(&first[i]);
	fleet_make_ready(f, t);
	pthread_mutex_unlock(&f->lock);
	/* t may be gone from here on. */
	pthread_cond_broadcast(&f->idle);
	if (urgent)
		wake(f);
}

void
fleet_job_ended(struct fleet *f, struct dbtask *t, atomic_bool *busy)
{
	end_job(f, t, busy, true, NULL, 0);
}

struct dbtask *
fleet_of_capture_job(struct job *job)
{
	return LS_CONTAINER(job, struct dbtask, capture_job);
}

/* A batch or two for a replica that is near go there at once, without another thread; no snapshot:
 * the next capture may be urgent. */
static void
send_now(struct dbreplica *r)
{
	uint64_t left = atomic_load(&r->task->staged) - atomic_load(&r->acked);

	if (!r->near || atomic_load(&r->state) != DBREPLICA_READY || atomic_load(&r->failing) ||
	    atomic_load(&r->image) > atomic_load(&r->acked) || left == 0 || left > SEND_NOW ||
	    dbreplica_due_ns(r) == UINT64_MAX || atomic_exchange(&r->upload_busy, true))
		return;
	dbreplica_upload(r);
	atomic_store(&r->upload_busy, false);
}

void
fleet_run_capture(struct job *job)
{
	struct dbtask *t = fleet_of_capture_job(job);

	dbtask_capture(t);
	for (size_t i = 0; i < t->nreplicas; i++)
		send_now(&t->replicas[i]);
	/* A database that could not be woken is the event thread's to look at. */
	if (t->armed && (t->db.wal_fd < 0 || dbtask_look(t) != DBTASK_QUIET))
		atomic_store(&t->again, true);
	end_job(t->fleet, t, &t->capture_busy, !t->armed, t->replicas, t->nreplicas);
}

void
fleet_run_upload(struct job *job)
{
	struct dbreplica *r = LS_CONTAINER(job, struct dbreplica, upload_job);

	dbreplica_upload(r);
	end_job(r->task->fleet, r->task, &r->upload_busy, false, r, 1);
}

void
fleet_run_levels(struct job *job)
{
	struct dbreplica *r = LS_CONTAINER(job, struct dbreplica, levels_job);
	struct fleet *f = r->task->fleet;

	/* Not while it ends: the final sync waits for this job. */
	if (!stop_fired(f->opts->stop))
		dbreplica_maintain(r, f->opts->stop);
	fleet_job_ended(f, r->task, &r->levels_busy);
}

void
fleet_run_leave(struct job *job)
{
	struct dbtask *t = fleet_of_capture_job(job);

	t->errors = dbtask_leave(t, &t->left) < 0;
	if (!t->errors)
		fleet_end_leases(t->fleet, t);
	fleet_job_ended(t->fleet, t, &t->capture_busy);
}

void
fleet_start_job(struct job_pool *pool, struct job *job, atomic_bool *busy)
{
	if (!atomic_exchange(busy, true))
		job_submit(pool, job);
}

bool
fleet_is_sending(const struct dbtask *t, bool levels)
{
	bool busy = false;

	for (size_t i = 0; i < t->nreplicas; i++)
		busy |= atomic_load(&t->replicas[i].upload_busy) ||
			(levels && atomic_load(&t->replicas[i].levels_busy));
	return busy;
}

void
fleet_wait_idle(struct fleet *f, struct dbtask *t)
{
	pthread_mutex_lock(&f->lock);
	while (atomic_load(&t->capture_busy) || fleet_is_sending(t, true))
		pthread_cond_wait(&f->idle, &f->lock);
	pthread_mutex_unlock(&f->lock);
}
