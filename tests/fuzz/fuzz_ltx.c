/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole LTX file,
 *   (1) as it is: decoded to its end or refused; what is accepted is encoded and decoded again;
 *   (2) with end marker, index and trailer made to fit its header and frames, so that no checksum
 *       stands before the rules about pages: accepted exactly if the encoder takes the pages, too.
 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_dec.h"
#include "engine/format/ltx_enc.h"
#include "engine/format/ltx_index.h"
#include "tests/fuzz/fuzz.h"

enum { FILE_MAX = 1 << 24 };

static int
source(void *arg, uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	const struct ls_buf *b = arg;
	size_t left = off < b->len ? b->len - (size_t)off : 0;

	(void)err;
	*ret_n = n < left ? n : left;
	if (*ret_n)
		memcpy(p, b->p + off, *ret_n);
	return 0;
}

static int
sink(void *arg, const void *p, size_t n, struct ls_err *err)
{
	(void)err;
	return ls_buf_append(arg, p, n);
}

/* What a file says: header, pages as one hash, trailer. */
struct summary {
	struct ltx_header hdr;
	uint64_t pages;
	uint64_t post_checksum;
};

/* Decodes b. With out: encodes its pages there as well. */
static int
decode(struct ls_buf *b, struct summary *ret, enum ltx_encoding encoding, struct ls_buf *out)
{
	struct ltx_dec *d = NULL;
	struct ltx_trailer t;
	struct ltx_enc e = {0};
	struct ltx_page page;
	struct ls_err err = {0};
	int rc = ltx_dec_open(source, b, b->len, &d, &err);

	if (rc == 0) {
		*ret = (struct summary){.hdr = *ltx_dec_header(d)};
		if (out)
			FUZZ_CHECK(ltx_enc_begin(&e, &ret->hdr, encoding, sink, out, &err) == 0);
	}
	while (rc == 0 && (rc = ltx_dec_next(d, &page, NULL, &err)) == 0) {
		uint8_t be[4];

		put_be32(be, page.pgno);
		ret->pages = crc64(crc64(ret->pages, be, 4), page.data, ret->hdr.page_size);
		if (out)
			FUZZ_CHECK(ltx_enc_page(&e, page.pgno, page.data, &err) == 0);
	}
	FUZZ_CHECK(rc == 1 || (rc == -EBADMSG && err.msg[0]));
	if (rc == 1)
		ret->post_checksum = ltx_dec_trailer(d)->post_checksum;
	if (rc == 1 && out)
		FUZZ_CHECK(ltx_enc_end(&e, ret->post_checksum, &t, &err) == 0);
	ltx_enc_done(&e);
	ltx_dec_close(d);
	return rc;
}

static int
check_file(struct ls_buf *b)
{
	struct summary first, second;
	int rc = decode(b, &first, LTX_FRAME, NULL);

	if (rc != 1)
		return rc;
	for (int enc = 0; enc < 2; enc++) {
		struct ls_buf out;

		ls_buf_init(&out, FILE_MAX);
		FUZZ_CHECK(decode(b, &first, (enum ltx_encoding)enc, &out) == 1);
		FUZZ_CHECK(decode(&out, &second, LTX_FRAME, NULL) == 1);
		FUZZ_CHECK(first.pages == second.pages &&
			   first.post_checksum == second.post_checksum &&
			   first.hdr.max_txid == second.hdr.max_txid);
		ls_buf_done(&out);
	}
	return rc;
}

/* Copies header and frames of b through the encoder; whether it took all of them. */
static bool
rebuild(const struct ls_buf *b, struct ls_buf *out)
{
	static uint8_t data[PAGE_SIZE_MAX];
	struct ltx_page page = {.data = data};
	size_t off = LTX_HEADER_SIZE;
	struct ltx_header h;
	struct ltx_trailer t;
	struct ltx_enc e;
	uint64_t hash = 0; /* given, so that no content checksum has to be guessed */
	int rc = -EINVAL;

	if (b->len < LTX_HEADER_SIZE || ltx_header_decode(b->p, &h, NULL) < 0)
		return false;
	h.flags = LTX_NO_CHECKSUM;
	h.pre_checksum = 0;
	if (ltx_enc_begin(&e, &h, LTX_FRAME, sink, out, NULL) == 0) {
		rc = 0;
		while (rc == 0 &&
		       ltx_page_decode(b->p + off, b->len - off, &h, &page, &hash, NULL) == 0) {
			rc = ltx_enc_stored(&e, &page, b->p + off, NULL);
			off += page.stored;
		}
		if (rc == 0)
			rc = ltx_enc_end(&e, 0, &t, NULL);
	}
	ltx_enc_done(&e);
	return rc == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ls_buf in, out;

	ls_buf_init(&in, FILE_MAX);
	ls_buf_init(&out, FILE_MAX);
	if (n <= FILE_MAX / 4 && ls_buf_append(&in, data, n) == 0) {
		(void)check_file(&in);
		if (rebuild(&in, &out))
			FUZZ_CHECK(check_file(&out) == 1);
	}
	ls_buf_done(&in);
	ls_buf_done(&out);
	return 0;
}
