/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/format/ltx_name.h"

#include <string.h>

/* Exactly 16 lower-case hex digits at s; anything may follow. */
static bool
parse16(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (int i = 0; i < LTX_TXID_LEN; i++) {
		char c = s[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

void
ltx_txid_format(uint64_t txid, char out[LTX_TXID_LEN + 1])
{
	for (int i = LTX_TXID_LEN; i-- > 0; txid >>= 4)
		out[i] = "0123456789abcdef"[txid & 15];
	out[LTX_TXID_LEN] = '\0';
}

bool
ltx_txid_parse(const char *s, uint64_t *ret)
{
	return strnlen(s, LTX_TXID_LEN + 1) == LTX_TXID_LEN && parse16(s, ret);
}

/* MIN-MAX and the ending. */
static bool
parse_range(const char *name, const char *ending, uint64_t *ret_min, uint64_t *ret_max)
{
	uint64_t min, max;

	if (!parse16(name, &min) || name[16] != '-' || !parse16(name + 17, &max) ||
	    strcmp(name + 33, ending) != 0 || min == 0 || min > max)
		return false;
	*ret_min = min;
	*ret_max = max;
	return true;
}

static void
format_range(uint64_t min, uint64_t max, const char *ending, char *out)
{
	ltx_txid_format(min, out);
	out[LTX_TXID_LEN] = '-';
	ltx_txid_format(max, out + LTX_TXID_LEN + 1);
	memcpy(out + 2 * LTX_TXID_LEN + 1, ending, strlen(ending) + 1);
}

void
ltx_name_format(uint64_t min, uint64_t max, char out[LTX_NAME_LEN + 1])
{
	format_range(min, max, ".ltx", out);
}

bool
ltx_name_parse(const char *name, uint64_t *ret_min, uint64_t *ret_max)
{
	return strnlen(name, LTX_NAME_LEN + 1) == LTX_NAME_LEN &&
	       parse_range(name, ".ltx", ret_min, ret_max);
}

void
ltx_pack_name_format(uint64_t min, uint64_t max, char out[LTX_PACK_NAME_LEN + 1])
{
	format_range(min, max, ".pack", out);
}

bool
ltx_pack_name_parse(const char *name, uint64_t *ret_min, uint64_t *ret_max)
{
	return strnlen(name, LTX_PACK_NAME_LEN + 1) == LTX_PACK_NAME_LEN &&
	       parse_range(name, ".pack", ret_min, ret_max);
}
