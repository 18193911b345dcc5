/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event thread looks and decides; captures and uploads run in two small pools. It sleeps until
 * an inotify event, the end of a job, a token, or the fallback look: with inotify every 30 s, so
 * that an idle process wakes four times a minute at most.
 *
 * After an event the wal-index is looked at after 0, 1, 2, 4 ... 64 ms: the last write of a commit
 * into the -wal file comes before the commit shows in the wal-index (H35). The watch is armed
 * before these looks, so nothing that comes later is missed.
 */
#include "config.h"

#include "engine/sync/fleet_impl.h"

#include "engine/base/log.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

enum {
	FALLBACK_S = 30,
	LOOKS = 8,	  /* after an event: 1 ms doubling */
	BUSY_LOOK_MS = 8, /* while the horizon moves and no token is free */
	CAPTURE_THREADS = 4,
	UPLOAD_THREADS = 4,
};

/* ---- jobs ---- */

void
fleet_wake(struct fleet *f)
{
	static const uint64_t one = 1;
	ssize_t n = write(f->done_fd, &one, sizeof one);

	(void)n; /* a full counter wakes, too */
}

static void
job_ended(struct fleet *f, atomic_bool *busy)
{
	pthread_mutex_lock(&f->lock);
	*busy = false;
	pthread_cond_broadcast(&f->idle);
	pthread_mutex_unlock(&f->lock);
	fleet_wake(f);
}

static void
run_capture(struct job *job)
{
	struct dbtask *t = (struct dbtask *)((char *)job - offsetof(struct dbtask, capture_job));

	dbtask_capture(t);
	job_ended(t->owner, &t->capture_busy);
}

static void
run_upload(struct job *job)
{
	struct dbtask *t = (struct dbtask *)((char *)job - offsetof(struct dbtask, upload_job));

	dbtask_upload(t);
	job_ended(t->owner, &t->upload_busy);
}

static void
run_open(struct job *job)
{
	struct dbtask *t = (struct dbtask *)((char *)job - offsetof(struct dbtask, capture_job));

	dbtask_arm(t);
	job_ended(t->owner, &t->capture_busy);
}

static bool
is_busy(struct fleet *f, const atomic_bool *flag)
{
	LS_AUTOLOCK(&f->lock);

	return *flag;
}

static void
start_job(struct fleet *f, struct job_pool *pool, struct job *job, atomic_bool *busy)
{
	pthread_mutex_lock(&f->lock);
	*busy = true;
	pthread_mutex_unlock(&f->lock);
	job_submit(pool, job);
}

