/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page index. Input: page size (1 byte), commit (4), where the index begins (4), then
 *   (1) the rest as index bytes: walked, and searched for a phase from every byte;
 *   (2) the rest as gaps and sizes of a well-formed index: the phase found is the right one.
 */
#include "config.h"

#include "engine/format/dbhdr.h"
#include "engine/format/ltx_index.h"
#include "tests/fuzz/fuzz.h"

enum { ENTRIES_MAX = 8 };

static void
walk(const uint8_t *p, size_t n, const struct ltx_header *h, const struct ltx_layout *at)
{
	struct ltx_index_entry e;
	uint8_t raw[LTX_INDEX_ENTRY_MAX];
	size_t used = 0;
	int rc;

	for (size_t off = 0;; off += used) {
		struct ls_err err = {0};

		rc = ltx_index_next(p + off, n - off, h, at, &e, &used, &err);
		FUZZ_CHECK(rc == 0 || rc == 1 || rc == -ENODATA || rc == -EBADMSG);
		if (rc != 0)
			break;
		FUZZ_CHECK(used > 0 && used <= n - off);
		FUZZ_CHECK(e.pgno >= 1 && e.pgno <= h->commit &&
			   e.pgno != dbhdr_lock_page(h->page_size));
		FUZZ_CHECK(e.offset >= LTX_HEADER_SIZE && e.size <= LTX_FRAME_MAX &&
			   e.offset + e.size + LTX_END_SIZE <= at->index_offset);
		FUZZ_CHECK(ltx_index_encode(&e, raw) == used);
		FUZZ_CHECK(memcmp(raw, p + off, used) == 0);
	}
}

static void
search(const uint8_t *p, size_t n, const struct ltx_header *h, const struct ltx_layout *at)
{
	for (size_t from = 0; from <= n && from < 32; from++) {
		struct ltx_index_entry e;
		size_t off = 0, used;

		if (ltx_index_sync(p + from, n - from, h, at, &off, NULL) < 0)
			continue;
		FUZZ_CHECK(off < n - from);
		FUZZ_CHECK(ltx_index_next(p + from + off, n - from - off, h, at, &e, &used, NULL) ==
			   0);
	}
}

/* Offsets of the entries' first bytes go to starts; returns the length, with the zero byte. */
static size_t
build(struct fuzz_in *in, struct ltx_header *h, struct ltx_layout *at, uint8_t *out, bool *starts)
{
	struct ltx_index_entry e = {.offset = LTX_HEADER_SIZE};
	size_t n = 0;

	for (int i = 0; i < ENTRIES_MAX && in->n; i++) {
		uint32_t shift = fuzz_u8(in) % 24;
		uint32_t gap = 1 + (fuzz_u32(in) >> 8 >> shift);

		if (e.pgno + gap == dbhdr_lock_page(h->page_size))
			gap++;
		e.pgno += gap;
		e.size = 7 + fuzz_u32(in) % 60000;
		starts[n] = true;
		n += ltx_index_encode(&e, out + n);
		e.offset += e.size;
	}
	out[n] = 0;
	h->commit = e.pgno;
	at->index_offset = e.offset + LTX_END_SIZE;
	return n + 1;
}

static void
check_built(struct fuzz_in *in, struct ltx_header *h)
{
	static uint8_t p[ENTRIES_MAX * LTX_INDEX_ENTRY_MAX + 1];
	static bool starts[sizeof p];
	struct ltx_layout at = {0};
	size_t n;

	memset(starts, 0, sizeof starts);
	n = build(in, h, &at, p, starts);
	at.index_size = n;
	at.file_size = at.index_offset + n + LTX_TAIL_SIZE;
	for (size_t from = 0; from < n; from++)
		for (size_t len = 1; len <= n - from; len += 1 + len / 4) {
			size_t off = 0;

			if (ltx_index_sync(p + from, len, h, &at, &off, NULL) == 0)
				FUZZ_CHECK(starts[from + off]);
		}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = {data, n};
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM, .min_txid = 2, .max_txid = 2};
	struct ltx_layout at = {0};

	h.page_size = fuzz_page_size(&in);
	h.commit = fuzz_u32(&in);
	at.index_offset = LTX_HEADER_SIZE + LTX_END_SIZE + (uint64_t)fuzz_u32(&in);
	at.index_size = in.n;
	at.file_size = at.index_offset + in.n + LTX_TAIL_SIZE;
	walk(in.p, in.n, &h, &at);
	search(in.p, in.n, &h, &at);
	check_built(&in, &h);
	return 0;
}
