/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wal-index (-shm file), native byte order unless stated:
 *
 *   off size
 *     0   48  header, copy 1       0  4 version 3007000      8  4 change counter
 *    48   48  header, copy 2      12  1 initialised         13  1 big-endian checksums in the WAL
 *                                 14  2 page size (1: 65536)
 *                                 16  4 mxFrame              20  4 database pages
 *                                 24  8 running checksum at mxFrame
 *                                 32  8 salts, raw WAL bytes (big-endian)
 *                                 40  8 checksum of [0,40), native words
 *    96    4  frames backfilled
 *   100   20  five read marks
 *   120    8  lock bytes
 *   128    4  backfill attempted
 *
 * Regions of 32 KiB follow each other: page numbers of frames (u32 each), then a hash table. Region
 * 0 holds frames 1..4062 behind the header, every later region 4096.
 *
 * The header is valid if (1) both copies are equal, (2) its checksum is right, (3) it says that it
 * is initialised and of this version.
 */
#include "config.h"

#include "engine/format/walidx.h"

#include "engine/base/bytes.h"
#include "engine/format/dbhdr.h"

#include <stdatomic.h>

enum {
	COPY_SIZE = 48,
	MARKS_AT = 100,
	ATTEMPTED_AT = 128,
	FRAMES_FIRST = 4062,
	FRAMES_NEXT = 4096
};

static uint32_t
native32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static struct wal_sum
native_sum(const uint8_t *p, size_t n)
{
	uint32_t s0 = 0, s1 = 0;

	for (; n >= 8; n -= 8, p += 8) {
		s0 += native32(p) + s1;
		s1 += native32(p + 4) + s0;
	}
	return (struct wal_sum){s0, s1};
}

int
walidx_decode(const uint8_t p[WALIDX_HEADER_SIZE], struct walidx_header *ret, struct ls_err *err)
{
	struct wal_sum sum = native_sum(p, 40);
	struct walidx_header h;
	uint16_t size16;

	if (memcmp(p, p + COPY_SIZE, COPY_SIZE) != 0)
		return ls_err_set(err, -EAGAIN, "wal-index: its header is being written");
	if (native32(p + 40) != sum.s0 || native32(p + 44) != sum.s1)
		return ls_err_set(err, -EAGAIN, "wal-index: header checksum mismatch");
	if (!p[12])
		return ls_err_set(err, -EAGAIN, "wal-index: not initialised");
	if (native32(p) != 3007000)
		return ls_err_set(err, -EBADMSG, "wal-index: version %u", native32(p));
	memcpy(&size16, p + 14, sizeof size16);
	h.page_size = size16 == 1 ? 65536 : size16;
	h.big_endian = p[13];
	h.change = native32(p + 8);
	h.mx_frame = native32(p + 16);
	/* An empty WAL that was recovered has no page size yet. */
	if (h.mx_frame && !dbhdr_page_size_ok(h.page_size))
		return ls_err_set(err, -EBADMSG, "wal-index: page size %u", h.page_size);
	h.npages = native32(p + 20);
	h.sum = (struct wal_sum){native32(p + 24), native32(p + 28)};
	h.salts = (struct wal_salts){get_be32(p + 32), get_be32(p + 36)};
	h.backfill = native32(p + 96);
	h.attempted = native32(p + ATTEMPTED_AT);
	for (int i = 0; i < WALIDX_READ_MARKS; i++)
		h.marks[i] = native32(p + MARKS_AT + 4 * i);
	*ret = h;
	return 0;
}

bool
walidx_same(const struct walidx_header *a, const struct walidx_header *b)
{
	return a->change == b->change && a->mx_frame == b->mx_frame && a->backfill == b->backfill &&
	       wal_salts_equal(a->salts, b->salts) && wal_sum_equal(a->sum, b->sum);
}

void
walidx_copy(const volatile void *shm, uint8_t out[WALIDX_HEADER_SIZE])
{
	const volatile uint32_t *p = shm;
	uint32_t w[WALIDX_HEADER_SIZE / 4];

	/* What was read from files before was read before this, and not after. */
	atomic_thread_fence(memory_order_seq_cst);
	/* A writer stores copy 2 first, then a barrier, then copy 1: read them the other way. */
	for (int i = 0; i < 12; i++)
		w[i] = p[i];
	atomic_thread_fence(memory_order_seq_cst);
	for (int i = 12; i < WALIDX_HEADER_SIZE / 4; i++)
		w[i] = p[i];
	memcpy(out, w, WALIDX_HEADER_SIZE);
}

void
walidx_copy_mark(volatile void *shm, int from, int to)
{
	volatile uint32_t *marks = (volatile uint32_t *)shm + MARKS_AT / 4;

	marks[to] = marks[from];
}

uint32_t
walidx_region(uint32_t frame)
{
	return frame <= FRAMES_FIRST ? 0 : 1 + (frame - FRAMES_FIRST - 1) / FRAMES_NEXT;
}

uint32_t
walidx_frame_pgno(const volatile void *region, uint32_t frame)
{
	const volatile uint32_t *p = region;

	if (frame <= FRAMES_FIRST)
		return p[WALIDX_HEADER_SIZE / 4 + frame - 1];
	return p[(frame - FRAMES_FIRST - 1) % FRAMES_NEXT];
}
