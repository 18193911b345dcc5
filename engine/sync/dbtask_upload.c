/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upload lane of a database, and its end: the final sync, which uses both lanes.
 */
#include "config.h"

#include "engine/base/log.h"
#include "engine/sync/dbtask.h"

#include <inttypes.h>
#include <string.h>

enum { RETRY_BASE_MS = 500, RETRY_MAX_MS = 15000, AGAIN_MS = 30000, PRUNE_FEW = 4 };

#define MS_NS UINT64_C(1000000)

static bool
can_upload(const struct dbtask *t)
{
	return t->state == DBTASK_OPEN || t->state == DBTASK_PARKED;
}

bool
dbtask_upload_due(struct dbtask *t, uint64_t now_ns)
{
	bool work = atomic_load(&t->staged) > atomic_load(&t->acked) || atomic_load(&t->image);

	return can_upload(t) && work && now_ns >= t->upload_retry_ns;
}

/* The newest one in the replica stays: a restart compares it. */
static int
prune(struct dbtask *t, uint64_t txid, struct ls_err *err)
{
	int rc = 0;

	if (!t->pruned || txid - t->pruned > PRUNE_FEW) {
		rc = stage_prune(&t->dir, txid, err);
	} else {
		for (uint64_t i = t->pruned + 1; rc == 0 && i < txid; i++)
			rc = stage_remove(&t->dir, i, err);
	}
	if (rc == 0)
		t->pruned = txid - 1;
	return rc;
}

static int
upload_one(struct dbtask *t, const struct store_call *call, uint64_t txid, struct ls_err *err)
{
	int rc = upload_file(t->upload, call, txid, err);

	if (rc < 0)
		return rc;
	atomic_store(&t->acked, txid);
	dbtask_note_sent(t);
	log_write(LOG_DEBUG, "ltx file uploaded", LOG_STR("db", t->name), LOG_U64("level", 0),
		  LOG_TXID("minTXID", txid), LOG_TXID("maxTXID", txid));
	if (atomic_load(&t->image) != txid)
		return prune(t, txid, err);
	if ((rc = upload_snapshot(t->upload, call, txid, err)) < 0)
		return rc;
	atomic_store(&t->image, 0);
	log_write(LOG_INFO, "snapshot complete", LOG_STR("db", t->name), LOG_TXID("txid", txid));
	return prune(t, txid, err);
}

static int
upload_all(struct dbtask *t, const struct store_call *call, struct ls_err *err)
{
	uint64_t image = atomic_load(&t->image);
	int rc = 0;

	if (image && image == atomic_load(&t->acked)) {
		/* The image is there, its snapshot failed the last time. */
		if ((rc = upload_snapshot(t->upload, call, image, err)) < 0)
			return rc;
		atomic_store(&t->image, 0);
	}
	while (rc == 0 && atomic_load(&t->acked) < atomic_load(&t->staged))
		rc = upload_one(t, call, atomic_load(&t->acked) + 1, err);
	return rc;
}

static void
note_upload_error(struct dbtask *t, int rc, const struct ls_err *err)
{
	uint64_t wait_ms = backoff_next_ms(&t->upload_backoff, RETRY_BASE_MS, RETRY_MAX_MS);
	bool news = strcmp(t->upload_err.msg, err->msg) != 0;

	t->upload_err = *err;
	dbtask_set_trouble(t, DBTASK_UPLOAD, err->msg);
	t->upload_errors++;
	t->upload_retry_ns = clock_mono_ns() + wait_ms * MS_NS;
	atomic_store(&t->upload_failing, true);
	if (news)
		log_write(rc == -EEXIST ? LOG_ERROR : LOG_WARN, "replica sync error",
			  LOG_STR("db", t->name), LOG_STR("error", err->msg),
			  LOG_U64("consecutive_errors", t->upload_errors),
			  LOG_MS("retry-in", wait_ms));
}

static int
try_upload(struct dbtask *t, const struct store_call *call, struct ls_err *err)
{
	int rc = 0;

	if (t->upload_errors)
		rc = upload_reconnect(t->upload, call, err);
	if (rc == 0)
		rc = upload_all(t, call, err);
	/* A local file that is gone or damaged cannot be sent: begin anew (H90). A replica that has
	 * changed under us is looked at again from the start. */
	if (rc == -EBADMSG || rc == -ESTALE || (rc == -ENOENT && upload_local_gone(t->upload)))
		atomic_store(&t->fate, DBTASK_REBASE);
	else if (rc == -EEXIST)
		dbtask_set_foreign(t, err);
	return rc;
}

