/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stored page frame. Input: page size (1 byte), commit (4), the frame. With and without a hash
 * the answers agree but for the content checksum; what was decoded survives both encodings.
 */
#include "config.h"

#include "engine/format/dbhdr.h"
#include "engine/format/ltx.h"
#include "tests/fuzz/fuzz.h"

static uint8_t data[PAGE_SIZE_MAX], again[PAGE_SIZE_MAX], stored[LTX_FRAME_MAX];

static void
check_round_trip(struct ltx_page *page, const struct ltx_header *h)
{
	for (int enc = 0; enc < 2; enc++) {
		struct ltx_page back = {.data = again};
		uint64_t hash = 1, hash_back = 1;

		ltx_page_encode((enum ltx_encoding)enc, page, h->page_size, stored, &hash);
		FUZZ_CHECK(page->stored <= LTX_FRAME_MAX);
		FUZZ_CHECK(ltx_page_stored_as(stored, page, h->page_size, (enum ltx_encoding)enc));
		FUZZ_CHECK(ltx_page_decode(stored, page->stored, h, &back, &hash_back, NULL) == 0);
		FUZZ_CHECK(ltx_page_decode(stored, page->stored, h, &back, NULL, NULL) == 0);
		FUZZ_CHECK(back.pgno == page->pgno && back.stored == page->stored);
		FUZZ_CHECK(hash == hash_back && memcmp(again, data, h->page_size) == 0);
		FUZZ_CHECK(ltx_page_decode(stored, page->stored - 1, h, &back, NULL, NULL) < 0);
	}
}

static void
check_frame(const uint8_t *p, size_t n, const struct ltx_header *h)
{
	struct ltx_page page = {.data = data}, hashed = {.data = again};
	struct ls_err err = {0};
	uint64_t hash = 0;
	int rc = ltx_page_decode(p, n, h, &page, NULL, &err);

	FUZZ_CHECK(rc == 0 || (rc == -EBADMSG && err.msg[0]));
	if (ltx_page_decode(p, n, h, &hashed, &hash, NULL) < 0)
		FUZZ_CHECK(rc < 0);
	else
		FUZZ_CHECK(hashed.stored <= n && hashed.pgno >= 1 && hashed.pgno <= h->commit &&
			   hashed.pgno != dbhdr_lock_page(h->page_size));
	if (rc < 0)
		return;
	FUZZ_CHECK(page.stored == hashed.stored && page.pgno == hashed.pgno);
	FUZZ_CHECK(memcmp(data, again, h->page_size) == 0);
	check_round_trip(&page, h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct fuzz_in in = {p, n};
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM, .min_txid = 2, .max_txid = 2};
	struct ltx_page page = {.data = data, .pgno = 1};

	h.page_size = fuzz_page_size(&in);
	h.commit = fuzz_u32(&in);
	check_frame(in.p, in.n, &h);
	/* The same bytes as the content of a page. */
	h.commit = h.commit ? h.commit : 1;
	memset(data, 0, h.page_size);
	memcpy(data, in.p, in.n < h.page_size ? in.n : h.page_size);
	check_round_trip(&page, &h);
	return 0;
}
