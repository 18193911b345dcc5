/* SPDX-License-Identifier: Apache-2.0 */
/* The wal-index header as it is, then with its two copies and its checksum made to agree. */
#include "config.h"

#include "engine/format/dbhdr.h"
#include "engine/format/walidx.h"
#include "tests/fuzz/fuzz.h"

static int
check(const uint8_t *p)
{
	uint8_t copy[WALIDX_HEADER_SIZE];
	uint32_t words[WALIDX_HEADER_SIZE / 4];
	struct ls_err err = {0};
	struct walidx_header h;
	int rc;

	memcpy(words, p, sizeof words);
	walidx_copy(words, copy);
	FUZZ_CHECK(memcmp(copy, p, sizeof copy) == 0);
	rc = walidx_decode(copy, &h, &err);
	FUZZ_CHECK(rc == 0 || rc == -EAGAIN || rc == -EBADMSG);
	if (rc == 0 && h.mx_frame)
		FUZZ_CHECK(dbhdr_page_size_ok(h.page_size));
	return rc;
}

static void
repair(uint8_t *p)
{
	uint32_t w[10], s0 = 0, s1 = 0;

	p[12] = 1;
	memcpy(w, p, sizeof w);
	w[0] = 3007000;
	for (int i = 0; i < 10; i += 2) {
		s0 += w[i] + s1;
		s1 += w[i + 1] + s0;
	}
	memcpy(p, w, sizeof w);
	memcpy(p + 40, &s0, 4);
	memcpy(p + 44, &s1, 4);
	memcpy(p + 48, p, 48);
}

/* Every frame has a place inside its region. */
static void
check_regions(uint32_t frame)
{
	static uint32_t region[WALIDX_REGION_SIZE / 4];
	uint32_t r = walidx_region(frame);

	FUZZ_CHECK(r == 0 ? frame <= 4062 : (frame - 4063) / 4096 + 1 == r);
	FUZZ_CHECK(walidx_frame_pgno(region, frame) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t p[WALIDX_HEADER_SIZE] = {0};
	uint32_t frame;

	memcpy(p, data, n < sizeof p ? n : sizeof p);
	(void)check(p);
	repair(p);
	FUZZ_CHECK(check(p) != -EAGAIN);
	memcpy(&frame, p + 16, sizeof frame);
	check_regions(frame ? frame : 1);
	return 0;
}
