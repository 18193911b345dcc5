/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fs/tree.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { VALUE_BITS = 42, STAMP_BITS = 16, KIND_SHIFT = VALUE_BITS + STAMP_BITS };

uint64_t
tree_ino(const struct tree_node *n)
{
	if (n->kind == TREE_ROOT)
		return 1;
	return (uint64_t)n->kind << KIND_SHIFT | (uint64_t)n->stamp << VALUE_BITS |
	       (n->value & TREE_VALUE_MAX);
}

bool
tree_node(uint64_t ino, struct tree_node *ret)
{
	uint64_t kind = ino >> KIND_SHIFT;

	if (ino == 1) {
		*ret = (struct tree_node){.kind = TREE_ROOT};
		return true;
	}
	if (kind == 0 || kind > TREE_TIME_LINK)
		return false;
	*ret = (struct tree_node){.kind = (enum tree_kind)kind,
				  .stamp = (uint16_t)(ino >> VALUE_BITS),
				  .value = ino & TREE_VALUE_MAX};
	return true;
}

bool
tree_is_dir(enum tree_kind kind)
{
	return kind <= TREE_RAW_DIR;
}

bool
tree_is_link(enum tree_kind kind)
{
	return kind == TREE_LATEST || kind >= TREE_AT_LINK;
}

/* Hexadecimal digits of any case, 1 to 16 of them; *name moves behind them. */
static bool
take_hex(const char **name, uint64_t *ret)
{
	int n = 0;

	for (*ret = 0; isxdigit((unsigned char)**name) && n <= 16; (*name)++, n++) {
		int c = tolower((unsigned char)**name);

		*ret = *ret << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return n > 0 && n <= 16;
}

static bool
take_ending(const char *name, enum tree_which *ret)
{
	static const char *const endings[] = {".db", ".db-wal", ".db-shm"};

	for (int i = 0; i < 3; i++)
		if (strcmp(name, endings[i]) == 0) {
			*ret = (enum tree_which)i;
			return true;
		}
	return false;
}

bool
tree_parse_txid(const char *name, uint64_t *ret_txid, enum tree_kind *ret_kind)
{
	enum tree_which which;
	uint64_t txid;

	if (!take_hex(&name, &txid) || txid == 0 || txid > TREE_VALUE_MAX ||
	    !take_ending(name, &which))
		return false;
	*ret_kind = (enum tree_kind)(TREE_DB + (int)which);
	*ret_txid = txid;
	return true;
}

bool
tree_parse_old(const char *name, uint32_t *ret_index, uint64_t *ret_end, enum tree_which *ret_which)
{
	uint64_t index;

	if (!take_hex(&name, &index) || index > UINT32_MAX || *name++ != '-' ||
	    !take_hex(&name, ret_end) || !take_ending(name, ret_which))
		return false;
	*ret_index = (uint32_t)index;
	return true;
}

void
tree_old_name(uint32_t index, uint64_t end, char out[TREE_NAME_MAX])
{
	snprintf(out, TREE_NAME_MAX, "%08" PRIx32 "-%08" PRIx64 ".db", index, end);
}

void
tree_txid_name(uint64_t txid, char out[TREE_NAME_MAX])
{
	snprintf(out, TREE_NAME_MAX, "%016" PRIx64 ".db", txid);
}

uint64_t
tree_date(int64_t time_ms)
{
	time_t t = (time_t)(time_ms / 1000 - (time_ms % 1000 < 0)); /* rounded down */
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099)
		return (uint64_t)1970 << 9 | 1 << 5 | 1;
	return (uint64_t)(tm.tm_year + 1900) << 9 | (uint64_t)(tm.tm_mon + 1) << 5 |
	       (uint64_t)tm.tm_mday;
}

uint64_t
tree_date_parent(uint64_t date, int depth)
{
	static const uint64_t mask[] = {0, ~UINT64_C(511), ~UINT64_C(31), ~UINT64_C(0)};

	return date & mask[depth];
}

int
tree_date_depth(uint64_t date)
{
	return !date ? 0 : date & 31 ? 3 : date >> 5 & 15 ? 2 : 1;
}

void
tree_date_name(uint64_t date, char out[TREE_NAME_MAX])
{
	switch (tree_date_depth(date)) {
	case 0:
		snprintf(out, TREE_NAME_MAX, "time");
		break;
	case 1:
		snprintf(out, TREE_NAME_MAX, "%04d", (int)(date >> 9));
		break;
	case 2:
		snprintf(out, TREE_NAME_MAX, "%02d", (int)(date >> 5 & 15));
		break;
	default:
		snprintf(out, TREE_NAME_MAX, "%02d", (int)(date & 31));
		break;
	}
}

uint64_t
tree_date_child(uint64_t date, const char *name)
{
	int depth = tree_date_depth(date), want = depth == 0 ? 4 : 2, v = 0;

	if (depth == 3 || (int)strnlen(name, 5) != want)
		return 0;
	for (int i = 0; i < want; i++) {
		if (!isdigit((unsigned char)name[i]))
			return 0;
		v = v * 10 + name[i] - '0';
	}
	if (v == 0 || (depth == 1 && v > 12) || (depth == 2 && v > 31))
		return 0;
	return date | (uint64_t)v << (depth == 0 ? 9 : depth == 1 ? 5 : 0);
}
