/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event thread looks and decides; captures and uploads run in two small pools. It sleeps until
 * an inotify event, the end of a job, a request, or a timer: with inotify all idle databases are
 * looked at together every 30 s (fleet_rest.c), so that an idle process wakes twice a minute. A
 * database costs nothing while others work: only those are served that are due or were touched.
 *
 * The last write of a commit into the -wal file comes before the commit shows in the wal-index
 * (H35). So while the -wal file has a frame behind the horizon, or another header, looks go on
 * after 1, 2, 4 ... 64 ms; from there on with the watch armed, and at last no more: what a
 * transaction that was rolled back leaves behind looks the same. When there is none, the watch is
 * armed and two more looks are made, one at once and one 64 to 128 ms later, with those of other
 * databases in one wakeup: what comes after the first is an event, what came before it is seen. A
 * capture that the watch is armed before makes the first of the two itself.
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
	FLIGHT_LAST = 15,
	CALM_FRAMES = 64, /* between two looks */
	BUSY_LOOK_MS = 8, /* while the horizon moves and no token is free */
	LEAVE_S = 30,	  /* so long a replica that is away is waited for */
	LEAVE_RETRY_MS = 1000,
};

/* ---- looking ---- */

/* The same moment for all databases that are to be looked at about then: one wakeup. */
static uint64_t
tick_after(uint64_t ns, uint64_t every)
{
	return (ns / every + 1) * every;
}

uint64_t
fleet_fallback_ns(uint64_t now)
{
	return tick_after(now, FALLBACK_S * SECOND_NS);
}

static uint64_t
fallback(const struct fleet *f, const struct dbtask *t, uint64_t now)
{
	bool hints = f->watch.fd >= 0 && t->wal_watch.wd >= 0 && !t->db.remote_fs;

	return hints ? fleet_fallback_ns(now) : now + t->conf->monitor_interval_ms * MS_NS;
}

static uint64_t
second_look(uint64_t now)
{
	return tick_after(now + SECOND_LOOK_MS * MS_NS, SECOND_LOOK_MS * MS_NS);
}

/* Nothing to do now: when to look again. */
static void
settle(struct fleet *f, struct dbtask *t, uint64_t now)
{
	if (t->quiet == 1) {
		t->next_look_ns = second_look(now);
	} else {
		/* It is calm, and not in the pause of all writers that follows a barrier. */
		db_hold_checkpoints(&t->db, false);
		t->next_look_ns = fallback(f, t, now);
	}
	if (t->quiet <= REST_LOOKS || fleet_is_sending(t, true))
		return;
	if (t->db.wal_fd >= 0)
		dbtask_rest(t);
	fleet_rest(f, t);
}

/* Writes to its WAL are events from here on, and the first one of a checkpoint to its file, which
 * the pin may have to make way for; false: they are not told. */
static bool
arm(struct fleet *f, struct dbtask *t)
{
	fleet_set_watch(f, &t->wal_watch, watch_writes(&f->watch, t->db.wal_path));
	if (t->capture.seen.backfill < t->capture.seen.mx_frame)
		fleet_set_watch(f, &t->file_watch, watch_writes(&f->watch, t->conf->path));
	return t->wal_watch.wd >= 0;
}

/* A look, and if it sees nothing while the watch is not armed, another one. */
static enum dbtask_look
look_twice(struct fleet *f, struct dbtask *t)
{
	enum dbtask_look seen = dbtask_look(t);

	if (seen != DBTASK_QUIET || t->quiet++ > 0)
		return seen;
	arm(f, t);
	return dbtask_look(t);
}

/* A capture that the watch is armed before makes the first look itself, and only what it sees there
 * wakes this thread. One that is to be followed by another at once, of a busy database, is looked
 * at here. */
static bool
arm_before_capture(struct fleet *f, struct dbtask *t)
{
	return !t->db.remote_fs && t->state == DBTASK_OPEN && t->tokens >= 2 && arm(f, t);
}

static void
start_capture(struct fleet *f, struct dbtask *t, uint64_t now)
{
	fleet_progress(f, t, FLEET_STARTS);
	atomic_store(&t->waits, false);
	atomic_store(&t->again, false);
	t->armed = arm_before_capture(f, t);
	t->quiet = t->armed;
	t->next_look_ns = t->armed ? second_look(now) : UINT64_MAX;
	fleet_start_job(f->capture_pool, &t->capture_job, &t->capture_busy);
}

/* A checkpoint of the application is not to wait for the token, too. false: not yet. */
static bool
let_checkpoints_pass(struct dbtask *t)
{
	const struct walidx_header *seen = &t->capture.seen;

	return t->db.holds_checkpoints || seen->backfill == seen->mx_frame ||
	       !db_pin_is_behind(&t->db, seen) || db_pin_advance(&t->db, seen);
}

/* The next look tells whether the WAL fills up meanwhile. A writer at full speed is looked at every
 * few milliseconds; one that is calm after its next write. */
