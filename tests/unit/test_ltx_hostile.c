/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose checksums are all right, but which break one rule each. */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_index.h"
#include "tests/unit/test_ltx_mem.h"

/* A file of 512-byte pages; a zero in pages ends the list. What differs from the sound file: */
struct recipe {
	const char *what;
	uint32_t min_txid, commit, pages[5];
	int index_skip;	   /* entry (from 1) that the index lacks */
	int index_wrong;   /* entry whose offset is one too high */
	int index_size;	   /* added to the stated size of the index */
	bool long_varint;  /* first number of the index not in its shortest form */
	bool index_twice;  /* the last entry is there twice */
	bool gap;	   /* a byte between end marker and index */
	bool marker_flags; /* flags in the end marker */
	uint16_t flags;	   /* of the first page */
	uint64_t post_checksum;
	bool no_bit63; /* in the file checksum */
	int extra;     /* bytes behind the trailer */
};

struct builder {
	struct ls_buf *out;
	struct ls_buf index;
	uint64_t hash;
};

static void
add(struct builder *b, const void *p, size_t n, bool hashed)
{
	if (ls_buf_append(b->out, p, n) < 0)
		abort();
	if (hashed)
		b->hash = crc64(b->hash, p, n);
}

static void
add_header(struct builder *b, const struct recipe *r)
{
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
			       .page_size = 512,
			       .commit = r->commit,
			       .min_txid = r->min_txid,
			       .max_txid = 9};
	uint8_t raw[LTX_HEADER_SIZE];

	if (ltx_header_encode(&h, raw, NULL) < 0)
		abort();
	add(b, raw, sizeof raw, true);
}

static void
add_page(struct builder *b, const struct recipe *r, int i)
{
	uint8_t data[512], frame[LTX_FRAME_MAX], raw[LTX_INDEX_ENTRY_MAX];
	struct ltx_page page = {.data = data, .pgno = r->pages[i]};
	struct ltx_index_entry e = {.pgno = page.pgno, .offset = b->out->len};
	uint64_t unused = 0;

	memset(data, i, sizeof data);
	ltx_page_encode(LTX_FRAME, &page, sizeof data, frame, &unused);
	e.size = (uint32_t)page.stored;
	if (i == 0)
		put_be16(frame + 4, r->flags);
	ltx_page_hash(frame, &page, sizeof data, &b->hash);
	add(b, frame, page.stored, false);
	e.offset += i + 1 == r->index_wrong;
	if (i + 1 != r->index_skip && ls_buf_append(&b->index, raw, ltx_index_encode(&e, raw)) < 0)
		abort();
	if (r->index_twice && !r->pages[i + 1] &&
	    ls_buf_append(&b->index, raw, ltx_index_encode(&e, raw)) < 0)
		abort();
}

static void
add_tail(struct builder *b, const struct recipe *r)
{
	uint8_t marker[LTX_END_SIZE] = {0, 0, 0, 0, 0, r->marker_flags}, be[8];
	size_t skip = r->long_varint;

	add(b, marker, sizeof marker, true);
	if (r->gap)
		add(b, "", 1, true);
	if (r->long_varint) {
		uint8_t two[2] = {b->index.p[0] | 128, 0};

		add(b, two, sizeof two, true);
	}
	add(b, b->index.p + skip, b->index.len - skip, true);
	add(b, "", 1, true);
	put_be64(be, b->index.len + 1 + r->long_varint + (uint64_t)r->index_size);
	add(b, be, sizeof be, true);
	put_be64(be, r->post_checksum);
	add(b, be, sizeof be, true);
	put_be64(be, r->no_bit63 ? b->hash & ~LTX_CHECKSUM_FLAG : b->hash | LTX_CHECKSUM_FLAG);
	add(b, be, sizeof be, false);
	for (int i = 0; i < r->extra; i++)
		add(b, "", 1, false);
}

static void
build(const struct recipe *r, struct ls_buf *out)
{
	struct builder b = {.out = out};

	ls_buf_init(out, 1 << 20);
	ls_buf_init(&b.index, 1 << 16);
	add_header(&b, r);
	for (int i = 0; i < 5 && r->pages[i]; i++)
		add_page(&b, r, i);
	add_tail(&b, r);
	ls_buf_done(&b.index);
}

