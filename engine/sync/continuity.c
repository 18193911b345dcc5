/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/continuity.h"

#include "engine/format/dbhdr.h"

#define SECOND_NS INT64_C(1000000000)

static int64_t
ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

void
continuity_stamp(struct position *pos, const struct stat *db, uint64_t boot, int64_t now_ns)
{
	pos->dev = db->st_dev;
	pos->ino = db->st_ino;
	pos->boot = boot;
	pos->db_size = (uint64_t)db->st_size;
	pos->db_mtime_ns = ns_of(db->st_mtim);
	pos->db_ctime_ns = ns_of(db->st_ctim);
	pos->taken_ns = now_ns;
}

static bool
file_unchanged(const struct position *pos, const struct stat *db)
{
	/* A write in the clock tick of the record would leave the same times. */
	return pos->complete && pos->db_size == (uint64_t)db->st_size &&
	       pos->db_mtime_ns == ns_of(db->st_mtim) && pos->db_ctime_ns == ns_of(db->st_ctim) &&
	       pos->taken_ns - pos->db_mtime_ns > SECOND_NS &&
	       pos->taken_ns - pos->db_ctime_ns > SECOND_NS;
}

static int
rebase(struct continuity_verdict *v, const char *why)
{
	v->what = CONTINUITY_REBASE;
	v->why = why;
	return 0;
}

/* R1. */
static int
same_generation(const struct position *pos, const struct continuity_now *now,
		struct continuity_verdict *v, struct ls_err *err)
{
	uint8_t raw[WAL_FRAME_HEADER_SIZE + PAGE_SIZE_MAX];
	struct wal_frame f;
	int rc;

	if (now->walidx->mx_frame < pos->frame)
		return rebase(v, "the database went back to an older state");
	v->missed = now->walidx->mx_frame - pos->frame;
	if (pos->frame == 0) {
		if (!now->has_header || !wal_salts_equal(now->header.salts, pos->salts))
			return rebase(v, "the WAL header is another one");
		/* All of this generation is still to be captured, but was the one before? Only if
		 * the record was taken with everything captured, which a position of frame 0 is. */
		v->what = CONTINUITY_APPEND;
		return 0;
	}
	if ((rc = now->frames.read_frame(now->frames.arg, pos->frame, raw, err)) < 0)
		return rc;
	if (rc)
		wal_frame_decode(raw, &f);
	if (!rc || !wal_salts_equal(f.salts, pos->salts))
		return rebase(v, "the recorded frame is gone");
	if (!wal_sum_equal(f.sum, pos->sum))
		return rebase(v, "the recorded frame has another checksum");
	v->what = CONTINUITY_APPEND;
	return 0;
}

/* R2. */
static int
one_restart(const struct position *pos, const struct continuity_now *now,
	    struct continuity_verdict *v, struct ls_err *err)
{
	const char *why;
	int rc;

	if (now->walidx->salts.s1 != pos->salts.s1 + 1)
		return rebase(v, "the WAL was restarted meanwhile, more than once");
	if (!pos->boot || pos->boot != now->boot)
		return rebase(v, "the WAL was restarted, and the machine, too");
	if (now->walidx->mx_frame >= pos->frame)
		return rebase(v, "the WAL was restarted meanwhile, and the recorded frame "
				 "overwritten");
	if (!now->has_header || !wal_salts_equal(now->header.salts, now->walidx->salts) ||
	    now->header.page_size != pos->page_size)
		return rebase(v, "the WAL header is another one");
	rc = tailproof_walk(pos, &now->frames, &v->tail, &why, err);
	if (rc == 0)
		return rebase(v, why);
	v->what = CONTINUITY_TAIL;
	return rc < 0 ? rc : 0;
}

int
continuity_decide(const struct position *pos, const struct continuity_now *now,
		  struct continuity_verdict *ret, struct ls_err *err)
{
	const struct walidx_header *idx = now->walidx;

	*ret = (struct continuity_verdict){.why = "", .salts = idx->salts};
	if (pos->dev != now->db->st_dev || pos->ino != now->db->st_ino)
		return rebase(ret, "the database file is another one");
	if (pos->page_size != now->page_size)
		return rebase(ret, "the page size has changed");
	if (idx->mx_frame == 0) {
		if (!file_unchanged(pos, now->db))
			return rebase(ret, "the WAL was checkpointed and reset meanwhile");
		ret->what = CONTINUITY_SAME;
		return 0;
	}
	return wal_salts_equal(pos->salts, idx->salts) ? same_generation(pos, now, ret, err)
						       : one_restart(pos, now, ret, err);
}

void
continuity_done(struct continuity_verdict *v)
{
	tailproof_done(&v->tail);
}
