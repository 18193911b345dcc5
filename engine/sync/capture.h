/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture: committed transactions of one database -> local LTX files.
 *
 * The order that makes a crash harmless (engine.md 7.7): local file complete and durable, position
 * record durable, and only then does a pin move. Whatever may be overwritten next has been
 * captured. Behind the barrier of a checkpoint the record is synced after the writers were let in
 * again: if power fails in between, an older record means a re-base, of data that is in the
 * database file. Threads: single (the owner).
 */
#ifndef ENGINE_SYNC_CAPTURE_H
#define ENGINE_SYNC_CAPTURE_H

#include "engine/format/ltx_enc.h"
#include "engine/sync/continuity.h"
#include "engine/sync/db.h"
#include "engine/sync/frames.h"
#include "engine/sync/pagehash.h"
#include "engine/sync/stage.h"

struct capture {
	struct db *db;
	struct statedir *dir;
	struct position_file record;
	struct position pos; /* pos.txid: newest batch that is durable locally; 0: none */
	uint64_t next_txid;  /* of the next batch */
	/* How the first capture goes on where pos ends; SAME afterwards. Owned. */
	struct continuity_verdict resume;
	enum ltx_encoding encoding;
	struct frames frames;
	struct walidx_header seen; /* horizon of the last look */
	bool far;		   /* a replica is in object storage: each batch is a request */
	bool behind_barrier;	   /* writers wait: the position record is synced later */
	bool unchained;		   /* set when H85 was met; the caller logs it and clears it */
	bool clock_back;	   /* the same for a clock that went back by more than a minute */
	uint64_t wal_bytes;	   /* captured since the start */
	uint64_t file_bytes;	   /* written as local files since the start */
	struct pagehash hashes;
	bool may_differ;      /* the replica ends, or will end, at pos.txid */
	bool image_differs;   /* what the last capture_image() wrote: a difference, and */
	uint32_t image_pages; /* its pages; 0: nothing had changed, there is no new TXID */
	uint64_t spool_used;  /* bytes that wait for the replica; capture adds to it */
	uint64_t spool_max;   /* hard, but for one batch while nothing waits */
	/* For the progress of a full image. */
	void (*progress)(void *arg, uint64_t done_pages, uint64_t pages);
	void *progress_arg;
	const struct stop *stop;
};

/*
 * Captures everything up to the horizon and moves the pin there: at least one batch if anything was
 * committed. max_batch_bytes cuts long backlogs at commits.
 *   ret_batches  files written
 * -ESTALE: continuity is lost, capture_image() is next. -EAGAIN: nothing to worry, look again.
 */
LS_MUST_USE int capture_tail(struct capture *c, uint64_t max_batch_bytes, unsigned *ret_batches,
			     struct ls_err *err);

/* The same from the files that are open, while their names mean others or nothing: the pin stays
 * where it is, so this is the last capture of them. */
LS_MUST_USE int capture_last(struct capture *c, uint64_t max_batch_bytes, unsigned *ret_batches,
			     struct ls_err *err);

/* Frames of the last look (seen) that are not captured. */
uint32_t capture_pending(const struct capture *c);

/* -ENOSPC: as many bytes do not fit into the spool now. */
LS_MUST_USE int capture_room(const struct capture *c, uint64_t bytes, struct ls_err *err);

/* The whole database as one batch, under a fresh pin; with a usable table of page hashes, and if
 * may_differ, only what differs. */
LS_MUST_USE int capture_image(struct capture *c, struct ls_err *err);

/* Records that the WAL is empty or backfilled and everything captured (rule R0), if that is so. */
LS_MUST_USE int capture_rest(struct capture *c, struct ls_err *err);

void capture_done(struct capture *c);

#endif
