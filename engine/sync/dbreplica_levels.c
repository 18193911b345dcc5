/* SPDX-License-Identifier: Apache-2.0 */
/* The maintenance lane of a replica: levels, snapshots and retention. */
#include "config.h"

#include "engine/base/log.h"
#include "engine/sync/dbtask.h"

#include <string.h>

enum { RETRY_BASE_MS = 1000, RETRY_MAX_MS = 300000, AUDIT_MS = 86400000 };

#define MS_NS UINT64_C(1000000)

static struct levels_conf
levels_of(const struct dbreplica *r)
{
	const struct conf_db *conf = r->task->conf;
	struct levels_conf k = {.n = conf->levels.n,
				.snapshot_interval_ms = conf->levels.snapshot_interval_ms,
				.snapshot_retention_ms = conf->levels.snapshot_retention_ms,
				.l0_retention_ms = conf->levels.l0_retention_ms,
				.fine_retention_ms = conf->levels.fine_retention_ms,
				.keep = conf->levels.keep,
				.verify = conf->levels.verify,
				.hold = statedir_is_held(&r->task->dir)};

	memcpy(k.interval_ms, conf->levels.interval_ms, sizeof k.interval_ms);
	return k;
}

/* Not later than this. */
static void
wake_by(struct dbreplica *r, int64_t at_ms)
{
	int64_t due = atomic_load(&r->levels_ms);

	while (at_ms < due && !atomic_compare_exchange_weak(&r->levels_ms, &due, at_ms))
		;
}

/* Something was sent: level 1 is due at the end of its interval, a snapshot perhaps then, too, and
 * that of an image at once. */
void
dbreplica_note_sent(struct dbreplica *r, bool image)
{
	const struct conf_levels *k = &r->task->conf->levels;
	int64_t step = k->n ? (int64_t)k->interval_ms[0] : 60000;

	if (image)
		atomic_store(&r->levels_retry_ns, 0);
	wake_by(r, image ? 0 : (clock_wall_ms() / step + 1) * step);
}

/* A day at most, so that what happens to a replica behind our back is seen. */
static uint64_t
audit_interval_ms(const struct dbreplica *r)
{
	uint64_t k = r->task->conf->levels.validation_ms;

	return k && k < AUDIT_MS ? k : AUDIT_MS;
}

uint64_t
dbreplica_levels_due_ns(const struct dbreplica *r, uint64_t now_ns)
{
	int64_t due = atomic_load(&r->levels_ms), now = clock_wall_ms();
	uint64_t retry = atomic_load(&r->levels_retry_ns), at = now_ns;

	if (r->task->state != DBTASK_OPEN || atomic_load(&r->state) != DBREPLICA_READY ||
	    due == INT64_MAX)
		return UINT64_MAX;
	if (due > now)
		at += (uint64_t)(due - now) * MS_NS;
	return at > retry ? at : retry;
}

static int
audit(struct dbreplica *r, const struct store_call *call, struct ls_err *err)
{
	struct upload_audit a;
	int rc = upload_audit(r->upload, &r->uploading, call, &a, err);

	if (rc < 0)
		return rc;
	if (a.missing)
		return ls_err_set(err, -ENOENT,
				  "%zu objects are gone that were in the replica, or are other "
				  "ones, '%s' for one: somebody else works there",
				  a.missing, a.first);
	if (a.foreign)
		log_write(LOG_WARN, "objects appeared in the replica that were not written here",
			  LOG_STR("db", r->task->conf->path), LOG_STR("replica", r->conf->name),
			  LOG_U64("count", a.foreign), LOG_STR("first", a.first));
	/* A gap is told once: a replica that was left behind has one. */
	if (!a.whole || a.overlaps || a.gaps > r->audited_gaps)
		log_write(LOG_WARN, "validation error detected", LOG_STR("db", r->task->conf->path),
			  LOG_STR("replica", r->conf->name), LOG_U64("gaps", a.gaps),
			  LOG_U64("overlaps", a.overlaps),
			  LOG_STR("newest", a.whole ? "can be restored" : "cannot be restored"),
			  LOG_STR("hint", "litestream verify says what is missing"));
	else
		log_write(LOG_DEBUG, "replica is as it should be", LOG_STR("db", r->task->name),
			  LOG_STR("replica", r->conf->name));
	r->audited_gaps = a.gaps;
	return 0;
}

/* Counted from the start, where the replica was listed, too. */
static int
audit_if_due(struct dbreplica *r, const struct store_call *call, int64_t *due, struct ls_err *err)
{
	uint64_t now = clock_mono_ms(), every = audit_interval_ms(r);
	int64_t wall = clock_wall_ms(), next;
	int rc;

	if (r->audited_ms == 0)
		r->audited_ms = now;
	if (now - r->audited_ms >= every) {
		r->audited_ms = now;
		if ((rc = audit(r, call, err)) < 0)
			return rc;
	}
	next = wall + (int64_t)(r->audited_ms + every - now);
	*due = next < *due ? next : *due;
	return 0;
}

