/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack: many consecutive files of level 0 in one object, so that every transaction of a day can be
 * kept without a hundred thousand objects. Ours alone: the released program has no such thing.
 * Layout, big-endian; the files follow without a gap, each byte for byte the LTX file it was:
 *
 *   header, 64 bytes                        entry, 24 bytes, one for each file, ascending
 *     0  8  "LTXPACK1"                        0  8  max TXID; the first file begins at min TXID,
 *     8  4  version, 1                              each other one behind the file before
 *    12  4  number of files, 1 to 4096        8  8  size in bytes
 *    16  8  min TXID   24  8  max TXID       16  8  time of its last transaction, ms
 *    32  8  size of the object
 *    40  8  the latest time of an entry
 *    48  8  zero
 *    56  8  CRC-64 of [0,56) and the entries
 *
 * Pure. Source: docs/format.md.
 */
#ifndef ENGINE_FORMAT_PACK_H
#define ENGINE_FORMAT_PACK_H

#include "engine/base/err.h"

enum { PACK_HEADER_SIZE = 64, PACK_ENTRY_SIZE = 24, PACK_FILES_MAX = 4096 };

struct pack_header {
	uint32_t n;
	uint64_t min, max, size;
	int64_t time_ms;
};

struct pack_file {
	uint64_t min, max; /* TXIDs */
	uint64_t off, size;
	int64_t time_ms;
};

/* Bytes of header and entries: where the first file begins. */
size_t pack_head_size(size_t nfiles);
/* Writes pack_head_size(n) bytes; v is contiguous, and its offsets are set here. */
void pack_encode(struct pack_file *v, size_t n, uint8_t *out);

/* -EINVAL: an unknown version. -EBADMSG: damaged; the entries are not looked at. */
LS_MUST_USE int pack_header_decode(const uint8_t raw[PACK_HEADER_SIZE], struct pack_header *ret,
				   struct ls_err *err);
/* Header and entries, pack_head_size(h->n) bytes, of an object of this size -> h->n files. */
LS_MUST_USE int
pack_decode(const uint8_t *raw, uint64_t object_size, struct pack_file *ret, struct ls_err *err);

#endif
