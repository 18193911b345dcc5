/* SPDX-License-Identifier: Apache-2.0 */
/* The maintenance lane of a database: levels, snapshots and retention of its replica. */
#include "config.h"

#include "engine/base/log.h"
#include "engine/sync/dbtask.h"

#include <string.h>

enum { RETRY_BASE_MS = 1000, RETRY_MAX_MS = 300000 };

#define MS_NS UINT64_C(1000000)

static struct levels_conf
levels_of(const struct dbtask *t)
{
	const struct conf_db *conf = t->conf;
	struct levels_conf k = {.n = conf->levels.n,
				.snapshot_interval_ms = conf->levels.snapshot_interval_ms,
				.snapshot_retention_ms = conf->levels.snapshot_retention_ms,
				.l0_retention_ms = conf->levels.l0_retention_ms,
				.fine_retention_ms = conf->levels.fine_retention_ms,
				.keep = conf->levels.keep,
				.hold = statedir_is_held(&t->dir)};

	memcpy(k.interval_ms, conf->levels.interval_ms, sizeof k.interval_ms);
	return k;
}

/* Not later than this. */
static void
wake_by(struct dbtask *t, int64_t at_ms)
{
	int64_t due = atomic_load(&t->levels_ms);

	while (at_ms < due && !atomic_compare_exchange_weak(&t->levels_ms, &due, at_ms))
		;
}

/* Something was sent: level 1 is due at the end of its interval, a snapshot perhaps then, too. */
void
dbtask_note_sent(struct dbtask *t)
{
	int64_t step = t->conf->levels.n ? (int64_t)t->conf->levels.interval_ms[0] : 60000;

	wake_by(t, (clock_wall_ms() / step + 1) * step);
}

uint64_t
dbtask_levels_due_ns(const struct dbtask *t, uint64_t now_ns)
{
	int64_t due = atomic_load(&t->levels_ms), now = clock_wall_ms();
	uint64_t retry = atomic_load(&t->levels_retry_ns), at = now_ns;

	if (t->state != DBTASK_OPEN || due == INT64_MAX)
		return UINT64_MAX;
	if (due > now)
		at += (uint64_t)(due - now) * MS_NS;
	return at > retry ? at : retry;
}

void
dbtask_maintain(struct dbtask *t, const struct stop *stop)
{
	struct store_call call = {.stop = stop, .priority = STORE_PRIO_BACKGROUND};
	struct levels_conf k;
	int64_t due = INT64_MAX;
	struct ls_err err = {0};
	uint64_t wait_ms = RETRY_BASE_MS;
	int rc;

	LS_AUTOLOCK(&t->maintaining);
	if (t->state != DBTASK_OPEN || atomic_load(&t->fate) != DBTASK_GOES_ON)
		return;
	atomic_store(&t->levels_ms, INT64_MAX);
	k = levels_of(t);
	rc = upload_maintain(t->upload, &t->uploading, &k, &call, &due, &err);
	if (rc < 0) {
		wait_ms = backoff_next_ms(&t->levels_backoff, RETRY_BASE_MS, RETRY_MAX_MS);
		due = 0;
		/* The replica is not what its catalog says. */
		if (rc == -ENOENT || rc == -ESTALE)
			atomic_store(&t->fate, DBTASK_REBASE);
		else if (rc == -EEXIST) {
			pthread_mutex_lock(&t->uploading);
			dbtask_set_foreign(t, &err);
			pthread_mutex_unlock(&t->uploading);
		}
		if (rc != -ECANCELED && strcmp(t->levels_err.msg, err.msg) != 0)
			log_write(LOG_ERROR, "compaction failed", LOG_STR("db", t->conf->path),
				  LOG_STR("error", err.msg), LOG_MS("retry-in", wait_ms));
		t->levels_err = err;
	} else {
		t->levels_err.msg[0] = '\0';
		backoff_reset(&t->levels_backoff);
	}
	wake_by(t, due);
	atomic_store(&t->levels_retry_ns, clock_mono_ns() + wait_ms * MS_NS);
}

static int
maintain_now(struct dbtask *t, const struct levels_conf *k, struct ls_err *err)
{
	struct store_call call = {.stop = t->abort, .priority = STORE_PRIO_BACKGROUND};
	int64_t ignored;

	return upload_maintain(t->upload, &t->uploading, k, &call, &ignored, err);
}

int
dbtask_maintain_once(struct dbtask *t, struct ls_err *err)
{
	struct levels_conf k = levels_of(t);

	return maintain_now(t, &k, err);
}

int
dbtask_levels_once(struct dbtask *t, bool snapshot, bool retention, struct ls_err *err)
{
	struct levels_conf k = levels_of(t);

	if (snapshot)
		log_write(LOG_INFO, "taking snapshot", LOG_STR("db", t->conf->path));
	if (retention)
		log_write(LOG_INFO, "enforcing retention", LOG_STR("db", t->conf->path));
	/* No level is merged, so that no batch expires either. */
	k.n = 0;
	k.snapshot_interval_ms = snapshot ? 1 : INT64_MAX / 2;
	k.keep |= !retention;
	return maintain_now(t, &k, err);
}