/* Pages read, or the error. */
static int
decode(struct ls_buf *b, uint64_t size, struct ls_err *err)
{
	struct ltx_dec *d = NULL;
	struct ltx_page page;
	int pages = 0, rc = ltx_dec_open(mem_source, b, size, &d, err);

	while (rc == 0 && (rc = ltx_dec_next(d, &page, NULL, err)) == 0)
		pages++;
	ltx_dec_close(d);
	return rc == 1 ? pages : rc;
}

static void
test_rules(void)
{
	static const struct recipe good[] = {
		{.what = "changed pages", .min_txid = 5, .commit = 9, .pages = {2, 3, 9}},
		{.what = "no page", .min_txid = 5, .commit = 9},
		{.what = "snapshot", .min_txid = 1, .commit = 3, .pages = {1, 2, 3}},
		{.what = "largest numbers",
		 .min_txid = 5,
		 .commit = UINT32_MAX,
		 .pages = {1, UINT32_MAX}},
		{.what = "beside the lock page",
		 .min_txid = 5,
		 .commit = 2097154,
		 .pages = {2097152, 2097154}},
	};
	static const struct recipe bad[] = {
		{.what = "page above commit", .min_txid = 5, .commit = 8, .pages = {2, 9}},
		{.what = "lock page", .min_txid = 5, .commit = 2097154, .pages = {1, 2097153}},
		{.what = "descending", .min_txid = 5, .commit = 9, .pages = {3, 2}},
		{.what = "twice", .min_txid = 5, .commit = 9, .pages = {3, 3}},
		{.what = "snapshot without page 1", .min_txid = 1, .commit = 3, .pages = {2, 3}},
		{.what = "without page 2", .min_txid = 1, .commit = 3, .pages = {1, 3}},
		{.what = "without page 3", .min_txid = 1, .commit = 3, .pages = {1, 2}},
		{.what = "snapshot without any page", .min_txid = 1, .commit = 3},
		{.what = "entry missing",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2, 3},
		 .index_skip = 1},
		{.what = "last entry missing",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2, 3},
		 .index_skip = 2},
		{.what = "wrong offset",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2, 3},
		 .index_wrong = 2},
		{.what = "entry twice",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2, 3},
		 .index_twice = true},
		{.what = "index size too small",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2, 3},
		 .index_size = -1},
		{.what = "too large", .min_txid = 5, .commit = 9, .pages = {2, 3}, .index_size = 1},
		{.what = "larger than the file",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2, 3},
		 .index_size = 1 << 20},
		{.what = "number with a zero group",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2, 3},
		 .long_varint = true},
		{.what = "byte before the index",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2, 3},
		 .gap = true},
		{.what = "end marker with flags",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2},
		 .marker_flags = true},
		{.what = "unknown page flag", .min_txid = 5, .commit = 9, .pages = {2}, .flags = 2},
		{.what = "a block's flag on a frame",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2},
		 .flags = 1},
		{.what = "database checksum in spite of the flag",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2},
		 .post_checksum = LTX_CHECKSUM_FLAG},
		{.what = "no pages, no checksum", .min_txid = 5},
		{.what = "bit 63 of the file checksum",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2},
		 .no_bit63 = true},
		{.what = "bytes behind the trailer",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2},
		 .extra = 1},
		{.what = "a second trailer's worth",
		 .min_txid = 5,
		 .commit = 9,
		 .pages = {2},
		 .extra = 16},
	};
	struct ls_err err = {0};
	struct ls_buf b;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		int n = 0;

		while (good[i].pages[n])
			n++;
		build(&good[i], &b);
		if (!is_int(decode(&b, b.len, &err), n, good[i].what))
			printf("# %s\n", err.msg);
		is_int(decode(&b, b.len + 1, &err), -EBADMSG, "listed longer than it is");
		is_int(decode(&b, b.len - 1, &err), -EBADMSG, "listed shorter than it is");
		ls_buf_done(&b);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err = (struct ls_err){0};
		build(&bad[i], &b);
		is_int(decode(&b, b.len, &err), -EBADMSG, bad[i].what);
		printf("# %s\n", err.msg);
		ls_buf_done(&b);
	}
}

