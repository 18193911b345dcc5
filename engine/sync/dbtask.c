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
	CHECK_FILES_MS = 100,
	LOOK_MIN_MS = 2, /* while a checkpoint is near and no token is free */
	LOOK_MAX_MS = 8,
	BUSY_FRAMES = 64, /* as many at once: the application is busy, checkpoints are ours */
	CALM_LOOKS = 1,	  /* as many quiet looks before: they are everybody's */
};

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

/* ---- tokens ---- */

static void
init_tokens(struct dbtask *t)
{
	bool local = strcmp(t->replica->type, "file") == 0 && !t->replica->sync_interval_set;

	t->rate = local ? 10 : 1000.0 / (double)t->replica->sync_interval_ms;
	t->burst = local ? 20 : t->replica->sync_interval_set ? 1 : 5;
	t->tokens = t->burst;
	t->tokens_at_ns = clock_mono_ns();
}

static void
refill(struct dbtask *t, uint64_t now_ns)
{
	t->tokens += (double)(now_ns - t->tokens_at_ns) / 1e9 * t->rate;
	if (t->tokens > t->burst)
		t->tokens = t->burst;
	t->tokens_at_ns = now_ns;
}

static void
spend(struct dbtask *t, unsigned batches)
{
	refill(t, clock_mono_ns());
	t->tokens -= batches;
	if (t->tokens < 0)
		t->tokens = 0; /* batches that a full WAL forced are not held against later ones */
}

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

void
dbtask_init(struct dbtask *t, const struct conf_db *conf, const struct stop *abort)
{
	const char *slash = strrchr(conf->path, '/');

	*t = (struct dbtask){.conf = conf,
			     .replica = &conf->replicas[0],
			     .name = slash ? slash + 1 : conf->path,
			     .abort = abort,
			     .wal_wd = -1};
	t->capture.record.fd = t->capture.hashes.fd = -1;
	t->capture.stop = abort;
	t->capture.progress = show_progress;
	t->capture.progress_arg = t;
	t->dir.lock_fd = -1;
	pthread_mutex_init(&t->uploading, NULL);
	pthread_mutex_init(&t->maintaining, NULL);
	t->levels_ms = INT64_MAX;
	pthread_mutex_init(&t->troubles, NULL);
	init_tokens(t);
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
	upload_close(t->upload);
	t->upload = NULL;
	if (t->dir_open)
		statedir_close(&t->dir);
	t->dir_open = t->connected = false;
	t->checked_ns = t->pruned = 0;
	t->spool_at_ns = 0;
	t->state = DBTASK_CLOSED;
}

void
dbtask_set_trouble(struct dbtask *t, enum dbtask_lane lane, const char *text)
{
	struct trouble *at = &t->trouble[lane];

	LS_AUTOLOCK(&t->troubles);

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
	LS_AUTOLOCK(&t->troubles);

	*ret = t->trouble[DBTASK_CAPTURE].text[0] ? t->trouble[DBTASK_CAPTURE]
						  : t->trouble[DBTASK_UPLOAD];
}

/* ---- looks ---- */

static bool
frame_in_flight(struct dbtask *t, const struct walidx_header *hz)
{
	uint8_t raw[WAL_FRAME_HEADER_SIZE], head[WAL_HEADER_SIZE];
	struct wal_header h;
	struct wal_frame f;
	size_t n = 0;

	if (io_pread(t->db.wal_fd, head, sizeof head, 0, &n, NULL) < 0 ||
	    wal_header_decode(head, n, &h, NULL) < 0)
		return false;
	if (!wal_salts_equal(h.salts, hz->salts))
		return true; /* a generation begins */
	if (io_pread(t->db.wal_fd, raw, sizeof raw, wal_frame_offset(t->db.page_size, hz->mx_frame),
		     &n, NULL) < 0 ||
	    n < sizeof raw)
		return false;
	wal_frame_decode(raw, &f);
	return wal_salts_equal(f.salts, hz->salts);
}

/* Whether the files are other ones, asked ten times a second at most. */
static bool
replaced(struct dbtask *t)
{
	uint64_t now = clock_mono_ns();

	if (now - t->checked_ns < CHECK_FILES_MS * MS_NS)
		return false;
	t->checked_ns = now;
	if (!db_replaced(&t->db))
		return false;
	t->checked_ns = 0;
	return true;
}

uint64_t
dbtask_next_look(const struct dbtask *t, uint64_t now_ns, uint64_t when_ns)
{
	uint64_t limit = t->conf->min_checkpoint_page_count, mx = t->capture.seen.mx_frame;
	uint64_t next = now_ns + (2 * mx >= limit ? LOOK_MIN_MS : LOOK_MAX_MS) * MS_NS;

	return next < when_ns ? next : when_ns;
}

enum dbtask_look
dbtask_look(struct dbtask *t)
{
	const struct position *pos = &t->capture.pos;
	struct walidx_header hz;

	if (t->state != DBTASK_OPEN || t->need_image || atomic_load(&t->fate) || replaced(t))
		return DBTASK_CHANGED;
	if (db_walidx(&t->db, &hz, NULL) < 0)
		return DBTASK_IN_FLIGHT;
	t->capture.seen = hz;
	if (hz.mx_frame && (!wal_salts_equal(hz.salts, pos->salts) || hz.mx_frame != pos->frame))
		return DBTASK_CHANGED;
	if (checkpoint_wanted(&t->checkpoint, &t->capture, clock_mono_ns()))
		return DBTASK_CHANGED;
	if (db_wake(&t->db, NULL) < 0)
		return DBTASK_CHANGED;
	if (frame_in_flight(t, &hz))
		return DBTASK_IN_FLIGHT;
	if (t->quiet >= CALM_LOOKS)
		db_hold_checkpoints(&t->db, false);
	return DBTASK_QUIET;
}

