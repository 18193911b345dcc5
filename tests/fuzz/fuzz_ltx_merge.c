/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging files whose pages and sizes come from the input, against a model: a page of the result is
 * the newest version that no later smaller commit cut off, and the merge fails exactly if a page
 * that has to be there is not. Per file: commit (1 byte), how many pages are drawn (1), then page
 * number (1) and content (1) of each.
 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/format/ltx_merge.h"
#include "tests/fuzz/fuzz.h"

enum { FILES = 4, PAGES = 8, PAGE_SIZE = 512, FILE_MAX = 1 << 16 };

/* content[pgno]; -1: not there. */
struct set {
	uint32_t commit;
	int content[PAGES + 1];
};

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

static void
draw(struct fuzz_in *in, bool snapshot, struct set *s)
{
	s->commit = 1 + fuzz_u8(in) % PAGES;
	for (int i = 0; i <= PAGES; i++)
		s->content[i] = -1;
	for (uint32_t i = 1; snapshot && i <= s->commit; i++)
		s->content[i] = 0;
	for (int n = fuzz_u8(in) % (PAGES + 1); n > 0; n--) {
		uint32_t pgno = 1 + fuzz_u8(in) % s->commit;

		s->content[pgno] = fuzz_u8(in);
	}
}

static void
encode(const struct set *s, uint64_t txid, struct ls_buf *out)
{
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
			       .page_size = PAGE_SIZE,
			       .commit = s->commit,
			       .min_txid = txid,
			       .max_txid = txid};
	enum ltx_encoding encoding = txid % 2 ? LTX_FRAME : LTX_BLOCK;
	uint8_t page[PAGE_SIZE];
	struct ltx_trailer t;
	struct ltx_enc e;

	ls_buf_init(out, FILE_MAX);
	FUZZ_CHECK(ltx_enc_begin(&e, &h, encoding, sink, out, NULL) == 0);
	for (uint32_t pgno = 1; pgno <= s->commit; pgno++)
		if (s->content[pgno] >= 0) {
			memset(page, s->content[pgno], sizeof page);
			FUZZ_CHECK(ltx_enc_page(&e, pgno, page, NULL) == 0);
		}
	FUZZ_CHECK(ltx_enc_end(&e, 0, &t, NULL) == 0);
	ltx_enc_done(&e);
}

/* Applies the files in turn. What was cut off is gone; false: a hole that the last file leaves. */
static bool
model(const struct set *files, int n, bool snapshot, struct set *ret)
{
	uint32_t floor = snapshot ? 0 : UINT32_MAX;

	*ret = files[0];
	for (int i = 0; i < n; i++) {
		for (uint32_t pgno = 1; pgno <= PAGES; pgno++)
			if (pgno > files[i].commit)
				ret->content[pgno] = -1;
			else if (files[i].content[pgno] >= 0)
				ret->content[pgno] = files[i].content[pgno];
		floor = files[i].commit < floor ? files[i].commit : floor;
	}
	ret->commit = files[n - 1].commit;
	for (uint32_t pgno = 1; pgno <= ret->commit; pgno++)
		if (pgno > floor && ret->content[pgno] < 0)
			return false;
	return true;
}

static void
check_result(struct ls_buf *b, const struct set *want)
{
	struct ltx_dec *d = NULL;
	struct ltx_page page;
	int rc;

	FUZZ_CHECK(ltx_dec_open(source, b, b->len, &d, NULL) == 0);
	FUZZ_CHECK(ltx_dec_header(d)->commit == want->commit);
	for (uint32_t pgno = 1; pgno <= PAGES; pgno++) {
		if (want->content[pgno] < 0)
			continue;
		rc = ltx_dec_next(d, &page, NULL, NULL);
		FUZZ_CHECK(rc == 0 && page.pgno == pgno);
		FUZZ_CHECK(page.data[0] == want->content[pgno]);
	}
	FUZZ_CHECK(ltx_dec_next(d, &page, NULL, NULL) == 1);
	ltx_dec_close(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = {data, n};
	uint8_t first = fuzz_u8(&in);
	uint64_t txid = first & 1 ? 1 : 2;
	int count = 1 + (first >> 1) % FILES;
	struct ltx_merge_out to = {.flags = LTX_NO_CHECKSUM,
				   .encoding = first & 16 ? LTX_BLOCK : LTX_FRAME,
				   .sink = sink};
	struct ltx_dec *decs[FILES] = {0};
	struct ls_buf bufs[FILES], out;
	struct set files[FILES], want;
	struct ls_err err = {0};
	int rc;

	ls_buf_init(&out, FILE_MAX);
	to.arg = &out;
	for (int i = 0; i < count; i++) {
		draw(&in, i == 0 && txid == 1, &files[i]);
		encode(&files[i], txid + (uint64_t)i, &bufs[i]);
		FUZZ_CHECK(ltx_dec_open(source, &bufs[i], bufs[i].len, &decs[i], NULL) == 0);
	}
	rc = ltx_merge(decs, (size_t)count, &to, NULL, NULL, &err);
	if (model(files, count, txid == 1, &want)) {
		FUZZ_CHECK(rc == 0);
		check_result(&out, &want);
	} else {
		FUZZ_CHECK(rc == -EBADMSG);
	}
	for (int i = 0; i < count; i++) {
		ltx_dec_close(decs[i]);
		ls_buf_done(&bufs[i]);
	}
	ls_buf_done(&out);
	return 0;
}
