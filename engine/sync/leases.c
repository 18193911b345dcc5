/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/leases.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/job.h"
#include "engine/base/log.h"

#include <string.h>

enum { THREADS_MAX = 8, LOOK_MS = 20, ID_FILE_MAX = 4096 };

struct leases_item {
	struct leases_item *next;
	struct leases *owner;
	struct lease *lease;
	const struct conf_db *db;
	const struct conf_replica *conf;
	void *arg;
	/* Under the lock. */
	uint64_t due_ms; /* clock_boot_ms() */
	bool busy, asked;
	/* Of the thread that has set busy. */
	enum lease_state told;
	char trouble[LS_ERR_MAX];
	uint64_t number;
};

struct leases {
	leases_lost_fn *lost;
	const struct stop *abort;
	struct stop end; /* ends what the threads do */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct leases_item *items; /* these three under the lock */
	pthread_t threads[THREADS_MAX];
	unsigned nitems, nthreads;
};

/* ---- the state directory ---- */

static char *
id_path(const struct conf_db *db, const struct conf_replica *conf)
{
	return ls_buf_format("%s/replicas/%s/lease", db->meta_path, conf->name);
}

/* What an earlier run has left, if that has ended: nobody holds the state directory. */
static char *
read_known(const struct conf_db *db, const struct conf_replica *conf)
{
	ls_autofree char *path = id_path(db, conf), *lock = io_join(db->meta_path, "lock");
	ls_autoclose int fd = lock ? io_open(lock, O_RDWR, 0, NULL) : -1;
	char *id = NULL;

	if (!path || fd < 0 || io_lock(fd, lock, NULL) < 0 ||
	    io_read_file(path, ID_FILE_MAX, &id, NULL, NULL) < 0)
		return NULL;
	id[strcspn(id, "\n")] = '\0';
	return id;
}

int
leases_note(struct leases_item *it, struct ls_err *err)
{
	ls_autofree char *path = id_path(it->db, it->conf);
	char id[LEASE_ID_LEN + 2];
	ls_autoclose int fd = -1;
	int rc;

	if (!path)
		return ls_err_set(err, -ENOMEM, "lease: out of memory");
	lease_id(it->lease, id);
	id[LEASE_ID_LEN] = '\n';
	/* One that is torn costs the next start a wait, no more. */
	if ((fd = io_open(path, O_WRONLY | O_CREAT, 0600, err)) < 0)
		return fd;
	rc = io_pwrite(fd, id, LEASE_ID_LEN + 1, 0, err);
	return rc;
}

/* ---- what users are told ---- */

static void
tell(struct leases_item *it, int rc, const struct ls_err *err)
{
	enum lease_state now = lease_state(it->lease);
	struct ls_err why = {0};
	uint64_t number = 0;
	int held = lease_check(it->lease, &number, &why);

	if (rc < 0 && rc != -ECANCELED && strcmp(it->trouble, err->msg) != 0)
		log_write(LOG_WARN, "lease not renewed", LOG_STR("db", it->db->path),
			  LOG_STR("replica", it->conf->name), LOG_STR("error", err->msg));
	memcpy(it->trouble, rc < 0 ? err->msg : "", rc < 0 ? sizeof it->trouble : 1);
	if (held == 0 && number != it->number)
		log_write(LOG_INFO, "lease acquired", LOG_STR("db", it->db->path),
			  LOG_STR("replica", it->conf->name), LOG_U64("number", number));
	if (held == 0)
		it->number = number;
	if (now == LEASE_OTHERS && it->told != LEASE_OTHERS)
		log_write(it->number ? LOG_ERROR : LOG_INFO,
			  it->number ? "lease lost" : "standby: the lease is somebody else's",
			  LOG_STR("db", it->db->path), LOG_STR("replica", it->conf->name),
			  LOG_STR("reason", why.msg));
}

/* ---- threads ---- */

static void
step(struct leases *ls, struct leases_item *it, uint64_t *ret_wait_ms)
{
	struct ls_err err = {0};
	int rc = lease_step(it->lease, &ls->end, ret_wait_ms, &err);
	enum lease_state now = lease_state(it->lease);
	bool lost = now == LEASE_OTHERS && it->told != LEASE_OTHERS && it->number;

	tell(it, rc, &err);
	it->told = now;
	if (lost)
		ls->lost(it->arg);
}

/* The one that is due first and nobody works on, or NULL. */
static struct leases_item *
first_due(const struct leases *ls)
{
	struct leases_item *first = NULL;

	for (struct leases_item *it = ls->items; it; it = it->next)
		if (!it->busy && (!first || it->due_ms < first->due_ms))
			first = it;
	return first;
}

static void
wait_until(struct leases *ls, uint64_t due_ms)
{
	uint64_t now = clock_boot_ms();
	struct timespec t = clock_mono_after(due_ms > now ? due_ms - now : 0);

	pthread_cond_timedwait(&ls->changed, &ls->lock, &t);
}

static void *
keep(void *arg)
{
	struct leases *ls = arg;

	pthread_mutex_lock(&ls->lock);
	while (!stop_fired(&ls->end)) {
		struct leases_item *it = first_due(ls);
		uint64_t wait_ms = 0;

		if (!it || it->due_ms > clock_boot_ms()) {
			if (it)
				wait_until(ls, it->due_ms);
			else
				pthread_cond_wait(&ls->changed, &ls->lock);
			continue;
		}
		it->busy = true;
		pthread_mutex_unlock(&ls->lock);
		step(ls, it, &wait_ms);
		pthread_mutex_lock(&ls->lock);
		it->busy = false;
		it->asked = true;
		it->due_ms = clock_boot_ms() + wait_ms;
		pthread_cond_broadcast(&ls->changed);
	}
	pthread_mutex_unlock(&ls->lock);
	return NULL;
}

