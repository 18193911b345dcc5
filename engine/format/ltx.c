/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An LTX file is the difference of a database between two TXIDs. Integers are big-endian.
 *
 *   [0,100)       header
 *   [100,...)     page frames, ascending page number
 *   6 bytes       end marker, zeros
 *   S bytes       page index: varints pgno, offset, size for each frame, then one zero byte
 *   8 bytes       S
 *   16 bytes      trailer
 *
 * Header:
 *   off size                                 off size
 *     0    4  "LTX1"                          48    8  WAL offset
 *     4    4  flags: 2 = no checksums         56    8  WAL size
 *     8    4  page size, literal              64    8  WAL salts
 *    12    4  commit: pages afterwards        72    8  node id
 *    16    8  min TXID                        80   20  reserved
 *    24    8  max TXID
 *    32    8  time, ms since 1970
 *    40    8  checksum of the database before
 *
 * A header is valid if (1) the magic is right, (2) no flag but 2 is set, (3) the page size is a
 * power of two in 512..65536, (4) 1 <= min <= max, (5) WAL offset and size are not negative,
 * (6) salts imply an offset, (7) without offset there is no size, (8) the checksum before is 0 for
 * min 1 or flag 2, else has bit 63 set.
 *
 * Page frame: pgno u32, flags u16. Flags 1: u32 n, then an LZ4 block of n bytes. Flags 0: one LZ4
 * frame with one block. Both give exactly one page.
 *
 * LZ4 frame: 04 22 4d 18, FLG, BD, [content size 8], HC, u32 LE block size (bit 31: stored as it
 * is), data, [block checksum 4], u32 0, [content checksum 4]. FLG: bits 7-6 version 01, 5 blocks
 * independent, 4 block checksums, 3 content size, 2 content checksum, 1 reserved, 0 dictionary. HC
 * is the second byte of xxh32 over FLG to content size.
 *
 * Trailer: checksum of the database afterwards (0 with flag 2; 1 << 63 for commit 0), then the file
 * checksum: bit 63 | CRC-64 of header, of each page header, size field and DECOMPRESSED page, of
 * end marker, index, S and the first trailer field.
 */
#include "config.h"

#include "engine/format/ltx.h"

#include "engine/base/bytes.h"
#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"
#include "engine/format/xxh32.h"

#include <inttypes.h>
#include <lz4.h>

enum {
	FRAME_PREFIX = 7, /* magic, FLG, BD, HC as we write them */
	FRAME_MAGIC = 0x184d2204,
	FLG_BLOCK_SUM = 0x10,
	FLG_SIZE = 0x08,
	FLG_SUM = 0x04,
	FLG_RESERVED = 0x03, /* and dictionary */
	PAGE_FLAG_SIZE = 1,
};

#define BLOCK_RAW (UINT32_C(1) << 31)

static int
header_check(const struct ltx_header *h, int code, struct ls_err *err)
{
	bool salts = h->salts.s1 || h->salts.s2;

	if (h->flags & ~(uint32_t)LTX_NO_CHECKSUM)
		return ls_err_set(err, code, "LTX header: unknown flags %08x", h->flags);
	if (!dbhdr_page_size_ok(h->page_size))
		return ls_err_set(err, code, "LTX header: page size %u", h->page_size);
	if (h->min_txid == 0 || h->min_txid > h->max_txid)
		return ls_err_set(err, code, "LTX header: TXIDs %016" PRIx64 " to %016" PRIx64,
				  h->min_txid, h->max_txid);
	if (h->wal_offset < 0 || h->wal_size < 0 || (salts && !h->wal_offset) ||
	    (!h->wal_offset && h->wal_size))
		return ls_err_set(err, code, "LTX header: WAL range %" PRId64 "+%" PRId64,
				  h->wal_offset, h->wal_size);
	if (h->min_txid == 1 || (h->flags & LTX_NO_CHECKSUM)) {
		if (h->pre_checksum)
			return ls_err_set(err, code, "LTX header: unexpected checksum");
	} else if (!(h->pre_checksum & LTX_CHECKSUM_FLAG)) {
		return ls_err_set(err, code, "LTX header: checksum is missing");
	}
	return 0;
}

int
ltx_header_decode(const uint8_t p[LTX_HEADER_SIZE], struct ltx_header *ret, struct ls_err *err)
{
	struct ltx_header h;
	int rc;

	if (memcmp(p, "LTX1", 4) != 0)
		return ls_err_set(err, -EBADMSG, "not an LTX file");
	h.flags = get_be32(p + 4);
	h.page_size = get_be32(p + 8);
	h.commit = get_be32(p + 12);
	h.min_txid = get_be64(p + 16);
	h.max_txid = get_be64(p + 24);
	h.time_ms = (int64_t)get_be64(p + 32);
	h.pre_checksum = get_be64(p + 40);
	h.wal_offset = (int64_t)get_be64(p + 48);
	h.wal_size = (int64_t)get_be64(p + 56);
	h.salts = (struct wal_salts){get_be32(p + 64), get_be32(p + 68)};
	h.node_id = get_be64(p + 72);
	if ((rc = header_check(&h, -EBADMSG, err)) < 0)
		return rc;
	*ret = h;
	return 0;
}

