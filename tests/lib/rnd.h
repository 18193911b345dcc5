/* SPDX-License-Identifier: Apache-2.0 */
/* rnd: numbers that a seed repeats (xorshift). Set rng to the seed, which is not 0. Threads:
 * single. */
#ifndef TESTS_LIB_RND_H
#define TESTS_LIB_RND_H

#include <stdint.h>

static uint64_t rng;

/* 0 to n - 1. */
static inline unsigned
rnd(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)(rng >> 20) % n;
}

#endif
