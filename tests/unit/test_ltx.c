/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/base/io.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_dec.h"
#include "engine/format/ltx_enc.h"
#include "engine/format/ltx_index.h"
#include "engine/format/ltx_name.h"
#include "tests/lib/tap.h"

struct bytes {
	const uint8_t *p;
	size_t n;
};

static int
source_bytes(void *arg, uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	const struct bytes *b = arg;
	size_t left = off < b->n ? b->n - (size_t)off : 0;

	(void)err;
	*ret_n = n < left ? n : left;
	memcpy(p, b->p + (off < b->n ? off : 0), *ret_n);
	return 0;
}

static int
sink_buf(void *arg, const void *p, size_t n, struct ls_err *err)
{
	(void)err;
	return ls_buf_append(arg, p, n);
}

/* Decodes all; returns 0 or the error; *ret_sum covers pgno and content of every page. */
static int
decode_all(const uint8_t *p, size_t n, struct ltx_header *hdr, uint64_t *ret_sum, int *ret_pages,
	   struct ls_err *err)
{
	struct bytes b = {p, n};
	struct ltx_dec *d = NULL;
	struct ltx_page page;
	int rc = ltx_dec_open(source_bytes, &b, n, &d, err);

	*ret_sum = 0;
	*ret_pages = 0;
	while (rc == 0 && (rc = ltx_dec_next(d, &page, NULL, err)) == 0) {
		*ret_sum = *ret_sum * 31 +
			   ltx_page_checksum(page.pgno, page.data, ltx_dec_header(d)->page_size);
		++*ret_pages;
	}
	if (d && hdr)
		*hdr = *ltx_dec_header(d);
	ltx_dec_close(d);
	return rc < 0 ? rc : 0;
}

static void
read_vector(const char *name, char **ret, size_t *ret_n)
{
	const char *top = getenv("TOP_SRCDIR");
	char path[4096];
	struct ls_err err = {0};

	snprintf(path, sizeof path, "%s/tests/data/%s", top ? top : ".", name);
	if (io_read_file(path, 1 << 20, ret, ret_n, &err) < 0)
		printf("# %s\n", err.msg);
}

static void
test_vectors(void)
{
	static const struct {
		const char *name;
		int pages, rc;
	} rows[] = {
		{"v0.5.2-tiny-snap.ltx", 2, 0},
		{"v0.5.0-tiny-snap.ltx", 2, 0},
		{"py-min.ltx", 1, 0},
		{"py-liblz4.ltx", 2, 0},
		{"py-literal.ltx", 2, 0},
		{"py-frame-cc0.ltx", 2, 0},
		{"py-frame-cc1.ltx", 2, 0},
		{"v0.5.2-random4k.ltx", 1, 0},
		{"v0.5.2-random64k.ltx", 2, 0},
		{"v0.5.0-random4k.ltx", 1, 0},
		{"v0.5.2-commit0.ltx", 0, 0},
		{"v0.5.0-commit0.ltx", 0, 0},
		{"v0.5.2-l0-nochk.ltx", 2, 0},
		{"v0.5.2-cmp-in1.ltx", 3, 0},
		{"v0.5.2-cmp-in2.ltx", 1, 0},
		{"v0.5.2-cmp-out.ltx", 2, 0},
		{"v0.3.18-tiny-snap.ltx", 0, -EBADMSG},
		{"v0.4.0-tiny-snap.ltx", 0, -EBADMSG},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ls_autofree char *p = NULL;
		struct ls_err err = {0};
		size_t n = 0;
		uint64_t sum;
		int pages = 0, rc;

		read_vector(rows[i].name, &p, &n);
		rc = p ? decode_all((uint8_t *)p, n, NULL, &sum, &pages, &err) : -ENOENT;
		if (!ok(rc == rows[i].rc && (rc < 0 || pages == rows[i].pages), "%s", rows[i].name))
			printf("# rc %d, %d pages: %s\n", rc, pages, err.msg);
	}
}