int
ltx_header_encode(const struct ltx_header *h, uint8_t ret[LTX_HEADER_SIZE], struct ls_err *err)
{
	int rc = header_check(h, -EINVAL, err);

	if (rc < 0)
		return rc;
	memset(ret, 0, LTX_HEADER_SIZE);
	memcpy(ret, "LTX1", 4);
	put_be32(ret + 4, h->flags);
	put_be32(ret + 8, h->page_size);
	put_be32(ret + 12, h->commit);
	put_be64(ret + 16, h->min_txid);
	put_be64(ret + 24, h->max_txid);
	put_be64(ret + 32, (uint64_t)h->time_ms);
	put_be64(ret + 40, h->pre_checksum);
	put_be64(ret + 48, (uint64_t)h->wal_offset);
	put_be64(ret + 56, (uint64_t)h->wal_size);
	put_be32(ret + 64, h->salts.s1);
	put_be32(ret + 68, h->salts.s2);
	put_be64(ret + 72, h->node_id);
	return 0;
}

int
ltx_trailer_decode(const struct ltx_header *h, const uint8_t p[LTX_TRAILER_SIZE],
		   struct ltx_trailer *ret, struct ls_err *err)
{
	struct ltx_trailer t = {get_be64(p), get_be64(p + 8)};

	if (!(t.file_checksum & LTX_CHECKSUM_FLAG))
		return ls_err_set(err, -EBADMSG, "LTX trailer: file checksum is missing");
	if (h->flags & LTX_NO_CHECKSUM) {
		if (t.post_checksum || !h->commit)
			return ls_err_set(err, -EBADMSG, "LTX trailer: unexpected checksum");
	} else if (!(t.post_checksum & LTX_CHECKSUM_FLAG) ||
		   (!h->commit && t.post_checksum != LTX_CHECKSUM_FLAG)) {
		return ls_err_set(err, -EBADMSG, "LTX trailer: checksum %016" PRIx64,
				  t.post_checksum);
	}
	*ret = t;
	return 0;
}

void
ltx_trailer_encode(const struct ltx_trailer *t, uint8_t ret[LTX_TRAILER_SIZE])
{
	put_be64(ret, t->post_checksum);
	put_be64(ret + 8, t->file_checksum);
}

bool
ltx_is_snapshot(const struct ltx_header *h)
{
	return h->min_txid == 1;
}

static int
bad_page(struct ls_err *err, uint32_t pgno, const char *what)
{
	return ls_err_set(err, -EBADMSG, "page %u: %s", pgno, what);
}

static bool
inflate(const uint8_t *p, uint32_t n, uint8_t *page, uint32_t page_size)
{
	return LZ4_decompress_safe((const char *)p, (char *)page, (int)n, (int)page_size) ==
	       (int)page_size;
}

/* Length of FLG, BD and the content size; 0 when it is no header that a page can have. */
static size_t
frame_header_len(const uint8_t *p, size_t n, uint32_t page_size)
{
	size_t len = 2;

	if (n < 7 || get_le32(p) != FRAME_MAGIC || p[4] >> 6 != 1 || (p[4] & FLG_RESERVED))
		return 0;
	if (p[4] & FLG_SIZE) {
		len += 8;
		if (n < 4 + len + 1 || get_le32(p + 6) != page_size || get_le32(p + 10) != 0)
			return 0;
	}
	return p[4 + len] == (xxh32(p + 4, len) >> 8 & 255) ? len : 0;
}

/* One LZ4 frame with one block; returns its length, 0 when it is damaged. */
static size_t
decode_frame(const uint8_t *p, size_t n, uint8_t *page, uint32_t page_size, bool verify)
{
	size_t off = frame_header_len(p, n, page_size), tail;
	uint32_t word, len;
	uint8_t flg;

	if (off == 0)
		return 0;
	flg = p[4];
	off += 5;
	if (n - off < 4)
		return 0;
	word = get_le32(p + off);
	len = word & ~BLOCK_RAW;
	off += 4;
	tail = (flg & FLG_BLOCK_SUM ? 4 : 0) + 4u + (flg & FLG_SUM ? 4 : 0);
	if (len > (uint32_t)LTX_FRAME_MAX || n - off < len + tail)
		return 0;
	if (word & BLOCK_RAW) {
		if (len != page_size)
			return 0;
		memcpy(page, p + off, len);
	} else if (!inflate(p + off, len, page, page_size)) {
		return 0;
	}
	if (flg & FLG_BLOCK_SUM) {
		if (get_le32(p + off + len) != xxh32(p + off, len))
			return 0;
		off += 4;
	}
	off += len;
	if (get_le32(p + off) != 0)
		return 0;
	off += 4;
	if (!(flg & FLG_SUM))
		return off;
	if (verify && get_le32(p + off) != xxh32(page, page_size))
		return 0;
	return off + 4;
}

int
ltx_page_check(const struct ltx_page *page, const uint8_t *stored, uint32_t page_size,
	       struct ls_err *err)
{
	bool block = get_be16(stored + 4) & PAGE_FLAG_SIZE;

