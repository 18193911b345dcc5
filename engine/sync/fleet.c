/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a fleet, its begin and its end. */
#include "config.h"

#include "engine/base/log.h"
#include "engine/conf/conf_db.h"
#include "engine/sync/fleet_impl.h"

#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

enum { CAPTURE_THREADS = 4, UPLOAD_THREADS = 4, FAR_UPLOAD_THREADS = 32, FINISH_MS = 30000 };

/* ---- indexes ---- */

static int
compare_path(const void *a, const void *b)
{
	return strcmp((*(const struct conf_db *const *)a)->path,
		      (*(const struct conf_db *const *)b)->path);
}

static int
compare_wd(const void *a, const void *b)
{
	int x = ((const struct dbtask_watch *)a)->wd, y = ((const struct dbtask_watch *)b)->wd;

	return x < y ? -1 : x > y;
}

struct dbtask *
fleet_find(struct fleet *f, const char *path)
{
	const struct conf_db key = {.path = (char *)(uintptr_t)path}, *p = &key;
	char *const *node = tfind(&p, &f->by_path, compare_path);

	return node ? LS_CONTAINER(*node, struct dbtask, conf) : NULL;
}

struct dbtask *
fleet_by_wd(struct fleet *f, int wd)
{
	const struct dbtask_watch key = {.wd = wd};
	struct dbtask_watch *const *node = tfind(&key, &f->by_wd, compare_wd);

	return node ? (*node)->task : NULL;
}

void
fleet_set_watch(struct fleet *f, struct dbtask_watch *w, int wd)
{
	if (wd == w->wd)
		return;
	if (w->wd >= 0)
		tdelete(w, &f->by_wd, compare_wd);
	w->wd = wd;
	if (wd >= 0 && !tsearch(w, &f->by_wd, compare_wd))
		w->wd = -1;
}

/* ---- members ---- */

/* Under the lock. */
static int
insert(struct fleet *f, struct dbtask *t)
{
	size_t cap = f->cap ? f->cap * 2 : 16;
	struct dbtask **v = f->n < f->cap ? f->tasks : ls_grow_array(f->tasks, cap, sizeof *v);

	if (!v)
		return -ENOMEM;
	f->cap = f->n < f->cap ? f->cap : cap;
	f->tasks = v;
	if (!tsearch(&t->conf, &f->by_path, compare_path))
		return -ENOMEM;
	f->tasks[f->n++] = t;
	return 0;
}

/* The database is to be looked at anew: it stands by, or ends. */
static void
lose_lease(void *arg)
{
	struct dbreplica *r = arg;
	struct dbtask *t = r->task;
	struct fleet *f = t->fleet;

	atomic_store(&t->fate, DBTASK_REBASE);
	pthread_mutex_lock(&f->lock);
	fleet_touch(f, t);
	pthread_mutex_unlock(&f->lock);
	if (f->opts->lost)
		f->opts->lost(f->opts->lost_arg);
}

static int
add_leases(struct fleet *f, struct dbtask *t, struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->nreplicas; i++) {
		struct dbreplica *r = &t->replicas[i];

		if (r->conf->lease_ms == 0)
			continue;
		if (!f->leases)
			rc = leases_new(f->opts->abort, lose_lease, &f->leases, err);
		if (rc == 0)
			rc = leases_add(f->leases, t->conf, r->conf, &r->counts, r, &r->lease, err);
	}
	return rc;
}

void
fleet_end_leases(struct fleet *f, struct dbtask *t)
{
	for (size_t i = 0; i < t->nreplicas; i++)
		if (t->replicas[i].lease)
			leases_end(f->leases, t->replicas[i].lease);
}

static void
free_task(struct fleet *f, struct dbtask *t)
{
	for (size_t i = 0; i < t->nreplicas; i++)
		if (t->replicas[i].lease)
			leases_remove(f->leases, t->replicas[i].lease);
	dbtask_done(t);
	if (t->own) {
		conf_db_done(t->own);
		free(t->own);
	}
	free(t);
}

int
fleet_add(struct fleet *f, const struct conf_db *conf, struct conf_db *own, struct ls_err *err)
{
	struct dbtask *t = calloc(1, sizeof *t);
	int rc;

	if (!t || dbtask_init(t, conf, f->opts->abort, NULL) < 0) {
		free(t);
		if (own)
			conf_db_done(own);
		free(own);
		return ls_err_set(err, -ENOMEM, "out of memory");
	}
	t->own = own;
	t->fleet = f;
	t->capture_job.run = fleet_run_capture;
	for (size_t i = 0; i < t->nreplicas; i++) {
		t->replicas[i].upload_job.run = fleet_run_upload;
		t->replicas[i].levels_job.run = fleet_run_levels;
	}
	t->next_look_ns = UINT64_MAX;
	rc = timers_reserve(&f->timers, f->n + 1, err);
	pthread_mutex_lock(&f->lock);
	if (rc == 0)
		rc = insert(f, t);
	pthread_mutex_unlock(&f->lock);
	if (rc < 0) {
		free_task(f, t);
		return ls_err_set(err, rc, "out of memory");
	}
	if ((rc = add_leases(f, t, err)) < 0)
		fleet_remove(f, t);
	return rc;
}

