/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/format/name03.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { INDEX_LEN = 8, OFFSET_MIN = 8, OFFSET_MAX = 16 };

/* Takes up to max lower-case hex digits at s; returns how many there are. */
static int
take_hex(const char *s, int max, uint64_t *ret)
{
	uint64_t v = 0;
	int n = 0;

	for (; n < max; n++) {
		char c = s[n];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	*ret = v;
	return n;
}

static bool
take_index(const char *s, uint32_t *ret)
{
	uint64_t v;

	if (take_hex(s, INDEX_LEN, &v) != INDEX_LEN || v > NAME03_INDEX_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool
name03_is_generation(const char *name)
{
	uint64_t v;

	return take_hex(name, NAME03_GENERATION_LEN, &v) == NAME03_GENERATION_LEN &&
	       name[NAME03_GENERATION_LEN] == '\0';
}

void
name03_snapshot_format(uint32_t index, char out[NAME03_SNAPSHOT_LEN + 1])
{
	snprintf(out, NAME03_SNAPSHOT_LEN + 1, "%08" PRIx32 ".snapshot.lz4", index);
}

bool
name03_snapshot_parse(const char *name, uint32_t *ret_index)
{
	uint32_t index;

	if (!take_index(name, &index) || strcmp(name + INDEX_LEN, ".snapshot.lz4") != 0)
		return false;
	*ret_index = index;
	return true;
}

void
name03_wal_format(uint32_t index, uint64_t offset, char out[NAME03_WAL_MAX + 1])
{
	snprintf(out, NAME03_WAL_MAX + 1, "%08" PRIx32 "_%08" PRIx64 ".wal.lz4", index, offset);
}

bool
name03_wal_parse(const char *name, uint32_t *ret_index, uint64_t *ret_offset)
{
	const char *p = name + INDEX_LEN + 1;
	uint64_t offset;
	uint32_t index;
	int digits;

	if (!take_index(name, &index) || name[INDEX_LEN] != '_')
		return false;
	digits = take_hex(p, OFFSET_MAX, &offset);
	if (digits < OFFSET_MIN || offset > INT64_MAX || strcmp(p + digits, ".wal.lz4") != 0)
		return false;
	*ret_index = index;
	*ret_offset = offset;
	return true;
}
