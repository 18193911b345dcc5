/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/dbhdr.h"
#include "engine/format/wal.h"
#include "tests/unit/test_ltx_mem.h"

#include <lz4frame.h>

static void
test_sums(void)
{
	uint8_t p[64] = {0};
	struct wal_sum s;

	mem_from_hex("377f0682002de218000010000000000052382eac857b1a4e", p);
	s = wal_sum_update((struct wal_sum){0, 0}, false, p, 24);
	ok(s.s0 == 0x81153b65 && s.s1 == 0x87178e8f, "little-endian words");
	memset(p, 0, sizeof p);
	mem_from_hex("377f068300000001", p);
	s = wal_sum_update((struct wal_sum){0, 0}, true, p, 24);
	ok(s.s0 == 0x157b2092 && s.s1 == 0xbbf8341d, "big-endian words");
}

static void
test_header(void)
{
	struct wal_header h;
	struct ls_err err = {0};
	uint8_t p[32];

	mem_from_hex("377f0682002de218000010000000000052382eac857b1a4e81153b6587178e8f", p);
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

/* How many frames of a WAL are valid; their page numbers, and where the last commit ends. */
struct walk {
	uint32_t n, pgno[8], commit[8];
	struct wal_sum sum[8];
	uint64_t end;
};

static int
walk(const uint8_t *p, size_t n, struct walk *ret)
{
	struct ls_err err = {0};
	struct wal_header h;
	struct wal_sum sum;
	int rc = wal_header_decode(p, n, &h, &err);

	*ret = (struct walk){0};
	if (rc < 0)
		return rc;
	sum = h.sum;
	for (uint32_t k = 0; k < 8; k++) {
		uint64_t off = wal_frame_offset(h.page_size, k);
		struct wal_frame f;

		if (off + WAL_FRAME_HEADER_SIZE + h.page_size > n)
			break;
		wal_frame_decode(p + off, &f);
		sum = wal_frame_sum(sum, h.big_endian, p + off, h.page_size);
		if (!wal_salts_equal(f.salts, h.salts) || !wal_sum_equal(f.sum, sum))
			break;
		ret->pgno[k] = f.pgno;
		ret->commit[k] = f.commit;
		ret->sum[k] = f.sum;
		ret->n = k + 1;
		if (f.commit)
			ret->end = wal_frame_offset(h.page_size, k + 1);
	}
	return 0;
}

/* The WAL of the Go tests, read whole, damaged and cut off as their files are. */
static void
test_ok_wal(void)
{
	static uint8_t p[16384];
	LS_AUTO(ls_buf_done) struct ls_buf raw = {0};
	size_t n = sizeof p, in;
	LZ4F_dctx *ctx = NULL;
	struct walk w;

	if (!mem_read_vector("ok-wal.lz4", &raw) ||
	    LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
		return;
	in = raw.len;
	is_u64(LZ4F_decompress(ctx, p, &n, raw.p, &in, NULL), 0, "unpacked");
	LZ4F_freeDecompressionContext(ctx);
	is_u64(n, 12392, "size");
	is_int(walk(p, n, &w), 0, "header");
	ok(w.n == 3 && w.pgno[0] == 1 && w.pgno[1] == 2 && w.pgno[2] == 2, "three frames");
	ok(w.commit[0] == 0 && w.commit[1] == 2 && w.commit[2] == 2, "two commits");
	ok(w.sum[0].s0 == 0x366b4d98 && w.sum[0].s1 == 0x34f637cf && w.sum[1].s0 == 0xd6702fda &&
		   w.sum[1].s1 == 0xf16cceda && w.sum[2].s0 == 0x420a5a7c &&
		   w.sum[2].s1 == 0xf49c13ab,
	   "their sums");
	is_u64(w.end, 12392, "end of the last commit");
	is_int(walk(p, 8272, &w), 0, "two frames");
	is_u64(w.end, 8272, "end of the first commit");
	for (size_t cut = 0; cut < 4152; cut += cut < 64 ? 1 : 997) {
		int rc = walk(p, cut, &w);

		if (rc != (cut < 32 ? -ENODATA : 0) || w.n != 0)
			ok(false, "cut to %zu bytes", cut);
	}
	p[4152 + 8] ^= 1;
	ok(walk(p, n, &w) == 0 && w.n == 1, "other salt in frame 1");
	p[4152 + 8] ^= 1;
	put_be32(p + 4152 + 16, 0);
	ok(walk(p, n, &w) == 0 && w.n == 1, "no sum in frame 1");
}

/* Every page size in both byte orders, with old frames of an earlier generation behind. */
static size_t
make_wal(uint8_t *p, uint32_t page_size, bool big_endian)
{
	struct wal_sum sum;

	put_be32(p, 0x377f0682 | big_endian);
	put_be32(p + 4, 3007000);
	put_be32(p + 8, page_size);
	put_be32(p + 12, 5);
	put_be64(p + 16, 0x1122334455667788);
	sum = wal_sum_update((struct wal_sum){0, 0}, big_endian, p, 24);
	put_be32(p + 24, sum.s0);
	put_be32(p + 28, sum.s1);
	for (uint32_t k = 0; k < 4; k++) {
		uint8_t *f = p + wal_frame_offset(page_size, k);

		put_be32(f, k + 1);
		put_be32(f + 4, k == 2 ? 3 : 0);
		put_be64(f + 8, k < 3 ? 0x1122334455667788 : 0x1122334455667787);
		for (uint32_t i = 0; i < page_size; i++)
			f[WAL_FRAME_HEADER_SIZE + i] = (uint8_t)(i * 7 + k);
		sum = wal_frame_sum(sum, big_endian, f, page_size);
		put_be32(f + 16, sum.s0);
		put_be32(f + 20, sum.s1);
	}
	return (size_t)wal_frame_offset(page_size, 4);
}

static void
test_all_sizes(void)
{
	static uint8_t p[WAL_HEADER_SIZE + 4 * (WAL_FRAME_HEADER_SIZE + PAGE_SIZE_MAX)];

	for (uint32_t ps = 512; ps <= PAGE_SIZE_MAX; ps *= 2)
		for (int big = 0; big < 2; big++) {
			size_t n = make_wal(p, ps, big);
			struct walk w;

			ok(walk(p, n, &w) == 0 && w.n == 3 && w.end == wal_frame_offset(ps, 3),
			   "page size %u, %s-endian", ps, big ? "big" : "little");
			p[wal_frame_offset(ps, 1) + WAL_FRAME_HEADER_SIZE + ps - 1] ^= 0x40;
			ok(walk(p, n, &w) == 0 && w.n == 1, "last byte of frame 1 damaged");
		}
}

static void
test_bad_headers(void)
{
	static const struct {
		const char *what;
		int at;
		uint32_t word;
	} rows[] = {
		{"magic", 0, 0x377f0684},    {"version", 4, 3007001},
		{"page size 0", 8, 0},	     {"page size 1", 8, 1},
		{"page size 4097", 8, 4097}, {"page size 131072", 8, 131072},
	};
	uint8_t p[WAL_HEADER_SIZE];
	struct wal_header h;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct wal_sum s;

		mem_from_hex("377f0682002de218000010000000000052382eac857b1a4e", p);
		put_be32(p + rows[i].at, rows[i].word);
		s = wal_sum_update((struct wal_sum){0, 0}, false, p, 24);
		put_be32(p + 24, s.s0);
		put_be32(p + 28, s.s1);
		is_int(wal_header_decode(p, sizeof p, &h, NULL), -EBADMSG, rows[i].what);
	}
}

int
main(void)
{
	RUN(test_sums);
	RUN(test_header);
	RUN(test_offsets);
	RUN(test_ok_wal);
	RUN(test_all_sizes);
	RUN(test_bad_headers);
	return tap_done();
}
