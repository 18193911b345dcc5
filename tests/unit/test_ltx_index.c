/* SPDX-License-Identifier: Apache-2.0 */
/* The page index: numbers, layout, and finding entries without reading it from its start. */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_index.h"
#include "tests/unit/test_ltx_mem.h"

enum { ENTRIES = 4000 };

/* An index in memory, and which of its bytes begin an entry. */
struct index {
	struct ltx_header hdr;
	struct ltx_layout at;
	struct ls_buf b;
	bool *starts;
	uint32_t pgnos[ENTRIES];
	uint64_t offsets[ENTRIES]; /* in b */
	size_t n;
};

static void
add(struct index *x, const struct ltx_index_entry *e)
{
	uint8_t raw[LTX_INDEX_ENTRY_MAX];

	x->pgnos[x->n] = e->pgno;
	x->offsets[x->n++] = x->b.len;
	if (ls_buf_append(&x->b, raw, ltx_index_encode(e, raw)) < 0)
		abort();
}

static void
finish(struct index *x, const struct ltx_index_entry *last)
{
	if (ls_buf_append(&x->b, "", 1) < 0)
		abort();
	x->hdr.commit = last->pgno;
	x->at.index_offset = last->offset + last->size + LTX_END_SIZE;
	x->at.index_size = x->b.len;
	x->at.file_size = x->at.index_offset + x->b.len + LTX_TAIL_SIZE;
	x->starts = calloc(x->b.len, sizeof *x->starts);
	for (size_t i = 0; x->starts && i < x->n; i++)
		x->starts[x->offsets[i]] = true;
}

/* Contiguous frames. shape: 0 all pages, 1 small gaps, 2 large gaps, 3 numbers like offsets. */
static void
make(struct index *x, int shape, size_t n, unsigned *seed)
{
	static const uint32_t spread[4] = {1, 4, 100000, 70000};
	struct ltx_index_entry e = {.size = LTX_HEADER_SIZE};

	*x = (struct index){.hdr = {.flags = LTX_NO_CHECKSUM,
				    .page_size = 512u << rand_r(seed) % 8,
				    .min_txid = 2,
				    .max_txid = 2}};
	ls_buf_init(&x->b, 1 << 20);
	for (size_t i = 0; i < n; i++) {
		uint32_t gap = 1 + (uint32_t)rand_r(seed) % spread[shape];

		/* As a wrong phase would have it: the next number is this one plus an offset. */
		if (shape == 3)
			gap = (uint32_t)(e.offset % spread[3]) + 1;
		if (e.pgno + gap == dbhdr_lock_page(x->hdr.page_size))
			gap++;
		e.pgno += gap;
		e.offset += e.size;
		e.size = 50 + (uint32_t)rand_r(seed) % (x->hdr.page_size / 2);
		add(x, &e);
	}
	finish(x, &e);
}

static void
done(struct index *x)
{
	ls_buf_done(&x->b);
	free(x->starts);
}

/* From every byte, with every window: the right phase or none. Counts what was not found. */
static size_t
check_sync(const struct index *x, size_t window, size_t *ret_wrong)
{
	size_t missed = 0;

	for (size_t from = 0; from < x->b.len; from++) {
		size_t n = x->b.len - from < window ? x->b.len - from : window, off = 0;

		if (ltx_index_sync(x->b.p + from, n, &x->hdr, &x->at, &off, NULL) < 0)
			missed++;
		else
			*ret_wrong += !x->starts[from + off];
	}
	return missed;
}

static void
test_sync(void)
{
	static const char *const shapes[] = {"all pages", "small gaps", "large gaps", "tricky"};
	unsigned seed = 20261125;

	printf("# seed %u\n", seed);
	for (int shape = 0; shape < 4; shape++) {
		size_t wrong = 0, missed = 0, small = 0, from = 0;

		for (int round = 0; round < 20; round++) {
			struct index x;

			make(&x, shape, 200, &seed);
			for (size_t window = 1; window < 64; window++)
				small += check_sync(&x, window, &wrong);
			missed += check_sync(&x, 256, &wrong);
			from += x.b.len;
			done(&x);
		}
		is_u64(wrong, 0, shapes[shape]);
		/* Only the end of the index is too short, but for numbers that are made to look
		 * like offsets. */
		ok(shape == 3 || missed < from / 20, "found: %zu of %zu places missed", missed,
		   from);
	}
}

/*
 * Numbers chosen so that (size, next page, next offset) is a run of entries, too: the sizes rise,
 * and each page number is the one before it plus that one's offset. A window that ends inside the
 * last entry shows three entries of the wrong phase and two of the right one.
 */
static void
test_doubt(void)
{
	static const struct ltx_index_entry e[] = {
		{50, 30, 100}, {150, 31, 130}, {280, 32, 161}, {441, 2000, 193}};
	struct index x = {.hdr = {.page_size = 512}};
	size_t wrong = 0;

	ls_buf_init(&x.b, 1 << 10);
	for (int i = 0; i < 4; i++)
		add(&x, &e[i]);
	finish(&x, &e[3]);
	for (size_t window = 1; window <= x.b.len; window++)
		(void)check_sync(&x, window, &wrong);
	is_u64(wrong, 0, "never a wrong phase");
	done(&x);
}

