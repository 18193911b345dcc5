/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/format/crc64.h"
#include "engine/format/xxh32.h"
#include "tests/lib/tap.h"

#include <stdlib.h>

static void
test_vectors(void)
{
	static const struct {
		const char *s;
		uint64_t want;
	} rows[] = {
		{"", 0},
		{"a", 0x3420000000000000},
		{"abc", 0x3776c42000000000},
		{"123456789", 0xb90956c775a41001},
		{"The quick brown fox jumps over the lazy dog", 0x4ef14e19f4c6e28e},
	};
	uint8_t all[256];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		is_u64(crc64(0, rows[i].s, strlen(rows[i].s)), rows[i].want, rows[i].s);
	memset(all, 0, 8);
	is_u64(crc64(0, all, 8), 0xacffffffffffffff, "8 x 00");
	memset(all, 0xff, 8);
	is_u64(crc64(0, all, 8), 0xffffffffffffffff, "8 x ff");
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	is_u64(crc64(0, all, 256), 0x89f7eaa7b75c07dd, "bytes 00..ff");
	is_u64(crc64_portable(0, all, 256), 0x89f7eaa7b75c07dd, "the same by tables");
}

/* Fast and portable code, chaining and combining agree at every length and alignment. */
static void
test_ways_agree(void)
{
	unsigned seed = 7, bad = 0;
	uint8_t data[1024];

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)rand_r(&seed);
	for (size_t n = 0; n < 700; n++) {
		const uint8_t *p = data + n % 61;
		size_t cut = n ? (size_t)rand_r(&seed) % n : 0;
		uint64_t whole = crc64_portable(0, p, n);

		bad += crc64(0, p, n) != whole;
		bad += crc64(crc64(0, p, cut), p + cut, n - cut) != whole;
		bad += crc64_combine(crc64(0, p, cut), crc64(0, p + cut, n - cut), n - cut) !=
		       whole;
	}
	is_int(bad, 0, "700 lengths (seed 7)");
}

static void
test_xxh32(void)
{
	is_u64(xxh32("", 0), 0x02cc5d05, "empty");
	is_u64(xxh32("abc", 3), 0x32d153ff, "abc");
	is_u64(xxh32("Nobody inspects the spammish repetition", 39), 0xe2293b2f, "39 bytes");
}

int
main(void)
{
	RUN(test_vectors);
	RUN(test_ways_agree);
	RUN(test_xxh32);
	return tap_done();
}
