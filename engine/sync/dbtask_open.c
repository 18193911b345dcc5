/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How capture begins: open and pin the database, take the state directory, meet the replica, and
 * decide whether to go on where the position record ends (R0 to R2) or with a full image.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/sync/bootid.h"
#include "engine/sync/dbtask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int
stat_parent(const char *path, struct stat *ret, struct ls_err *err)
{
	ls_autofree char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!slash)
		return ls_err_set(err, -ENOMEM, "out of memory");
	slash[slash == dir ? 1 : 0] = '\0';
	return io_stat(dir, ret, err);
}

static int
open_hashes(struct dbtask *t, bool found, struct ls_err *err)
{
	ls_autofree char *path = io_join(t->dir.path, "pagehash");

	if (!path)
		return ls_err_set(err, -ENOMEM, "out of memory");
	pagehash_open(path, t->dir.file_mode, t->db.page_size, found ? t->capture.pos.txid : 0,
		      &t->capture.hashes);
	if (t->capture.hashes.fd >= 0)
		io_own(t->capture.hashes.fd, t->dir.uid, t->dir.gid);
	return 0;
}

static int
open_state(struct dbtask *t, bool *ret_found, struct ls_err *err)
{
	ls_autofree char *path = NULL;
	struct stat dir;
	int rc;

	if ((rc = stat_parent(t->conf->path, &dir, err)) < 0 ||
	    (rc = statedir_open(t->conf->meta_path, &t->db.st, &dir, &t->dir, err)) < 0)
		return rc;
	t->dir_open = true;
	if (!(path = io_join(t->dir.path, "position")))
		return ls_err_set(err, -ENOMEM, "out of memory");
	rc = position_open(path, t->dir.file_mode, &t->capture.record, &t->capture.pos, ret_found,
			   err);
	if (rc < 0)
		return rc;
	io_own(t->capture.record.fd, t->dir.uid, t->dir.gid);
	if ((rc = open_hashes(t, *ret_found, err)) < 0)
		return rc;
	return upload_open(&t->dir, t->replica, &t->upload, err);
}

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