static void
test_page_checksums(void)
{
	static uint8_t page[65536];

	is_u64(ltx_page_checksum(1, page, 512), 0xefb1f44fecd99000, "page 1, zeros, 512");
	is_u64(ltx_page_checksum(1, page, 4096), 0xd9328f592d9e733d, "page 1, zeros, 4096");
	is_u64(ltx_page_checksum(1, page, 65536), 0xd5c47f5c6d11f7f2, "page 1, zeros, 65536");
	is_u64(ltx_page_checksum(1, page, 1024), 0xace3e492397a28bf, "page 1, zeros, 1024");
	is_u64(ltx_page_checksum(2, page, 4096), 0xf7901e47304ca33f, "page 2, zeros, 4096");
}

/* Checksums of whole databases; every page is filled with one byte. */
static void
test_database_checksums(void)
{
	static const struct {
		uint32_t page_size;
		const char *bytes;
		uint64_t want;
	} rows[] = {
		{512, "\1\2\3", 0xefffffffecd99000},
		{1024, "23", 0xe1899b6d587aaaaa},
		{512, "23", 0x8b87423eeeeeeeee},
		{512, "1", 0xeb1a999231044ddd},
		{1024, "\x81\x82\x83", 0x8a249272ad9f7dea},
		{1024, "\x91\x82\x93", 0x8a249272ad9f7dea},
		{1024, "\x81", 0xeb953fc47685d740},
	};
	uint8_t page[1024];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t sum = 0;
		uint32_t pgno = 0;

		for (const char *c = rows[i].bytes; *c; c++) {
			memset(page, *c, rows[i].page_size);
			sum ^= ltx_page_checksum(++pgno, page, rows[i].page_size);
		}
		is_u64(sum | LTX_CHECKSUM_FLAG, rows[i].want, "database");
	}
}

static void
fill(uint8_t *page, uint32_t n, unsigned *seed, int kind)
{
	for (uint32_t i = 0; i < n; i++)
		page[i] = kind == 0 ? (uint8_t)rand_r(seed) : (uint8_t)(i % 97 * (kind & 1));
}

static void
encode(struct ls_buf *out, uint32_t page_size, enum ltx_encoding enc, uint32_t npages,
       uint64_t txid, unsigned seed)
{
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
			       .page_size = page_size,
			       .commit = npages,
			       .min_txid = txid,
			       .max_txid = txid,
			       .time_ms = 1700000000123};
	static uint8_t page[65536];
	struct ltx_trailer t;
	struct ls_err err = {0};
	struct ltx_enc e;
	int rc = ltx_enc_begin(&e, &h, enc, sink_buf, out, &err);

	for (uint32_t pgno = 1; rc == 0 && pgno <= npages; pgno++) {
		fill(page, page_size, &seed, (int)(pgno % 3));
		rc = ltx_enc_page(&e, pgno, page, &err);
	}
	if (rc == 0)
		rc = ltx_enc_end(&e, 0, &t, &err);
	ltx_enc_done(&e);
	if (rc < 0)
		ok(false, "encode: %s", err.msg);
}

static void
test_round_trip(void)
{
	for (uint32_t ps = 512; ps <= 65536; ps *= 2)
		for (int enc = 0; enc < 2; enc++) {
			LS_AUTO(ls_buf_done) struct ls_buf b;
			struct ltx_header h;
			struct ls_err err = {0};
			uint64_t sum;
			int pages, rc;

			ls_buf_init(&b, 1 << 22);
			encode(&b, ps, (enum ltx_encoding)enc, 7, 1, 11);
			rc = decode_all(b.p, b.len, &h, &sum, &pages, &err);
			if (!ok(rc == 0 && pages == 7 && h.page_size == ps, "page size %u, %s", ps,
				enc ? "blocks" : "frames"))
				printf("# %s\n", err.msg);
		}
}