bool
dbtask_may_capture(struct dbtask *t, uint64_t now_ns, uint64_t *ret_when_ns)
{

	*ret_when_ns = 0;
	if (t->state != DBTASK_OPEN) {
		*ret_when_ns = t->retry_ns;
		return now_ns >= t->retry_ns;
	}
	if (t->errors && now_ns < t->retry_ns && !dbtask_wal_is_long(t)) {
		*ret_when_ns = t->retry_ns;
		return false;
	}
	if (checkpoint_full(&t->capture) && checkpoint_wanted(&t->checkpoint, &t->capture, now_ns))
		return true;
	if (t->upload_busy && !atomic_load(&t->upload_failing))
		return false;
	refill(t, now_ns);
	if (t->tokens >= 1)
		return true;
	*ret_when_ns = now_ns + (uint64_t)((1 - t->tokens) / t->rate * 1e9);
	return false;
}

/* ---- capture lane ---- */

static void
note_captured(struct dbtask *t, unsigned batches)
{
	struct capture *c = &t->capture;

	spend(t, batches);
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
		atomic_store(&t->image, t->capture.pos.txid);
	note_captured(t, t->capture.image_pages > 0);
	log_write(LOG_INFO, "caught up", LOG_STR("db", t->name),
		  LOG_TXID("txid", t->capture.pos.txid), LOG_U64("pages", t->capture.pos.commit),
		  LOG_U64("written", t->capture.image_pages),
		  LOG_MS("elapsed", clock_mono_ms() - start));
	return 0;
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
	if (capture_pending(&t->capture) >= BUSY_FRAMES)
		db_hold_checkpoints(&t->db, true);
	rc = capture_tail(&t->capture, DBTASK_BATCH_MAX, &batches, err);
	note_captured(t, batches);
	if (rc == -ESTALE) {
		log_write(LOG_WARN, "continuity is lost, writing a full image",
			  LOG_STR("db", t->name), LOG_STR("reason", err->msg),
			  LOG_TXID("state_before", t->capture.pos.txid));
		t->need_image = true;
		rc = take_image(t, err);
	}
	if (rc < 0)
		return rc;
	if (checkpoint_wanted(&t->checkpoint, &t->capture, clock_mono_ns())) {
		frames = t->capture.seen.mx_frame;
		rc = checkpoint_run(&t->checkpoint, &t->capture, &batches, err);
		note_captured(t, batches);
		log_write(LOG_DEBUG, "checkpoint", LOG_STR("db", t->name),
			  LOG_U64("frames", frames), LOG_U64("count", t->checkpoint.count),
			  LOG_U64("held", t->db.holds_checkpoints),
			  LOG_U64("failures", t->checkpoint.failures),
			  LOG_U64("barrier_us", t->checkpoint.barrier_ns / 1000),
			  LOG_U64("worst_us", t->checkpoint.worst_ns / 1000));
	}
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
	if (atomic_load(&t->staged) > atomic_load(&t->acked))
		rc = dbtask_try_upload(t, &ignored);
	(void)rc;
}

/* Ends what cannot go on as it was: to be opened again, or for good. */
static int
start_over(struct dbtask *t, struct ls_err *err)
{
	enum dbtask_fate fate;

	/* The other lanes may be at work: then in a moment. */
	if (pthread_mutex_trylock(&t->uploading) != 0)
		return ls_err_set(err, -EAGAIN, "an upload is under way");
	if (pthread_mutex_trylock(&t->maintaining) != 0) {
		pthread_mutex_unlock(&t->uploading);
		return ls_err_set(err, -EAGAIN, "levels are being merged");
	}
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
		dbtask_set_trouble(t, DBTASK_CAPTURE, t->foreign.msg);
		t->state = DBTASK_DEAD;
	}
	pthread_mutex_unlock(&t->maintaining);
	pthread_mutex_unlock(&t->uploading);
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
	if (t->state == DBTASK_OPEN && (atomic_load(&t->fate) || replaced(t)))
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
	t->foreign = *err;
	atomic_store(&t->fate, DBTASK_FOREIGN);
}

static void
note_error(struct dbtask *t, int rc, const struct ls_err *err)
{
	bool opening = t->state == DBTASK_CLOSED;
	uint64_t wait_ms;

	if (rc == -EAGAIN && t->errors < 100) {
		t->errors++;
		t->retry_ns = clock_mono_ns() + 2 * MS_NS;
		return;
	}
	if (opening && dbtask_is_final(rc) && !t->connected) {
		log_write(LOG_ERROR, "database is not replicated", LOG_STR("db", t->conf->path),
			  LOG_STR("error", err->msg));
		dbtask_set_trouble(t, DBTASK_CAPTURE, err->msg);
		dbtask_close(t);
		t->state = DBTASK_DEAD;
		return;
	}
	dbtask_set_trouble(t, DBTASK_CAPTURE, err->msg);
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
	dbtask_set_trouble(t, DBTASK_CAPTURE, NULL);
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
