/* SPDX-License-Identifier: Apache-2.0 */
/* Files of databases around and above 1 GiB: lock page, index beyond memory. No such file is kept.
 */
#include "config.h"

#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_index.h"
#include "tests/unit/test_ltx_mem.h"

static const uint32_t lock_pages[8] = {2097153, 1048577, 524289, 262145,
				       131073,	65537,	 32769,	 16385};

/* One page, encoded once; the frame of every page number is a copy. */
struct stamp {
	uint8_t data[PAGE_SIZE_MAX], frame[LTX_FRAME_MAX];
	struct ltx_page page;
};

static void
stamp_init(struct stamp *s, uint32_t page_size, int byte)
{
	uint64_t unused = 0;

	memset(s->data, byte, page_size);
	s->page = (struct ltx_page){.data = s->data, .pgno = 1};
	ltx_page_encode(LTX_FRAME, &s->page, page_size, s->frame, &unused);
}

static int
stamp_page(struct stamp *s, struct ltx_enc *e, uint32_t pgno, struct ls_err *err)
{
	s->page.pgno = pgno;
	s->frame[0] = (uint8_t)(pgno >> 24);
	s->frame[1] = (uint8_t)(pgno >> 16);
	s->frame[2] = (uint8_t)(pgno >> 8);
	s->frame[3] = (uint8_t)pgno;
	return ltx_enc_stored(e, &s->page, s->frame, err);
}

/* Pages next to the lock page go through at every page size, the lock page itself does not. */
static void
test_lock_page(void)
{
	static struct stamp s;

	for (int i = 0; i < 8; i++) {
		uint32_t ps = 512u << i, lock = lock_pages[i];
		LS_AUTO(ls_buf_done) struct ls_buf out = {0};
		struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
				       .page_size = ps,
				       .commit = lock + 1,
				       .min_txid = 2,
				       .max_txid = 2};
		struct ltx_dec *d = NULL;
		struct ltx_trailer t;
		struct ltx_page page;
		struct ltx_enc e;
		struct ls_err err = {0};
		uint32_t pgnos[4] = {0}, n = 0;
		int rc;

		is_u64(dbhdr_lock_page(ps), lock, "lock page");
		stamp_init(&s, ps, 'x');
		ls_buf_init(&out, 1 << 20);
		is_int(ltx_enc_begin(&e, &h, LTX_FRAME, mem_sink, &out, &err), 0, "begin");
		is_int(stamp_page(&s, &e, lock - 1, &err), 0, "page before it");
		is_int(stamp_page(&s, &e, lock, &err), -EINVAL, "itself");
		is_int(stamp_page(&s, &e, lock + 1, &err), 0, "page behind it");
		is_int(ltx_enc_end(&e, 0, &t, &err), 0, "end");
		ltx_enc_done(&e);
		rc = ltx_dec_open(mem_source, &out, out.len, &d, &err);
		while (rc == 0 && (rc = ltx_dec_next(d, &page, NULL, &err)) == 0)
			pgnos[n++ % 4] = page.pgno;
		ltx_dec_close(d);
		ok(rc == 1 && n == 2 && pgnos[0] == lock - 1 && pgnos[1] == lock + 1,
		   "decoded, page size %u", ps);
	}
}

/* The snapshot of a database that ends behind its lock page, with tracked checksum (8.1). */
static void
test_snapshot_over_lock_page(void)
{
	static struct stamp s;
	LS_AUTO(ls_buf_done) struct ls_buf out = {0};
	struct ltx_header h = {.page_size = 4096, .commit = 262155, .min_txid = 1, .max_txid = 1};
	uint64_t sum = LTX_CHECKSUM_FLAG;
	struct ltx_dec *d = NULL;
	struct ltx_trailer t;
	struct ltx_page page;
	struct ltx_enc e;
	struct ls_err err = {0};
	uint32_t n = 0;
	int rc;

	stamp_init(&s, 4096, 'x');
	ls_buf_init(&out, 64 << 20);
	rc = ltx_enc_begin(&e, &h, LTX_FRAME, mem_sink, &out, &err);
	for (uint32_t pgno = 1; rc == 0 && pgno <= h.commit; pgno++) {
		if (pgno == 262145)
			continue;
		rc = stamp_page(&s, &e, pgno, &err);
		sum ^= ltx_page_checksum(pgno, s.data, 4096) & ~LTX_CHECKSUM_FLAG;
	}
	is_u64(sum, 0xc19b668c376662c7, "database checksum");
	is_int(rc == 0 ? ltx_enc_end(&e, sum, &t, &err) : rc, 0, "encoded");
	ltx_enc_done(&e);
	rc = ltx_dec_open(mem_source, &out, out.len, &d, &err);
	while (rc == 0 && (rc = ltx_dec_next(d, &page, NULL, &err)) == 0)
		n++;
	ltx_dec_close(d);
	if (!is_int(rc, 1, "decoded and verified"))
		printf("# %s\n", err.msg);
	is_u64(n, 262154, "every page but one");
}