/* Interpolation comes near enough that a few blocks suffice, and stays inside its bounds. */
static void
test_guess(void)
{
	unsigned seed = 3, outside = 0;
	size_t far = 0;
	struct index x;

	make(&x, 1, ENTRIES, &seed);
	for (size_t i = 0; i < x.n; i++) {
		uint64_t g = ltx_index_guess(x.pgnos[i], x.pgnos[0], 0, x.pgnos[x.n - 1],
					     x.offsets[x.n - 1]);
		uint64_t d = g > x.offsets[i] ? g - x.offsets[i] : x.offsets[i] - g;

		outside += g > x.offsets[x.n - 1];
		far = d > far ? (size_t)d : far;
	}
	is_int(outside, 0, "in bounds");
	ok(far < x.b.len / 10, "at most %zu of %zu bytes away", far, x.b.len);
	is_u64(ltx_index_guess(5, 5, 10, 9, 50), 10, "the lower bound itself");
	is_u64(ltx_index_guess(9, 5, 10, 9, 50), 50, "the upper bound itself");
	is_u64(ltx_index_guess(3, 5, 10, 9, 50), 10, "below");
	is_u64(ltx_index_guess(12, 5, 10, 9, 50), 50, "above");
	is_u64(ltx_index_guess(7, 7, 10, 7, 50), 10, "no room between");
	is_u64(ltx_index_guess(UINT32_MAX, 0, 0, UINT32_MAX, UINT64_C(1) << 40), UINT64_C(1) << 40,
	       "large");
	done(&x);
}

/* The spec's varints, each as an entry's page number. */
static void
test_varints(void)
{
	static const struct {
		uint64_t v;
		const char *hex;
	} rows[] = {
		{1, "01"},	   {100, "64"},
		{127, "7f"},	   {128, "8001"},
		{151, "9701"},	   {255, "ff01"},
		{300, "ac02"},	   {16384, "808001"},
		{65561, "998004"}, {UINT32_MAX, "ffffffff0f"},
	};
	struct ltx_header h = {.page_size = 512, .commit = UINT32_MAX};
	struct ltx_layout at = {1 << 20, 1 << 19, 100};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ltx_index_entry e = {(uint32_t)rows[i].v, 60, 200}, back;
		uint8_t raw[LTX_INDEX_ENTRY_MAX], want[16];
		size_t n = mem_from_hex(rows[i].hex, want), used = 0, len;

		len = ltx_index_encode(&e, raw);
		ok(len == n + 3 && memcmp(raw, want, n) == 0, "%s", rows[i].hex);
		ok(ltx_index_next(raw, len, &h, &at, &back, &used, NULL) == 0 && used == len &&
			   back.pgno == e.pgno && back.offset == 200 && back.size == 60,
		   "and back");
		for (size_t cut = 0; cut < len; cut++)
			if (ltx_index_next(raw, cut, &h, &at, &back, &used, NULL) != -ENODATA)
				ok(false, "cut to %zu bytes", cut);
	}
}

static void
test_bounds(void)
{
	static const struct {
		const char *what, *hex;
		int rc;
	} rows[] = {
		{"first byte of the body",
		 "0164"
		 "10",
		 0},
		{"inside the header",
		 "0163"
		 "10",
		 -EBADMSG},
		{"up to the end marker",
		 "018201"
		 "40",
		 0},
		{"into the end marker",
		 "018201"
		 "41",
		 -EBADMSG},
		{"page above commit",
		 "0b64"
		 "10",
		 -EBADMSG},
		{"size of a page header",
		 "0164"
		 "06",
		 -EBADMSG},
		{"size 0",
		 "0164"
		 "00",
		 -EBADMSG},
		{"size above any frame",
		 "0164"
		 "81850400",
		 -EBADMSG},
		{"offset of 64 bits",
		 "01"
		 "ffffffffffffffffff01"
		 "10",
		 -EBADMSG},
		{"offset of 65 bits",
		 "01"
		 "ffffffffffffffffff02"
		 "10",
		 -EBADMSG},
		{"offset without end",
		 "01"
		 "ffffffffffffffffffff01"
		 "10",
		 -EBADMSG},
		{"not the shortest form",
		 "8100"
		 "64"
		 "10",
		 -EBADMSG},
		{"end", "00", 1},
		{"nothing", "", -ENODATA},
	};
	struct ltx_header h = {.page_size = 512, .commit = 10};
	struct ltx_layout at = {.file_size = 400, .index_offset = 200, .index_size = 176};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ltx_index_entry e;
		uint8_t raw[32];
		size_t used, n = mem_from_hex(rows[i].hex, raw);
		struct ls_err err = {0};

		is_int(ltx_index_next(raw, n, &h, &at, &e, &used, &err), rows[i].rc, rows[i].what);
	}
}

static void
test_layout(void)
{
	struct ltx_layout at;
	uint8_t tail[LTX_TAIL_SIZE] = {0};

	is_int(ltx_layout_decode(131, tail, &at, NULL), -EBADMSG, "index of 0 bytes");
	tail[7] = 1;
	is_int(ltx_layout_decode(131, tail, &at, NULL), 0, "the smallest file");
	ok(at.index_offset == 106 && at.index_size == 1, "its index");
	is_int(ltx_layout_decode(130, tail, &at, NULL), -EBADMSG, "smaller");
	tail[7] = 2;
	is_int(ltx_layout_decode(131, tail, &at, NULL), -EBADMSG, "index over the header");
	tail[0] = 0xff;
	is_int(ltx_layout_decode(UINT64_MAX, tail, &at, NULL), 0, "huge");
	is_int(ltx_layout_decode(1 << 20, tail, &at, NULL), -EBADMSG, "huge index, small file");
}

int
main(void)
{
	RUN(test_varints);
	RUN(test_bounds);
	RUN(test_layout);
	RUN(test_sync);
	RUN(test_doubt);
	RUN(test_guess);
	return tap_done();
}
