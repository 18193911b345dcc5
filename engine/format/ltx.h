/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx: header, trailer and page frame of an LTX file; checksums. The layout stands in prose at the
 * top of ltx.c. Pure. Source: spec/format.md 1.
 *
 * A file is: header | page frames | end marker (6 zeros) | page index | u64 index size | trailer.
 */
#ifndef ENGINE_FORMAT_LTX_H
#define ENGINE_FORMAT_LTX_H

#include "engine/base/err.h"
#include "engine/format/wal.h"

#include <stdint.h>

enum {
	LTX_HEADER_SIZE = 100,
	LTX_PAGE_HEADER_SIZE = 6,
	LTX_END_SIZE = 6,
	LTX_TRAILER_SIZE = 16,
	LTX_TAIL_SIZE = 8 + LTX_TRAILER_SIZE, /* index size and trailer */
	LTX_SIZE_MIN = 131,
	LTX_FRAME_MAX = 65536 + 512, /* largest stored page frame, any encoding and page size */
	LTX_NO_CHECKSUM = 2,	     /* the only header flag */
};

#define LTX_CHECKSUM_FLAG (UINT64_C(1) << 63)

struct ltx_header {
	uint32_t flags;
	uint32_t page_size;
	uint32_t commit; /* database size in pages after applying */
	uint64_t min_txid, max_txid;
	int64_t time_ms; /* since the Unix epoch */
	uint64_t pre_checksum;
	int64_t wal_offset, wal_size;
	struct wal_salts salts;
	uint64_t node_id;
};

struct ltx_trailer {
	uint64_t post_checksum; /* 0: not tracked */
	uint64_t file_checksum;
};

enum ltx_encoding { LTX_FRAME, LTX_BLOCK }; /* LZ4 frame (default) or LZ4 block */

/* -EBADMSG with the first rule that does not hold. */
LS_MUST_USE int
ltx_header_decode(const uint8_t p[LTX_HEADER_SIZE], struct ltx_header *ret, struct ls_err *err);
/* -EINVAL for a header that the decoder would refuse. */
LS_MUST_USE int
ltx_header_encode(const struct ltx_header *h, uint8_t ret[LTX_HEADER_SIZE], struct ls_err *err);
LS_MUST_USE int ltx_trailer_decode(const struct ltx_header *h, const uint8_t p[LTX_TRAILER_SIZE],
				   struct ltx_trailer *ret, struct ls_err *err);
void ltx_trailer_encode(const struct ltx_trailer *t, uint8_t ret[LTX_TRAILER_SIZE]);

/* Whether the file alone rebuilds a database: min_txid is 1, every page is present in order. */
bool ltx_is_snapshot(const struct ltx_header *h);

/* One page and its stored form. */
struct ltx_page {
	uint8_t *data; /* page_size bytes, the caller's */
	uint32_t pgno;
	size_t stored; /* length of the page frame in the file */
};

/* LZ4's own checksum of a page that was decoded from these page->stored bytes: what the file
 * checksum leaves out, and other programs look at. */
LS_MUST_USE int ltx_page_check(const struct ltx_page *page, const uint8_t *stored,
			       uint32_t page_size, struct ls_err *err);

/*
 * Decodes one stored page frame of at most n bytes into page->data. Bounds, encoding, decompressed
 * length and (frame encoding) LZ4's content checksum are checked; pgno in 1..commit, not the lock
 * page.
 *   hash   NULL, or continued over the bytes that the file checksum covers; the content checksum of
 *          a frame is then not computed, because the file checksum covers the same bytes
 * -EBADMSG when anything is wrong. Cost: LZ4 decompression and one checksum of the page.
 */
LS_MUST_USE int ltx_page_decode(const uint8_t *p, size_t n, const struct ltx_header *h,
				struct ltx_page *page, uint64_t *hash, struct ls_err *err);

/* Encodes one page into out (LTX_FRAME_MAX bytes), sets page->stored, continues hash. */
void ltx_page_encode(enum ltx_encoding enc, struct ltx_page *page, uint32_t page_size, uint8_t *out,
		     uint64_t *hash);

/* Continues hash over a page that is stored as p already. */
void
ltx_page_hash(const uint8_t *p, const struct ltx_page *page, uint32_t page_size, uint64_t *hash);

/*
 * Whether p, the stored form of a page that was decoded from it, is one that ltx_page_encode(enc)
 * may have written, content checksum included: then it can go into another file as it is.
 */
bool ltx_page_stored_as(const uint8_t *p, const struct ltx_page *page, uint32_t page_size,
			enum ltx_encoding enc);

/* Checksum of one page. A database's is LTX_CHECKSUM_FLAG | the XOR over all but the lock page. */
uint64_t ltx_page_checksum(uint32_t pgno, const uint8_t *page, uint32_t page_size);

#endif
