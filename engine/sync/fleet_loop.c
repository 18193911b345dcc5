/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event thread looks and decides; captures and uploads run in two small pools. It sleeps until
 * an inotify event, the end of a job, a request, or a timer: with inotify all idle databases are
 * looked at together every 30 s, so that an idle process wakes twice a minute. A database costs
 * nothing while others work: only those are served that are due or were touched.
 *
 * The last write of a commit into the -wal file comes before the commit shows in the wal-index
 * (H35). So while the -wal file has a frame behind the horizon, or another header, looks go on
 * after 1, 2, 4 ... 64 ms. When there is none, the watch is armed and two more looks are made, one
 * at once and one 64 to 128 ms later, with those of other databases in one wakeup: what comes after
 * the first is an event, what came before it is seen.
 */
#include "config.h"

#include "engine/base/log.h"
#include "engine/sync/fleet_impl.h"

#include <poll.h>

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

enum {
	FALLBACK_S = 30,
	SECOND_LOOK_MS = 64,
	REST_LOOKS = 3,	  /* as many that saw nothing, the last ones 30 s apart: it is at rest */
	FLIGHT_STEPS = 6, /* 1 ms doubling */
	SEND_NOW = 2,	  /* batches */
	CALM_FRAMES = 64, /* between two looks */
	BUSY_LOOK_MS = 8, /* while the horizon moves and no token is free */
	LEAVE_S = 30,	  /* so long a replica that is away is waited for */
	LEAVE_RETRY_MS = 1000,
};

/* ---- jobs ---- */

static void
wake(struct fleet *f)
{
	static const uint64_t one = 1;
	ssize_t n = write(f->done_fd, &one, sizeof one);

	(void)n; /* a full counter wakes, too */
}

/* Under the lock. */
static void
make_ready(struct fleet *f, struct dbtask *t)
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
	make_ready(f, t);
	wake(f);
}

/* Whether somebody waits for the end of this upload. If not, the look that follows each capture a
 * moment later is soon enough. */
static bool
is_urgent(const struct dbreplica *r)
{
	const struct dbtask *t = r->task;

	return r->errors || atomic_load(&t->fleet->nrequests) || atomic_load(&t->waits) ||
	       atomic_load(&t->fate) || atomic_load(&r->state) != DBREPLICA_READY ||
	       dbreplica_due_ns(r) != UINT64_MAX || atomic_load(&r->image);
}

void
fleet_job_ended(struct fleet *f, struct dbtask *t, atomic_bool *busy, const struct dbreplica *sent)
{
	bool urgent;

	pthread_mutex_lock(&f->lock);
	atomic_store(busy, false);
	/* After it is not busy any more: who finds it busy after saying that he waits is seen. */
	urgent = !sent || is_urgent(sent);
	make_ready(f, t);
	pthread_mutex_unlock(&f->lock);
	/* t may be gone from here on. */
	pthread_cond_broadcast(&f->idle);
	if (urgent)
		wake(f);
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
	fleet_job_ended(t->fleet, t, &t->capture_busy, NULL);
}

void
fleet_run_upload(struct job *job)
{
	struct dbreplica *r = LS_CONTAINER(job, struct dbreplica, upload_job);

	dbreplica_upload(r);
	fleet_job_ended(r->task->fleet, r->task, &r->upload_busy, r);
}

void
fleet_run_levels(struct job *job)
{
	struct dbreplica *r = LS_CONTAINER(job, struct dbreplica, levels_job);
	struct fleet *f = r->task->fleet;

	/* Not while it ends: the final sync waits for this job. */
	if (!stop_fired(f->opts->stop))
		dbreplica_maintain(r, f->opts->stop);
	fleet_job_ended(f, r->task, &r->levels_busy, NULL);
}

