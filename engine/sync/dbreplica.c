/* SPDX-License-Identifier: Apache-2.0 */
/* The upload lane of a replica, and meeting it. */
#include "config.h"

#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/sync/dbtask.h"

#include <inttypes.h>
#include <string.h>

enum {
	RETRY_BASE_MS = 500,
	RETRY_MAX_MS = 15000,
	PATIENCE_MS = 600000, /* more than a store has itself */
};

#define MS_NS UINT64_C(1000000)

void
dbreplica_init(struct dbreplica *r, struct dbtask *t, const struct conf_replica *conf)
{
	*r = (struct dbreplica){.task = t, .conf = conf, .held = {.db = {.wal_fd = -1}}};
	r->levels_ms = INT64_MAX;
	pthread_mutex_init(&r->uploading, NULL);
	pthread_mutex_init(&r->maintaining, NULL);
}

void
dbreplica_done(struct dbreplica *r)
{
	pthread_mutex_destroy(&r->uploading);
	pthread_mutex_destroy(&r->maintaining);
}

void
dbreplica_close(struct dbreplica *r)
{
	held_end(&r->held);
	upload_close(r->upload);
	r->upload = NULL;
	r->base = r->image = 0;
	r->state = DBREPLICA_AWAY;
}

/* ---- meeting it ---- */

struct store_call
dbreplica_calling(const struct dbreplica *r, const struct stop *stop, enum store_priority priority)
{
	return (struct store_call){
		.stop = stop,
		.priority = priority,
		.patience_ms = priority == STORE_PRIO_CAPTURE ? PATIENCE_MS : 0,
		.until_ms = r->lease ? lease_until(leases_lease(r->lease), r->lease_number) : NULL};
}

/* What is asked for capture's sake: it is not waited for longer than a few tries take. */
static struct store_call
calling(const struct dbreplica *r)
{
	return dbreplica_calling(r, r->task->abort, STORE_PRIO_CAPTURE);
}

int
dbreplica_check_lease(const struct dbreplica *r, struct ls_err *err)
{
	uint64_t number = 0;
	int rc = r->lease ? lease_check(leases_lease(r->lease), &number, err) : 0;

	if (rc == 0 && r->lease && number != r->lease_number)
		return ls_err_set(err, -ESTALE,
				  "the lease of this replica was lost and taken again");
	return rc;
}

/* Why it cannot go on from what it has, to our newest batch. */
static int
compare(struct dbreplica *r, const struct store_call *call, uint64_t newest, const char **why,
	struct ls_err *err)
{
	const struct upload_info *info = upload_info(r->upload);
	struct dbtask *t = r->task;
	bool same = false, whole = false;
	int rc;

	*why = "";
	r->other_tail = false;
	if (info->fresh || !info->has_base)
		*why = "the replica holds no full backup";
	else if (!info->whole)
		*why = "objects are missing in the replica: its newest state cannot be restored";
	else if (info->remote_max > newest)
		*why = "the replica is ahead of the local record";
	if (**why)
		return 0;
	if ((rc = upload_same_tail(r->upload, call, &same, err)) < 0 ||
	    (rc = dbtask_spool_has(t, info->remote_max + 1, newest, &whole, err)) < 0)
		return rc;
	r->other_tail = !same;
	if (!same)
		*why = "the newest file of the replica is not the one that was written here";
	else if (!whole)
		*why = "local files that the replica lacks are gone";
	return 0;
}

static bool
is_near(const struct conf_replica *conf)
{
	ls_autoclose int fd = -1;

	if (!conf_replica_is_file(conf))
		return false;
	fd = io_open(conf->path, O_RDONLY | O_DIRECTORY, 0, NULL);
	return fd >= 0 && !io_remote_fs(fd);
}

int
dbreplica_meet(struct dbreplica *r, bool found, unsigned patience_ms, const char **ret_why,
	       struct ls_err *err)
{
	struct store_call call;
	int rc = 0;

