/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-64/ISO: polynomial x^64 + x^4 + x^3 + x + 1, reflected (0xd8 << 56), initial value and final
 * XOR all ones; check value of "123456789": b90956c775a41001.
 *
 * In the reflected form bit 63 of a word is the coefficient of x^0. Multiplying by x is a shift to
 * the right; what falls out at bit 0 is x^64 and is folded back as the polynomial.
 *
 * With PCLMUL, 64 bytes are kept as four 128-bit remainders and folded over the next 64: for a
 * distance of D bits the low half (higher powers) is multiplied by x^(D+63), the high half by
 * x^(D-1), both mod P; the odd exponents make up for the bit that a reflected carry-less product is
 * short of. The constants are computed once. The rest, and machines without PCLMUL, take eight
 * bytes a step from eight tables.
 */
#include "config.h"

#include "engine/format/crc64.h"

#include "engine/base/bytes.h"

#include <pthread.h>
#include <stdbool.h>

#define POLY (UINT64_C(0xd8) << 56)

static uint64_t tables[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_clmul;
static uint64_t fold_lo[2], fold_hi[2]; /* distances of 512 and 128 bits */

/* a * b mod P. */
static uint64_t
multiply(uint64_t a, uint64_t b)
{
	uint64_t r = 0;

	for (uint64_t bit = UINT64_C(1) << 63; bit; bit >>= 1) {
		if (a & bit)
			r ^= b;
		b = b >> 1 ^ (b & 1 ? POLY : 0);
	}
	return r;
}

/* x^n mod P. */
static uint64_t
power_of_x(uint64_t n)
{
	uint64_t result = UINT64_C(1) << 63, square = UINT64_C(1) << 62;

	for (; n; n >>= 1) {
		if (n & 1)
			result = multiply(result, square);
		square = multiply(square, square);
	}
	return result;
}

static void
init(void)
{
	static const unsigned distance[2] = {512, 128};

	for (unsigned i = 0; i < 256; i++) {
		uint64_t c = i;

		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? POLY : 0);
		tables[0][i] = c;
	}
	for (unsigned t = 1; t < 8; t++)
		for (unsigned i = 0; i < 256; i++) {
			uint64_t c = tables[t - 1][i];

			tables[t][i] = tables[0][c & 255] ^ c >> 8;
		}
	for (int i = 0; i < 2; i++) {
		fold_lo[i] = power_of_x(distance[i] + 63);
		fold_hi[i] = power_of_x(distance[i] - 1);
	}
#if defined(__x86_64__)
	have_clmul = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#endif
}

/* Plain register semantics: no inversion. */
static uint64_t
by_tables(uint64_t c, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t w;

		memcpy(&w, p, sizeof w);
		w = le64toh(w) ^ c;
		c = tables[7][w & 255] ^ tables[6][w >> 8 & 255] ^ tables[5][w >> 16 & 255] ^
		    tables[4][w >> 24 & 255] ^ tables[3][w >> 32 & 255] ^ tables[2][w >> 40 & 255] ^
		    tables[1][w >> 48 & 255] ^ tables[0][w >> 56];
	}
	for (; n; n--, p++)
		c = tables[0][(c ^ *p) & 255] ^ c >> 8;
	return c;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define CLMUL __attribute__((target("pclmul,sse4.1")))

CLMUL static inline __m128i
fold(__m128i acc, __m128i k, __m128i next)
{
	__m128i lo = _mm_clmulepi64_si128(acc, k, 0x00);
	__m128i hi = _mm_clmulepi64_si128(acc, k, 0x11);

	return _mm_xor_si128(_mm_xor_si128(lo, hi), next);
}

CLMUL static inline __m128i
load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* n >= 64. */
CLMUL static uint64_t
by_clmul(uint64_t c, const uint8_t *p, size_t n)
{
	__m128i k512 = _mm_set_epi64x((int64_t)fold_hi[0], (int64_t)fold_lo[0]);
	__m128i k128 = _mm_set_epi64x((int64_t)fold_hi[1], (int64_t)fold_lo[1]);
	__m128i x0 = _mm_xor_si128(load(p), _mm_set_epi64x(0, (int64_t)c));
	__m128i x1 = load(p + 16), x2 = load(p + 32), x3 = load(p + 48);
	uint8_t rest[16];

	for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
		x0 = fold(x0, k512, load(p));
		x1 = fold(x1, k512, load(p + 16));
		x2 = fold(x2, k512, load(p + 32));
		x3 = fold(x3, k512, load(p + 48));
	}
	x1 = fold(x0, k128, x1);
	x2 = fold(x1, k128, x2);
	x3 = fold(x2, k128, x3);
	for (; n >= 16; p += 16, n -= 16)
		x3 = fold(x3, k128, load(p));
	_mm_storeu_si128((__m128i *)(void *)rest, x3);
	return by_tables(by_tables(0, rest, sizeof rest), p, n);
}
#else
static uint64_t
by_clmul(uint64_t c, const uint8_t *p, size_t n)
{
	return by_tables(c, p, n);
}
#endif

uint64_t
crc64_portable(uint64_t crc, const void *p, size_t n)
{
	pthread_once(&once, init);
	return ~by_tables(~crc, p, n);
}

uint64_t
crc64(uint64_t crc, const void *p, size_t n)
{
	pthread_once(&once, init);
	return have_clmul && n >= 64 ? ~by_clmul(~crc, p, n) : ~by_tables(~crc, p, n);
}

uint64_t
crc64_combine(uint64_t crc_a, uint64_t crc_b, uint64_t len_b)
{
	/* Initial value and final XOR cancel: crc(ab) = crc(a) * x^(8 len b) + crc(b). */
	return multiply(crc_a, power_of_x(len_b * 8)) ^ crc_b;
}