static void
wait_idle(struct fleet *f, struct dbtask *t)
{
	pthread_mutex_lock(&f->lock);
	while (t->capture_busy || t->upload_busy)
		pthread_cond_wait(&f->idle, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

/* ---- looking ---- */

/* With hints, all databases are looked at in the same moment: one wakeup. */
static uint64_t
fallback(const struct fleet *f, const struct dbtask *t, uint64_t now)
{
	bool hints = f->watch.fd >= 0 && t->wal_wd >= 0 && !t->db.remote_fs;
	uint64_t every = FALLBACK_S * SECOND_NS;

	return hints ? (now / every + 1) * every : now + t->conf->monitor_interval_ms * MS_NS;
}

static void
arm(struct fleet *f, struct dbtask *t)
{
	if (t->state == DBTASK_OPEN)
		t->wal_wd = watch_wal(&f->watch, t->db.wal_path);
}

/* Nothing to do now: when to look again. */
static void
settle(struct fleet *f, struct dbtask *t, bool in_flight, uint64_t now)
{
	if (t->quiet == 0)
		arm(f, t);
	if (t->quiet < LOOKS)
		t->next_look_ns = now + (MS_NS << t->quiet);
	else if (in_flight)
		t->next_look_ns = now + (MS_NS << (LOOKS - 2));
	else
		t->next_look_ns = fallback(f, t, now);
	if (t->quiet < LOOKS)
		t->quiet++;
	else if (!in_flight && !is_busy(f, &t->upload_busy))
		dbtask_rest(t);
}

static void
start_capture(struct fleet *f, struct dbtask *t)
{
	fleet_progress(f, t, FLEET_STARTS);
	t->next_look_ns = UINT64_MAX;
	start_job(f, f->capture_pool, &t->capture_job, &t->capture_busy);
}

static void
look(struct fleet *f, struct dbtask *t, uint64_t now)
{
	enum dbtask_look seen;
	uint64_t when = 0;

	if (t->state == DBTASK_DEAD) {
		t->next_look_ns = UINT64_MAX;
		return;
	}
	seen = dbtask_look(t);
	if (seen != DBTASK_CHANGED) {
		settle(f, t, seen == DBTASK_IN_FLIGHT, now);
		return;
	}
	t->quiet = 0;
	if (dbtask_may_capture(t, now, &when)) {
		start_capture(f, t);
		return;
	}
	t->next_look_ns = now + BUSY_LOOK_MS * MS_NS;
	if (t->state != DBTASK_OPEN && when > now)
		t->next_look_ns = when;
	else if (when > now)
		t->next_look_ns = dbtask_next_look(t, now, when);
}

static void
serve(struct fleet *f, struct dbtask *t, uint64_t now)
{
	bool capturing = is_busy(f, &t->capture_busy), uploading = is_busy(f, &t->upload_busy);

	if (!uploading && !capturing && atomic_load(&t->fate))
		t->next_look_ns = now;
	else if (!uploading && dbtask_upload_due(t, now))
		start_job(f, f->upload_pool, &t->upload_job, &t->upload_busy);
	fleet_progress(f, t, capturing ? FLEET_WORKS : FLEET_RESTS);
	if (capturing)
		return;
	if (fleet_wanted(f, t) && (!t->errors || now >= t->retry_ns)) {
		start_capture(f, t);
		return;
	}
	/* The job has ended since: look at what it left. */
	if (t->next_look_ns == UINT64_MAX && t->state != DBTASK_DEAD)
		t->next_look_ns = t->state == DBTASK_OPEN ? now : t->retry_ns;
	if (now >= t->next_look_ns && !(atomic_load(&t->fate) && uploading))
		look(f, t, now);
}

static void
on_event(void *arg, int wd, const char *name)
{
	struct fleet *f = arg;

	for (size_t i = 0; i < f->n; i++) {
		struct dbtask *t = &f->tasks[i];

		if (wd != -1 && wd != t->wal_wd && !(wd == t->dir_wd && strcmp(name, t->name) == 0))
			continue;
		t->quiet = 0;
		if (t->next_look_ns != UINT64_MAX)
			t->next_look_ns = 0;
		if (t->state == DBTASK_CLOSED)
			t->retry_ns = 0;
	}
}

static uint64_t
next_due(struct fleet *f, uint64_t now)
{
	uint64_t due = now + 2 * FALLBACK_S * SECOND_NS;

	for (size_t i = 0; i < f->n; i++) {
		struct dbtask *t = &f->tasks[i];
		bool pending =
			atomic_load(&t->staged) > atomic_load(&t->acked) || atomic_load(&t->image);

		if (t->next_look_ns < due)
			due = t->next_look_ns;
		if (pending && t->upload_retry_ns > now && t->upload_retry_ns < due)
			due = t->upload_retry_ns;
	}
	return due;
}

static void
wait_events(struct fleet *f)
{
	uint64_t now = clock_mono_ns(), due = next_due(f, now), left = due > now ? due - now : 0;
	struct timespec ts = {.tv_sec = (time_t)(left / SECOND_NS),
			      .tv_nsec = (long)(left % SECOND_NS)};
	struct pollfd p[3] = {{.fd = stop_fd(f->opts->stop), .events = POLLIN},
			      {.fd = f->done_fd, .events = POLLIN},
			      {.fd = f->watch.fd, .events = POLLIN}};
	uint64_t count;

	if (ppoll(p, 3, &ts, NULL) <= 0)
		return;
	if (p[1].revents && read(f->done_fd, &count, sizeof count) < 0)
		return;
	if (p[2].revents)
		watch_read(&f->watch, on_event, f);
}

/* ---- begin and end ---- */

static size_t
count_alive(const struct fleet *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->tasks[i].state != DBTASK_DEAD;
	return n;
}

/* Every database is opened once before a stop is looked at (H87). */
static void
open_all(struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++) {
		f->tasks[i].capture_job.run = run_open;
		start_job(f, f->capture_pool, &f->tasks[i].capture_job, &f->tasks[i].capture_busy);
	}
	for (size_t i = 0; i < f->n; i++) {
		wait_idle(f, &f->tasks[i]);
		f->tasks[i].capture_job.run = run_capture;
	}
}

static int
watch_dirs(struct fleet *f, struct ls_err *err)
{
	for (size_t i = 0; i < f->n; i++) {
		struct dbtask *t = &f->tasks[i];
		ls_autofree char *dir = strdup(t->conf->path);

		if (!dir)
			return ls_err_set(err, -ENOMEM, "out of memory");
		dir[t->name > t->conf->path + 1 ? t->name - t->conf->path - 1 : 1] = '\0';
		t->dir_wd = watch_dir(&f->watch, dir);
	}
	return 0;
}

static int
finish(struct fleet *f, struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct dbtask *t = &f->tasks[i];
		struct ls_err one = {0};
		int one_rc = 0;

		wait_idle(f, t);
		if (t->state != DBTASK_DEAD)
			one_rc = dbtask_finish(t, !f->opts->once, &one);
		else if (f->opts->once || f->n == 1)
			one_rc = ls_err_set(&one, -EIO, "database '%s' is not replicated",
					    t->conf->path);
		if (one_rc < 0 && rc == 0) {
			rc = one_rc;
			if (err)
				*err = one;
		} else if (one_rc < 0) {
			log_write(LOG_ERROR, "failed to close database", LOG_STR("error", one.msg));
		}
	}
	return rc;
}