static void
wait_for_token(struct fleet *f, struct dbtask *t, uint64_t now, uint64_t when)
{
	uint32_t mx = t->capture.seen.mx_frame, before = t->token_mx;
	bool calm = mx >= before && mx - before <= CALM_FRAMES && !t->db.lent_checkpoints &&
		    !dbtask_others_checkpoint(t, now);

	t->next_look_ns = dbtask_next_look(t, now, when);
	if (calm && !t->db.remote_fs && t->next_look_ns - now <= now - t->token_look_ns &&
	    arm(f, t) && let_checkpoints_pass(t))
		t->next_look_ns = when;
	t->token_look_ns = now;
	t->token_mx = mx;
}

/* Whether it may be long until the next look: a write would be told. */
static bool
may_wait_longer(struct fleet *f, struct dbtask *t, uint64_t now)
{
	return t->flight < FLIGHT_STEPS ||
	       (!t->db.remote_fs && !dbtask_others_checkpoint(t, now) && arm(f, t));
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
	if (seen == DBTASK_QUIET || (seen == DBTASK_IN_FLIGHT && t->flight == FLIGHT_LAST)) {
		if (seen == DBTASK_QUIET)
			t->flight = 0;
		else
			t->quiet++;
		settle(f, t, now);
		return;
	}
	t->quiet = 0;
	if (seen == DBTASK_IN_FLIGHT) {
		t->next_look_ns = now + (MS_NS << t->flight);
		t->flight += may_wait_longer(f, t, now);
		return;
	}
	t->flight = 0;
	if (dbtask_may_capture(t, now, &when)) {
		start_capture(f, t, now);
		return;
	}
	if (t->state != DBTASK_OPEN)
		t->next_look_ns = when;
	else if (when > now)
		wait_for_token(f, t, now, when);
	else
		t->next_look_ns = dbtask_next_look(t, now, now + BUSY_LOOK_MS * MS_NS);
}

static void
serve_replica(struct fleet *f, struct dbreplica *r, uint64_t now, bool upload)
{
	if (!atomic_load(&r->levels_busy) && dbreplica_levels_due_ns(r, now) <= now)
		fleet_start_job(f->levels_pool, &r->levels_job, &r->levels_busy);
	if (upload && !atomic_load(&r->upload_busy) && dbreplica_due_ns(r) <= now)
		fleet_start_job(f->upload_pool, &r->upload_job, &r->upload_busy);
}

static bool
is_capturing(struct dbtask *t, uint64_t now)
{
	/* An event, or it takes long: its end is waited for. */
	if (atomic_load(&t->capture_busy) && now >= t->next_look_ns) {
		t->next_look_ns = UINT64_MAX;
		atomic_store(&t->again, true);
	}
	if (atomic_load(&t->capture_busy))
		return true;
	if (atomic_exchange(&t->again, false)) {
		t->quiet = 0;
		t->next_look_ns = UINT64_MAX;
	}
	return false;
}

static void
serve(struct fleet *f, struct dbtask *t, uint64_t now)
{
	bool capturing = is_capturing(t, now), fate = atomic_load(&t->fate);
	bool uploading = fate && fleet_is_sending(t, false); /* what the fate waits for */

	if (uploading) {
		atomic_store(&t->waits, true);
		uploading = fleet_is_sending(t, false);
	}
	for (size_t i = 0; i < t->nreplicas; i++)
		serve_replica(f, &t->replicas[i], now, !fate || capturing);
	if (!capturing && ((fate && !uploading) || dbtask_wants_base(t)))
		t->next_look_ns = now;
	fleet_progress(f, t, capturing ? FLEET_WORKS : FLEET_RESTS);
	if (capturing)
		return;
	if (fleet_wanted(f, t) && (!t->errors || now >= t->retry_ns)) {
		start_capture(f, t, now);
		return;
	}
	/* The job has ended since: look at what it left. */
	if (t->next_look_ns == UINT64_MAX)
		t->next_look_ns =
			t->state == DBTASK_OPEN || t->state == DBTASK_DEAD ? now : t->retry_ns;
	if (now >= t->next_look_ns && !uploading)
		look(f, t, now);
}

/* Whether it is gone, and freed. */
static bool
serve_leaving(struct fleet *f, struct dbtask *t, uint64_t now)
{
	bool late = now - t->leave_ns > LEAVE_S * SECOND_NS;

	atomic_store(&t->waits, true);
	if (atomic_load(&t->capture_busy) || fleet_is_sending(t, true))
		return false;
	fleet_end_requests(f, t, -ENOENT);
	if (t->capture_job.run != fleet_run_leave) {
		t->capture_job.run = fleet_run_leave;
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
	struct dbtask *t = fleet_by_wd(f, wd);

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
	if (fleet_round_ns(f) < due)
		due = fleet_round_ns(f);
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
		fleet_make_ready(f, LS_CONTAINER(first, struct dbtask, timer));
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
	fleet_rest_end(f, t);
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
		struct dbtask *list;

		if (now >= fleet_round_ns(f))
			fleet_round(f, now);
		list = take_ready(f, now);

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