/* Takes everything, keeps the CRC and what stands behind keep_from. */
struct tail {
	uint64_t off, keep_from, crc;
	struct ls_buf kept;
};

static int
tail_sink(void *arg, const void *p, size_t n, struct ls_err *err)
{
	struct tail *t = arg;

	t->crc = crc64(t->crc, p, n);
	t->off += n;
	return t->off > t->keep_from ? mem_sink(&t->kept, p, n, err) : 0;
}

static int
spill_write(void *arg, uint64_t off, const void *p, size_t n, struct ls_err *err)
{
	struct ls_buf *b = arg;

	return off == b->len ? mem_sink(b, p, n, err) : ls_err_set(err, -EINVAL, "not in order");
}

static int
spill_read(void *arg, uint64_t off, void *p, size_t n, struct ls_err *err)
{
	size_t got = 0;
	int rc = mem_source(arg, off, p, n, &got, err);

	return rc == 0 && got < n ? ls_err_set(err, -EIO, "short") : rc;
}

enum { MANY = 2200000 };

static int
encode_many(struct tail *tail, const struct ltx_spill *spill, struct ls_err *err)
{
	static struct stamp s;
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
			       .page_size = 512,
			       .commit = MANY + 1,
			       .min_txid = 1,
			       .max_txid = 1};
	LS_AUTO(ltx_enc_done) struct ltx_enc e = {0};
	struct ltx_trailer t;
	int rc = ltx_enc_begin(&e, &h, LTX_FRAME, tail_sink, tail, err);

	e.spill = spill;
	stamp_init(&s, 512, 0);
	for (uint32_t pgno = 1; rc == 0 && pgno <= h.commit; pgno++)
		if (pgno != lock_pages[0])
			rc = stamp_page(&s, &e, pgno, err);
	tail->keep_from = tail->off + LTX_END_SIZE;
	return rc == 0 ? ltx_enc_end(&e, 0, &t, err) : rc;
}

/* Every entry of the kept index in order, and nothing else. */
static void
check_index(const struct tail *tail)
{
	struct ltx_header h = {.page_size = 512, .commit = MANY + 1, .min_txid = 1, .max_txid = 1};
	struct ltx_index_entry e = {0};
	struct ltx_layout at;
	uint64_t next = LTX_HEADER_SIZE;
	size_t off = 0, used = 0;
	uint32_t n = 0, bad = 0;
	int rc;

	rc = ltx_layout_decode(tail->off, tail->kept.p + tail->kept.len - LTX_TAIL_SIZE, &at, NULL);
	ok(rc == 0 && at.index_offset == tail->keep_from &&
		   at.index_size + LTX_TAIL_SIZE == tail->kept.len,
	   "layout");
	while (rc == 0) {
		rc = ltx_index_next(tail->kept.p + off, tail->kept.len - off, &h, &at, &e, &used,
				    NULL);
		off += used;
		if (rc != 0)
			break;
		n++;
		bad += e.offset != next || e.pgno != n + (n >= lock_pages[0]);
		next += e.size;
	}
	ok(rc == 1 && off == at.index_size && n == MANY && bad == 0, "%u entries in order", n);
}

static void
test_spill(void)
{
	struct tail tail = {.keep_from = UINT64_MAX};
	LS_AUTO(ls_buf_done) struct ls_buf file = {0};
	struct ltx_spill spill = {spill_write, spill_read, &file};
	struct ls_err err = {0};

	ls_buf_init(&file, 64 << 20);
	ls_buf_init(&tail.kept, 64 << 20);
	is_int(encode_many(&tail, &spill, &err), 0, "an index of more than 16 MiB");
	ok(file.len > 15 << 20, "%zu bytes of it were spilled", file.len);
	check_index(&tail);
	ls_buf_done(&tail.kept);
	tail = (struct tail){.keep_from = UINT64_MAX};
	is_int(encode_many(&tail, NULL, &err), -ENOMEM, "without a place to spill");
}

int
main(void)
{
	RUN(test_lock_page);
	RUN(test_snapshot_over_lock_page);
	RUN(test_spill);
	return tap_done();
}
