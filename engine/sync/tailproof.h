/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tailproof: which pages a generation of the WAL changed after a position, when the WAL has been
 * restarted once since (rule R2 of engine.md 7.6).
 *
 * Words: G is the recorded generation, p the recorded frame in it, E the last frame that was
 * committed in G, N the generation that followed. Captured is everything up to p; unknown is E.
 *
 * What a walk demands, and why that is enough:
 *
 *   1. p is a chained position of 1 or later, and this is the boot in which it was recorded. Then
 *      no acknowledged write has vanished, SQLite's recovery keeps every chained frame, so E >= p.
 *      (After a power failure with synchronous=NORMAL an E < p is possible, and N may hide it.)
 *   2. Frame p still carries the salts of G and the recorded checksum; this is read last. A WAL
 *      is written in ascending order from frame 1, so at that moment no later generation had
 *      touched a frame behind p: what the walk has read there is what G left.
 *   3. Frames p+1, p+2, ... carry the salts of G, or salts of zero, until the proof of 4. Their
 *      page numbers are the result. Each frame of p+1..E has one of these two kinds of salts and
 *      its true page number; frames of a rollback or of a commit that failed (H10) may be among
 *      them, too.
 *   4. The walk ends at a frame that cannot be one of p+1..E: (a) its salts are those of an older
 *      generation, by our history or because each restart adds one to the first salt: G would have
 *      left its own; or (b) all frames since p verify, it has the salts of G and the wrong
 *      checksum. The frame that breaks a committed chain has salts of zero (H85), so (b) is a
 *      leftover of a rollback.
 *
 * The result has every page that was changed and maybe some more: the caller takes their content
 * from the database as it is now, under a pin, never from these frames. So a page too many costs
 * its bytes and cannot be wrong.
 *
 * No proof: the end of the file, even at the border of a frame, because journal_size_limit may have
 * cut there what G had committed behind it (H13); a frame of N or of an unknown generation; a
 * partial frame; page number 0. Zero salts prove nothing by themselves (H12).
 *
 * Assumed: nobody but SQLite writes the file, and storage loses no acknowledged write within a
 * boot. Memory: 4 bytes a frame. Cost: one read of each frame behind p. Threads: any.
 */
#ifndef ENGINE_SYNC_TAILPROOF_H
#define ENGINE_SYNC_TAILPROOF_H

#include "engine/sync/position.h"

struct tailproof_source {
	/* Reads frame k (from 1), header and page, into raw: 1, or 0 if the file has no such whole
	 * frame, or -errno. */
	int (*read_frame)(void *arg, uint32_t k, uint8_t *raw, struct ls_err *err);
	void *arg;
};

struct tailproof {
	uint32_t *pages; /* ascending, each once; no page: nothing was missed */
	size_t n;
};

enum { TAILPROOF_FRAMES_MAX = 1 << 20 };

/*
 * 1: proved, *ret is the caller's to free with tailproof_done(). 0: not proved, *ret_why is a
 * constant text. -errno: reading failed, or -ENOMEM.
 */
LS_MUST_USE int tailproof_walk(const struct position *pos, const struct tailproof_source *src,
			       struct tailproof *ret, const char **ret_why, struct ls_err *err);
void tailproof_done(struct tailproof *t);

#endif