static void
note_error(struct dbreplica *r, int rc, const struct ls_err *err, uint64_t wait_ms)
{
	struct dbtask *t = r->task;

	/* The replica is not what its catalog says. */
	if (rc == -ENOENT || rc == -ESTALE)
		atomic_store(&t->fate, DBTASK_REBASE);
	else if (rc == -EEXIST)
		dbreplica_meet_foreign(r, err);
	if (rc != -ECANCELED && strcmp(r->levels_err.msg, err->msg) != 0)
		log_write(LOG_ERROR, "compaction failed", LOG_STR("db", t->conf->path),
			  LOG_STR("replica", r->conf->name), LOG_STR("error", err->msg),
			  LOG_MS("retry-in", wait_ms));
	r->levels_err = *err;
}

void
dbreplica_tell_snapshot(const struct dbreplica *r, uint64_t txid)
{
	log_write(LOG_INFO, "snapshot complete", LOG_STR("db", r->task->name),
		  LOG_STR("replica", r->conf->name), LOG_TXID("txid", txid));
}

/* A few tries, which a stop does not end: the transfer may be nearly done. */
int
dbreplica_snapshot(struct dbreplica *r, struct ls_err *err)
{
	struct store_call call = dbreplica_calling(r, r->task->abort, STORE_PRIO_CAPTURE);
	uint64_t image = dbreplica_image(r), txid = 0;
	int rc;

	call.patience_ms = 0;
	rc = upload_snapshot(r->upload, &r->uploading, &call, &txid, err);
	if (rc == 0 && txid)
		dbreplica_tell_snapshot(r, txid);
	if (rc == 0 && image && atomic_compare_exchange_strong(&r->image, &image, 0))
		rc = dbtask_prune(r->task, err);
	return rc;
}

void
dbreplica_maintain(struct dbreplica *r, const struct stop *stop)
{
	struct dbtask *t = r->task;
	struct store_call call;
	struct levels_conf k;
	int64_t due = INT64_MAX;
	struct ls_err err = {0};
	uint64_t wait_ms = RETRY_BASE_MS;
	int rc;

	LS_AUTOLOCK(&r->maintaining);
	if (dbreplica_levels_due_ns(r, 0) == UINT64_MAX || atomic_load(&t->fate) != DBTASK_GOES_ON)
		return;
	atomic_store(&r->levels_ms, INT64_MAX);
	k = levels_of(r);
	call = dbreplica_calling(r, stop, STORE_PRIO_BACKGROUND);
	rc = dbreplica_check_lease(r, &err);
	if (rc == 0)
		rc = dbreplica_snapshot(r, &err);
	if (rc == 0)
		rc = upload_maintain(r->upload, &r->uploading, &k, &call, &due, &err);
	if (rc == 0)
		rc = audit_if_due(r, &call, &due, &err);
	if (rc < 0) {
		wait_ms = backoff_next_ms(&r->levels_backoff, RETRY_BASE_MS, RETRY_MAX_MS);
		due = 0;
		note_error(r, rc, &err, wait_ms);
	} else {
		r->levels_err.msg[0] = '\0';
		backoff_reset(&r->levels_backoff);
	}
	wake_by(r, due);
	atomic_store(&r->levels_retry_ns, clock_mono_ns() + wait_ms * MS_NS);
}

static int
maintain_now(struct dbreplica *r, const struct levels_conf *k, struct ls_err *err)
{
	struct store_call call = dbreplica_calling(r, r->task->abort, STORE_PRIO_BACKGROUND);
	int64_t ignored;

	return upload_maintain(r->upload, &r->uploading, k, &call, &ignored, err);
}

int
dbreplica_maintain_once(struct dbreplica *r, struct ls_err *err)
{
	struct levels_conf k = levels_of(r);

	return maintain_now(r, &k, err);
}

int
dbreplica_levels_once(struct dbreplica *r, bool snapshot, bool retention, struct ls_err *err)
{
	struct levels_conf k = levels_of(r);

	if (snapshot)
		log_write(LOG_INFO, "taking snapshot", LOG_STR("db", r->task->conf->path),
			  LOG_STR("replica", r->conf->name));
	if (retention)
		log_write(LOG_INFO, "enforcing retention", LOG_STR("db", r->task->conf->path),
			  LOG_STR("replica", r->conf->name));
	/* No level is merged, so that no batch expires either. */
	k.n = 0;
	k.snapshot_interval_ms = snapshot ? 1 : INT64_MAX / 2;
	k.keep |= !retention;
	return maintain_now(r, &k, err);
}
