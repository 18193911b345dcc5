/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where capture goes on: where the position record ends (R0 to R2), or with a full image, behind
 * everything that any replica holds. A replica that is away meanwhile, while another one answers,
 * is met by its own lane later.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/sync/bootid.h"
#include "engine/sync/dbtask.h"

#include <inttypes.h>
#include <string.h>

enum { HURRY_MS = 2000, MEET_MS = 10000 };

static int
read_frame(void *arg, uint32_t k, uint8_t *raw, struct ls_err *err)
{
	const struct db *db = arg;
	size_t size = WAL_FRAME_HEADER_SIZE + (size_t)db->page_size, n = 0;
	int rc = io_pread(db->wal_fd, raw, size, wal_frame_offset(db->page_size, k - 1), &n, err);

	return rc < 0 ? rc : n == size;
}

/* May capture go on? *why: the reason if not. */
static int
judge(struct dbtask *t, const char **why, struct ls_err *err)
{
	struct continuity_verdict *v = &t->capture.resume;
	struct continuity_now now = {.db = &t->db.st,
				     .page_size = t->db.page_size,
				     .boot = bootid_get(),
				     .frames = {read_frame, &t->db}};
	uint8_t raw[WAL_HEADER_SIZE];
	struct walidx_header idx;
	size_t n = 0;
	int rc;

	now.walidx = &idx;
	if ((rc = db_walidx(&t->db, &idx, err)) < 0 ||
	    (rc = io_pread(t->db.wal_fd, raw, WAL_HEADER_SIZE, 0, &n, err)) < 0)
		return rc;
	now.has_header = wal_header_decode(raw, n, &now.header, NULL) == 0;
	if ((rc = continuity_decide(&t->capture.pos, &now, v, err)) < 0)
		return rc;
	*why = v->why;
	if (v->what == CONTINUITY_TAIL)
		log_write(LOG_INFO, "the WAL was restarted meanwhile, and nothing of it is lost",
			  LOG_STR("db", t->name), LOG_U64("pages", v->tail.n));
	return 0;
}

/* Local files that are not in the replica and not in the record were never acknowledged. */
static int
drop_above(struct dbtask *t, uint64_t txid, struct ls_err *err)
{
	ls_autofree struct stage_entry *v = NULL;
	size_t n = 0;
	int rc = stage_list(&t->dir, &v, &n, err);

	for (size_t i = 0; rc == 0 && i < n; i++)
		if (v[i].txid > txid)
			rc = stage_remove(&t->dir, v[i].txid, err);
	return rc;
}

/* ---- the replicas ---- */

struct meeting {
	size_t met;	   /* replicas that answered */
	size_t good;	   /* those that can go on from what they have */
	uint64_t top;	   /* newest TXID in one of them */
	bool clash;	   /* one of them has another file of our newest TXID */
	const char *why;   /* one of them cannot; "" */
	const char **whys; /* of each */
};

static bool
all_fresh(const struct dbtask *t)
{
	bool fresh = true;

	for (size_t i = 0; i < t->nreplicas; i++)
		fresh &= atomic_load(&t->replicas[i].state) == DBREPLICA_AWAY ||
			 upload_info(t->replicas[i].upload)->fresh;
	return fresh;
}

static int
meet_one(struct dbtask *t, size_t i, bool found, unsigned patience_ms, struct meeting *m,
	 struct ls_err *err)
{
	struct dbreplica *r = &t->replicas[i];
	int rc = dbreplica_meet(r, found, patience_ms, &m->whys[i], err);
	uint64_t newest = atomic_load(&r->acked);

	if (rc < 0)
		return rc;
	m->met++;
	m->top = newest > m->top ? newest : m->top;
	m->good += found && !*m->whys[i];
	m->clash |= found && r->other_tail && newest == t->capture.pos.txid;
	if (!*m->why)
		m->why = m->whys[i];
	atomic_store(&r->state, DBREPLICA_BEHIND);
	return 0;
}

/* *first: the first error. */
static void
meet_those(struct dbtask *t, bool near, bool found, unsigned patience_ms, struct meeting *m,
	   struct ls_err *first)
{
	struct ls_err one;

	for (size_t i = 0; i < t->nreplicas; i++) {
		int rc;

		if (conf_replica_is_file(t->replicas[i].conf) != near)
			continue;
		if ((rc = meet_one(t, i, found, patience_ms, m, &one)) == 0)
			continue;
		if (first->code == 0)
			*first = one;
		if (t->nreplicas > 1)
			dbreplica_note_error(&t->replicas[i], rc, &one);
	}
}

