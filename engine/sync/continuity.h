/* SPDX-License-Identifier: Apache-2.0 */
/*
 * continuity: may capture go on where the position record ends, after an interval without a pin?
 * Pure but for the frame reader. A re-base is always allowed, a wrong "go on" never.
 * Source: engine.md 7.6.
 *
 *   R0 SAME    the WAL is empty, and the database file is, by size and times, the one that was
 *              recorded when everything was captured and backfilled.
 *   R1 APPEND  the same generation, and the recorded frame carries the recorded checksum.
 *   R2 TAIL    one restart of the WAL since, and tailproof.h proves from the frames that it left
 *              over which pages the recorded generation changed after the position. What has to
 *              be captured: these pages and all pages of the new generation, as they are now.
 *              Departs from engine.md: page contents of the old generation are not used, so that
 *              a commit that failed (H10) cannot slip in; the end of the file is no proof; and
 *              the boot must be the recorded one (a power failure can undo captured commits and a
 *              restart then hides it).
 *   R3 REBASE  everything else.
 *
 * The verdict holds while the caller keeps the pin under which it read the wal-index. A pin on slot
 * 0 lets one restart pass (engine.md 7.3): if anything was missed, the generation has to be the
 * named one still when it is captured.
 */
#ifndef ENGINE_SYNC_CONTINUITY_H
#define ENGINE_SYNC_CONTINUITY_H

#include "engine/format/walidx.h"
#include "engine/sync/position.h"
#include "engine/sync/tailproof.h"

#include <sys/stat.h>

enum continuity {
	CONTINUITY_SAME,
	CONTINUITY_APPEND,
	CONTINUITY_TAIL,
	CONTINUITY_REBASE,
};

/* What is there now, under a pin. */
struct continuity_now {
	const struct stat *db;
	uint32_t page_size;
	uint64_t boot; /* bootid_get() */
	const struct walidx_header *walidx;
	bool has_header; /* of the WAL file */
	struct wal_header header;
	struct tailproof_source frames; /* of the WAL file, read after the wal-index */
};

struct continuity_verdict {
	enum continuity what;
	const char *why;	/* REBASE: a constant text */
	struct wal_salts salts; /* APPEND and TAIL: the generation that the verdict is about */
	uint32_t missed;	/* APPEND: frames behind the recorded one */
	struct tailproof tail;	/* TAIL: pages that were changed before it */
};

/* -errno only for what the frame reader reports, and -ENOMEM. */
LS_MUST_USE int continuity_decide(const struct position *pos, const struct continuity_now *now,
				  struct continuity_verdict *ret, struct ls_err *err);
void continuity_done(struct continuity_verdict *v);

/* The fields of a position that R0 and R2 compare; db: stat of the database file. */
void continuity_stamp(struct position *pos, const struct stat *db, uint64_t boot, int64_t now_ns);

#endif