/* It may have been made ready again since it was served: by the end of its last job. Under the
 * lock. */
static void
forget_ready(struct fleet *f, const struct dbtask *t)
{
	struct dbtask **p = &f->ready;

	while (*p && *p != t)
		p = &(*p)->next_ready;
	if (*p)
		*p = t->next_ready;
}

void
fleet_remove(struct fleet *f, struct dbtask *t)
{
	fleet_set_watch(f, &t->wal_watch, -1);
	fleet_set_watch(f, &t->file_watch, -1);
	fleet_rest_end(f, t);
	timers_clear(&f->timers, &t->timer);
	pthread_mutex_lock(&f->lock);
	forget_ready(f, t);
	tdelete(&t->conf, &f->by_path, compare_path);
	for (size_t i = 0; i < f->n; i++)
		if (f->tasks[i] == t)
			f->tasks[i] = f->tasks[--f->n];
	pthread_mutex_unlock(&f->lock);
	free_task(f, t);
}

void
fleet_count_alive(struct fleet *f)
{
	f->alive = 0;
	for (size_t i = 0; i < f->n; i++)
		f->alive += f->tasks[i]->state != DBTASK_DEAD;
}

/* ---- begin and end ---- */

static void
run_open(struct job *job)
{
	struct dbtask *t = fleet_of_capture_job(job);

	dbtask_arm(t);
	fleet_job_ended(t->fleet, t, &t->capture_busy);
}

/* Every database is opened once before a stop is looked at (H87). */
static void
open_all(struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++) {
		f->tasks[i]->capture_job.run = run_open;
		fleet_start_job(f->capture_pool, &f->tasks[i]->capture_job,
				&f->tasks[i]->capture_busy);
	}
	for (size_t i = 0; i < f->n; i++) {
		fleet_wait_idle(f, f->tasks[i]);
		f->tasks[i]->capture_job.run = fleet_run_capture;
	}
}

/* One member's end, by the capture pool. */
struct ending {
	struct job job;
	struct fleet *fleet;
	struct dbtask *task;
	uint64_t end_ms;
	int rc;
	struct ls_err err;
};

static int
finish_one(const struct fleet *f, struct dbtask *t, uint64_t end_ms, struct ls_err *err)
{
	const struct fleet_opts *o = f->opts;
	int rc = dbtask_finish(t, end_ms, err);

	for (size_t i = 0; rc == 0 && o->once && i < t->nreplicas; i++) {
		struct dbreplica *r = &t->replicas[i];

		if (o->maintain)
			rc = dbreplica_maintain_once(r, err);
		else if (o->force_snapshot || o->enforce_retention)
			rc = dbreplica_levels_once(r, o->force_snapshot, o->enforce_retention, err);
	}
	return rc;
}

static void
run_finish(struct job *job)
{
	struct ending *e = (struct ending *)job;
	struct dbtask *t = e->task;
	struct fleet *f = e->fleet;

	if (t->leaving)
		e->rc = dbtask_leave(t, &e->err);
	else if (t->state != DBTASK_DEAD)
		e->rc = finish_one(f, t, e->end_ms, &e->err);
	else if (f->opts->once || f->n == 1)
		e->rc = ls_err_set(&e->err, -EIO, "database '%s' is not replicated", t->conf->path);
	fleet_end_leases(f, t);
	fleet_job_ended(f, t, &t->capture_busy);
}

static int
finish(struct fleet *f, struct ls_err *err)
{
	ls_autofree struct ending *v = ls_alloc_array(f->n, sizeof *v);
	uint64_t end_ms = f->opts->once ? 0 : clock_mono_ms() + FINISH_MS;
	int rc = 0;

	if (!v)
		return ls_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < f->n; i++) {
		v[i] = (struct ending){{.run = run_finish}, f, f->tasks[i], end_ms, 0, {0}};
		fleet_wait_idle(f, f->tasks[i]);
		fleet_start_job(f->capture_pool, &v[i].job, &f->tasks[i]->capture_busy);
	}
	for (size_t i = 0; i < f->n; i++) {
		fleet_wait_idle(f, f->tasks[i]);
		if (v[i].rc < 0 && rc == 0) {
			rc = v[i].rc;
			if (err)
				*err = v[i].err;
		} else if (v[i].rc < 0) {
			log_write(LOG_ERROR, "failed to close database",
				  LOG_STR("error", v[i].err.msg));
		}
	}
	return rc;
}