static void
serve_all(struct fleet *f)
{
	while (!stop_fired(f->opts->stop) && (f->opts->stay || count_alive(f) || f->n == 0)) {
		uint64_t now = clock_mono_ns();

		for (size_t i = 0; i < f->n; i++)
			serve(f, &f->tasks[i], now);
		wait_events(f);
	}
}

static int
run(struct fleet *f, struct ls_err *err)
{
	int rc = watch_dirs(f, err), end_rc;
	struct ls_err ignored;

	if (rc < 0)
		return rc;
	if (f->opts->once)
		return finish(f, err);
	open_all(f);
	if (f->opts->armed && (count_alive(f) || f->n == 0))
		rc = f->opts->armed(f->opts->armed_arg, err);
	if (rc == 0)
		serve_all(f);
	if (*stop_signal_name(f->opts->stop))
		log_write(LOG_INFO, "signal received, litestream shutting down",
			  LOG_STR("signal", stop_signal_name(f->opts->stop)));
	end_rc = finish(f, rc < 0 ? &ignored : err);
	return rc < 0 ? rc : end_rc;
}

static int
start(struct fleet *f, const struct conf *conf, struct ls_err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = (unsigned)(conf->ndbs ? conf->ndbs : 1);
	unsigned captures = n < CAPTURE_THREADS ? n : CAPTURE_THREADS;
	int rc;

	if (cores > 0 && captures > (unsigned)cores)
		captures = (unsigned)cores;
	f->tasks = ls_alloc_array(conf->ndbs, sizeof *f->tasks);
	f->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!f->tasks || f->done_fd < 0)
		return ls_err_set(err, -ENOMEM, "out of memory");
	/* Closing inotify takes 10 ms, and one look needs no hints. */
	if (!f->opts->once && watch_init(&f->watch, err) < 0)
		log_write(LOG_WARN, "inotify is not available, polling",
			  LOG_STR("error", err->msg));
	if ((rc = job_pool_new("capture", captures, &f->capture_pool, err)) < 0)
		return rc;
	for (; f->n < conf->ndbs; f->n++) {
		struct dbtask *t = &f->tasks[f->n];

		dbtask_init(t, &conf->dbs[f->n], f->opts->abort);
		t->owner = f;
		t->capture_job.run = run_capture;
		t->upload_job.run = run_upload;
		t->next_look_ns = UINT64_MAX;
	}
	return job_pool_new("upload", n < UPLOAD_THREADS ? n : UPLOAD_THREADS, &f->upload_pool,
			    err);
}

int
fleet_new(const struct conf *conf, const struct fleet_opts *opts, struct fleet **ret,
	  struct ls_err *err)
{
	struct fleet *f = calloc(1, sizeof *f);
	int rc;

	if (!f)
		return ls_err_set(err, -ENOMEM, "out of memory");
	f->opts = opts;
	f->watch.fd = f->done_fd = -1;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->idle, NULL);
	pthread_cond_init(&f->answered, NULL);
	if ((rc = db_library_init(err)) < 0 || (rc = start(f, conf, err)) < 0) {
		fleet_free(f);
		return rc;
	}
	*ret = f;
	return 0;
}

int
fleet_run(struct fleet *f, struct ls_err *err)
{
	int rc;

	if (f->n == 0)
		log_write(LOG_ERROR, "no databases specified in configuration");
	rc = run(f, err);
	fleet_end_requests(f);
	return rc;
}

void
fleet_free(struct fleet *f)
{
	if (!f)
		return;
	job_pool_free(f->capture_pool);
	job_pool_free(f->upload_pool);
	for (size_t i = 0; i < f->n; i++)
		dbtask_close(&f->tasks[i]);
	free(f->tasks);
	watch_done(&f->watch);
	if (f->done_fd >= 0)
		close(f->done_fd);
	pthread_cond_destroy(&f->answered);
	pthread_cond_destroy(&f->idle);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
