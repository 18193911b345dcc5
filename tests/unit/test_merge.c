/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/test_merge_set.h"

/* One input, "MIN MAX COMMIT PGNO=BYTE ...", all numbers but the bytes decimal. */
static void
parse_set(const char *text, struct set *s)
{
	unsigned min, max, commit, pgno, byte;
	int n = 0;

	if (sscanf(text, "%u %u %u%n", &min, &max, &commit, &n) != 3)
		abort();
	set_init(s, min, max, commit);
	for (text += n; sscanf(text, " %u=%x%n", &pgno, &byte, &n) == 2; text += n)
		s->content[pgno] = (int)byte;
}

static void
check_row(const char *what, const char *const *inputs, const char *output, int want)
{
	LS_AUTO(ls_buf_done) struct ls_buf merged = {0};
	struct ls_buf files[FILES_MAX];
	struct set s, got, expected;
	struct ls_err err = {0};
	size_t n = 0;
	int rc;

	for (; inputs[n]; n++) {
		parse_set(inputs[n], &s);
		encode(&s, n % 2 ? LTX_BLOCK : LTX_FRAME, &files[n]);
	}
	rc = merge(files, n, LTX_NO_CHECKSUM, LTX_FRAME, &merged, &err);
	free_files(files, n);
	if (!is_int(rc, want, what) || rc < 0) {
		printf("# %s\n", err.msg);
		return;
	}
	parse_set(output, &expected);
	is_int(decode(&merged, &got, &err), 0, "its output is valid");
	ok(same_pages(&got, &expected) && got.hdr.min_txid == expected.hdr.min_txid &&
		   got.hdr.max_txid == expected.hdr.max_txid &&
		   got.hdr.commit == expected.hdr.commit && got.hdr.time_ms == expected.hdr.time_ms,
	   "%s", output);
}

