/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four lanes take 16 bytes a round (little-endian words): lane = rotl(lane + word * P2, 13) * P1.
 * Then the lanes are rotated together, the length and the remaining words and bytes are mixed in,
 * and an avalanche spreads the bits. Source: the xxHash specification.
 */
#include "config.h"

#include "engine/format/xxh32.h"

#include "engine/base/bytes.h"

#define P1 2654435761u
#define P2 2246822519u
#define P3 3266489917u
#define P4 668265263u
#define P5 374761393u

static inline uint32_t
rotl(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static inline uint32_t
lane(uint32_t acc, const uint8_t *p)
{
	return rotl(acc + get_le32(p) * P2, 13) * P1;
}

uint32_t
xxh32(const void *data, size_t n)
{
	const uint8_t *p = data, *end = p + n;
	uint32_t h = P5;

	if (n >= 16) {
		uint32_t a = P1 + P2, b = P2, c = 0, d = 0u - P1;

		for (; end - p >= 16; p += 16) {
			a = lane(a, p);
			b = lane(b, p + 4);
			c = lane(c, p + 8);
			d = lane(d, p + 12);
		}
		h = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
	}
	h += (uint32_t)n;
	for (; end - p >= 4; p += 4)
		h = rotl(h + get_le32(p) * P3, 17) * P4;
	for (; p < end; p++)
		h = rotl(h + *p * P5, 11) * P1;
	h = (h ^ h >> 15) * P2;
	h = (h ^ h >> 13) * P3;
	return h ^ h >> 16;
}