	*ret_why = "";
	if (r->lease && ((rc = lease_check(leases_lease(r->lease), &r->lease_number, err)) < 0 ||
			 (rc = leases_note(r->lease, err)) < 0))
		return rc;
	call = calling(r);
	call.patience_ms = patience_ms;
	if ((rc = upload_connect(r->upload, &call, err)) < 0)
		return rc;
	atomic_store(&r->acked, upload_info(r->upload)->remote_max);
	r->near = is_near(r->conf);
	return found ? compare(r, &call, r->task->capture.pos.txid, ret_why, err) : 0;
}

/* It answers for the first time since the database was opened. */
static int
join(struct dbreplica *r, struct ls_err *err)
{
	struct dbtask *t = r->task;
	struct store_call call;
	const char *why = "";
	bool whole = false;
	int rc;

	if ((rc = dbreplica_meet(r, false, PATIENCE_MS, &why, err)) < 0)
		return rc;
	if (atomic_load(&r->acked) > atomic_load(&t->staged))
		return ls_err_set(err, -ESTALE, "the replica is ahead of the local record");
	call = calling(r);
	if ((rc = compare(r, &call, atomic_load(&t->staged), &why, err)) < 0)
		return rc;
	if (r->other_tail && atomic_load(&r->acked) == atomic_load(&t->staged))
		return ls_err_set(err, -ESTALE, "the replica has another file of our newest TXID");
	if (*why) {
		dbtask_set_behind(r, why);
		return 0;
	}
	/* Nothing is pruned between the look and the state that prevents it. */
	LS_AUTOLOCK(&t->shared);
	rc = dbtask_spool_has(t, atomic_load(&r->acked) + 1, atomic_load(&t->staged), &whole, err);
	if (rc < 0)
		return rc;
	atomic_store(&r->state, whole ? DBREPLICA_READY : DBREPLICA_BEHIND);
	atomic_store(&r->levels_ms, 0);
	log_write(LOG_INFO, "replica is back", LOG_STR("db", t->name),
		  LOG_STR("replica", r->conf->name), LOG_TXID("txid", atomic_load(&r->acked)));
	return 0;
}

/* ---- uploads ---- */

uint64_t
dbreplica_image(const struct dbreplica *r)
{
	uint64_t image = atomic_load(&r->image);

	return image <= atomic_load(&r->acked) ? image : 0;
}

uint64_t
dbreplica_due_ns(const struct dbreplica *r)
{
	const struct dbtask *t = r->task;
	bool work = false;

	if (!dbtask_can_upload(t))
		return UINT64_MAX;
	switch (atomic_load(&r->state)) {
	case DBREPLICA_AWAY:
		work = true;
		break;
	case DBREPLICA_BEHIND:
		work = atomic_load(&r->base) || atomic_load(&r->failing);
		break;
	case DBREPLICA_READY:
		work = atomic_load(&t->staged) > atomic_load(&r->acked);
		break;
	}
	return work ? atomic_load(&r->retry_ns) : UINT64_MAX;
}

/* From here on it needs the batches behind the base, and that one, whose file a later start
 * compares. */
static int
send_base(struct dbreplica *r, const struct store_call *call, struct ls_err *err)
{
	uint64_t txid = atomic_load(&r->base);
	int rc = upload_base(r->upload, call, &r->held, err);

	held_end(&r->held);
	LS_AUTOLOCK(&r->task->shared);
	if (rc == 0) {
		atomic_store(&r->acked, txid - 1);
		atomic_store(&r->state, DBREPLICA_READY);
		atomic_store(&r->levels_ms, 0);
		dbreplica_tell_snapshot(r, txid);
	}
	atomic_store(&r->base, 0);
	return rc;
}

static int
send_batch(struct dbreplica *r, const struct store_call *call, uint64_t txid, struct ls_err *err)
{
	struct dbtask *t = r->task;
	bool image = atomic_load(&r->image) == txid;
	int rc = upload_file(r->upload, call, txid, image, err);

	if (rc < 0)
		return rc;
	atomic_store(&r->acked, txid);
	dbreplica_note_sent(r, image);
	if (image && upload_info(r->upload)->image != txid)
		dbreplica_tell_snapshot(r, txid);
	log_write(LOG_DEBUG, "ltx file uploaded", LOG_STR("db", t->name),
		  LOG_STR("replica", r->conf->name), LOG_U64("level", 0), LOG_TXID("minTXID", txid),
		  LOG_TXID("maxTXID", txid));
	return dbtask_prune(t, err);
}