static void
run_leave(struct job *job)
{
	struct dbtask *t = fleet_of_capture_job(job);

	t->errors = dbtask_leave(t, &t->left) < 0;
	if (!t->errors)
		fleet_end_leases(t->fleet, t);
	fleet_job_ended(t->fleet, t, &t->capture_busy, NULL);
}

void
fleet_start_job(struct job_pool *pool, struct job *job, atomic_bool *busy)
{
	if (!atomic_exchange(busy, true))
		job_submit(pool, job);
}

/* Whether a lane of a replica works. */
static bool
is_sending(const struct dbtask *t, bool levels)
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
	while (atomic_load(&t->capture_busy) || is_sending(t, true))
		pthread_cond_wait(&f->idle, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

/* ---- looking ---- */

/* The same moment for all databases that are to be looked at about then: one wakeup. */
static uint64_t
tick_after(uint64_t ns, uint64_t every)
{
	return (ns / every + 1) * every;
}

static uint64_t
fallback(const struct fleet *f, const struct dbtask *t, uint64_t now)
{
	bool hints = f->watch.fd >= 0 && t->wal_wd >= 0 && !t->db.remote_fs;

	return hints ? tick_after(now, FALLBACK_S * SECOND_NS)
		     : now + t->conf->monitor_interval_ms * MS_NS;
}

/* Nothing to do now: when to look again. */
static void
settle(struct fleet *f, struct dbtask *t, uint64_t now)
{
	t->flight = 0;
	if (t->quiet == 1) {
		t->next_look_ns = tick_after(now + SECOND_LOOK_MS * MS_NS, SECOND_LOOK_MS * MS_NS);
	} else {
		/* It is calm, and not in the pause of all writers that follows a barrier. */
		db_hold_checkpoints(&t->db, false);
		t->next_look_ns = fallback(f, t, now);
	}
	if (t->quiet > REST_LOOKS && !is_sending(t, true))
		dbtask_rest(t);
}

/* A look, and if it sees nothing while the watch is not armed, another one. */
static enum dbtask_look
look_twice(struct fleet *f, struct dbtask *t)
{
	enum dbtask_look seen = dbtask_look(t);

	if (seen != DBTASK_QUIET || t->quiet++ > 0)
		return seen;
	fleet_set_wal_watch(f, t, watch_wal(&f->watch, t->db.wal_path));
	return dbtask_look(t);
}

static void
start_capture(struct fleet *f, struct dbtask *t)
{
	fleet_progress(f, t, FLEET_STARTS);
	atomic_store(&t->waits, false);
	t->next_look_ns = UINT64_MAX;
	fleet_start_job(f->capture_pool, &t->capture_job, &t->capture_busy);
}

/* The next look tells whether the WAL fills up meanwhile. A writer at full speed is looked at every
 * few milliseconds; one that is calm after its next write. */
static void
wait_for_token(struct fleet *f, struct dbtask *t, uint64_t now, uint64_t when)
{
	uint32_t mx = t->capture.seen.mx_frame, before = t->token_mx;
	bool calm = mx >= before && mx - before <= CALM_FRAMES && !t->db.lent_checkpoints;

	t->next_look_ns = dbtask_next_look(t, now, when);
	if (calm && f->watch.fd >= 0 && !t->db.remote_fs &&
	    t->next_look_ns - now <= now - t->token_look_ns) {
		fleet_set_wal_watch(f, t, watch_wal(&f->watch, t->db.wal_path));
		if (t->wal_wd >= 0)
			t->next_look_ns = when;
	}
	t->token_look_ns = now;
	t->token_mx = mx;
}

static void
look(struct fleet *f, struct dbtask *t, uint64_t now)
{
	enum dbtask_look seen;
	uint64_t when = 0;

	if (t->state == DBTASK_DEAD) {
		t->next_look_ns = UINT64_MAX;
		fleet_count_alive(f);
		return;
	}
	seen = look_twice(f, t);
	if (seen == DBTASK_QUIET) {
		settle(f, t, now);
		return;
	}
	t->quiet = 0;
	if (seen == DBTASK_IN_FLIGHT) {
		t->next_look_ns = now + (MS_NS << t->flight);
		t->flight += t->flight < FLIGHT_STEPS;
		return;
	}
	t->flight = 0;
	if (dbtask_may_capture(t, now, &when)) {
		start_capture(f, t);
		return;
	}
	t->next_look_ns = dbtask_next_look(t, now, now + BUSY_LOOK_MS * MS_NS);
	if (t->state != DBTASK_OPEN && when > now)
		t->next_look_ns = when;
	else if (when > now)
		wait_for_token(f, t, now, when);
}

static void
serve_replica(struct fleet *f, struct dbreplica *r, uint64_t now, bool upload)
{
	if (!atomic_load(&r->levels_busy) && dbreplica_levels_due_ns(r, now) <= now)
		fleet_start_job(f->levels_pool, &r->levels_job, &r->levels_busy);
	if (upload && !atomic_load(&r->upload_busy) && dbreplica_due_ns(r) <= now)
		fleet_start_job(f->upload_pool, &r->upload_job, &r->upload_busy);
}

static void
serve(struct fleet *f, struct dbtask *t, uint64_t now)
{
	bool capturing = atomic_load(&t->capture_busy), uploading = is_sending(t, false);
	bool fate = atomic_load(&t->fate);

	if (fate && uploading) {
		atomic_store(&t->waits, true);
		uploading = is_sending(t, false);
	}
	for (size_t i = 0; i < t->nreplicas; i++)
		serve_replica(f, &t->replicas[i], now, !fate || capturing);
	if (!capturing && ((fate && !uploading) || dbtask_wants_base(t)))
		t->next_look_ns = now;
	fleet_progress(f, t, capturing ? FLEET_WORKS : FLEET_RESTS);
	if (capturing)
		return;
	if (fleet_wanted(f, t) && (!t->errors || now >= t->retry_ns)) {
		start_capture(f, t);
		return;
	}
	/* The job has ended since: look at what it left. */
	if (t->next_look_ns == UINT64_MAX)
		t->next_look_ns =
			t->state == DBTASK_OPEN || t->state == DBTASK_DEAD ? now : t->retry_ns;
	if (now >= t->next_look_ns && !(fate && uploading))
		look(f, t, now);
}

/* Whether it is gone, and freed. */
static bool
serve_leaving(struct fleet *f, struct dbtask *t, uint64_t now)
{
	bool late = now - t->leave_ns > LEAVE_S * SECOND_NS;

	atomic_store(&t->waits, true);
	if (atomic_load(&t->capture_busy) || is_sending(t, true))
		return false;
	fleet_end_requests(f, t, -ENOENT);
	if (t->capture_job.run != run_leave) {
		t->capture_job.run = run_leave;
	} else if (!t->errors || late) {
		if (t->errors)
			log_write(
				LOG_ERROR,
				"a database that was removed is not whole in its replica",
				LOG_STR("db", t->conf->path), LOG_STR("error", t->left.msg),
				LOG_TXID("missing", dbtask_acked(t) + 1),
				LOG_STR("hint", "what was captured waits in its state directory"));
		log_write(LOG_INFO, "database removed", LOG_STR("db", t->conf->path),
			  LOG_TXID("txid", dbtask_acked(t)));
		fleet_remove(f, t);
		return true;
	} else if (now < t->next_look_ns) {
		return false;
	}
	t->next_look_ns = now + LEAVE_RETRY_MS * MS_NS;
	fleet_start_job(f->capture_pool, &t->capture_job, &t->capture_busy);
	return false;
}

/* ---- events ---- */

static void
poke(struct fleet *f, struct dbtask *t)
{
	t->quiet = t->flight = 0;
	if (t->next_look_ns != UINT64_MAX)
		t->next_look_ns = 0;
	/* While a capture runs, when it tries again is its own. */
	if (!atomic_load(&t->capture_busy) && t->state == DBTASK_CLOSED)
		t->retry_ns = 0;
	timers_set(&f->timers, &t->timer, 0);
}

static void
on_event(void *arg, int wd, const char *name, bool closed)
{
	struct fleet *f = arg;
	struct dbtask *t = fleet_by_wal(f, wd);

	if (t)
		poke(f, t);
	else if (wd == -1)
		for (size_t i = 0; i < f->n; i++) {
			atomic_store(&f->tasks[i]->suspect, true);
			poke(f, f->tasks[i]);
		}
	if (!t && (t = fleet_dirs_event(f, wd, name, closed)))
		poke(f, t);
}

static void
wait_events(struct fleet *f)
{
	const struct timers_item *first = timers_first(&f->timers);
	uint64_t now = clock_mono_ns(), due = now + 2 * FALLBACK_S * SECOND_NS, left;
	struct timespec ts;
	struct pollfd p[3] = {{.fd = stop_fd(f->opts->stop), .events = POLLIN},
			      {.fd = f->done_fd, .events = POLLIN},
			      {.fd = f->watch.fd, .events = POLLIN}};
	uint64_t count;

	if (first && first->due_ns < due)
		due = first->due_ns;
	if (f->scan_ns < due)
		due = f->scan_ns;
	left = due > now ? due - now : 0;
	ts = (struct timespec){(time_t)(left / SECOND_NS), (long)(left % SECOND_NS)};
	if (ppoll(p, 3, &ts, NULL) <= 0)
		return;
	if (p[1].revents && read(f->done_fd, &count, sizeof count) < 0)
		return;
	if (p[2].revents)
		watch_read(&f->watch, on_event, f);
}

static uint64_t
due_of(const struct dbtask *t)
{
	uint64_t due = t->next_look_ns, now = clock_mono_ns();

	for (size_t i = 0; i < t->nreplicas; i++) {
		const struct dbreplica *r = &t->replicas[i];
		uint64_t retry = dbreplica_due_ns(r), levels = dbreplica_levels_due_ns(r, now);

		/* A retry in the past: the job is under way, and its end is an event. */
		if (retry > now && retry < due)
			due = retry;
		if (levels < due && !atomic_load(&r->levels_busy))
			due = levels;
	}
	return due;
}

/* The tasks that are due or were touched, linked by next_ready. */
static struct dbtask *
take_ready(struct fleet *f, uint64_t now)
{
	struct timers_item *first;
	struct dbtask *list;

	LS_AUTOLOCK(&f->lock);

	while ((first = timers_first(&f->timers)) && first->due_ns <= now) {
		timers_clear(&f->timers, first);
		make_ready(f, LS_CONTAINER(first, struct dbtask, timer));
	}
	list = f->ready;
	f->ready = NULL;
	return list;
}

static void
serve_one(struct fleet *f, struct dbtask *t, uint64_t now)
{
	pthread_mutex_lock(&f->lock);
	t->ready = false;
	pthread_mutex_unlock(&f->lock);
	if (!t->leaving)
		serve(f, t, now);
	else if (serve_leaving(f, t, now))
		return;
	timers_set(&f->timers, &t->timer, due_of(t));
}

static bool
goes_on(const struct fleet *f)
{
	return !stop_fired(f->opts->stop) &&
	       (f->opts->stay || f->watching || f->alive || f->n == 0);
}

void
fleet_loop(struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++)
		timers_set(&f->timers, &f->tasks[i]->timer, 0);
	while (goes_on(f)) {
		uint64_t now = clock_mono_ns();
		struct dbtask *list = take_ready(f, now);

		while (list) {
			struct dbtask *t = list;

			list = t->next_ready;
			serve_one(f, t, now);
		}
		if (now >= f->scan_ns)
			fleet_dirs_scan(f);
		if (goes_on(f)) /* the last one may just have ended */
			wait_events(f);
	}
}
