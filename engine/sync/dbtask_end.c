/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a database: the final sync, which uses all lanes. */
#include "config.h"

#include "engine/base/log.h"
#include "engine/sync/dbtask.h"

#include <inttypes.h>

enum { AGAIN_MS = 30000 };

static int
send_batches(struct dbreplica *r, struct ls_err *err)
{
	int rc = dbreplica_try(r, err);

	atomic_store(&r->failing, rc < 0);
	return rc;
}

/* The first error; the others get what they can. */
static int
for_all(struct dbtask *t, int (*fn)(struct dbreplica *, struct ls_err *), struct ls_err *err)
{
	struct ls_err one;
	int first = 0;

	for (size_t i = 0; i < t->nreplicas; i++) {
		int rc = fn(&t->replicas[i], &one);

		if (rc < 0 && first == 0) {
			first = rc;
			if (err)
				*err = one;
		}
	}
	return first;
}

static int
finish_once(struct dbtask *t, struct ls_err *err)
{
	int rc = dbtask_open_or_capture(t, err);

	/* The spool is full: there is room once what waits is uploaded. */
	if (rc == -ENOSPC && dbtask_can_upload(t) && (rc = for_all(t, send_batches, err)) == 0)
		rc = dbtask_open_or_capture(t, err);
	if (rc < 0 || t->state != DBTASK_OPEN)
		return rc;
	if ((rc = for_all(t, send_batches, err)) < 0)
		return rc;
	if (dbtask_wants_base(t) &&
	    ((rc = dbtask_open_or_capture(t, err)) < 0 || (rc = for_all(t, send_batches, err)) < 0))
		return rc;
	if (dbtask_acked(t) < atomic_load(&t->staged))
		return ls_err_set(err, -EAGAIN, "a replica is not whole yet");
	return capture_rest(&t->capture, err);
}

static int
tell_missing(const struct dbtask *t, int rc, struct ls_err *err)
{
	uint64_t acked = dbtask_acked(t), staged = atomic_load(&t->staged);

	if (acked >= staged)
		return ls_err_wrap(err, rc,
				   "database '%s': what was committed after TXID %016" PRIx64
				   " is not captured",
				   t->conf->path, staged);
	return ls_err_wrap(err, rc,
			   "database '%s': TXIDs %016" PRIx64 " to %016" PRIx64 " are not in %s",
			   t->conf->path, acked + 1, staged,
			   t->nreplicas > 1 ? "every replica" : "the replica");
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
		return tell_missing(t, rc, err);
	if (rc < 0)
		return ls_err_wrap(err, rc, "database '%s' is not replicated", t->conf->path);
	if (t->state != DBTASK_OPEN && t->opened && dbtask_others_lead(t, err))
		return ls_err_wrap(err, -EBUSY, "database '%s' is not replicated", t->conf->path);
	if (t->state != DBTASK_OPEN && !patient)
		return ls_err_set(err, -ENOENT, "database '%s': no position, waiting for data: %s",
				  t->conf->path, t->waiting);
	if (t->state == DBTASK_OPEN)
		rc = for_all(t, dbreplica_snapshot, err);
	if (rc < 0 && !patient)
		return ls_err_wrap(err, rc, "the snapshot of database '%s'", t->conf->path);
	if (rc < 0)
		log_write(LOG_WARN, "a snapshot is missing, and is to be merged later",
			  LOG_STR("db", t->conf->path), LOG_STR("error", err->msg));
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
	if (dbtask_can_upload(t))
		rc = for_all(t, send_batches, err);
	else if (atomic_load(&t->staged) > dbtask_acked(t))
		rc = ls_err_set(err, -EIO,
				"the replica could not be reached while its files were open");
	return rc;
}