static int
send_all(struct dbreplica *r, const struct store_call *call, struct ls_err *err)
{
	const struct dbtask *t = r->task;
	int rc = 0;

	if (atomic_load(&r->state) == DBREPLICA_BEHIND && atomic_load(&r->base))
		rc = send_base(r, call, err);
	while (rc == 0 && atomic_load(&r->state) == DBREPLICA_READY &&
	       atomic_load(&r->acked) < atomic_load(&t->staged))
		rc = send_batch(r, call, atomic_load(&r->acked) + 1, err);
	return rc;
}

/* Under a lease it is the last word of an earlier holder, who is gone; else somebody is at work. */
void
dbreplica_meet_foreign(struct dbreplica *r, const struct ls_err *err)
{
	if (r->lease)
		atomic_store(&r->task->fate, DBTASK_REBASE);
	else
		dbtask_set_foreign(r->task, err);
}

static int
try_upload(struct dbreplica *r, struct ls_err *err)
{
	bool away = atomic_load(&r->state) == DBREPLICA_AWAY;
	struct dbtask *t = r->task;
	struct store_call call;
	int rc = away ? join(r, err) : 0;

	call = calling(r);
	if (rc == 0)
		rc = dbreplica_check_lease(r, err);
	if (rc == 0 && r->errors && !away)
		rc = upload_reconnect(r->upload, &call, err);
	if (rc == 0)
		rc = send_all(r, &call, err);
	if (rc < 0 && atomic_load(&r->state) == DBREPLICA_BEHIND && upload_local_gone(r->upload))
		return 0; /* it is not waited for any more, and needs a base */
	/* A local file that is gone or damaged cannot be sent: begin anew (H90). A replica that has
	 * changed under us is looked at again from the start. */
	if (rc == -EBADMSG || rc == -ESTALE || rc == -EBUSY ||
	    (rc == -ENOENT && upload_local_gone(r->upload)))
		atomic_store(&t->fate, DBTASK_REBASE);
	else if (rc == -EEXIST)
		dbreplica_meet_foreign(r, err);
	return rc;
}

int
dbreplica_try(struct dbreplica *r, struct ls_err *err)
{
	int rc = try_upload(r, err);

	r->errors += rc < 0;
	return rc;
}

void
dbreplica_note_error(struct dbreplica *r, int rc, const struct ls_err *err)
{
	struct dbtask *t = r->task;
	uint64_t wait_ms = backoff_next_ms(&r->backoff, RETRY_BASE_MS, RETRY_MAX_MS);
	bool news = strcmp(r->last.msg, err->msg) != 0;

	r->last = *err;
	dbtask_set_trouble(t, &r->trouble, err->msg);
	r->errors++;
	r->retry_ns = clock_mono_ns() + wait_ms * MS_NS;
	atomic_store(&r->failing, true);
	if (news)
		log_write(rc == -EEXIST ? LOG_ERROR : LOG_WARN, "replica sync error",
			  LOG_STR("db", t->name), LOG_STR("replica", r->conf->name),
			  LOG_STR("error", err->msg), LOG_U64("consecutive_errors", r->errors),
			  LOG_MS("retry-in", wait_ms));
}

void
dbreplica_upload(struct dbreplica *r)
{
	struct dbtask *t = r->task;
	struct ls_err err = {0};
	int rc = 0;

	LS_AUTOLOCK(&r->uploading);
	if (dbtask_can_upload(t) && r->upload)
		rc = try_upload(r, &err);
	if (rc < 0) {
		dbreplica_note_error(r, rc, &err);
		return;
	}
	if (r->errors)
		log_write(LOG_INFO, "replica sync recovered", LOG_STR("db", t->name),
			  LOG_STR("replica", r->conf->name), LOG_U64("previous_errors", r->errors));
	if (atomic_load(&r->state) == DBREPLICA_READY)
		atomic_store(&r->synced_ms, clock_wall_ms());
	r->errors = 0;
	dbtask_set_trouble(t, &r->trouble, NULL);
	r->last = (struct ls_err){0};
	r->retry_ns = 0;
	backoff_reset(&r->backoff);
	atomic_store(&r->failing, false);
}
