/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page index: for each page frame three unsigned LEB128 varints (7 bits a byte, low group first,
 * bit 7: more follow), pgno, offset of the frame in the file, its stored length; ascending pgno;
 * one zero byte after the last. Its size stands in the 8 bytes behind it, the trailer follows.
 */
#include "config.h"

#include "engine/format/ltx_index.h"

#include "engine/base/bytes.h"
#include "engine/format/dbhdr.h"

#include <inttypes.h>

enum { VARINT_MAX = 10, SYNC_ENTRIES = 8, SYNC_MIN = 3 };

int
ltx_layout_decode(uint64_t file_size, const uint8_t tail[LTX_TAIL_SIZE], struct ltx_layout *ret,
		  struct ls_err *err)
{
	uint64_t n = get_be64(tail);

	if (file_size < LTX_SIZE_MIN)
		return ls_err_set(err, -EBADMSG, "%" PRIu64 " bytes are too short for an LTX file",
				  file_size);
	if (n == 0 || n > file_size - LTX_HEADER_SIZE - LTX_END_SIZE - LTX_TAIL_SIZE)
		return ls_err_set(err, -EBADMSG,
				  "page index of %" PRIu64 " bytes in a file of %" PRIu64, n,
				  file_size);
	ret->file_size = file_size;
	ret->index_size = n;
	ret->index_offset = file_size - LTX_TAIL_SIZE - n;
	return 0;
}

/* Bytes used; 0: the input ends inside; -1: longer than 64 bits or not in its shortest form. */
static int
get_varint(const uint8_t *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < VARINT_MAX; i++) {
		if (i == n)
			return 0;
		if (i == 9 && p[i] > 1)
			return -1;
		v |= (uint64_t)(p[i] & 127) << 7 * i;
		if (p[i] & 128)
			continue;
		*ret = v;
		return i > 0 && p[i] == 0 ? -1 : (int)i + 1;
	}
	return -1;
}

static size_t
put_varint(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v >= 128; v >>= 7)
		p[n++] = (uint8_t)(v | 128);
	p[n++] = (uint8_t)v;
	return n;
}

/* The rules for one entry alone. */
static bool
entry_ok(uint64_t pgno, uint64_t offset, uint64_t size, const struct ltx_header *h,
	 const struct ltx_layout *at)
{
	uint64_t end = at->index_offset - LTX_END_SIZE;

	return pgno >= 1 && pgno <= h->commit && pgno != dbhdr_lock_page(h->page_size) &&
	       size > LTX_PAGE_HEADER_SIZE && size <= LTX_FRAME_MAX && offset >= LTX_HEADER_SIZE &&
	       offset <= end && size <= end - offset;
}

int
ltx_index_next(const uint8_t *p, size_t n, const struct ltx_header *h, const struct ltx_layout *at,
	       struct ltx_index_entry *ret, size_t *ret_used, struct ls_err *err)
{
	uint64_t v[3] = {0, 0, 0};
	size_t used = 0;

	for (int i = 0; i < 3; i++) {
		int k = get_varint(p + used, n - used, &v[i]);

		if (k < 0)
			return ls_err_set(err, -EBADMSG, "page index: bad number");
		if (k == 0)
			return ls_err_set(err, -ENODATA, "page index ends inside an entry");
		used += (size_t)k;
		if (i == 0 && v[0] == 0) {
			*ret_used = used;
			return 1;
		}
	}
	if (!entry_ok(v[0], v[1], v[2], h, at))
		return ls_err_set(err, -EBADMSG,
				  "page index: page %" PRIu64 " at %" PRIu64 "+%" PRIu64
				  " is out of bounds",
				  v[0], v[1], v[2]);
	*ret = (struct ltx_index_entry){
		.pgno = (uint32_t)v[0], .offset = v[1], .size = (uint32_t)v[2]};
	*ret_used = used;
	return 0;
}

size_t
ltx_index_encode(const struct ltx_index_entry *e, uint8_t out[LTX_INDEX_ENTRY_MAX])
{
	size_t n = put_varint(out, e->pgno);

	n += put_varint(out + n, e->offset);
	return n + put_varint(out + n, e->size);
}

uint64_t
ltx_index_guess(uint32_t pgno, uint32_t lo_pgno, uint64_t lo_off, uint32_t hi_pgno, uint64_t hi_off)
{
	uint64_t span = hi_off - lo_off;

	if (pgno <= lo_pgno || hi_pgno <= lo_pgno)
		return lo_off;
	if (pgno >= hi_pgno)
		return hi_off;
	return lo_off + (uint64_t)((double)span * (pgno - lo_pgno) / (hi_pgno - lo_pgno));
}

/* How many entries in a row are in order from p: at most SYNC_ENTRIES; -1: they are not. */
static int
run_length(const uint8_t *p, size_t n, const struct ltx_header *h, const struct ltx_layout *at)
{
	struct ltx_index_entry prev = {0}, e;
	size_t off = 0, used = 0;
	int count = 0;

	while (count < SYNC_ENTRIES) {
		int rc = ltx_index_next(p + off, n - off, h, at, &e, &used, NULL);

		if (rc == -ENODATA || rc == 1)
			return rc == 1 && off + used != n ? -1 : count;
		if (rc < 0 ||
		    (count && (e.pgno <= prev.pgno || e.offset != prev.offset + prev.size)))
			return -1;
		prev = e;
		off += used;
		count++;
	}
	return count;
}

int
ltx_index_sync(const uint8_t *p, size_t n, const struct ltx_header *h, const struct ltx_layout *at,
	       size_t *ret_off, struct ls_err *err)
{
	size_t off = 0, best = 0;
	int proven = 0, open = 0;

	/* A wrong phase takes offsets for sizes or page numbers; two entries in a row nearly always
	 * disprove it. What looks possible, even if only because it is too short to tell, makes the
	 * answer doubtful. */
	while (off < n && p[off] & 128)
		off++;
	off = off < n ? off + 1 : n;
	for (int i = 0; i < 3 && off < n; i++) {
		int run = run_length(p + off, n - off, h, at);

		open += run >= 0;
		if (run >= SYNC_MIN) {
			best = off;
			proven++;
		}
		while (off < n && p[off] & 128)
			off++;
		off++;
	}
	if (proven != 1 || open != 1)
		return ls_err_set(err, -ENODATA, "page index: no entry was recognised");
	*ret_off = best;
	return 0;
}
