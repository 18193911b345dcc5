/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wal: header and frame codec of SQLite's write-ahead log, and its running checksum.
 * Pure. Source: spec/format.md 5.2, 5.3. The format stands in prose at the top of wal.c.
 */
#ifndef ENGINE_FORMAT_WAL_H
#define ENGINE_FORMAT_WAL_H

#include "engine/base/err.h"

#include <stdint.h>

enum { WAL_HEADER_SIZE = 32, WAL_FRAME_HEADER_SIZE = 24 };

struct wal_sum {
	uint32_t s0, s1;
};

struct wal_salts {
	uint32_t s1, s2; /* header bytes 16..23, big-endian */
};

struct wal_header {
	bool big_endian; /* byte order of the checksum's input words */
	uint32_t page_size;
	uint32_t checkpoint_seq;
	struct wal_salts salts;
	struct wal_sum sum; /* verified; seeds frame 0 */
};

struct wal_frame {
	uint32_t pgno;
	uint32_t commit; /* pages after the transaction; 0: not its last frame */
	struct wal_salts salts;
	struct wal_sum sum;
};

/* -ENODATA: short or checksum mismatch ("end of WAL" to SQLite); -EBADMSG: magic, version, size. */
LS_MUST_USE int
wal_header_decode(const uint8_t *p, size_t n, struct wal_header *ret, struct ls_err *err);
void wal_frame_decode(const uint8_t p[WAL_FRAME_HEADER_SIZE], struct wal_frame *ret);

/* Continues seed over n bytes (a multiple of 8). Cost: about 0.25 ns a byte. */
struct wal_sum wal_sum_update(struct wal_sum seed, bool big_endian, const uint8_t *p, size_t n);

/* The sum a frame must store, from the one before it: header bytes [0,8), then the page. */
struct wal_sum
wal_frame_sum(struct wal_sum prev, bool big_endian, const uint8_t *frame, uint32_t page_size);

/* Byte offset of frame k (from 0). */
uint64_t wal_frame_offset(uint32_t page_size, uint32_t k);

static inline bool
wal_salts_equal(struct wal_salts a, struct wal_salts b)
{
	return a.s1 == b.s1 && a.s2 == b.s2;
}

static inline bool
wal_sum_equal(struct wal_sum a, struct wal_sum b)
{
	return a.s0 == b.s0 && a.s1 == b.s1;
}

#endif
