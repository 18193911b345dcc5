/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turns: several writers at full speed all get their turn.
 *
 * SQLite's write lock has no queue. Who finds it taken polls, at last every 100 ms, and wins only
 * while the one that writes is at something else; in an application that is by itself, while it
 * checkpoints. Beside us it never does (db_hold_checkpoints). So while several write, one
 * checkpoint of some milliseconds is left to them every TURN_MS, on a slow disk less often: the pin
 * moves to the newest frame, so that there is something to do, the lock is free until it is done,
 * and is taken back. A single writer, for whom nobody waits, soon stops for that no more than three
 * times a second; nor is it tried more often while a reader keeps frames out of the database file.
 *
 * A checkpoint of ours follows a turn, so that it has little to copy: the longer one that stops
 * nobody lets nobody in either.
 *
 * The pin may stand behind frames that are not captured: not its mark but its slot, which is never
 * 0 here, keeps the WAL from being restarted, and no frame is lost before.
 *
 * Cost of a turn: two dozen system calls, and looks every millisecond until it ends.
 * Threads: single (the owner of the database). Source: tests/bench/RESULTS.md.
 */
#ifndef ENGINE_SYNC_TURNS_H
#define ENGINE_SYNC_TURNS_H

#include "engine/sync/db.h"

struct turns {
	uint64_t next_ns;
	unsigned in_vain;    /* turns in a row that were, or in which one alone wrote: up to 5 */
	uint64_t barrier_ns; /* how long a checkpoint of ours stops writers, as the owner knows */
	uint64_t lent_ns, shared_ns; /* last turn; last one in which several wrote */
	uint32_t backfill, mx_frame; /* at the beginning; as last seen while somebody checkpoints */
	bool checkpointing, shared;  /* seen in this turn: somebody does, and others write */
	uint64_t count;
	uint64_t asked_ns; /* a checkpoint waits for a turn since then; 0: none does */
};

/* A look: hz is what the wal-index says now. Begins a turn, or ends one. */
void turns_look(struct turns *k, struct db *db, const struct walidx_header *hz, uint64_t now_ns);

/* Until when a capture waits for the end of a turn; 0: there is none. No look comes before its end,
 * and each commit of the application walks through the WAL in vain as long as the lock is lent. */
uint64_t turns_capture_ns(const struct turns *k, const struct db *db);

/* A checkpoint of ours is due, and everything captured. true: it waits for a turn, which begins at
 * the next look if it can. */
bool turns_ask(struct turns *k, const struct db *db, uint64_t now_ns);
/* Whether it waits still: 30 ms at most. */
bool turns_await(const struct turns *k, const struct db *db, uint64_t now_ns);

#endif
