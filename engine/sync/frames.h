/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames: the committed frames of the WAL after a position, as the newest frame of each page.
 *
 * The horizon (wal-index mxFrame) says what is committed, never the end of valid frames in the file
 * (H10, H11). Each frame's salts and running checksum are verified. One exception (H85): SQLite
 * before 3.51 can commit frames with zero salts and checksum after ROLLBACK TO, the one that
 * carries the commit mark among them; at or below the horizon the wal-index is the authority, such
 * frames are taken, and the position becomes "unchained" until the next generation.
 *
 * Memory: 8 bytes a frame, and one buffer of 1 MiB. Threads: single.
 */
#ifndef ENGINE_SYNC_FRAMES_H
#define ENGINE_SYNC_FRAMES_H

#include "engine/sync/db.h"
#include "engine/sync/position.h"

struct frame_ref {
	uint32_t pgno;
	uint32_t frame; /* from 1; 0: the page of the database file */
};

struct frames {
	struct frame_ref *v; /* after frames_finish(): ascending pgno, one for each page */
	size_t n, cap;
	uint32_t first, last; /* frames that were read */
	uint32_t commit;      /* pages after the last transaction */
	bool unchained;	      /* met frames as H85 says */
	uint8_t *buf;	      /* raw frames buf_first .. buf_first + buf_n - 1 */
	uint32_t buf_first, buf_n;
};

void frames_init(struct frames *f);
void frames_done(struct frames *f);

/*
 * Reads from pos to the horizon, or to the last commit after max_bytes of WAL. pos is moved (salts,
 * frame, sum, byte order, history, chained). Nothing new: 0 with f->n == 0.
 * -ESTALE: continuity is lost, the text says how. -EAGAIN: look again in a moment (H84).
 */
LS_MUST_USE int
frames_read(struct frames *f, const struct db *db, const struct walidx_header *horizon,
	    struct position *pos, uint64_t max_bytes, struct ls_err *err);

/*
 * After frames_read(): adds pages, in any order, whose content is that of the database file, unless
 * a frame of f holds a newer one. backfilled: the file holds that, too, and all frames are left
 * out.
 */
LS_MUST_USE int frames_add_file_pages(struct frames *f, const uint32_t *pages, size_t n,
				      bool backfilled, struct ls_err *err);

/* Content of a page of f, from the buffer or a file; out: page_size bytes. -ESTALE: the database
 * file has no such page. */
LS_MUST_USE int frames_page(const struct frames *f, const struct db *db, struct frame_ref ref,
			    uint8_t *out, struct ls_err *err);

#endif
