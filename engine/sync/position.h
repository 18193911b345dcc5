/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position: what has been captured durably, in two alternating 512-byte slots with sequence and
 * CRC; pwrite + fdatasync, never renamed. The newest valid slot wins. Layout at the top of
 * position.c; it begins with magic and version.
 * Threads: single.
 */
#ifndef ENGINE_SYNC_POSITION_H
#define ENGINE_SYNC_POSITION_H

#include "engine/format/wal.h"

enum { POSITION_SLOT_SIZE = 512, POSITION_SALT_HISTORY = 8 };

struct position {
	uint64_t txid;	   /* newest batch that is durable here */
	int64_t time_ms;   /* its transaction time */
	uint64_t dev, ino; /* identity of the database file */
	uint32_t page_size;
	uint32_t commit; /* pages after that batch */
	struct wal_salts salts;
	uint32_t frame;	    /* captured through this frame of that generation, from 1; 0: none */
	struct wal_sum sum; /* running checksum at frame (the WAL header's for 0) */
	bool big_endian;
	bool chained;  /* false: sum is the wal-index's after frames without checksum (H85) */
	bool complete; /* everything was captured and backfilled: R0 may apply */
	uint64_t boot; /* bootid_get() at that moment, for R2; 0: unknown */
	/* Database file at that moment, for R0. */
	uint64_t db_size;
	int64_t db_mtime_ns, db_ctime_ns, taken_ns; /* wall clock */
	uint32_t nhistory;
	struct wal_salts history[POSITION_SALT_HISTORY]; /* older generations, newest first */
};

struct position_file {
	int fd;
	uint64_t seq;  /* of the newest valid slot */
	bool unsynced; /* something was stored since the last position_sync() */
};

/* Opens or creates. *ret_found: a valid slot was read. -EINVAL: unknown version. */
LS_MUST_USE int position_open(const char *path, mode_t mode, struct position_file *ret_file,
			      struct position *ret, bool *ret_found, struct ls_err *err);
/* After position_close(): the same file, to go on with. -ENOENT: it is gone. */
LS_MUST_USE int position_reopen(const char *path, struct position_file *f, struct ls_err *err);
/* Writes the other slot; durable after position_sync(). */
LS_MUST_USE int
position_store(struct position_file *f, const struct position *p, struct ls_err *err);
LS_MUST_USE int position_sync(struct position_file *f, struct ls_err *err);
void position_close(struct position_file *f);

/* The codec, pure, for tests and the fuzzer. */
void position_encode(const struct position *p, uint64_t seq, uint8_t out[POSITION_SLOT_SIZE]);
LS_MUST_USE int position_decode(const uint8_t in[POSITION_SLOT_SIZE], struct position *ret,
				uint64_t *ret_seq, struct ls_err *err);

#endif
