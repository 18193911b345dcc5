/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz: what all fuzz targets share. A target defines LLVMFuzzerTestOneInput(), which feeds outside
 * bytes to a decoder and checks with FUZZ_CHECK() what has to hold for any input. To add one: list
 * it in local.mk and put a few small inputs in seeds/NAME.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Holds in every build; a failure is a crash for libFuzzer and for the replay. */
#define FUZZ_CHECK(cond)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond);   \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* Input that is taken from the front, piece by piece; zeros when it is used up. */
struct fuzz_in {
	const uint8_t *p;
	size_t n;
};

__attribute__((unused)) static const uint8_t *
fuzz_take(struct fuzz_in *in, size_t n)
{
	static const uint8_t zeros[256];
	const uint8_t *p = in->p;

	if (in->n < n) {
		FUZZ_CHECK(n <= sizeof zeros);
		in->n = 0;
		return zeros;
	}
	in->p += n;
	in->n -= n;
	return p;
}

__attribute__((unused)) static uint8_t
fuzz_u8(struct fuzz_in *in)
{
	return *fuzz_take(in, 1);
}

__attribute__((unused)) static uint32_t
fuzz_u32(struct fuzz_in *in)
{
	uint32_t v;

	memcpy(&v, fuzz_take(in, sizeof v), sizeof v);
	return v;
}

/* A power of two in 512..65536. */
__attribute__((unused)) static uint32_t
fuzz_page_size(struct fuzz_in *in)
{
	return 512u << fuzz_u8(in) % 8;
}

#endif
