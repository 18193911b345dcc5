/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/format/wal.h"
#include "engine/format/walidx.h"
#include "tests/lib/tap.h"

static size_t
from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; sscanf(hex, "%2x", &v) == 1; hex += 2)
		out[n++] = (uint8_t)v;
	return n;
}

static void
test_sums(void)
{
	uint8_t p[64] = {0};
	struct wal_sum s;

	from_hex("377f0682002de218000010000000000052382eac857b1a4e", p);
	s = wal_sum_update((struct wal_sum){0, 0}, false, p, 24);
	ok(s.s0 == 0x81153b65 && s.s1 == 0x87178e8f, "little-endian words");
	memset(p, 0, sizeof p);
	from_hex("377f068300000001", p);
	s = wal_sum_update((struct wal_sum){0, 0}, true, p, 24);
	ok(s.s0 == 0x157b2092 && s.s1 == 0xbbf8341d, "big-endian words");
}

static void
test_header(void)
{
	struct wal_header h;
	struct ls_err err = {0};
	uint8_t p[32];

	from_hex("377f0682002de218000010000000000052382eac857b1a4e81153b6587178e8f", p);
	is_int(wal_header_decode(p, 32, &h, &err), 0, "header");
	ok(h.page_size == 4096 && h.salts.s1 == 0x52382eac && !h.big_endian, "its fields");
	is_int(wal_header_decode(p, 31, &h, &err), -ENODATA, "short");
	p[31] ^= 1;
	is_int(wal_header_decode(p, 32, &h, &err), -ENODATA, "checksum");
	memset(p, 0, sizeof p);
	is_int(wal_header_decode(p, 32, &h, &err), -EBADMSG, "zeros: magic");
}

static void
test_offsets(void)
{
	is_u64(wal_frame_offset(4096, 0), 32, "frame 0");
	is_u64(wal_frame_offset(4096, 121359), 499999112, "121359 frames of 4096");
	is_u64(wal_frame_offset(65536, 121359), UINT64_C(7956296072), "and of 65536");
}

static void
test_walidx_regions(void)
{
	is_u64(walidx_region(1), 0, "first frame");
	is_u64(walidx_region(4062), 0, "last of region 0");
	is_u64(walidx_region(4063), 1, "first of region 1");
	is_u64(walidx_region(4062 + 4096), 1, "last of region 1");
	is_u64(walidx_region(4062 + 4097), 2, "first of region 2");
}

int
main(void)
{
	RUN(test_sums);
	RUN(test_header);
	RUN(test_offsets);
	RUN(test_walidx_regions);
	return tap_done();
}
