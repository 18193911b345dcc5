/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/dbtask.h"

#include "engine/base/io.h"
#include "engine/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	RETRY_BASE_MS = 500,
	RETRY_MAX_MS = 15000,
	PROGRESS_MS = 5000,
	REST_MS = 1000,
	BUSY_FRAMES = 64, /* as many at once: the application is busy, checkpoints are ours */
};

#define MS_NS UINT64_C(1000000)

/* ---- life ---- */

static void
show_progress(void *arg, uint64_t done, uint64_t pages)
{
	struct dbtask *t = arg;
	uint64_t now = clock_mono_ns();

	if (now - t->progress_ns < PROGRESS_MS * MS_NS)
		return;
	t->progress_ns = now;
	log_write(LOG_INFO, "full image in progress", LOG_STR("db", t->name),
		  LOG_U64("percent", pages ? done * 100 / pages : 0), LOG_U64("pages", done),
		  LOG_U64("of", pages));
}

int
dbtask_init(struct dbtask *t, const struct conf_db *conf, const struct stop *abort,
	    struct ls_err *err)
{
	const char *slash = strrchr(conf->path, '/');

	*t = (struct dbtask){.conf = conf,
			     .replicas = ls_alloc_array(conf->nreplicas, sizeof *t->replicas),
			     .name = slash ? slash + 1 : conf->path,
			     .abort = abort,
			     .wal_watch = {-1, t},
			     .file_watch = {-1, t}};
	if (!t->replicas)
		return ls_err_set(err, -ENOMEM, "out of memory");
	t->nreplicas = conf->nreplicas;
	for (size_t i = 0; i < t->nreplicas; i++)
		dbreplica_init(&t->replicas[i], t, &conf->replicas[i]);
	t->capture.record.fd = t->capture.hashes.fd = -1;
	t->capture.stop = abort;
	t->capture.progress = show_progress;
	t->capture.progress_arg = t;
	t->dir.lock_fd = t->dir.ltx0_fd = -1;
	pthread_mutex_init(&t->shared, NULL);
	dbtask_init_tokens(t);
	return 0;
}

void
dbtask_done(struct dbtask *t)
{
	dbtask_close(t);
	for (size_t i = 0; i < t->nreplicas; i++)
		dbreplica_done(&t->replicas[i]);
	free(t->replicas);
	pthread_mutex_destroy(&t->shared);
}

void
dbtask_close_capture(struct dbtask *t)
{
	struct capture *c = &t->capture;

	capture_done(c);
	t->resting = false;
	if (t->db_open)
		db_close(&t->db);
	t->db_open = false;
	atomic_store(&t->dev, 0);
	atomic_store(&t->ino, 0);
	*c = (struct capture){.record.fd = -1,
			      .hashes.fd = -1,
			      .stop = t->abort,
			      .progress = show_progress,
			      .progress_arg = t};
}

void
dbtask_close(struct dbtask *t)
{
	dbtask_close_capture(t);
	for (size_t i = 0; i < t->nreplicas; i++)
		dbreplica_close(&t->replicas[i]);
	if (t->dir_open)
		statedir_close(&t->dir);
	t->dir_open = t->connected = false;
	t->checked_ns = t->pruned = 0;
	t->spool_at_ns = 0;
	t->state = DBTASK_CLOSED;
}

void
dbtask_set_trouble(struct dbtask *t, struct trouble *at, const char *text)
{
	LS_AUTOLOCK(&t->shared);

	if (!text)
		at->text[0] = '\0';
	else if (!at->text[0])
		at->since_ms = clock_wall_ms();
	if (text)
		snprintf(at->text, sizeof at->text, "%s", text);
}

void
dbtask_get_trouble(struct dbtask *t, struct trouble *ret)
{
	LS_AUTOLOCK(&t->shared);

	*ret = t->trouble;
	for (size_t i = 0; i < t->nreplicas && !ret->text[0]; i++) {
		const struct dbreplica *r = &t->replicas[i];

		if (!r->trouble.text[0])
			continue;
		*ret = r->trouble;
		if (t->nreplicas > 1)
			snprintf(ret->text, sizeof ret->text, "replica '%.60s': %.400s",
				 r->conf->name, r->trouble.text);
	}
}

uint64_t
dbtask_acked(const struct dbtask *t)
{
	uint64_t min = UINT64_MAX;

	for (size_t i = 0; i < t->nreplicas; i++) {
		const struct dbreplica *r = &t->replicas[i];
		bool behind = atomic_load(&r->state) == DBREPLICA_BEHIND;
		uint64_t acked = behind ? 0 : atomic_load(&r->acked);

		min = acked < min ? acked : min;
	}
	return min;
}

