/* SPDX-License-Identifier: Apache-2.0 */
/* How capture begins: open and pin the database, take the state directory, meet the replicas. */
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
	rc = open_hashes(t, *ret_found, err);
	t->dir.kept = t->conf->levels.n ? kept_new() : NULL;
	for (size_t i = 0; rc == 0 && i < t->nreplicas; i++) {
		struct dbreplica *r = &t->replicas[i];

		if ((rc = upload_open(&t->dir, r->conf, i > 0, &r->counts, &r->upload, err)) < 0)
			break;
		r->acked = upload_info(r->upload)->acked;
		if (t->conf->levels.n && !conf_replica_is_file(r->conf))
			rc = upload_keep_recent(r->upload, err);
	}
	return rc;
}

void
dbtask_wait(struct dbtask *t, const char *what, const char *why)
{
	if (strcmp(t->waiting, why) == 0)
		return;
	snprintf(t->waiting, sizeof t->waiting, "%s", why);
	dbtask_set_trouble(t, &t->trouble, why);
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

/* All replicas get the same files: in blocks only if none of them wants frames, which every version
 * of the released program reads. */
static enum ltx_encoding
encoding_for(const struct dbtask *t)
{
	enum ltx_encoding encoding = LTX_BLOCK;

	for (size_t i = 0; i < t->nreplicas; i++)
		if (t->replicas[i].conf->encoding == LTX_FRAME)
			encoding = LTX_FRAME;
	return encoding;
}

bool
dbtask_others_lead(const struct dbtask *t, struct ls_err *err)
{
	for (size_t i = 0; i < t->nreplicas; i++) {
		struct leases_item *lease = t->replicas[i].lease;

		if (lease && lease_check(leases_lease(lease), NULL, err) == -EBUSY)
			return true;
	}
	return false;
}

int
dbtask_open(struct dbtask *t, struct ls_err *err)
{
	bool found = false;
	int rc;

	t->meeting = false;
	if (dbtask_others_lead(t, err)) {
		if (!conf_stands_by(t->conf))
			return -EBUSY;
		dbtask_wait(t, "standing by", err->msg);
		return 0;
	}
	if ((rc = open_db(t, err)) < 0 || !t->db_open)
		return rc;
	t->capture.db = &t->db;
	t->capture.dir = &t->dir;
	t->capture.encoding = encoding_for(t);
	t->capture.far = t->far;
	rc = open_state(t, &found, err);
	if (rc == -EBUSY && conf_stands_by(t->conf)) {
		dbtask_wait(t, "standing by", err->msg);
		dbtask_close(t);
		return 0;
	}
	if (rc < 0)
		return rc;
	t->meeting = true;
	if ((rc = dbtask_meet(t, found, err)) < 0)
		return rc;
	t->checkpoint.last_ns = clock_mono_ns();
	t->state = DBTASK_OPEN;
	t->opened = true;
	log_write(LOG_INFO, "initialized db", LOG_STR("path", t->conf->path));
	for (size_t i = 0; i < t->nreplicas; i++) {
		const struct conf_replica *c = t->replicas[i].conf;

		log_write(LOG_INFO, "replicating to", LOG_STR("db", t->name),
			  LOG_STR("name", c->name), LOG_STR("type", c->type),
			  LOG_MS("sync-interval", c->sync_interval_ms),
			  LOG_STR("path", c->path ? c->path : c->url));
	}
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
	statedir_rest(&t->dir);
	for (size_t i = 0; i < t->nreplicas; i++)
		upload_rest(t->replicas[i].upload);
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