/* Every byte of a file flipped in turn: an error, or the very same pages. */
static void
test_flips(void)
{
	for (int enc = 0; enc < 2; enc++) {
		LS_AUTO(ls_buf_done) struct ls_buf b;
		struct ls_err err = {0};
		uint64_t want, sum;
		int pages, wrong = 0, same = 0;

		ls_buf_init(&b, 1 << 20);
		encode(&b, 512, (enum ltx_encoding)enc, 3, 5, 1);
		decode_all(b.p, b.len, NULL, &want, &pages, &err);
		for (size_t i = 0; i < b.len * 8; i++) {
			b.p[i / 8] ^= (uint8_t)(1 << i % 8);
			if (decode_all(b.p, b.len, NULL, &sum, &pages, &err) == 0) {
				same++;
				wrong += sum != want;
			}
			b.p[i / 8] ^= (uint8_t)(1 << i % 8);
		}
		ok(wrong == 0, "%s: no flipped bit gives other pages", enc ? "blocks" : "frames");
		printf("# %d of %zu flips went unnoticed with the same pages\n", same, b.len * 8);
		for (size_t n = 0; n < b.len; n++)
			wrong += decode_all(b.p, n, NULL, &sum, &pages, &err) == 0;
		is_int(wrong, 0, "every shorter file is refused");
	}
}

static int
next_at(const struct ls_buf *b, size_t off, const struct ltx_header *h, const struct ltx_layout *at,
	struct ltx_index_entry *e, size_t *used)
{
	return ltx_index_next(b->p + at->index_offset + off, (size_t)at->index_size - off, h, at, e,
			      used, NULL);
}

/* From any byte of the index, the sync point is the begin of an entry. */
static void
test_index_sync(void)
{
	LS_AUTO(ls_buf_done) struct ls_buf b;
	LS_AUTO(ls_buf_done) struct ls_buf starts;
	struct ltx_header h;
	struct ltx_layout at;
	struct ltx_index_entry e;
	struct ls_err err = {0};
	size_t used, off = 0;
	int wrong = 0, missed = 0, rc;

	ls_buf_init(&b, 1 << 26);
	ls_buf_init(&starts, 1 << 26);
	encode(&b, 512, LTX_FRAME, 20000, 1, 3);
	is_int(ltx_header_decode(b.p, &h, &err), 0, "header");
	is_int(ltx_layout_decode(b.len, b.p + b.len - LTX_TAIL_SIZE, &at, &err), 0, "layout");
	if (ls_buf_reserve(&starts, (size_t)at.index_size) < 0)
		return;
	memset(starts.p, 0, (size_t)at.index_size);
	while (next_at(&b, off, &h, &at, &e, &used) == 0) {
		starts.p[off] = 1;
		off += used;
	}
	is_u64(off + 1, at.index_size, "the index was walked to its end");
	for (size_t i = 0; i + 400 < at.index_size; i++) {
		size_t where = 0;

		rc = ltx_index_sync(b.p + at.index_offset + i, 400, &h, &at, &where, &err);
		missed += rc < 0;
		wrong += rc == 0 && !starts.p[i + where];
	}
	is_int(wrong, 0, "never a wrong phase");
	is_int(missed, 0, "always a phase");
}

static void
test_names(void)
{
	char name[LTX_NAME_LEN + 1], txid[LTX_TXID_LEN + 1];
	uint64_t min = 0, max = 0;

	ltx_name_format(1, 1000, name);
	is_str(name, "0000000000000001-00000000000003e8.ltx", "name");
	ltx_txid_format(UINT64_MAX, txid);
	is_str(txid, "ffffffffffffffff", "TXID");
	ok(ltx_name_parse(name, &min, &max) && min == 1 && max == 1000, "parsed back");
	ok(!ltx_name_parse("0000000000000001-00000000000003E8.ltx", &min, &max), "upper case");
	ok(!ltx_name_parse("0000000000000001-00000000000003e8.ltx.tmp", &min, &max), "longer");
	ok(!ltx_name_parse("0000000000000002-0000000000000001.ltx", &min, &max), "min > max");
	ok(!ltx_name_parse("0000000000000000-0000000000000001.ltx", &min, &max), "TXID 0");
	ok(!ltx_name_parse("", &min, &max), "empty");
}

static void
test_lock_page(void)
{
	is_u64(dbhdr_lock_page(512), 2097153, "512");
	is_u64(dbhdr_lock_page(4096), 262145, "4096");
	is_u64(dbhdr_lock_page(65536), 16385, "65536");
}

int
main(void)
{
	RUN(test_vectors);
	RUN(test_page_checksums);
	RUN(test_database_checksums);
	RUN(test_round_trip);
	RUN(test_flips);
	RUN(test_index_sync);
	RUN(test_names);
	RUN(test_lock_page);
	return tap_done();
}