int64_t
dbtask_synced_ms(const struct dbtask *t)
{
	int64_t min = INT64_MAX;

	for (size_t i = 0; i < t->nreplicas; i++) {
		int64_t at = atomic_load(&t->replicas[i].synced_ms);

		min = at < min ? at : min;
	}
	return min;
}

/* ---- capture lane ---- */

static void
note_captured(struct dbtask *t, unsigned batches)
{
	struct capture *c = &t->capture;

	dbtask_spend(t, batches);
	if (batches)
		atomic_store(&t->staged, c->pos.txid);
	if (c->unchained) {
		c->unchained = false;
		log_write(LOG_WARN, "SQLite committed frames without a checksum",
			  LOG_STR("db", t->name), LOG_STR("sqlite", sqlite3_libversion()),
			  LOG_STR("effect",
				  "they are replicated; but if every process that uses the "
				  "database crashes now, SQLite itself loses them"),
			  LOG_TXID("txid", c->pos.txid));
	}
	if (c->clock_back) {
		c->clock_back = false;
		log_write(LOG_WARN, "the clock went back", LOG_STR("db", t->name),
			  LOG_TXID("txid", c->pos.txid));
	}
	log_write(LOG_DEBUG, "captured", LOG_STR("db", t->name), LOG_U64("batches", batches),
		  LOG_TXID("txid", c->pos.txid));
}

/* Those that lack batches go on from the image, unless a base is on its way to them. */
static void
note_image(struct dbtask *t)
{
	uint64_t txid = t->capture.pos.txid;

	LS_AUTOLOCK(&t->shared);

	for (size_t i = 0; i < t->nreplicas; i++) {
		struct dbreplica *r = &t->replicas[i];
		enum dbreplica_state state = atomic_load(&r->state);

		if (state == DBREPLICA_AWAY || (state == DBREPLICA_BEHIND && atomic_load(&r->base)))
			continue;
		if (state == DBREPLICA_BEHIND)
			atomic_store(&r->acked, txid - 1);
		atomic_store(&r->image, txid);
		atomic_store(&r->state, DBREPLICA_READY);
		atomic_store(&r->levels_ms, 0);
	}
}

static int
take_image(struct dbtask *t, struct ls_err *err)
{
	uint64_t start = clock_mono_ms();
	int rc;

	t->progress_ns = clock_mono_ns();
	if ((rc = capture_image(&t->capture, err)) < 0)
		return rc;
	t->need_image = false;
	if (!t->capture.image_differs)
		note_image(t);
	note_captured(t, t->capture.image_pages > 0);
	log_write(LOG_INFO, "caught up", LOG_STR("db", t->name),
		  LOG_TXID("txid", t->capture.pos.txid), LOG_U64("pages", t->capture.pos.commit),
		  LOG_U64("written", t->capture.image_pages),
		  LOG_MS("elapsed", clock_mono_ms() - start));
	return 0;
}

int
dbtask_capture_tail(struct dbtask *t, struct ls_err *err)
{
	unsigned batches = 0;
	int rc = capture_tail(&t->capture, DBTASK_BATCH_MAX, &batches, err);

	note_captured(t, batches);
	return rc;
}

/* So that R0 holds after a crash, and others can tell that nothing is missing. */
static int
record_empty_wal(struct dbtask *t, struct ls_err *err)
{
	t->rest_ns = clock_mono_ns() + REST_MS * MS_NS;
	return capture_rest(&t->capture, err);
}

