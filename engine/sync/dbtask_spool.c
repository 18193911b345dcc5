/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of an outage (engine.md 7.10). While the replica is out of reach, batches wait in the
 * spool, the state directory's ltx/0. When the spool is full, or its disk nearly is, capture stops
 * and the WAL holds what comes. When the WAL is longer than wal-max-size, or half of what was left
 * on its disk for the application is gone, the pins are given up, so that the application can
 * checkpoint and reset it: the database is "parked". The spool goes on to
 * be uploaded; once there is room the database is opened again, and the rules of continuity.h say
 * whether a full image is needed.
 *
 * With several replicas the spool holds what the slowest lacks. One that is away or fails when the
 * spool is full is left behind, if another one is further: it goes on later from a base, a snapshot
 * of the live database.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/sync/dbtask.h"

#include <inttypes.h>

enum {
	MEASURE_MS = 1000,
	RESERVE = 64 << 20,
	RESERVE_PART = 4,
	PLENTY_MS = 5000, /* so long as many reserves are room in plenty */
	PLENTY = 64,
};

#define MS_NS UINT64_C(1000000)

/* Bytes that wait for the replica: listed once a second; capture adds what it writes. */
static int
measure(struct dbtask *t, struct ls_err *err)
{
	ls_autofree struct stage_entry *v = NULL;
	uint64_t now = clock_mono_ns(), acked = dbtask_floor(t), sum = 0;
	size_t n = 0;
	int rc;

	if (atomic_load(&t->staged) <= acked) {
		t->capture.spool_used = 0;
		return 0;
	}
	if (t->spool_at_ns && now - t->spool_at_ns < MEASURE_MS * MS_NS)
		return 0;
	if ((rc = stage_list(&t->dir, &v, &n, err)) < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		if (v[i].txid > acked)
			sum += v[i].size;
	t->spool_at_ns = now;
	t->capture.spool_used = sum;
	return 0;
}

/* About as much as the next batch needs, uncompressed. */
static uint64_t
next_batch(const struct dbtask *t)
{
	uint64_t pending;
	struct stat st;

	if (t->state == DBTASK_PARKED || t->need_image)
		return io_stat(t->conf->path, &st, NULL) == 0 ? (uint64_t)st.st_size : 0;
	pending = (uint64_t)capture_pending(&t->capture) * t->db.page_size;
	return pending < DBTASK_BATCH_MAX ? pending : DBTASK_BATCH_MAX;
}

/* What is the application's on a disk of this size. */
static uint64_t
reserve_of(uint64_t size)
{
	return size / RESERVE_PART < RESERVE ? size / RESERVE_PART : RESERVE;
}

static void
warn_early(struct dbtask *t, uint64_t used)
{
	uint64_t max = t->conf->spool_max;

	if (used < max / 2)
		t->spool_warned = false;
	if (used < max / 5 * 4 || t->spool_warned)
		return;
	t->spool_warned = true;
	log_write(LOG_WARN, "the spool is filling up", LOG_STR("db", t->conf->path),
		  LOG_U64("bytes", used), LOG_U64("spool-max-size", max),
		  LOG_STR("effect", "when it is full, capture stops until the replica is back"));
}

/* What need not be here goes; false: nothing has gone. Without its image, a snapshot is merged of
 * what the replica has. */
static bool
give_way(struct dbtask *t)
{
	bool gone = false;

	for (size_t i = 0; i < t->nreplicas; i++) {
		struct dbreplica *r = &t->replicas[i];
		uint64_t image = dbreplica_image(r);

		gone |= upload_recent_forget(r->upload, UINT64_MAX);
		gone |= image && atomic_compare_exchange_strong(&r->image, &image, 0);
	}
	if (gone && dbtask_prune(t, NULL) < 0)
		gone = false;
	gone |= dbtask_leave_behind(t);
	if (gone)
		t->spool_at_ns = 0;
	return gone;
}

/* Whether the next commit resets the WAL: everything was in the database when the newest pin was
 * taken, so that it reads only there (SQLite's read mark 0), and nothing has come since. */
static bool
is_reset_next(const struct db *db, const struct walidx_header *hz)
{
	const struct walidx_header *pin = &db->pinned;

	return db->pinned_known && pin->backfill >= pin->mx_frame && walidx_same(hz, pin);
}

/* Of the WAL file, what the application fills before it needs more: behind the last frame, or all
 * of it when it is reset next, or nothing of ours keeps it from that. It does not get shorter. */
static uint64_t
wal_spare(const struct dbtask *t)
{
	ls_autofree char *path = io_beside(t->conf->path, "-wal");
	struct walidx_header hz;
	struct stat wal, dir;
	uint64_t used = 0;

	if (!path || io_stat(path, &wal, NULL) < 0 || io_fstat(t->dir.lock_fd, &dir, NULL) < 0 ||
	    wal.st_dev != dir.st_dev)
		return 0;
	if (t->state == DBTASK_OPEN) {
		if (db_walidx(&t->db, &hz, NULL) < 0)
			return 0;
		if (!is_reset_next(&t->db, &hz))
			used = wal_frame_offset(t->db.page_size, hz.mx_frame);
	}
	return (uint64_t)wal.st_size > used ? (uint64_t)wal.st_size - used : 0;
}

/* Whether the application has the reserve: what is left on the disk, and, but for a quarter, in its
 * WAL. */
static bool
leaves(const struct dbtask *t, uint64_t left, uint64_t reserve)
{
	return left >= reserve || (left >= reserve / 4 && left + wal_spare(t) >= reserve);
}

int
dbtask_spool_room(struct dbtask *t, struct ls_err *err)
{
	uint64_t left = 0, size = 0, need, reserve;
	int rc;

	t->capture.spool_max = t->conf->spool_max;
	if ((rc = measure(t, err)) < 0)
		return rc;
	need = next_batch(t);
	warn_early(t, t->capture.spool_used ? t->capture.spool_used + need : 0);
	if (capture_room(&t->capture, need, NULL) < 0 && give_way(t) && (rc = measure(t, err)) < 0)
		return rc;
	if ((rc = capture_room(&t->capture, need, err)) < 0)
		return rc;
	if (t->space_ns && clock_mono_ns() - t->space_ns < PLENTY_MS * MS_NS)
		return 0;
	t->space_ns = 0;
	if ((rc = io_space(t->dir.lock_fd, &left, &size, err)) < 0)
		return rc;
	reserve = reserve_of(size);
	if (left >= reserve * PLENTY)
		t->space_ns = clock_mono_ns();
	if (!leaves(t, left, reserve) && give_way(t) &&
	    (rc = io_space(t->dir.lock_fd, &left, &size, err)) < 0)
		return rc;
	if (!leaves(t, left, reserve))
		return ls_err_set(err, -ENOSPC,
				  "the disk of '%s' is nearly full (%" PRIu64
				  " bytes are left): the "
				  "rest is for the application",
				  t->dir.path, left);
	return 0;
}

bool
dbtask_wal_is_long(const struct dbtask *t)
{
	uint64_t left, size, length = wal_frame_offset(t->db.page_size, t->capture.seen.mx_frame);

	if (t->state != DBTASK_OPEN)
		return false;
	if (length > t->conf->wal_max)
		return true;
	return t->db.wal_fd >= 0 && io_space(t->db.wal_fd, &left, &size, NULL) == 0 &&
	       !leaves(t, left, reserve_of(size) / 2);
}

void
dbtask_park(struct dbtask *t, const char *why)
{
	log_write(LOG_ERROR, "the WAL is given up", LOG_STR("db", t->conf->path),
		  LOG_U64("wal-max-size", t->conf->wal_max), LOG_STR("reason", why),
		  LOG_STR("effect", "the application can reset its WAL; when capture is possible "
				    "again, what was missed comes as one state"),
		  LOG_TXID("state_before", t->capture.pos.txid));
	dbtask_close_capture(t);
	t->spool_at_ns = 0;
	t->state = DBTASK_PARKED;
}
