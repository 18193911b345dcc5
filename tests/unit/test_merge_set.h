/* SPDX-License-Identifier: Apache-2.0 */
/* test_merge_set: page sets and the LTX files of them, for the tests of the merge. */
#ifndef TESTS_UNIT_TEST_MERGE_SET_H
#define TESTS_UNIT_TEST_MERGE_SET_H

#include "engine/format/dbhdr.h"
#include "engine/format/ltx_merge.h"
#include "tests/unit/test_ltx_mem.h"

enum { FILES_MAX = 12, PAGES_MAX = 24 };

/* A page set: content[pgno] is the byte that fills the page; -1: not there. */
struct set {
	struct ltx_header hdr;
	struct ltx_trailer trailer;
	int content[PAGES_MAX + 1];
};

static void
set_init(struct set *s, uint64_t min, uint64_t max, uint32_t commit)
{
	*s = (struct set){.hdr = {.flags = LTX_NO_CHECKSUM,
				  .page_size = 512,
				  .commit = commit,
				  .min_txid = min,
				  .max_txid = max,
				  .time_ms = 1000 * (int64_t)max}};
	for (int i = 0; i <= PAGES_MAX; i++)
		s->content[i] = -1;
}

static void
encode(const struct set *s, enum ltx_encoding encoding, struct ls_buf *ret)
{
	static uint8_t page[PAGE_SIZE_MAX];
	struct ltx_trailer t;
	struct ls_err err = {0};
	struct ltx_enc e;
	int rc;

	ls_buf_init(ret, 16 << 20);
	rc = ltx_enc_begin(&e, &s->hdr, encoding, mem_sink, ret, &err);
	for (uint32_t pgno = 1; rc == 0 && pgno <= PAGES_MAX; pgno++) {
		if (s->content[pgno] < 0)
			continue;
		memset(page, s->content[pgno], s->hdr.page_size);
		rc = ltx_enc_page(&e, pgno, page, &err);
	}
	if (rc == 0)
		rc = ltx_enc_end(&e, s->trailer.post_checksum, &t, &err);
	ltx_enc_done(&e);
	if (rc < 0)
		ok(false, "encode: %s", err.msg);
}

static int
decode(struct ls_buf *b, struct set *ret, struct ls_err *err)
{
	struct ltx_dec *d = NULL;
	struct ltx_page page;
	int rc = ltx_dec_open(mem_source, b, b->len, &d, err);

	if (rc < 0)
		return rc;
	set_init(ret, 1, 1, 0);
	ret->hdr = *ltx_dec_header(d);
	while ((rc = ltx_dec_next(d, &page, NULL, err)) == 0)
		ret->content[page.pgno] = page.data[ret->hdr.page_size - 1];
	ret->trailer = *ltx_dec_trailer(d);
	ltx_dec_close(d);
	return rc < 0 ? rc : 0;
}

static int
merge(struct ls_buf *files, size_t n, uint32_t flags, enum ltx_encoding encoding,
      struct ls_buf *ret, struct ls_err *err)
{
	struct ltx_dec *in[FILES_MAX] = {0};
	struct ltx_merge_out out = {flags, encoding, mem_sink, ret, NULL};
	int rc = 0;

	ls_buf_init(ret, 16 << 20);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = ltx_dec_open(mem_source, &files[i], files[i].len, &in[i], err);
	if (rc == 0)
		rc = ltx_merge(in, n, &out, NULL, NULL, err);
	for (size_t i = 0; i < n; i++)
		ltx_dec_close(in[i]);
	return rc;
}

static void
free_files(struct ls_buf *files, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ls_buf_done(&files[i]);
}

static bool
same_pages(const struct set *a, const struct set *b)
{
	return memcmp(a->content, b->content, sizeof a->content) == 0;
}

#endif