static void
test_table(void)
{
	static const struct {
		const char *what, *in[5], *out;
		int rc;
	} rows[] = {
		{"snapshot and change",
		 {"1 1 3 1=81 2=82 3=83", "2 2 3 1=91 3=93"},
		 "1 2 3 1=91 2=82 3=93",
		 0},
		{"three, growing",
		 {"2 3 3 3=83", "4 5 3 1=91", "6 9 5 2=a2 3=a3 4=a4 5=a5"},
		 "2 9 5 1=91 2=a2 3=a3 4=a4 5=a5",
		 0},
		{"shrink", {"2 3 3 3=83", "4 5 2 1=91"}, "2 5 2 1=91", 0},
		{"one input", {"4 5 2 1=91"}, "4 5 2 1=91", 0},
		{"overlap", {"1 5 1 1=11", "3 8 2 2=22"}, "1 8 2 1=11 2=22", 0},
		{"shrink, then grow with the page",
		 {"2 2 4 4=41", "3 3 2 1=12", "4 4 4 3=33 4=44"},
		 "2 4 4 1=12 3=33 4=44",
		 0},
		{"a change of size alone between",
		 {"2 2 4 1=11", "3 3 1", "4 4 2 2=22"},
		 "2 4 2 1=11 2=22",
		 0},
		{"grow without the page",
		 {"2 2 4 4=41", "3 3 2 1=12", "4 4 4 3=33"},
		 NULL,
		 -EBADMSG},
		{"grow without the first of two pages",
		 {"2 2 4 3=31 4=41", "3 3 2 1=12", "4 4 4 4=44"},
		 NULL,
		 -EBADMSG},
		{"snapshot with a hole", {"1 1 1 1=11", "2 2 3 3=33"}, NULL, -EBADMSG},
		{"gap", {"1 2 1 1=11", "4 4 1 1=12"}, NULL, -ENODATA},
		{"contained", {"1 4 1 1=11", "2 4 1 1=12"}, NULL, -ENODATA},
		{"wrong order", {"2 2 1 1=12", "1 1 1 1=11"}, NULL, -ENODATA},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check_row(rows[i].what, rows[i].in, rows[i].out, rows[i].rc);
}

/* The fixtures of the Go library. */
static void
test_go_fixture(void)
{
	LS_AUTO(ls_buf_done) struct ls_buf out = {0}, want = {0};
	struct ls_buf in[2];
	struct set got, expected;
	struct ls_err err = {0};

	if (!mem_read_vector("v0.5.2-cmp-in1.ltx", &in[0]) ||
	    !mem_read_vector("v0.5.2-cmp-in2.ltx", &in[1]) ||
	    !mem_read_vector("v0.5.2-cmp-out.ltx", &want))
		return;
	is_int(merge(in, 2, LTX_NO_CHECKSUM, LTX_BLOCK, &out, &err), 0, "merge");
	/* Blocks are taken over as they are, so even the file is the same. */
	ok(out.len == want.len && memcmp(out.p, want.p, out.len) == 0, "byte for byte");
	ls_buf_done(&out);
	is_int(merge(in, 2, LTX_NO_CHECKSUM, LTX_FRAME, &out, &err), 0, "merge to frames");
	is_int(decode(&out, &got, &err), 0, "valid");
	is_int(decode(&want, &expected, &err), 0, "fixture is valid");
	ok(same_pages(&got, &expected), "same pages");
	ok(got.hdr.wal_offset == 0 && got.hdr.salts.s1 == 0 && got.hdr.node_id == 0,
	   "WAL fields and node are 0");
	free_files(in, 2);
}

static void
test_page_sizes_differ(void)
{
	LS_AUTO(ls_buf_done) struct ls_buf out = {0};
	struct ls_buf in[2];
	struct ls_err err = {0};
	struct set s;

	parse_set("1 1 1 1=11", &s);
	encode(&s, LTX_FRAME, &in[0]);
	parse_set("2 2 1 1=12", &s);
	s.hdr.page_size = 1024;
	encode(&s, LTX_FRAME, &in[1]);
	is_int(merge(in, 2, LTX_NO_CHECKSUM, LTX_FRAME, &out, &err), -EINVAL, "refused");
	ok(strstr(err.msg, "512") && strstr(err.msg, "1024"), "%s", err.msg);
	is_int(merge(in, 0, LTX_NO_CHECKSUM, LTX_FRAME, &out, &err), -EINVAL, "no input");
	free_files(in, 2);
}

static uint64_t
db_sum(const struct set *s)
{
	uint8_t page[512];
	uint64_t sum = 0;

	for (uint32_t pgno = 1; pgno <= s->hdr.commit; pgno++) {
		memset(page, s->content[pgno], sizeof page);
		sum ^= ltx_page_checksum(pgno, page, sizeof page);
	}
	return sum | LTX_CHECKSUM_FLAG;
}

/* Tracked database checksums: before of the first, after of the last. */
static void
test_tracked(void)
{
	LS_AUTO(ls_buf_done) struct ls_buf out = {0};
	struct ls_buf in[2];
	struct ls_err err = {0};
	struct set a, b, state, got;

	parse_set("1 1 3 1=81 2=82 3=83", &a);
	parse_set("2 2 3 1=91 3=93", &b);
	parse_set("1 2 3 1=91 2=82 3=93", &state);
	a.hdr.flags = b.hdr.flags = 0;
	a.trailer.post_checksum = b.hdr.pre_checksum = db_sum(&a);
	b.trailer.post_checksum = db_sum(&state);
	encode(&a, LTX_FRAME, &in[0]);
	encode(&b, LTX_FRAME, &in[1]);
	is_int(merge(in, 2, 0, LTX_FRAME, &out, &err), 0, "tracked");
	is_int(decode(&out, &got, &err), 0, "the checksum of the merged snapshot is right");
	is_u64(got.trailer.post_checksum, db_sum(&state), "that of the last input");
	ls_buf_done(&out);
	is_int(merge(&in[1], 1, 0, LTX_FRAME, &out, &err), 0, "increment alone");
	is_int(decode(&out, &got, &err), 0, "valid");
	is_u64(got.hdr.pre_checksum, db_sum(&a), "checksum before");
	ls_buf_done(&out);
	is_int(merge(in, 2, LTX_NO_CHECKSUM, LTX_FRAME, &out, &err), 0, "tracking dropped");
	is_int(decode(&out, &got, &err), 0, "valid");
	is_u64(got.trailer.post_checksum, 0, "no checksum");
	free_files(in, 2);
}

/* Every damaged byte of an input: refused, or without effect. */
static void
test_damage(void)
{
	struct ls_buf in[2];
	struct set a, b, want, got;
	struct ls_err err = {0};
	int wrong = 0;

	parse_set("1 1 3 1=81 2=82 3=83", &a);
	parse_set("2 2 3 1=91 3=93", &b);
	parse_set("1 2 3 1=91 2=82 3=93", &want);
	encode(&a, LTX_FRAME, &in[0]);
	encode(&b, LTX_FRAME, &in[1]);
	for (size_t i = 0; i < in[0].len; i++) {
		struct ls_buf out;

		in[0].p[i] ^= 0x10;
		if (merge(in, 2, LTX_NO_CHECKSUM, LTX_FRAME, &out, &err) == 0) {
			wrong += decode(&out, &got, &err) != 0 || !same_pages(&got, &want);
			/* Each page can be verified by itself, whatever was wrong with it. */
			for (size_t at = LTX_HEADER_SIZE, k = 0; k < 3; k++) {
				uint8_t data[512];
				struct ltx_page page = {.data = data};

				wrong += ltx_page_decode(out.p + at, out.len - at, &got.hdr, &page,
							 NULL, &err) != 0;
				at += page.stored;
			}
		}
		ls_buf_done(&out);
		in[0].p[i] ^= 0x10;
	}
	is_int(wrong, 0, "no damage passes through");
	free_files(in, 2);
}

int
main(void)
{
	RUN(test_table);
	RUN(test_go_fixture);
	RUN(test_page_sizes_differ);
	RUN(test_tracked);
	RUN(test_damage);
	return tap_done();
}
