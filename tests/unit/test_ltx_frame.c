/* SPDX-License-Identifier: Apache-2.0 */
/* LZ4 frames of other writers: every option that liblz4 can set. */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx.h"
#include "engine/format/xxh32.h"
#include "tests/unit/test_ltx_mem.h"

#include <lz4frame.h>

static uint8_t page[PAGE_SIZE_MAX], got[PAGE_SIZE_MAX], frame[2 * PAGE_SIZE_MAX];

static struct ltx_header
header(uint32_t page_size)
{
	return (struct ltx_header){.flags = LTX_NO_CHECKSUM,
				   .page_size = page_size,
				   .commit = 7,
				   .min_txid = 2,
				   .max_txid = 2};
}

/* random: how many bytes at the start do not compress. */
static void
fill(uint32_t page_size, uint32_t random, unsigned *seed)
{
	for (uint32_t i = 0; i < page_size; i++)
		page[i] = i < random ? (uint8_t)rand_r(seed) : (uint8_t)(i / 64);
}

/* Page 7 with a frame of liblz4's; bit k of options sets the k-th. */
static size_t
make(uint32_t page_size, unsigned options)
{
	static const LZ4F_blockSizeID_t sizes[2] = {LZ4F_max64KB, LZ4F_max4MB};
	LZ4F_preferences_t prefs = {
		.frameInfo = {.blockSizeID = sizes[options & 1],
			      .blockMode = options & 2 ? LZ4F_blockLinked : LZ4F_blockIndependent,
			      .contentChecksumFlag = options & 4 ? LZ4F_contentChecksumEnabled
								 : LZ4F_noContentChecksum,
			      .contentSize = options & 8 ? page_size : 0,
			      .blockChecksumFlag = options & 16 ? LZ4F_blockChecksumEnabled
								: LZ4F_noBlockChecksum},
		.compressionLevel = options & 32 ? 9 : 0};
	size_t n = LZ4F_compressFrame(frame + 6, sizeof frame - 6, page, page_size, &prefs);

	put_be32(frame, 7);
	put_be16(frame + 4, 0);
	return LZ4F_isError(n) ? 0 : 6 + n;
}

static void
test_options(void)
{
	unsigned seed = 5, bad = 0;

	for (uint32_t ps = 512; ps <= PAGE_SIZE_MAX; ps *= 2)
		for (unsigned options = 0; options < 64; options++) {
			struct ltx_page p = {.data = got};
			struct ltx_header h = header(ps);
			struct ls_err err = {0};
			uint64_t hash = 0;
			size_t n;

			fill(ps, options % 3 * ps / 2, &seed);
			n = make(ps, options);
			/* Bytes behind the frame are not taken for a second one. */
			memmove(frame + n, frame + 6, 100);
			memset(got, 0, sizeof got);
			if (ltx_page_decode(frame, n + 100, &h, &p, NULL, &err) < 0 ||
			    p.stored != n || p.pgno != 7 || memcmp(got, page, ps) != 0 ||
			    ltx_page_decode(frame, n, &h, &p, &hash, &err) < 0 || p.stored != n) {
				bad++;
				printf("# page size %u, options %02x: %s\n", ps, options, err.msg);
			}
		}
	is_int(bad, 0, "64 sets of options at 8 page sizes");
}

/* No flipped bit of a frame gives another page, and no shorter frame is accepted. */
static void
test_damage(void)
{
	unsigned seed = 6, wrong = 0, shorter = 0, unseen = 0;

	for (unsigned options = 0; options < 32; options++) {
		struct ltx_page p = {.data = got};
		struct ltx_header h = header(512);
		size_t n;

		if (!(options & 4))
			continue; /* without content checksum only the file checksum tells */
		fill(512, options & 1 ? 512 : 100, &seed);
		n = make(512, options);
		for (size_t bit = 6 * 8; bit < n * 8; bit++) {
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (ltx_page_decode(frame, n, &h, &p, NULL, NULL) == 0) {
				unseen++;
				wrong += memcmp(got, page, 512) != 0;
			}
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t cut = 0; cut < n; cut++)
			shorter += ltx_page_decode(frame, cut, &h, &p, NULL, NULL) == 0;
	}
	is_int(wrong, 0, "never another page");
	is_int(shorter, 0, "never a shorter frame");
	printf("# %u flips without effect\n", unseen);
}

/* Frames that are legal LZ4 but not one page. */
static void
test_other_lengths(void)
{
	struct ltx_page p = {.data = got};
	struct ltx_header h = header(1024);
	unsigned seed = 7, accepted = 0;
	size_t n;

	for (unsigned options = 0; options < 32; options++) {
		fill(2048, options & 1 ? 2048 : 0, &seed);
		n = make(512, options);
		accepted += ltx_page_decode(frame, n, &h, &p, NULL, NULL) == 0;
		n = make(2048, options);
		accepted += ltx_page_decode(frame, n, &h, &p, NULL, NULL) == 0;
	}
	is_int(accepted, 0, "half a page and two pages are refused");
}

static void
test_vectors(void)
{
	static const struct {
		const char *hex;
		uint8_t want;
	} rows[] = {{"6440", 0xa7}, {"6470", 0xb9}};
	uint8_t raw[8];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		mem_from_hex(rows[i].hex, raw);
		is_u64(xxh32(raw, 2) >> 8 & 255, rows[i].want, rows[i].hex);
	}
}

/* What is written: our prefix, and liblz4 reads it. */
static void
test_written(void)
{
	static const uint8_t prefix[] = {0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7};
	unsigned seed = 8, bad = 0;

	for (uint32_t ps = 512; ps <= PAGE_SIZE_MAX; ps *= 2)
		for (int kind = 0; kind < 3; kind++) {
			struct ltx_page p = {.data = page, .pgno = 7};
			size_t in, out = sizeof got;
			uint64_t hash = 0;
			LZ4F_dctx *ctx = NULL;

			fill(ps, (uint32_t)kind * ps / 2, &seed);
			ltx_page_encode(LTX_FRAME, &p, ps, frame, &hash);
			in = p.stored - 6;
			bad += memcmp(frame + 6, prefix, sizeof prefix) != 0;
			bad += kind == 2 && p.stored != 6 + 7 + 4 + (size_t)ps + 8;
			if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
				abort();
			bad += LZ4F_decompress(ctx, got, &out, frame + 6, &in, NULL) != 0;
			bad += out != ps || in != p.stored - 6 || memcmp(got, page, ps) != 0;
			LZ4F_freeDecompressionContext(ctx);
		}
	is_int(bad, 0, "compressible, half, and random pages of 8 sizes");
}

int
main(void)
{
	RUN(test_vectors);
	RUN(test_options);
	RUN(test_damage);
	RUN(test_other_lengths);
	RUN(test_written);
	return tap_done();
}
