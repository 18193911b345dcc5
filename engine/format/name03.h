/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name03: names of the objects of the 0.3 format. Pure. Source: spec/format.md 4.1.
 *
 *   generations/GEN/snapshots/IIIIIIII.snapshot.lz4       the database, before WAL number I
 *   generations/GEN/wal/IIIIIIII_OOOOOOOO.wal.lz4         bytes of WAL number I from offset O on
 *
 * GEN is 16 digits, I is 8, O is 8 to 16 (more than 8 from 4 GiB on), all lower-case hex. Sort by
 * number, not by name: O has no fixed width.
 */
#ifndef ENGINE_FORMAT_NAME03_H
#define ENGINE_FORMAT_NAME03_H

#include <stdbool.h>
#include <stdint.h>

enum { NAME03_GENERATION_LEN = 16, NAME03_SNAPSHOT_LEN = 21, NAME03_WAL_MAX = 33 };

#define NAME03_INDEX_MAX UINT32_C(0x7fffffff)

/* Whether name is a generation: exactly 16 digits. */
bool name03_is_generation(const char *name);

void name03_snapshot_format(uint32_t index, char out[NAME03_SNAPSHOT_LEN + 1]);
/* False for every other name, and for an index above NAME03_INDEX_MAX. */
bool name03_snapshot_parse(const char *name, uint32_t *ret_index);

void name03_wal_format(uint32_t index, uint64_t offset, char out[NAME03_WAL_MAX + 1]);
/* The same, and false for an offset above INT64_MAX. */
bool name03_wal_parse(const char *name, uint32_t *ret_index, uint64_t *ret_offset);

#endif
