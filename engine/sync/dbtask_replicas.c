/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the replicas of a database share: the local batches, which stay while one of them waits for
 * them, and the bases that those go on from for which they did not stay.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/sync/dbtask.h"

enum { PRUNE_FEW = 4, BASE_RETRY_MS = 5000 };

#define MS_NS UINT64_C(1000000)

bool
dbtask_can_upload(const struct dbtask *t)
{
	return t->state == DBTASK_OPEN || t->state == DBTASK_PARKED;
}

int
dbtask_spool_has(struct dbtask *t, uint64_t from, uint64_t to, bool *ret, struct ls_err *err)
{
	ls_autofree struct stage_entry *v = NULL;
	size_t n = 0, i = 0;
	int rc = 0;

	*ret = from > to;
	if (*ret || (rc = stage_list(&t->dir, &v, &n, err)) < 0)
		return rc;
	while (i < n && v[i].txid < from)
		i++;
	for (; from <= to && i < n && v[i].txid == from; from++)
		i++;
	*ret = from > to;
	return 0;
}

/* It waits for what is behind this one, 0 if it has nothing yet; UINT64_MAX: for nothing. */
static uint64_t
floor_of(const struct dbreplica *r)
{
	uint64_t image = dbreplica_image(r); /* its snapshot is made of it */
	uint64_t at = image ? image : atomic_load(&r->acked);

	switch (atomic_load(&r->state)) {
	case DBREPLICA_READY:
		return at;
	case DBREPLICA_AWAY: /* it may be one that was never met */
		break;
	case DBREPLICA_BEHIND:
		at = atomic_load(&r->base);
		break;
	}
	return at ? at : UINT64_MAX;
}

uint64_t
dbtask_floor(const struct dbtask *t)
{
	uint64_t min = UINT64_MAX;

	for (size_t i = 0; i < t->nreplicas; i++) {
		uint64_t at = floor_of(&t->replicas[i]);

		min = at < min ? at : min;
	}
	return min;
}

/* The newest one that all have stays: a restart compares it. */
static int
prune(struct dbtask *t, struct ls_err *err)
{
	uint64_t txid = dbtask_floor(t);
	int rc = 0;

	if (txid == 0 || txid == UINT64_MAX || txid - 1 == t->pruned)
		return 0;
	if (!t->pruned || txid < t->pruned || txid - t->pruned > PRUNE_FEW) {
		rc = stage_prune(&t->dir, txid, err);
	} else {
		for (uint64_t i = t->pruned + 1; rc == 0 && i < txid; i++)
			rc = stage_remove(&t->dir, i, err);
	}
	if (rc == 0)
		t->pruned = txid - 1;
	return rc;
}

int
dbtask_prune(struct dbtask *t, struct ls_err *err)
{
	LS_AUTOLOCK(&t->shared);

	return prune(t, err);
}

/* ---- those that are left behind ---- */

void
dbtask_set_behind(struct dbreplica *r, const char *why)
{
	atomic_store(&r->state, DBREPLICA_BEHIND);
	atomic_store(&r->image, 0);
	log_write(LOG_WARN, "replica needs a full backup", LOG_STR("db", r->task->conf->path),
		  LOG_STR("replica", r->conf->name), LOG_STR("reason", why));
}

bool
dbtask_leave_behind(struct dbtask *t)
{
	uint64_t newest = 0;
	bool any = false;
	int rc = 0;

	LS_AUTOLOCK(&t->shared);

	for (size_t i = 0; i < t->nreplicas; i++) {
		const struct dbreplica *r = &t->replicas[i];
		bool well = atomic_load(&r->state) == DBREPLICA_READY && !atomic_load(&r->failing);

		if (well && atomic_load(&r->acked) > newest)
			newest = atomic_load(&r->acked);
	}
	for (size_t i = 0; i < t->nreplicas; i++) {
		struct dbreplica *r = &t->replicas[i];
		enum dbreplica_state state = atomic_load(&r->state);
		bool ill = state == DBREPLICA_AWAY ||
			   (state == DBREPLICA_READY && atomic_load(&r->failing));

		if (!ill || floor_of(r) >= newest)
			continue;
		any = true;
		if (state == DBREPLICA_READY)
			dbtask_set_behind(r, "the spool is full of what it lacks");
		else
			atomic_store(&r->acked, 0); /* what it has is found out when it is back */
	}
	if (any)
		rc = prune(t, NULL);
	return any && rc == 0;
}

/* ---- bases ---- */

static bool
wants_base(const struct dbreplica *r)
{
	return atomic_load(&r->state) == DBREPLICA_BEHIND && !atomic_load(&r->failing) &&
	       !atomic_load(&r->base);
}

bool
dbtask_wants_base(const struct dbtask *t)
{
	bool any = false;

	for (size_t i = 0; i < t->nreplicas; i++)
		any |= wants_base(&t->replicas[i]);
	return any && t->state == DBTASK_OPEN && clock_mono_ns() >= t->base_retry_ns;
}

/* What is held is what was captured last. */
static int
fix(struct dbtask *t, struct held *h, struct ls_err *err)
{
	const struct position *pos = &t->capture.pos;
	struct walidx_header now;
	int rc = db_walidx(&t->db, &now, err);

	if (rc < 0)
		return rc;
	if (pos->frame && !wal_salts_equal(now.salts, pos->salts))
		return ls_err_set(err, -EAGAIN, "the WAL was begun anew this moment");
	h->txid = pos->txid;
	h->time_ms = pos->time_ms;
	return held_fix(h, pos->commit, now.backfill, pos->frame, err);
}

static int
give_base(struct dbtask *t, struct dbreplica *r, struct ls_err *err)
{
	struct held h = {.db = {.wal_fd = -1}};
	bool here = false;
	int rc;

	if ((rc = held_begin(&t->db, &h, err)) < 0)
		return rc;
	if ((rc = dbtask_capture_tail(t, err)) == 0)
		rc = fix(t, &h, err);
	if (rc == 0) {
		LS_AUTOLOCK(&t->shared);
		rc = dbtask_spool_has(t, h.txid, h.txid, &here, err);
		if (rc == 0 && here) {
			r->held = h;
			atomic_store(&r->base, h.txid);
			return 0;
		}
	}
	held_end(&h);
	if (rc == 0) { /* its file is not here: a new one is needed, even if nothing differs */
		t->need_image = true;
		t->capture.may_differ = false;
	}
	return rc;
}

int
dbtask_give_bases(struct dbtask *t, struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->nreplicas; i++)
		if (wants_base(&t->replicas[i]))
			rc = give_base(t, &t->replicas[i], err);
	if (rc == 0 || rc == -EAGAIN)
		return rc;
	log_write(LOG_WARN, "a full backup cannot be made", LOG_STR("db", t->conf->path),
		  LOG_STR("error", err ? err->msg : ""));
	t->base_retry_ns = clock_mono_ns() + BASE_RETRY_MS * MS_NS;
	return rc == -ESTALE ? rc : 0;
}
