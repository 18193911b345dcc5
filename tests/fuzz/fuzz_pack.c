/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a pack: as it is, then with the CRC made right. */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/crc64.h"
#include "engine/format/ltx.h"
#include "engine/format/pack.h"
#include "tests/fuzz/fuzz.h"

static void
check(const uint8_t *p, size_t n, uint64_t size)
{
	static struct pack_file v[PACK_FILES_MAX];
	struct pack_header h;
	uint64_t txid, off;

	if (n < PACK_HEADER_SIZE || pack_header_decode(p, &h, NULL) < 0 ||
	    n < pack_head_size(h.n) || pack_decode(p, size, v, NULL) < 0)
		return;
	txid = h.min;
	off = pack_head_size(h.n);
	for (uint32_t i = 0; i < h.n; i++) {
		FUZZ_CHECK(v[i].min == txid && v[i].min >= 1 && v[i].max >= v[i].min);
		FUZZ_CHECK(v[i].off == off && v[i].size >= LTX_SIZE_MIN);
		FUZZ_CHECK(v[i].size <= size - v[i].off);
		txid = v[i].max + 1;
		off += v[i].size;
	}
	FUZZ_CHECK(off == size && txid - 1 == h.max);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *p = malloc(n ? n : 1);
	uint64_t size = n >= PACK_HEADER_SIZE ? get_be64(data + 32) : n, crc;
	struct pack_header h;

	FUZZ_CHECK(p != NULL);
	memcpy(p, data, n);
	check(p, n, n);
	check(p, n, size);
	if (n >= PACK_HEADER_SIZE && pack_header_decode(p, &h, NULL) == 0 &&
	    n >= pack_head_size(h.n)) {
		crc = crc64(0, p, 56);
		put_be64(p + 56, crc64(crc, p + PACK_HEADER_SIZE, h.n * PACK_ENTRY_SIZE));
		check(p, n, size);
	}
	free(p);
	return 0;
}
