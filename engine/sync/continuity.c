/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/continuity.h"

#define SECOND_NS INT64_C(1000000000)

static int64_t
ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

void
continuity_stamp(struct position *pos, const struct stat *db, int64_t now_ns)
{
	pos->dev = db->st_dev;
	pos->ino = db->st_ino;
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

static enum continuity
rebase(const char **why, const char *text)
{
	*why = text;
	return CONTINUITY_REBASE;
}

enum continuity
continuity_decide(const struct position *pos, const struct continuity_now *now,
		  const char **ret_why)
{
	const struct walidx_header *idx = now->walidx;

	*ret_why = "";
	if (pos->dev != now->db->st_dev || pos->ino != now->db->st_ino)
		return rebase(ret_why, "the database file is another one");
	if (pos->page_size != now->page_size)
		return rebase(ret_why, "the page size has changed");
	if (idx->mx_frame == 0) {
		if (file_unchanged(pos, now->db))
			return CONTINUITY_SAME;
		return rebase(ret_why, "the WAL was checkpointed and reset meanwhile");
	}
	if (!wal_salts_equal(pos->salts, idx->salts))
		return rebase(ret_why, "the WAL was restarted meanwhile");
	if (idx->mx_frame < pos->frame)
		return rebase(ret_why, "the database went back to an older state");
	if (pos->frame == 0) {
		if (!now->has_header || !wal_salts_equal(now->header.salts, pos->salts))
			return rebase(ret_why, "the WAL header is another one");
		/* All of this generation is still to be captured, but was the one before? Only if
		 * the record was taken with everything captured, which a position of frame 0 is. */
		return CONTINUITY_APPEND;
	}
	if (!now->has_frame || !wal_salts_equal(now->frame.salts, pos->salts))
		return rebase(ret_why, "the recorded frame is gone");
	if (!wal_sum_equal(now->frame.sum, pos->sum))
		return rebase(ret_why, "the recorded frame has another checksum");
	return CONTINUITY_APPEND;
}