/* Whether every batch that the replica lacks is still here. */
static int
spool_is_whole(struct dbtask *t, uint64_t from, uint64_t to, bool *ret, struct ls_err *err)
{
	ls_autofree struct stage_entry *v = NULL;
	size_t n = 0, i = 0;
	int rc = stage_list(&t->dir, &v, &n, err);

	if (rc < 0)
		return rc;
	while (i < n && v[i].txid < from)
		i++;
	for (; from <= to && i < n && v[i].txid == from; from++)
		i++;
	*ret = from > to;
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

/* Why the replica does not end where the record says, or "". */
static int
compare_replica(struct dbtask *t, const char **why, struct ls_err *err)
{
	const struct upload_info *info = upload_info(t->upload);
	bool same = false, whole = false;
	int rc;

	*why = "";
	if (info->fresh || !info->has_base)
		*why = "the replica holds no full backup";
	else if (!info->whole)
		*why = "objects are missing in the replica: its newest state cannot be restored";
	else if (info->remote_max > t->capture.pos.txid)
		*why = "the replica is ahead of the local record";
	if (**why)
		return 0;
	if ((rc = upload_same_tail(t->upload, NULL, &same, err)) < 0 ||
	    (rc = spool_is_whole(t, info->remote_max + 1, t->capture.pos.txid, &whole, err)) < 0)
		return rc;
	if (!same)
		*why = "the newest file of the replica is not the one that was written here";
	else if (!whole)
		*why = "local files that the replica lacks are gone";
	return 0;
}

static int
decide(struct dbtask *t, bool found, const char **why, struct ls_err *err)
{
	int rc;

	*why = "";
	if (!found) {
		*why = upload_info(t->upload)->fresh ? "first capture"
						     : "there is no local position record";
		return 0;
	}
	if ((rc = compare_replica(t, why, err)) < 0 || **why)
		return rc;
	t->capture.may_differ = true;
	return judge(t, why, err);
}

/* Of a database that has nothing to do with what is remembered or replicated, a restore may have
 * been forgotten (decisions.md 11): nothing of the replica is lost by going on, and what is old is
 * kept for a week. */
static int
tell_rebase(struct dbtask *t, const char *why, bool found, uint64_t before, struct ls_err *err)
{
	bool fresh = upload_info(t->upload)->fresh;
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
meet_replica(struct dbtask *t, bool found, struct ls_err *err)
{
	const struct upload_info *info = upload_info(t->upload);
	struct capture *c = &t->capture;
	const char *why = "";
	bool whole = false;
	uint64_t keep;
	int rc;

	if ((rc = upload_connect(t->upload, NULL, err)) < 0)
		return rc;
	if ((rc = decide(t, found, &why, err)) < 0)
		return rc;
	/* What was staged but never sent: it goes on if it follows the replica without a gap. */
	keep = found && !info->fresh && c->pos.txid > info->remote_max ? c->pos.txid
								       : info->remote_max;
	if ((rc = spool_is_whole(t, info->remote_max + 1, keep, &whole, err)) < 0)
		return rc;
	keep = whole ? keep : info->remote_max;
	if ((rc = drop_above(t, keep, err)) < 0)
		return rc;
	t->need_image = *why != '\0';
	c->next_txid = keep + 1;
	atomic_store(&t->acked, info->remote_max);
	atomic_store(&t->staged, keep);
	t->connected = true;
	if (t->need_image)
		return tell_rebase(t, why, found, keep, err);
	log_write(LOG_INFO, "resuming", LOG_STR("db", t->name), LOG_TXID("txid", c->pos.txid));
	return 0;
}

void
dbtask_wait(struct dbtask *t, const char *what, const char *why)
{
	if (strcmp(t->waiting, why) == 0)
		return;
	snprintf(t->waiting, sizeof t->waiting, "%s", why);
	dbtask_set_trouble(t, DBTASK_CAPTURE, why);
	log_write(LOG_WARN, what, LOG_STR("db", t->conf->path), LOG_STR("reason", why));
}

static int
open_db(struct dbtask *t, struct ls_err *err)
{
	enum db_state state = DB_READY;
	int rc;

	err->msg[0] = '\0';
	if ((rc = db_open(t->conf, &t->db, &state, err)) < 0)
		return rc;
	if (state != DB_READY) {
		dbtask_wait(t, "waiting for database",
			    *err->msg ? err->msg : "it does not exist yet");
		return 0;
	}
	t->db_open = true;
	atomic_store(&t->dev, t->db.st.st_dev);
	atomic_store(&t->ino, t->db.st.st_ino);
	t->waiting[0] = '\0';
	if (t->db.remote_fs)
		log_write(LOG_WARN, "database is on a network file system",
			  LOG_STR("db", t->conf->path), LOG_STR("type", t->db.remote_fs),
			  LOG_STR("effect",
				  "SQLite's WAL mode is safe there only while all who use "
				  "it are on this host; changes are polled"));
	if (t->db.switched)
		log_write(LOG_INFO, "database switched to WAL mode", LOG_STR("db", t->conf->path));
	return 0;
}

int
dbtask_open(struct dbtask *t, struct ls_err *err)
{
	bool found = false;
	int rc;

	if ((rc = open_db(t, err)) < 0 || !t->db_open)
		return rc;
	t->capture.db = &t->db;
	t->capture.dir = &t->dir;
	t->capture.encoding = t->replica->encoding;
	if ((rc = open_state(t, &found, err)) < 0 || (rc = meet_replica(t, found, err)) < 0)
		return rc;
	t->checkpoint.last_ns = clock_mono_ns();
	atomic_store(&t->levels_ms, 0);
	t->state = DBTASK_OPEN;
	log_write(LOG_INFO, "initialized db", LOG_STR("path", t->conf->path));
	log_write(LOG_INFO, "replicating to", LOG_STR("db", t->name),
		  LOG_STR("type", t->replica->type),
		  LOG_MS("sync-interval", t->replica->sync_interval_ms),
		  LOG_STR("path", t->replica->path));
	return 0;
}

/* ---- rest ---- */

void
dbtask_rest(struct dbtask *t)
{
	if (t->state != DBTASK_OPEN)
		return;
	db_rest(&t->db);
	if (t->resting)
		return;
	pagehash_close(&t->capture.hashes);
	position_close(&t->capture.record);
	frames_done(&t->capture.frames);
	upload_rest(t->upload);
	t->resting = true;
}

int
dbtask_wake(struct dbtask *t, struct ls_err *err)
{
	ls_autofree char *path = NULL;
	int rc;

	if (!t->resting || t->state != DBTASK_OPEN)
		return 0;
	if ((rc = db_wake(&t->db, err)) < 0)
		return rc;
	if (!(path = io_join(t->dir.path, "position")))
		return ls_err_set(err, -ENOMEM, "out of memory");
	if ((rc = position_reopen(path, &t->capture.record, err)) < 0 ||
	    (rc = open_hashes(t, true, err)) < 0)
		return rc;
	t->resting = false;
	return 0;
}
