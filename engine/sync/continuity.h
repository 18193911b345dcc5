/* SPDX-License-Identifier: Apache-2.0 */
/*
 * continuity: may capture go on where the position record ends, after an interval without a pin?
 * Pure but for the frame probe. Source: engine.md 7.6, rules R0 and R1; all else is a re-base.
 */
#ifndef ENGINE_SYNC_CONTINUITY_H
#define ENGINE_SYNC_CONTINUITY_H

#include "engine/format/walidx.h"
#include "engine/sync/position.h"

#include <sys/stat.h>

enum continuity {
	CONTINUITY_SAME,   /* R0: nothing has changed, the WAL is empty */
	CONTINUITY_APPEND, /* R1: go on after the recorded frame */
	CONTINUITY_REBASE,
};

/* What is there now, under a pin. */
struct continuity_now {
	const struct stat *db;
	uint32_t page_size;
	const struct walidx_header *walidx;
	/* Header of the recorded frame (1 or later) in the WAL file, or of the WAL for frame 0. */
	bool has_frame, has_header;
	struct wal_frame frame;
	struct wal_header header;
};

/* *ret_why: a constant text for a re-base. */
enum continuity continuity_decide(const struct position *pos, const struct continuity_now *now,
				  const char **ret_why);

/* The fields of a position that R0 compares, from a stat of the database. */
void continuity_stamp(struct position *pos, const struct stat *db, int64_t now_ns);

#endif
