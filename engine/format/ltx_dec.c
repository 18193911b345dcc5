/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout: see ltx.c and ltx_index.c. The index is compared with the frames by the checksum of what
 * it has to be, so that its size in memory does not matter.
 */
#include "config.h"

#include "engine/format/ltx_dec.h"

#include "engine/base/bytes.h"
#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_index.h"

#include <string.h>

enum { BUFFER_MAX = 256 * 1024 };

struct ltx_dec {
	ltx_source_fn *source;
	void *arg;
	struct ltx_header hdr;
	struct ltx_trailer trailer;
	struct ltx_layout layout;
	uint64_t hash;	     /* of what the file checksum covers */
	uint64_t index_hash; /* of the index that the frames imply */
	uint64_t index_size;
	uint64_t db_sum; /* rolling checksum of the pages, for snapshots that track it */
	uint32_t last;
	bool ended;
	uint64_t off; /* of the next byte to take */
	uint64_t buf_off;
	size_t buf_len;
	size_t buf_size;
	bool buf_last; /* the file ends with it */
	uint8_t page[PAGE_SIZE_MAX];
	uint8_t buf[];
};

/* At least n bytes (at most BUFFER_MAX) from d->off on, unless the file ends. */
static int
peek(struct ltx_dec *d, size_t n, const uint8_t **ret, size_t *ret_n, struct ls_err *err)
{
	size_t skip = (size_t)(d->off - d->buf_off), have = d->buf_len - skip, got = 0;
	int rc;

	if (have < n && !d->buf_last) {
		memmove(d->buf, d->buf + skip, have);
		rc = d->source(d->arg, d->off + have, d->buf + have, d->buf_size - have, &got, err);
		if (rc < 0)
			return rc;
		d->buf_last = got < d->buf_size - have;
		d->buf_off = d->off;
		d->buf_len = have += got;
		skip = 0;
	}
	*ret = d->buf + skip;
	*ret_n = have;
	return 0;
}

static int
take(struct ltx_dec *d, size_t n, const uint8_t **ret, struct ls_err *err)
{
	size_t got = 0;
	int rc = peek(d, n, ret, &got, err);

	if (rc == 0 && got < n)
		return ls_err_set(err, -EBADMSG, "LTX file ends too early");
	d->off += n;
	return rc;
}

/* A small file is read once. */
static int
read_tail(struct ltx_dec *d, uint64_t size, uint8_t tail[LTX_TAIL_SIZE], struct ls_err *err)
{
	const uint8_t *p = NULL;
	size_t got = 0;
	int rc;

	if (size < d->buf_size) {
		rc = peek(d, (size_t)size, &p, &got, err);
		got = got < size ? 0 : LTX_TAIL_SIZE;
		if (rc == 0 && got)
			memcpy(tail, p + size - LTX_TAIL_SIZE, LTX_TAIL_SIZE);
	} else {
		rc = d->source(d->arg, size - LTX_TAIL_SIZE, tail, LTX_TAIL_SIZE, &got, err);
	}
	if (rc == 0 && got < LTX_TAIL_SIZE)
		return ls_err_set(err, -EBADMSG, "LTX file is shorter than listed");
	return rc;
}

static int
open_file(struct ltx_dec *d, uint64_t size, struct ls_err *err)
{
	uint8_t tail[LTX_TAIL_SIZE];
	const uint8_t *p = NULL;
	int rc;

	if (size < LTX_SIZE_MIN)
		return ls_err_set(err, -EBADMSG, "%llu bytes are too short for an LTX file",
				  (unsigned long long)size);
	if ((rc = read_tail(d, size, tail, err)) < 0)
		return rc;
	if ((rc = take(d, LTX_HEADER_SIZE, &p, err)) < 0 ||
	    (rc = ltx_header_decode(p, &d->hdr, err)) < 0)
		return rc;
	d->hash = crc64(0, p, LTX_HEADER_SIZE);
	if ((rc = ltx_layout_decode(size, tail, &d->layout, err)) < 0)
		return rc;
	return ltx_trailer_decode(&d->hdr, tail + 8, &d->trailer, err);
}

int
ltx_dec_open(ltx_source_fn *source, void *arg, uint64_t size, struct ltx_dec **ret,
	     struct ls_err *err)
{
	/* A byte more than a small file has shows that it ends there. */
	size_t buf_size = size < BUFFER_MAX ? (size_t)size + 1 : BUFFER_MAX;
	struct ltx_dec *d = malloc(sizeof *d + buf_size);
	int rc;

	if (!d)
		return ls_err_set(err, -ENOMEM, "LTX decoder: out of memory");
	memset(d, 0, offsetof(struct ltx_dec, page));
	d->source = source;
	d->arg = arg;
	d->db_sum = LTX_CHECKSUM_FLAG;
	d->buf_size = buf_size;
	if ((rc = open_file(d, size, err)) < 0) {
		ltx_dec_close(d);
		return rc;
	}
	*ret = d;
	return 0;
}