static void
test_header_rules(void)
{
	static const struct {
		const char *what;
		int at;
		uint8_t byte;
	} rows[] = {
		{"magic", 3, '2'},
		{"flag 1", 7, 3},
		{"flag 4", 7, 6},
		{"high flag", 4, 0x80},
		{"page size 513", 11, 1},
		{"page size 256", 10, 1},
		{"page size 131072", 9, 2},
		{"page size 0", 10, 0},
		{"min TXID 0", 23, 0},
		{"min above max", 23, 7},
		{"checksum before with flag 2", 47, 1},
		{"negative WAL offset", 48, 0x80},
		{"negative WAL size", 56, 0x80},
		{"WAL size without offset", 63, 1},
		{"salt 1 without offset", 67, 1},
		{"salt 2 without offset", 71, 1},
	};
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
			       .page_size = 512,
			       .commit = 1,
			       .min_txid = 5,
			       .max_txid = 6};
	uint8_t raw[LTX_HEADER_SIZE];
	struct ls_err err = {0};

	is_int(ltx_header_encode(&h, raw, &err), 0, "sound header");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t saved = raw[rows[i].at];

		raw[rows[i].at] = rows[i].byte;
		is_int(ltx_header_decode(raw, &h, &err), -EBADMSG, rows[i].what);
		raw[rows[i].at] = saved;
	}
	raw[99] = 1;
	is_int(ltx_header_decode(raw, &h, &err), 0, "reserved bytes are free");
	h.flags = 0;
	is_int(ltx_header_encode(&h, raw, &err), -EINVAL, "tracked without checksum before");
	h.pre_checksum = LTX_CHECKSUM_FLAG | 7;
	is_int(ltx_header_encode(&h, raw, &err), 0, "tracked");
	h.min_txid = 1;
	is_int(ltx_header_encode(&h, raw, &err), -EINVAL, "TXID 1 has nothing before it");
}

static int
encode_pages(const uint32_t *pages, uint64_t min_txid, uint32_t commit, struct ls_err *err)
{
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
			       .page_size = 512,
			       .commit = commit,
			       .min_txid = min_txid,
			       .max_txid = 9};
	LS_AUTO(ls_buf_done) struct ls_buf out = {0};
	LS_AUTO(ltx_enc_done) struct ltx_enc e = {0};
	static const uint8_t page[512];
	struct ltx_trailer t;
	int rc;

	ls_buf_init(&out, 1 << 20);
	if ((rc = ltx_enc_begin(&e, &h, LTX_FRAME, mem_sink, &out, err)) < 0)
		return rc;
	for (; *pages; pages++)
		if ((rc = ltx_enc_page(&e, *pages, page, err)) < 0)
			return rc;
	return ltx_enc_end(&e, 0, &t, err);
}

/* The encoder refuses what the decoder would. */
static void
test_encoder(void)
{
	struct ls_err err = {0};

	is_int(encode_pages((uint32_t[]){2, 3, 0}, 5, 3, &err), 0, "changed pages");
	is_int(encode_pages((uint32_t[]){2, 4, 0}, 5, 3, &err), -EINVAL, "page above commit");
	is_int(encode_pages((uint32_t[]){3, 2, 0}, 5, 3, &err), -EINVAL, "descending");
	is_int(encode_pages((uint32_t[]){2, 2, 0}, 5, 3, &err), -EINVAL, "twice");
	is_int(encode_pages((uint32_t[]){2097153, 0}, 5, 3000000, &err), -EINVAL, "lock page");
	is_int(encode_pages((uint32_t[]){1, 3, 0}, 1, 3, &err), -EINVAL, "snapshot with a hole");
	is_int(encode_pages((uint32_t[]){1, 2, 0}, 1, 3, &err), -EINVAL, "snapshot cut off");
	is_int(encode_pages((uint32_t[]){0}, 5, 0, &err), -EINVAL, "commit 0 without checksums");
}

int
main(void)
{
	RUN(test_rules);
	RUN(test_header_rules);
	RUN(test_encoder);
	return tap_done();
}
