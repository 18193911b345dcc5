/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walidx: the wal-index header in the -shm file, the authority on what is committed.
 * Pure. Source: spec/format.md 5.5; SQLite's walformat document.
 */
#ifndef ENGINE_FORMAT_WALIDX_H
#define ENGINE_FORMAT_WALIDX_H

#include "engine/base/err.h"
#include "engine/format/wal.h"

#include <stdint.h>

enum { WALIDX_HEADER_SIZE = 136, WALIDX_REGION_SIZE = 32768, WALIDX_READ_MARKS = 5 };

struct walidx_header {
	bool big_endian; /* byte order of the WAL checksum words */
	uint32_t change; /* counter of transactions */
	uint32_t page_size;
	uint32_t mx_frame;  /* horizon: the last committed frame, counted from 1; 0 = empty */
	uint32_t npages;    /* database size at the horizon */
	struct wal_sum sum; /* running checksum at the horizon */
	struct wal_salts salts;
	uint32_t backfill;  /* frames copied into the database file */
	uint32_t attempted; /* more than that: a checkpoint copies up to here, or died of it */
	uint32_t marks[WALIDX_READ_MARKS];
};

/*
 * Decodes a copy of the first 136 bytes. -EAGAIN: the two header copies differ or the checksum is
 * wrong (a writer is in between: read again); -EBADMSG: version or page size.
 */
LS_MUST_USE int
walidx_decode(const uint8_t p[WALIDX_HEADER_SIZE], struct walidx_header *ret, struct ls_err *err);

/* Whether nothing was committed, begun anew or backfilled between the two. */
bool walidx_same(const struct walidx_header *a, const struct walidx_header *b);

/* Copies the header out of shared memory with the barriers that SQLite's readers use. */
void walidx_copy(const volatile void *shm, uint8_t out[WALIDX_HEADER_SIZE]);

/* Read mark `to` gets the value of another one. The caller holds the exclusive lock of it. */
void walidx_copy_mark(volatile void *shm, int from, int to);

/* The page number which the wal-index's page array holds for frame k (from 1); region is the
 * 32 KiB region of that frame (walidx_region(k)) as mapped. */
uint32_t walidx_region(uint32_t frame);
uint32_t walidx_frame_pgno(const volatile void *region, uint32_t frame);

#endif
