/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write-ahead log. Integers are big-endian.
 *
 *   header, 32 bytes                       frame header, 24 bytes, then one page
 *     0  4  377f0682 or 377f0683             0  4  page number
 *     4  4  3007000                          4  4  pages after the commit, 0: not a commit frame
 *     8  4  page size                        8  8  salts, as the header's
 *    12  4  checkpoint sequence             16  8  running checksum
 *    16  8  salts
 *    24  8  checksum of [0,24)             frame k stands at 32 + k * (24 + page size)
 *
 * The checksum takes pairs of 32-bit words x, y: s0 += x + s1; s1 += y + s0. The magic's last bit
 * says in which byte order the words are read (1: big-endian); stored sums are big-endian always.
 * A frame's sum continues the one of the frame before it (frame 0: the header's) over its own bytes
 * [0,8) and its page.
 *
 * A frame is valid if (1) its salts are the header's, (2) its sum is right, (3) all before it are
 * valid. It is committed only if the wal-index says so (walidx.h).
 */
#include "config.h"

#include "engine/format/wal.h"

#include "engine/base/bytes.h"
#include "engine/format/dbhdr.h"

enum { WAL_MAGIC = 0x377f0682, WAL_VERSION = 3007000 };

/* Each sum needs the other one: with two additions a word between them, not four, this runs at
 * twice the speed. The compiler must not order them anew. */
#define LATE(x) __asm__("" : "+r"(x))
#define STEP(get)                                                                                  \
	do {                                                                                       \
		uint32_t a = s0 + get(p), b = s1 + get(p + 4);                                     \
		LATE(a);                                                                           \
		LATE(b);                                                                           \
		s0 = a + s1;                                                                       \
		s1 = b + s0;                                                                       \
	} while (0)

struct wal_sum
wal_sum_update(struct wal_sum seed, bool big_endian, const uint8_t *p, size_t n)
{
	uint32_t s0 = seed.s0, s1 = seed.s1;

	if (big_endian)
		for (; n >= 8; n -= 8, p += 8)
			STEP(get_be32);
	else
		for (; n >= 8; n -= 8, p += 8)
			STEP(get_le32);
	return (struct wal_sum){s0, s1};
}

struct wal_sum
wal_frame_sum(struct wal_sum prev, bool big_endian, const uint8_t *frame, uint32_t page_size)
{
	struct wal_sum s = wal_sum_update(prev, big_endian, frame, 8);

	return wal_sum_update(s, big_endian, frame + WAL_FRAME_HEADER_SIZE, page_size);
}

uint64_t
wal_frame_offset(uint32_t page_size, uint32_t k)
{
	return WAL_HEADER_SIZE + (uint64_t)k * (WAL_FRAME_HEADER_SIZE + (uint64_t)page_size);
}

static struct wal_salts
get_salts(const uint8_t *p)
{
	return (struct wal_salts){get_be32(p), get_be32(p + 4)};
}

static struct wal_sum
get_sum(const uint8_t *p)
{
	return (struct wal_sum){get_be32(p), get_be32(p + 4)};
}

int
wal_header_decode(const uint8_t *p, size_t n, struct wal_header *ret, struct ls_err *err)
{
	struct wal_header h;
	uint32_t magic;

	if (n < WAL_HEADER_SIZE)
		return ls_err_set(err, -ENODATA, "WAL of %zu bytes has no header", n);
	magic = get_be32(p);
	if ((magic & ~1u) != WAL_MAGIC)
		return ls_err_set(err, -EBADMSG, "WAL header: magic %08x", magic);
	if (get_be32(p + 4) != WAL_VERSION)
		return ls_err_set(err, -EBADMSG, "WAL header: version %u", get_be32(p + 4));
	h.big_endian = magic & 1;
	h.page_size = get_be32(p + 8);
	if (!dbhdr_page_size_ok(h.page_size))
		return ls_err_set(err, -EBADMSG, "WAL header: page size %u", h.page_size);
	h.checkpoint_seq = get_be32(p + 12);
	h.salts = get_salts(p + 16);
	h.sum = get_sum(p + 24);
	if (!wal_sum_equal(h.sum, wal_sum_update((struct wal_sum){0, 0}, h.big_endian, p, 24)))
		return ls_err_set(err, -ENODATA, "WAL header: checksum mismatch");
	*ret = h;
	return 0;
}

void
wal_frame_decode(const uint8_t p[WAL_FRAME_HEADER_SIZE], struct wal_frame *ret)
{
	ret->pgno = get_be32(p);
	ret->commit = get_be32(p + 4);
	ret->salts = get_salts(p + 8);
	ret->sum = get_sum(p + 16);
}