const struct ltx_header *
ltx_dec_header(const struct ltx_dec *d)
{
	return &d->hdr;
}

const struct ltx_trailer *
ltx_dec_trailer(const struct ltx_dec *d)
{
	return &d->trailer;
}

static uint32_t
successor(const struct ltx_dec *d)
{
	uint32_t next = d->last + 1;

	return next == dbhdr_lock_page(d->hdr.page_size) ? next + 1 : next;
}

static int
check_order(struct ltx_dec *d, uint32_t pgno, struct ls_err *err)
{
	if (pgno <= d->last)
		return ls_err_set(err, -EBADMSG, "page %u stands after page %u", pgno, d->last);
	if (ltx_is_snapshot(&d->hdr) && pgno != successor(d))
		return ls_err_set(err, -EBADMSG, "snapshot lacks page %u", successor(d));
	d->last = pgno;
	return 0;
}

static void
expect_in_index(struct ltx_dec *d, const struct ltx_page *page)
{
	struct ltx_index_entry e = {page->pgno, (uint32_t)page->stored, d->off};
	uint8_t raw[LTX_INDEX_ENTRY_MAX];
	size_t n = ltx_index_encode(&e, raw);

	d->index_hash = crc64(d->index_hash, raw, n);
	d->index_size += n;
}

/* Everything behind the last page. */
static int
finish(struct ltx_dec *d, struct ls_err *err)
{
	uint64_t left = d->layout.index_size, index_hash = 0, hash;
	const uint8_t *p = NULL;
	size_t got = 0;
	int rc;

	if (ltx_is_snapshot(&d->hdr) && successor(d) <= d->hdr.commit)
		return ls_err_set(err, -EBADMSG, "snapshot lacks page %u", successor(d));
	if (d->off != d->layout.index_offset)
		return ls_err_set(err, -EBADMSG, "page index does not follow the last page");
	while (left) {
		size_t n = left < BUFFER_MAX / 2 ? (size_t)left : BUFFER_MAX / 2;

		if ((rc = take(d, n, &p, err)) < 0)
			return rc;
		index_hash = crc64(index_hash, p, n);
		d->hash = crc64(d->hash, p, n);
		left -= n;
	}
	if (d->layout.index_size != d->index_size + 1 || index_hash != crc64(d->index_hash, "", 1))
		return ls_err_set(err, -EBADMSG, "page index does not match the pages");
	if ((rc = take(d, LTX_TAIL_SIZE, &p, err)) < 0)
		return rc;
	hash = crc64(d->hash, p, 16) | LTX_CHECKSUM_FLAG;
	if (hash != get_be64(p + 16) || hash != d->trailer.file_checksum)
		return ls_err_set(err, -EBADMSG, "file checksum mismatch");
	if (d->trailer.post_checksum && ltx_is_snapshot(&d->hdr) &&
	    d->trailer.post_checksum != d->db_sum)
		return ls_err_set(err, -EBADMSG, "database checksum mismatch");
	if ((rc = peek(d, 1, &p, &got, err)) < 0)
		return rc;
	if (got)
		return ls_err_set(err, -EBADMSG, "LTX file is longer than listed");
	d->ended = true;
	return 1;
}

int
ltx_dec_next(struct ltx_dec *d, struct ltx_page *ret, const uint8_t **ret_stored,
	     struct ls_err *err)
{
	static const uint8_t zeros[LTX_END_SIZE];
	const uint8_t *p = NULL;
	size_t got = 0;
	int rc;

	if (d->ended)
		return 1;
	if ((rc = peek(d, LTX_FRAME_MAX, &p, &got, err)) < 0)
		return rc;
	if (got < LTX_END_SIZE)
		return ls_err_set(err, -EBADMSG, "LTX file ends too early");
	if (memcmp(p, zeros, 4) == 0) {
		if (memcmp(p, zeros, LTX_END_SIZE) != 0)
			return ls_err_set(err, -EBADMSG, "end marker has flags");
		d->hash = crc64(d->hash, p, LTX_END_SIZE);
		d->off += LTX_END_SIZE;
		return finish(d, err);
	}
	ret->data = d->page;
	if ((rc = ltx_page_decode(p, got, &d->hdr, ret, &d->hash, err)) < 0 ||
	    (rc = check_order(d, ret->pgno, err)) < 0)
		return rc;
	if (d->trailer.post_checksum)
		d->db_sum ^= ltx_page_checksum(ret->pgno, d->page, d->hdr.page_size) &
			     ~LTX_CHECKSUM_FLAG;
	expect_in_index(d, ret);
	d->off += ret->stored;
	if (ret_stored)
		*ret_stored = p;
	return 0;
}

void
ltx_dec_close(struct ltx_dec *d)
{
	free(d);
}