/* ---- life ---- */

int
leases_new(const struct stop *abort, leases_lost_fn *lost, struct leases **ret, struct ls_err *err)
{
	struct leases *ls = calloc(1, sizeof *ls);
	pthread_condattr_t attr;
	int rc;

	if (!ls)
		return ls_err_set(err, -ENOMEM, "leases: out of memory");
	if ((rc = stop_init(&ls->end, err)) < 0) {
		free(ls);
		return rc;
	}
	ls->lost = lost;
	ls->abort = abort;
	pthread_mutex_init(&ls->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ls->changed, &attr);
	pthread_condattr_destroy(&attr);
	*ret = ls;
	return 0;
}

void
leases_free(struct leases *ls)
{
	if (!ls)
		return;
	stop_fire(&ls->end);
	pthread_mutex_lock(&ls->lock);
	pthread_cond_broadcast(&ls->changed);
	pthread_mutex_unlock(&ls->lock);
	for (unsigned i = 0; i < ls->nthreads; i++)
		pthread_join(ls->threads[i], NULL);
	pthread_cond_destroy(&ls->changed);
	pthread_mutex_destroy(&ls->lock);
	stop_done(&ls->end);
	free(ls);
}

/* Under the lock. One thread is enough for a start; more are a help. */
static int
insert(struct leases *ls, struct leases_item *it, struct ls_err *err)
{
	int rc = 0;

	if (ls->nthreads < THREADS_MAX && ls->nthreads <= ls->nitems) {
		rc = job_thread(&ls->threads[ls->nthreads], "lease", keep, ls, err);
		ls->nthreads += rc == 0;
	}
	if (rc < 0 && ls->nthreads == 0)
		return rc;
	it->next = ls->items;
	ls->items = it;
	ls->nitems++;
	pthread_cond_broadcast(&ls->changed);
	return 0;
}

int
leases_add(struct leases *ls, const struct conf_db *db, const struct conf_replica *conf,
	   struct store_counts *counts, void *arg, struct leases_item **ret, struct ls_err *err)
{
	ls_autofree char *known = read_known(db, conf);
	struct leases_item *it = calloc(1, sizeof *it);
	struct store *store = NULL;
	int rc;

	if (!it)
		return ls_err_set(err, -ENOMEM, "lease: out of memory");
	it->owner = ls;
	it->db = db;
	it->conf = conf;
	it->arg = arg;
	if ((rc = conf_open_counted_store(conf, counts, &store, err)) < 0 ||
	    (rc = lease_new(store, conf->lease_ms, known ? known : "", &it->lease, err)) < 0) {
		free(it);
		return rc;
	}
	pthread_mutex_lock(&ls->lock);
	rc = insert(ls, it, err);
	pthread_mutex_unlock(&ls->lock);
	if (rc < 0) {
		lease_free(it->lease);
		free(it);
		return rc;
	}
	*ret = it;
	return 0;
}

/* Whether it was kept still. */
static bool
take_out(struct leases *ls, struct leases_item *it)
{
	struct leases_item **at = &ls->items;

	LS_AUTOLOCK(&ls->lock);
	while (it->busy)
		pthread_cond_wait(&ls->changed, &ls->lock);
	while (*at && *at != it)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = it->next;
	ls->nitems--;
	return true;
}

void
leases_end(struct leases *ls, struct leases_item *it)
{
	struct ls_err err;

	if (take_out(ls, it) && lease_release(it->lease, ls->abort, &err) < 0)
		log_write(LOG_WARN, "lease not given back", LOG_STR("db", it->db->path),
			  LOG_STR("replica", it->conf->name), LOG_STR("error", err.msg),
			  LOG_MS("others-wait", it->conf->lease_ms));
}

void
leases_remove(struct leases *ls, struct leases_item *it)
{
	if (!it)
		return;
	leases_end(ls, it);
	lease_free(it->lease);
	free(it);
}

struct lease *
leases_lease(struct leases_item *it)
{
	struct leases *ls = it->owner;

	LS_AUTOLOCK(&ls->lock);
	while (!it->asked && !stop_fired(&ls->end))
		pthread_cond_wait(&ls->changed, &ls->lock);
	return it->lease;
}

/* ---- standing by ---- */

/* 1: still to wait for one. Under the lock. */
static int
missing(const struct leases *ls, struct ls_err *err)
{
	int rc = 0;

	for (const struct leases_item *it = ls->items; it; it = it->next) {
		bool others = lease_state(it->lease) == LEASE_OTHERS;

		if (others && !conf_stands_by(it->db))
			return lease_check(it->lease, NULL, err);
		if (!it->asked || others)
			rc = 1;
	}
	return rc;
}

int
leases_wait(struct leases *ls, const struct stop *stop, struct ls_err *err)
{
	int rc;

	for (;;) {
		pthread_mutex_lock(&ls->lock);
		rc = missing(ls, err);
		pthread_mutex_unlock(&ls->lock);
		if (rc <= 0)
			return rc;
		if (stop_sleep(stop, LOOK_MS) < 0)
			return 1;
	}
}