static int
run(struct fleet *f, struct ls_err *err)
{
	struct ls_err ignored;
	int rc, end_rc;

	if (f->opts->once)
		return finish(f, err);
	if ((rc = fleet_dirs_open(f, err)) < 0)
		return rc;
	open_all(f);
	fleet_count_alive(f);
	if (f->opts->armed && (f->alive || f->n == 0))
		rc = f->opts->armed(f->opts->armed_arg, err);
	if (rc == 0)
		fleet_loop(f);
	if (*stop_signal_name(f->opts->stop))
		log_write(LOG_INFO, "signal received, litestream shutting down",
			  LOG_STR("signal", stop_signal_name(f->opts->stop)));
	end_rc = finish(f, rc < 0 ? &ignored : err);
	return rc < 0 ? rc : end_rc;
}

/* As many descriptors as we may have: a busy database takes a dozen. */
static void
raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		log_write(LOG_DEBUG, "the limit of open files stays as it is");
}

static unsigned
threads(const struct fleet *f, size_t n, unsigned most)
{
	return f->watching || n > most ? most : n ? (unsigned)n : 1;
}

static size_t
count_replicas(const struct conf *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->ndbs; i++)
		n += c->dbs[i].nreplicas;
	return n;
}

static bool
any_far(const struct conf_db *db)
{
	for (size_t i = 0; i < db->nreplicas; i++)
		if (!conf_replica_is_file(&db->replicas[i]))
			return true;
	return false;
}

/* An upload to another host mostly waits. */
static unsigned
most_uploads(const struct conf *c)
{
	bool far = false;

	for (size_t i = 0; i < c->ndbs; i++)
		far |= any_far(&c->dbs[i]);
	for (size_t i = 0; i < c->ndirs; i++)
		far |= any_far(&c->dirs[i].model);
	return far ? FAR_UPLOAD_THREADS : UPLOAD_THREADS;
}

static int
start(struct fleet *f, struct ls_err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned captures = threads(f, f->conf->ndbs, CAPTURE_THREADS), uploads;
	int rc = 0;

	if (cores > 0 && captures > (unsigned)cores)
		captures = (unsigned)cores;
	if ((f->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return ls_err_sys(err, errno, "eventfd");
	/* Closing inotify takes 10 ms, and one look needs no hints. */
	if (!f->opts->once && watch_init(&f->watch, err) < 0)
		log_write(LOG_WARN, "inotify is not available, polling",
			  LOG_STR("error", err->msg));
	for (size_t i = 0; rc == 0 && i < f->conf->ndbs; i++)
		rc = fleet_add(f, &f->conf->dbs[i], NULL, err);
	if (rc < 0 || (rc = job_pool_new("capture", captures, &f->capture_pool, err)) < 0)
		return rc;
	uploads = threads(f, count_replicas(f->conf), most_uploads(f->conf));
	if ((rc = job_pool_new("upload", uploads, &f->upload_pool, err)) < 0 || f->opts->once)
		return rc;
	return job_pool_new("levels", 1, &f->levels_pool, err);
}

int
fleet_new(const struct conf *conf, const struct fleet_opts *opts, struct fleet **ret,
	  struct ls_err *err)
{
	struct fleet *f = calloc(1, sizeof *f);
	int rc;

	if (!f)
		return ls_err_set(err, -ENOMEM, "out of memory");
	f->conf = conf;
	f->opts = opts;
	f->watch.fd = f->done_fd = -1;
	f->scan_ns = UINT64_MAX;
	for (size_t i = 0; !opts->once && i < conf->ndirs; i++)
		f->watching |= conf->dirs[i].watch;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->idle, NULL);
	pthread_cond_init(&f->answered, NULL);
	raise_limit();
	if ((rc = db_library_init(err)) < 0 || (rc = start(f, err)) < 0) {
		fleet_free(f);
		return rc;
	}
	*ret = f;
	return 0;
}

int
fleet_stand_by(struct fleet *f, struct ls_err *err)
{
	return f->leases ? leases_wait(f->leases, f->opts->stop, err) : 0;
}

int
fleet_run(struct fleet *f, struct ls_err *err)
{
	int rc;

	if (f->n == 0 && !f->watching)
		log_write(LOG_ERROR, "no databases specified in configuration");
	rc = run(f, err);
	fleet_end_requests(f, NULL, -ECANCELED);
	return rc;
}

void
fleet_free(struct fleet *f)
{
	if (!f)
		return;
	job_pool_free(f->capture_pool);
	job_pool_free(f->upload_pool);
	job_pool_free(f->levels_pool);
	while (f->n)
		fleet_remove(f, f->tasks[f->n - 1]);
	leases_free(f->leases);
	free(f->tasks);
	free(f->resting);
	timers_done(&f->timers);
	fleet_dirs_done(f);
	watch_done(&f->watch);
	if (f->done_fd >= 0)
		close(f->done_fd);
	pthread_cond_destroy(&f->answered);
	pthread_cond_destroy(&f->idle);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
