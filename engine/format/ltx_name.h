/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_name: TXIDs and object names as text. Pure. Source: spec/format.md 1.12.
 * A name is 16 lower-case hex digits, '-', 16 digits, ".ltx" or, of a pack (pack.h), ".pack".
 */
#ifndef ENGINE_FORMAT_LTX_NAME_H
#define ENGINE_FORMAT_LTX_NAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LTX_TXID_LEN = 16,
	LTX_NAME_LEN = 37,
	LTX_PACK_NAME_LEN = 38,
	LTX_LEVEL_MAX = 9,
	LTX_LEVEL_SNAPSHOT = 9
};

void ltx_txid_format(uint64_t txid, char out[LTX_TXID_LEN + 1]);
/* Exactly 16 hex digits, lower case. */
bool ltx_txid_parse(const char *s, uint64_t *ret);
void ltx_name_format(uint64_t min, uint64_t max, char out[LTX_NAME_LEN + 1]);
/* False for every other name, min > max and TXID 0 included. */
bool ltx_name_parse(const char *name, uint64_t *ret_min, uint64_t *ret_max);
void ltx_pack_name_format(uint64_t min, uint64_t max, char out[LTX_PACK_NAME_LEN + 1]);
bool ltx_pack_name_parse(const char *name, uint64_t *ret_min, uint64_t *ret_max);

#endif
