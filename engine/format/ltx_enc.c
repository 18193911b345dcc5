/* SPDX-License-Identifier: Apache-2.0 */
/* Layout: see ltx.c and ltx_index.c. */
#include "config.h"

#include "engine/format/ltx_enc.h"

#include "engine/base/bytes.h"
#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_index.h"

enum { INDEX_MAX = 16 << 20, COPY_CHUNK = 64 * 1024 };

static int
emit(struct ltx_enc *e, const void *p, size_t n, struct ls_err *err)
{
	int rc = e->sink(e->arg, p, n, err);

	if (rc == 0)
		e->offset += n;
	return rc;
}

static int
emit_hashed(struct ltx_enc *e, const void *p, size_t n, struct ls_err *err)
{
	e->hash = crc64(e->hash, p, n);
	return emit(e, p, n, err);
}

int
ltx_enc_begin(struct ltx_enc *e, const struct ltx_header *h, enum ltx_encoding encoding,
	      ltx_sink_fn *sink, void *arg, struct ls_err *err)
{
	uint8_t raw[LTX_HEADER_SIZE];
	int rc;

	*e = (struct ltx_enc){.hdr = *h, .encoding = encoding, .sink = sink, .arg = arg};
	ls_buf_init(&e->index, INDEX_MAX);
	if ((rc = ltx_header_encode(h, raw, err)) < 0)
		return rc;
	return emit_hashed(e, raw, sizeof raw, err);
}

/* The page that must follow e->last in a file without holes. */
static uint32_t
successor(const struct ltx_enc *e)
{
	uint32_t next = e->last + 1;

	return next == dbhdr_lock_page(e->hdr.page_size) ? next + 1 : next;
}

static int
check_order(const struct ltx_enc *e, uint32_t pgno, struct ls_err *err)
{
	if (pgno <= e->last || pgno > e->hdr.commit || pgno == dbhdr_lock_page(e->hdr.page_size))
		return ls_err_set(err, -EINVAL, "page %u after %u of %u cannot be written", pgno,
				  e->last, e->hdr.commit);
	if (ltx_is_snapshot(&e->hdr) && pgno != successor(e))
		return ls_err_set(err, -EINVAL, "page %u is missing in a snapshot", successor(e));
	return 0;
}

static int
spill_index(struct ltx_enc *e, struct ls_err *err)
{
	int rc;

	if (!e->spill)
		return ls_err_set(err, -ENOMEM, "page index is larger than %d bytes", INDEX_MAX);
	rc = e->spill->write(e->spill->arg, e->spilled, e->index.p, e->index.len, err);
	if (rc < 0)
		return rc;
	e->spilled += e->index.len;
	e->index.len = 0;
	return 0;
}

static int
add_to_index(struct ltx_enc *e, const struct ltx_page *page, struct ls_err *err)
{
	struct ltx_index_entry entry = {page->pgno, (uint32_t)page->stored, e->offset};
	uint8_t raw[LTX_INDEX_ENTRY_MAX];
	size_t n = ltx_index_encode(&entry, raw);
	int rc;

	if (e->index.len + n >= INDEX_MAX && (rc = spill_index(e, err)) < 0)
		return rc;
	if (ls_buf_append(&e->index, raw, n) < 0)
		return ls_err_set(err, -ENOMEM, "page index: out of memory");
	return 0;
}

static int
write_stored(struct ltx_enc *e, const struct ltx_page *page, const uint8_t *p, struct ls_err *err)
{
	int rc;

	if ((rc = add_to_index(e, page, err)) < 0 || (rc = emit(e, p, page->stored, err)) < 0)
		return rc;
	e->last = page->pgno;
	e->npages++;
	return 0;
}

int
ltx_enc_page(struct ltx_enc *e, uint32_t pgno, const uint8_t *data, struct ls_err *err)
{
	struct ltx_page page = {.pgno = pgno};
	uint8_t out[LTX_FRAME_MAX];
	int rc = check_order(e, pgno, err);

	if (rc < 0)
		return rc;
	page.data = (uint8_t *)(uintptr_t)data; /* only read */
	ltx_page_encode(e->encoding, &page, e->hdr.page_size, out, &e->hash);
	return write_stored(e, &page, out, err);
}

int
ltx_enc_stored(struct ltx_enc *e, const struct ltx_page *page, const uint8_t *p, struct ls_err *err)
{
	int rc = check_order(e, page->pgno, err);

	if (rc < 0)
		return rc;
	ltx_page_hash(p, page, e->hdr.page_size, &e->hash);
	return write_stored(e, page, p, err);
}

static int
emit_spilled(struct ltx_enc *e, struct ls_err *err)
{
	uint8_t chunk[COPY_CHUNK];

	for (uint64_t off = 0; off < e->spilled;) {
		size_t n = e->spilled - off < COPY_CHUNK ? (size_t)(e->spilled - off) : COPY_CHUNK;
		int rc = e->spill->read(e->spill->arg, off, chunk, n, err);

		if (rc < 0 || (rc = emit_hashed(e, chunk, n, err)) < 0)
			return rc;
		off += n;
	}
	return 0;
}

int
ltx_enc_end(struct ltx_enc *e, uint64_t post_checksum, struct ltx_trailer *ret, struct ls_err *err)
{
	static const uint8_t zeros[LTX_END_SIZE];
	struct ltx_trailer t = {.post_checksum = post_checksum};
	uint8_t raw[LTX_TRAILER_SIZE], size[8];
	int rc;

	if (ltx_is_snapshot(&e->hdr) && successor(e) <= e->hdr.commit)
		return ls_err_set(err, -EINVAL, "page %u is missing in a snapshot", successor(e));
	put_be64(size, e->spilled + e->index.len + 1);
	if ((rc = emit_hashed(e, zeros, sizeof zeros, err)) < 0 ||
	    (rc = emit_spilled(e, err)) < 0 ||
	    (rc = emit_hashed(e, e->index.p, e->index.len, err)) < 0 ||
	    (rc = emit_hashed(e, zeros, 1, err)) < 0 ||
	    (rc = emit_hashed(e, size, sizeof size, err)) < 0)
		return rc;
	ltx_trailer_encode(&t, raw);
	t.file_checksum = LTX_CHECKSUM_FLAG | crc64(e->hash, raw, 8);
	ltx_trailer_encode(&t, raw);
	if ((rc = ltx_trailer_decode(&e->hdr, raw, ret, err)) < 0)
		return ls_err_wrap(err, -EINVAL, "encode");
	return emit(e, raw, sizeof raw, err);
}

void
ltx_enc_done(struct ltx_enc *e)
{
	ls_buf_done(&e->index);
}