	if (block || !(stored[LTX_PAGE_HEADER_SIZE + 4] & FLG_SUM) ||
	    get_le32(stored + page->stored - 4) == xxh32(page->data, page_size))
		return 0;
	return bad_page(err, page->pgno, "LZ4 content checksum mismatch");
}

void
ltx_page_hash(const uint8_t *p, const struct ltx_page *page, uint32_t page_size, uint64_t *hash)
{
	bool block = get_be16(p + 4) & PAGE_FLAG_SIZE;

	*hash = crc64(*hash, p, LTX_PAGE_HEADER_SIZE + (block ? 4 : 0));
	*hash = crc64(*hash, page->data, page_size);
}

int
ltx_page_decode(const uint8_t *p, size_t n, const struct ltx_header *h, struct ltx_page *page,
		uint64_t *hash, struct ls_err *err)
{
	uint32_t pgno, len;
	uint16_t flags;

	if (n < LTX_PAGE_HEADER_SIZE + 4)
		return ls_err_set(err, -EBADMSG, "page frame is cut off");
	pgno = get_be32(p);
	flags = get_be16(p + 4);
	if (pgno == 0 || pgno > h->commit || pgno == dbhdr_lock_page(h->page_size))
		return bad_page(err, pgno, "number is outside the database");
	if (flags & ~PAGE_FLAG_SIZE)
		return bad_page(err, pgno, "unknown page flags");
	if (flags & PAGE_FLAG_SIZE) {
		len = get_be32(p + 6);
		if (len > (uint32_t)LTX_FRAME_MAX || n - 10 < len)
			return bad_page(err, pgno, "stored length is out of bounds");
		if (!inflate(p + 10, len, page->data, h->page_size))
			return bad_page(err, pgno, "LZ4 block is damaged");
		page->stored = 10 + (size_t)len;
	} else {
		size_t used = decode_frame(p + 6, n - 6, page->data, h->page_size, !hash);

		if (used == 0)
			return bad_page(err, pgno, "LZ4 frame is damaged");
		page->stored = LTX_PAGE_HEADER_SIZE + used;
	}
	page->pgno = pgno;
	if (hash)
		ltx_page_hash(p, page, h->page_size, hash);
	return 0;
}

/* As LZ4_compress_default(), whose table of 16 KiB is cleared for each page; this one is not. */
static int
compress(const uint8_t *page, uint32_t page_size, uint8_t *out, int max)
{
	static _Thread_local LZ4_stream_t stream;
	static _Thread_local bool ready;

	if (!ready)
		LZ4_initStream(&stream, sizeof stream);
	ready = true;
	LZ4_resetStream_fast(&stream);
	return LZ4_compress_fast_continue(&stream, (const char *)page, (char *)out, (int)page_size,
					  max, 1);
}

static const uint8_t prefix[FRAME_PREFIX] = {0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7};

static size_t
encode_frame(const uint8_t *page, uint32_t page_size, uint8_t *out)
{
	uint8_t *data = out + FRAME_PREFIX + 4;
	int n = compress(page, page_size, data, (int)page_size - 1);
	uint32_t word = (uint32_t)n;

	memcpy(out, prefix, sizeof prefix);
	if (n <= 0) {
		memcpy(data, page, page_size);
		n = (int)page_size;
		word = page_size | BLOCK_RAW;
	}
	put_le32(out + FRAME_PREFIX, word);
	put_le32(data + n, 0);
	put_le32(data + n + 4, xxh32(page, page_size));
	return FRAME_PREFIX + 4 + (size_t)n + 8;
}

void
ltx_page_encode(enum ltx_encoding enc, struct ltx_page *page, uint32_t page_size, uint8_t *out,
		uint64_t *hash)
{
	put_be32(out, page->pgno);
	put_be16(out + 4, enc == LTX_BLOCK ? PAGE_FLAG_SIZE : 0);
	if (enc == LTX_BLOCK) {
		int n = compress(page->data, page_size, out + 10, LTX_FRAME_MAX - 10);

		put_be32(out + 6, (uint32_t)n);
		page->stored = 10 + (size_t)n;
	} else {
		page->stored = LTX_PAGE_HEADER_SIZE +
			       encode_frame(page->data, page_size, out + LTX_PAGE_HEADER_SIZE);
	}
	ltx_page_hash(out, page, page_size, hash);
}

bool
ltx_page_stored_as(const uint8_t *p, const struct ltx_page *page, uint32_t page_size,
		   enum ltx_encoding enc)
{
	bool block = get_be16(p + 4) & PAGE_FLAG_SIZE;

	if (block != (enc == LTX_BLOCK))
		return false;
	return block || (memcmp(p + LTX_PAGE_HEADER_SIZE, prefix, sizeof prefix) == 0 &&
			 get_le32(p + page->stored - 4) == xxh32(page->data, page_size));
}

uint64_t
ltx_page_checksum(uint32_t pgno, const uint8_t *page, uint32_t page_size)
{
	uint8_t be[4];

	put_be32(be, pgno);
	return LTX_CHECKSUM_FLAG | crc64(crc64(0, be, sizeof be), page, page_size);
}