int
dbtask_try_upload(struct dbtask *t, struct ls_err *err)
{
	struct store_call call = {.stop = t->abort, .priority = STORE_PRIO_CAPTURE};
	int rc = try_upload(t, &call, err);

	t->upload_errors += rc < 0;
	return rc;
}

void
dbtask_upload(struct dbtask *t)
{
	struct store_call call = {.stop = t->abort, .priority = STORE_PRIO_CAPTURE};
	struct ls_err err = {0};
	int rc = 0;

	LS_AUTOLOCK(&t->uploading);
	if (can_upload(t))
		rc = try_upload(t, &call, &err);
	if (rc < 0) {
		note_upload_error(t, rc, &err);
		return;
	}
	if (t->upload_errors)
		log_write(LOG_INFO, "replica sync recovered", LOG_STR("db", t->name),
			  LOG_U64("previous_errors", t->upload_errors));
	atomic_store(&t->synced_ms, clock_wall_ms());
	t->upload_errors = 0;
	dbtask_set_trouble(t, DBTASK_UPLOAD, NULL);
	t->upload_err = (struct ls_err){0};
	t->upload_retry_ns = 0;
	backoff_reset(&t->upload_backoff);
	atomic_store(&t->upload_failing, false);
}

/* ---- the end ---- */

static int
finish_once(struct dbtask *t, struct ls_err *err)
{
	struct store_call call = {.stop = t->abort};
	int rc = dbtask_open_or_capture(t, err);

	/* The spool is full: there is room once what waits is uploaded. */
	if (rc == -ENOSPC && can_upload(t) && (rc = try_upload(t, &call, err)) == 0)
		rc = dbtask_open_or_capture(t, err);
	if (rc < 0 || t->state != DBTASK_OPEN)
		return rc;
	if ((rc = dbtask_try_upload(t, err)) < 0)
		return rc;
	return capture_rest(&t->capture, err);
}

int
dbtask_finish(struct dbtask *t, uint64_t end_ms, struct ls_err *err)
{
	uint64_t end = end_ms ? end_ms : clock_mono_ms() + AGAIN_MS;
	bool patient = end_ms != 0, told = false;
	int rc;

	while ((rc = finish_once(t, err)) < 0 && clock_mono_ms() < end && !stop_fired(t->abort)) {
		if ((t->state != DBTASK_OPEN && dbtask_is_final(rc)) || (!patient && rc != -EAGAIN))
			break;
		if (t->state != DBTASK_OPEN)
			dbtask_close(t);
		if (!told && rc != -EAGAIN)
			log_write(LOG_WARN,
				  "shutdown sync failed, retrying (press Ctrl+C again to skip)",
				  LOG_STR("db", t->conf->path), LOG_STR("error", err->msg));
		told |= rc != -EAGAIN;
		if (stop_sleep(t->abort, rc == -EAGAIN ? 2 : 500) < 0)
			break;
	}
	if (rc < 0 && t->state == DBTASK_OPEN)
		return ls_err_wrap(err, rc,
				   "database '%s': TXIDs %016" PRIx64 " to %016" PRIx64
				   " are not in the replica",
				   t->conf->path, atomic_load(&t->acked) + 1,
				   atomic_load(&t->staged));
	if (rc < 0)
		return ls_err_wrap(err, rc, "database '%s' is not replicated", t->conf->path);
	if (t->state != DBTASK_OPEN && !patient)
		return ls_err_set(err, -ENOENT, "database '%s': no position, waiting for data: %s",
				  t->conf->path, t->waiting);
	return 0;
}

int
dbtask_leave(struct dbtask *t, struct ls_err *err)
{
	int rc = 0;

	dbtask_capture_last(t);
	if (t->state == DBTASK_OPEN) {
		dbtask_close_capture(t);
		t->state = DBTASK_PARKED;
	}
	if (can_upload(t))
		rc = dbtask_try_upload(t, err);
	else if (atomic_load(&t->staged) > atomic_load(&t->acked))
		rc = ls_err_set(err, -EIO,
				"the replica could not be reached while its files were open");
	return rc;
}