/* One that is silent does not keep the others waiting. Only if none answers, that is an error. */
static int
meet_all(struct dbtask *t, bool found, struct meeting *m, struct ls_err *err)
{
	struct ls_err first = {0};

	meet_those(t, true, found, MEET_MS, m, &first);
	meet_those(t, false, found, t->nreplicas > 1 ? HURRY_MS : MEET_MS, m, &first);
	if (m->met == 0 && t->nreplicas > 1)
		meet_those(t, false, found, MEET_MS, m, &first);
	if (m->met)
		return 0;
	/* A storage that is busy is not asked again at once. */
	if (first.code == -EAGAIN)
		first.code = -ETIMEDOUT;
	if (err)
		*err = first;
	return first.code;
}

static int
decide(struct dbtask *t, bool found, const struct meeting *m, const char **why, struct ls_err *err)
{
	*why = "";
	if (!found)
		*why = all_fresh(t) ? "first capture" : "there is no local position record";
	else if (m->good == 0)
		*why = m->why;
	else if (m->top > t->capture.pos.txid)
		*why = "a replica is ahead of the local record";
	else if (m->clash)
		*why = "a replica has another file of our newest TXID";
	if (**why)
		return 0;
	t->capture.may_differ = true;
	return judge(t, why, err);
}

/* Those that can go on and lack nothing but what is still here do. If none can, an image is to
 * come, which is a base for those that it follows without a gap; the others need one of their own.
 */
static int
set_states(struct dbtask *t, const struct meeting *m, uint64_t newest, struct ls_err *err)
{
	int rc;

	for (size_t i = 0; i < t->nreplicas; i++) {
		struct dbreplica *r = &t->replicas[i];
		bool whole = false;

		if (atomic_load(&r->state) == DBREPLICA_AWAY)
			continue;
		rc = dbtask_spool_has(t, atomic_load(&r->acked) + 1, newest, &whole, err);
		if (rc < 0)
			return rc;
		if (m->good ? whole && !*m->whys[i] : atomic_load(&r->acked) == newest)
			atomic_store(&r->state, DBREPLICA_READY);
		else
			dbtask_set_behind(r, *m->whys[i] ? m->whys[i]
							 : "local files that it lacks are gone");
		atomic_store(&r->levels_ms, 0);
	}
	return 0;
}

/* Of a database that has nothing to do with what is remembered or replicated, a restore may have
 * been forgotten (decisions.md 11): nothing of the replica is lost by going on, and what is old is
 * kept for a week. */
static int
tell_rebase(struct dbtask *t, const char *why, bool found, uint64_t before, struct ls_err *err)
{
	bool fresh = all_fresh(t);
	bool strange = !found || t->capture.pos.dev != t->db.st.st_dev ||
		       t->capture.pos.ino != t->db.st.st_ino;

	log_write(fresh ? LOG_INFO : LOG_WARN, "full image", LOG_STR("db", t->name),
		  LOG_STR("reason", why), LOG_TXID("txid", t->capture.next_txid),
		  LOG_TXID("state_before", before));
	if (fresh || !strange)
		return 0;
	log_write(LOG_WARN, "the replica holds an older database: was a restore forgotten?",
		  LOG_STR("db", t->conf->path), LOG_TXID("state_before", before),
		  LOG_STR("hint", "what it holds stays; to go back to it, stop, and "
				  "'litestream restore -txid' with state_before"));
	return statedir_hold(&t->dir, err);
}

static int
begin(struct dbtask *t, bool found, struct meeting *m, struct ls_err *err)
{
	struct capture *c = &t->capture;
	const char *why = "";
	bool whole = false;
	uint64_t keep;
	int rc;

	if ((rc = meet_all(t, found, m, err)) < 0 || (rc = decide(t, found, m, &why, err)) < 0)
		return rc;
	/* What was staged but never sent: it goes on if it follows a replica without a gap, and one
	 * whose newest file is ours: another history may have the same TXIDs. */
	keep = found && m->good && !all_fresh(t) && c->pos.txid > m->top ? c->pos.txid : m->top;
	if ((rc = dbtask_spool_has(t, m->top + 1, keep, &whole, err)) < 0)
		return rc;
	keep = whole ? keep : m->top;
	if ((rc = drop_above(t, keep, err)) < 0 || (rc = set_states(t, m, keep, err)) < 0)
		return rc;
	t->need_image = *why != '\0';
	c->next_txid = keep + 1;
	atomic_store(&t->staged, keep);
	t->connected = true;
	if (t->need_image)
		return tell_rebase(t, why, found, keep, err);
	log_write(LOG_INFO, "resuming", LOG_STR("db", t->name), LOG_TXID("txid", c->pos.txid));
	return 0;
}

int
dbtask_meet(struct dbtask *t, bool found, struct ls_err *err)
{
	ls_autofree const char **whys = ls_alloc_array(t->nreplicas, sizeof *whys);
	struct meeting m = {.why = "", .whys = whys};

	if (!whys)
		return ls_err_set(err, -ENOMEM, "out of memory");
	return begin(t, found, &m, err);
}