static int
capture_all(struct dbtask *t, struct ls_err *err)
{
	unsigned batches = 0;
	uint32_t frames = 0;
	int rc = dbtask_spool_room(t, err);

	if (rc < 0)
		return rc;
	if (t->need_image && (rc = take_image(t, err)) < 0)
		return rc;
	if (!t->db.lent_checkpoints && capture_pending(&t->capture) >= BUSY_FRAMES)
		db_hold_checkpoints(&t->db, true);
	rc = dbtask_capture_tail(t, err);
	if (rc == -ESTALE) {
		log_write(LOG_WARN, "continuity is lost, writing a full image",
			  LOG_STR("db", t->name), LOG_STR("reason", err->msg),
			  LOG_TXID("state_before", t->capture.pos.txid));
		t->need_image = true;
		rc = take_image(t, err);
	}
	if (rc == 0 && dbtask_wants_base(t))
		rc = dbtask_give_bases(t, err);
	if (rc < 0)
		return rc;
	if (checkpoint_wanted(&t->checkpoint, &t->capture, clock_mono_ns()) &&
	    !turns_ask(&t->turns, &t->db, clock_mono_ns())) {
		frames = t->capture.seen.mx_frame;
		rc = checkpoint_run(&t->checkpoint, &t->capture, &batches, err);
		note_captured(t, batches);
		t->turns.barrier_ns = t->checkpoint.usual_ns;
		log_write(LOG_DEBUG, "checkpoint", LOG_STR("db", t->name),
			  LOG_U64("frames", frames), LOG_U64("count", t->checkpoint.count),
			  LOG_U64("held", t->db.holds_checkpoints),
			  LOG_U64("turns", t->turns.count),
			  LOG_U64("failures", t->checkpoint.failures),
			  LOG_U64("barrier_us", t->checkpoint.barrier_ns / 1000),
			  LOG_U64("worst_us", t->checkpoint.worst_ns / 1000));
	}
	if (rc == 0 && t->capture.seen.mx_frame == 0)
		rc = record_empty_wal(t, err);
	return rc;
}

void
dbtask_capture_last(struct dbtask *t)
{
	struct ls_err err;
	unsigned batches = 0;
	int rc;

	if (t->state != DBTASK_OPEN || t->need_image || t->resting)
		return;
	rc = capture_last(&t->capture, DBTASK_BATCH_MAX, &batches, &err);
	note_captured(t, batches);
	if (rc < 0)
		log_write(LOG_WARN, "the last changes of the old files cannot be captured",
			  LOG_STR("db", t->conf->path), LOG_STR("reason", err.msg));
}

/* The files that are open are given up: what they hold goes to the replica first, if that is
 * possible now, else when the database is opened again. */
static void
leave_files(struct dbtask *t)
{
	struct ls_err ignored;
	int rc = 0;

	dbtask_capture_last(t);
	for (size_t i = 0; i < t->nreplicas; i++)
		if (atomic_load(&t->staged) > atomic_load(&t->replicas[i].acked))
			rc = dbreplica_try(&t->replicas[i], &ignored);
	(void)rc;
}

static void
unlock_lanes(struct dbtask *t, size_t n)
{
	while (n-- > 0) {
		pthread_mutex_unlock(&t->replicas[n].maintaining);
		pthread_mutex_unlock(&t->replicas[n].uploading);
	}
}

/* All of them, or none. */
static bool
lock_lanes(struct dbtask *t)
{
	for (size_t i = 0; i < t->nreplicas; i++) {
		struct dbreplica *r = &t->replicas[i];

		if (pthread_mutex_trylock(&r->uploading) == 0) {
			if (pthread_mutex_trylock(&r->maintaining) == 0)
				continue;
			pthread_mutex_unlock(&r->uploading);
		}
		unlock_lanes(t, i);
		return false;
	}
	return true;
}

/* Ends what cannot go on as it was: to be opened again, or for good. */
static int
start_over(struct dbtask *t, struct ls_err *err)
{
	enum dbtask_fate fate;

	/* The other lanes may be at work: then in a moment. */
	if (!lock_lanes(t))
		return ls_err_set(err, -EAGAIN, "a replica is being written");
	fate = atomic_exchange(&t->fate, DBTASK_GOES_ON);
	if (fate == DBTASK_GOES_ON && t->state == DBTASK_OPEN)
		leave_files(t);
	if (fate == DBTASK_FOREIGN)
		log_write(LOG_ERROR, "capture is stopped", LOG_STR("db", t->conf->path),
			  LOG_STR("reason", t->foreign.msg),
			  LOG_STR("hint", "another program replicates this database or writes into "
					  "this replica; stop it, then start this one again"));
	else if (t->state == DBTASK_OPEN)
		log_write(LOG_WARN,
			  fate == DBTASK_REBASE
				  ? "local state and replica do not fit, starting anew"
				  : "database, -wal or -shm file was replaced or removed",
			  LOG_STR("db", t->conf->path));
	dbtask_close(t);
	if (fate == DBTASK_FOREIGN) {
		dbtask_set_trouble(t, &t->trouble, t->foreign.msg);
		t->state = DBTASK_DEAD;
	}
	unlock_lanes(t, t->nreplicas);
	return 0;
}

