/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_index: the page index near the end of an LTX file: pgno -> (offset, size) of a page frame.
 * Pure. Source: spec/format.md 1.3. Entries are three LEB128 varints; one zero byte ends them.
 *
 * The index of a 1 GB snapshot is 2.5 MB, so a single page is found without reading it whole:
 * ltx_index_guess() says where to look, ltx_index_sync() finds the first entry in a block that
 * begins anywhere.
 */
#ifndef ENGINE_FORMAT_LTX_INDEX_H
#define ENGINE_FORMAT_LTX_INDEX_H

#include "engine/base/err.h"
#include "engine/format/ltx.h"

enum { LTX_INDEX_ENTRY_MAX = 20 };

struct ltx_index_entry {
	uint32_t pgno;
	uint32_t size;
	uint64_t offset;
};

/* Where the parts of a file lie; from its size and the last 24 bytes. */
struct ltx_layout {
	uint64_t file_size;
	uint64_t index_offset;
	uint64_t index_size; /* with the zero byte, without the u64 */
};

LS_MUST_USE int ltx_layout_decode(uint64_t file_size, const uint8_t tail[LTX_TAIL_SIZE],
				  struct ltx_layout *ret, struct ls_err *err);

/*
 * Decodes one entry at p. Checks pgno in 1..commit and not the lock page, and that the frame lies
 * between the header and the end marker. Returns 0, 1 at the zero byte, -ENODATA if the n bytes end
 * inside the entry, -EBADMSG. *ret_used is set with 0 and 1.
 */
LS_MUST_USE int
ltx_index_next(const uint8_t *p, size_t n, const struct ltx_header *h, const struct ltx_layout *at,
	       struct ltx_index_entry *ret, size_t *ret_used, struct ls_err *err);

/* Encodes one entry; returns its length. */
size_t ltx_index_encode(const struct ltx_index_entry *e, uint8_t out[LTX_INDEX_ENTRY_MAX]);

/* A byte position in [0, index_size) near the entry of pgno; lo and hi bound what is known:
 * entry lo_pgno lies at or after lo_off, hi_pgno at or before hi_off. */
uint64_t ltx_index_guess(uint32_t pgno, uint32_t lo_pgno, uint64_t lo_off, uint32_t hi_pgno,
			 uint64_t hi_off);

/*
 * Finds the first byte in p[0,n) at which an entry begins, though p begins anywhere inside the
 * index: the only phase in which pgno rises and each frame begins where the one before it ends.
 * Returns 0, or -ENODATA when the block is too short or does not look like that: read it whole.
 */
LS_MUST_USE int ltx_index_sync(const uint8_t *p, size_t n, const struct ltx_header *h,
			       const struct ltx_layout *at, size_t *ret_off, struct ls_err *err);

#endif
