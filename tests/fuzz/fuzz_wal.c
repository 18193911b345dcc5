/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WAL file: its header and all frames that continue the running checksum. The header's sum is
 * also repaired, so that the walk over frames is reached.
 */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/dbhdr.h"
#include "engine/format/wal.h"
#include "tests/fuzz/fuzz.h"

static void
walk(const uint8_t *p, size_t n)
{
	struct ls_err err = {0};
	struct wal_header h;
	struct wal_sum sum;
	int rc = wal_header_decode(p, n, &h, &err);

	FUZZ_CHECK(rc == 0 || rc == -ENODATA || rc == -EBADMSG);
	if (rc < 0)
		return;
	FUZZ_CHECK(dbhdr_page_size_ok(h.page_size));
	sum = h.sum;
	for (uint32_t k = 0;; k++) {
		uint64_t off = wal_frame_offset(h.page_size, k);
		struct wal_frame f;

		if (off + WAL_FRAME_HEADER_SIZE + h.page_size > n)
			break;
		wal_frame_decode(p + off, &f);
		sum = wal_frame_sum(sum, h.big_endian, p + off, h.page_size);
		if (!wal_salts_equal(f.salts, h.salts) || !wal_sum_equal(f.sum, sum))
			break;
	}
}

/* The sum of the whole is that of its parts. */
static void
check_sum(const uint8_t *p, size_t n, bool big_endian)
{
	struct wal_sum seed = {(uint32_t)n, 7};
	struct wal_sum whole = wal_sum_update(seed, big_endian, p, n & ~(size_t)7);
	size_t cut = n / 2 & ~(size_t)7;
	struct wal_sum parts = wal_sum_update(seed, big_endian, p, cut);

	parts = wal_sum_update(parts, big_endian, p + cut, (n - cut) & ~(size_t)7);
	FUZZ_CHECK(wal_sum_equal(whole, parts));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + 1);

	FUZZ_CHECK(copy != NULL);
	memcpy(copy, data, n);
	walk(copy, n);
	check_sum(copy, n, false);
	check_sum(copy, n, true);
	if (n >= WAL_HEADER_SIZE) {
		struct wal_sum s = wal_sum_update((struct wal_sum){0, 0}, copy[3] & 1, copy, 24);

		put_be32(copy + 24, s.s0);
		put_be32(copy + 28, s.s1);
		walk(copy, n);
	}
	free(copy);
	return 0;
}