int
dbtask_open_or_capture(struct dbtask *t, struct ls_err *err)
{
	int rc = dbtask_wake(t, err);

	if (rc == -ENOENT || rc == -EAGAIN)
		atomic_store(&t->fate, DBTASK_REBASE);
	else if (rc < 0)
		return rc;
	rc = 0;
	if (t->state == DBTASK_OPEN && (atomic_load(&t->fate) || dbtask_replaced(t)))
		rc = start_over(t, err);
	else if (t->state == DBTASK_PARKED &&
		 (atomic_load(&t->fate) || (rc = dbtask_spool_room(t, err)) == 0))
		rc = start_over(t, err);
	if (rc == 0 && t->state == DBTASK_CLOSED)
		rc = dbtask_open(t, err);
	if (rc == 0 && t->state == DBTASK_OPEN)
		rc = capture_all(t, err);
	if (rc == -EEXIST)
		dbtask_set_foreign(t, err);
	return rc;
}

/* Errors that no waiting will heal. */
bool
dbtask_is_final(int rc)
{
	return rc == -EBADMSG || rc == -EINVAL || rc == -EACCES || rc == -EBUSY;
}

void
dbtask_set_foreign(struct dbtask *t, const struct ls_err *err)
{
	pthread_mutex_lock(&t->shared);
	t->foreign = *err;
	pthread_mutex_unlock(&t->shared);
	atomic_store(&t->fate, DBTASK_FOREIGN);
}

/* Somebody else has it, or it was unfit when it was named at the start. A file that came later, or
 * is one of a directory, may still be on its way here, and a replica that refuses may be repaired.
 */
static bool
is_hopeless(const struct dbtask *t, int rc)
{
	bool first = !t->opened && !t->errors && !t->waiting[0];

	return dbtask_is_final(rc) && !t->connected &&
	       (rc == -EBUSY || (first && !t->meeting && !t->conf->dir));
}

static void
note_error(struct dbtask *t, int rc, const struct ls_err *err)
{
	bool opening = t->state == DBTASK_CLOSED;
	uint64_t wait_ms;

	if (rc == -EAGAIN && t->errors < 100) {
		if (opening)
			dbtask_close(t);
		t->errors++;
		t->retry_ns = clock_mono_ns() + 2 * MS_NS;
		return;
	}
	if (opening && is_hopeless(t, rc)) {
		log_write(LOG_ERROR, "database is not replicated", LOG_STR("db", t->conf->path),
			  LOG_STR("error", err->msg));
		dbtask_set_trouble(t, &t->trouble, err->msg);
		dbtask_close(t);
		t->state = DBTASK_DEAD;
		return;
	}
	dbtask_set_trouble(t, &t->trouble, err->msg);
	db_hold_checkpoints(&t->db, false);
	wait_ms = backoff_next_ms(&t->backoff, RETRY_BASE_MS, RETRY_MAX_MS);
	t->retry_ns = clock_mono_ns() + wait_ms * MS_NS;
	t->errors++;
	if (strcmp(t->waiting, err->msg) != 0) {
		snprintf(t->waiting, sizeof t->waiting, "%s", err->msg);
		log_write(LOG_ERROR, "sync error", LOG_STR("db", t->conf->path),
			  LOG_STR("error", err->msg), LOG_MS("retry-in", wait_ms));
	}
	if (opening)
		dbtask_close(t); /* nothing is uploaded before it is open */
	else if (dbtask_wal_is_long(t))
		dbtask_park(t, err->msg);
}

/* What follows an attempt. */
static void
conclude(struct dbtask *t, int rc, const struct ls_err *err)
{
	if (rc < 0) {
		note_error(t, rc, err);
		return;
	}
	if (t->state == DBTASK_CLOSED) {
		t->retry_ns = clock_mono_ns() + t->conf->monitor_interval_ms * MS_NS;
		return;
	}
	if (t->errors && t->waiting[0])
		log_write(LOG_INFO, "sync recovered", LOG_STR("db", t->conf->path),
			  LOG_U64("previous_errors", t->errors));
	t->errors = 0;
	t->waiting[0] = '\0';
	dbtask_set_trouble(t, &t->trouble, NULL);
	backoff_reset(&t->backoff);
}

void
dbtask_arm(struct dbtask *t)
{
	struct ls_err err = {0};

	conclude(t, dbtask_open(t, &err), &err);
}

void
dbtask_capture(struct dbtask *t)
{
	struct ls_err err = {0};

	conclude(t, dbtask_open_or_capture(t, &err), &err);
}
