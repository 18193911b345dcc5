/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/sync/continuity.h"
#include "tests/lib/tap.h"

#define SECOND INT64_C(1000000000)

enum { PAGE = 512, FRAME = WAL_FRAME_HEADER_SIZE + PAGE, FRAMES = 16 };

/* Salts of the generation before, the recorded one, the one after, and a foreign one. */
static const struct wal_salts older = {4000000000, 99}, elder = {5, 3}, same = {11, 12},
			      newer = {12, 77}, alien = {500, 1}, zero = {0, 0};

static struct stat file = {.st_dev = 1, .st_ino = 2, .st_size = 8192};
static struct walidx_header idx;
static struct position pos;
static struct continuity_now now;
static uint8_t wal[FRAMES][FRAME];
static struct wal_sum sums[FRAMES + 1];
static uint32_t wal_frames; /* in the file */
static int read_error;
static uint32_t overwrite_at; /* when this frame is read, a writer overwrites the recorded one */

static void
put_frame(uint32_t k, struct wal_salts salts, uint32_t pgno, uint32_t commit)
{
	uint8_t *p = wal[k - 1];

	put_be32(p, pgno);
	put_be32(p + 4, commit);
	put_be32(p + 8, salts.s1);
	put_be32(p + 12, salts.s2);
	memset(p + WAL_FRAME_HEADER_SIZE, (int)(k + salts.s2), PAGE);
	sums[k] = wal_frame_sum(sums[k - 1], false, p, PAGE);
	put_be32(p + 16, sums[k].s0);
	put_be32(p + 20, sums[k].s1);
}

static int
read_frame(void *arg, uint32_t k, uint8_t *raw, struct ls_err *err)
{
	(void)arg;
	if (read_error)
		return ls_err_set(err, read_error, "cannot be read");
	if (k == overwrite_at)
		put_frame(pos.frame, newer, 3, 0);
	if (k == 0 || k > wal_frames)
		return 0;
	memcpy(raw, wal[k - 1], FRAME);
	return 1;
}

/* A record at frame 3 of a generation that has 5 frames now; older frames stand behind. */
static void
reset(void)
{
	file.st_ino = 2;
	file.st_mtim.tv_sec = 1000;
	file.st_ctim.tv_sec = 1000;
	read_error = 0;
	overwrite_at = 0;
	wal_frames = 8;
	for (uint32_t k = 1; k <= wal_frames; k++)
		put_frame(k, k <= 5 ? same : older, k + 1, k == 5 ? 9 : 0);
	pos = (struct position){.txid = 9,
				.page_size = PAGE,
				.commit = 2,
				.salts = same,
				.frame = 3,
				.sum = sums[3],
				.chained = true,
				.nhistory = 1,
				.history = {older}};
	continuity_stamp(&pos, &file, 42, 2000 * SECOND);
	idx = (struct walidx_header){.page_size = PAGE, .mx_frame = 5, .salts = same};
	now = (struct continuity_now){.db = &file,
				      .page_size = PAGE,
				      .boot = 42,
				      .walidx = &idx,
				      .has_header = true,
				      .header = {.salts = same, .page_size = PAGE},
				      .frames = {read_frame, NULL}};
}

static void
expect(enum continuity want, const char *what)
{
	struct continuity_verdict v;
	struct ls_err err = {0};

	is_int(continuity_decide(&pos, &now, &v, &err), 0, what);
	is_int(v.what, want, "  verdict");
	if (want == CONTINUITY_REBASE)
		ok(*v.why, "  and it says why: %s", v.why);
	continuity_done(&v);
	reset();
}

static void
test_append(void)
{
	reset();
	expect(CONTINUITY_APPEND, "R1: the recorded frame carries the recorded checksum");
	idx.mx_frame = 3;
	expect(CONTINUITY_APPEND, "nothing new");
	pos.frame = 0;
	expect(CONTINUITY_APPEND, "a record before the first frame of this generation");
	now.boot = 43;
	expect(CONTINUITY_APPEND, "another boot");
	idx.mx_frame = 2;
	expect(CONTINUITY_REBASE, "the database went back");
	idx.salts.s2++;
	expect(CONTINUITY_REBASE, "another generation");
	pos.sum.s1++;
	expect(CONTINUITY_REBASE, "another checksum");
	put_frame(3, older, 4, 0);
	expect(CONTINUITY_REBASE, "a frame of another generation");
	wal_frames = 2;
	expect(CONTINUITY_REBASE, "the WAL is shorter than the record");
	pos.frame = 0;
	now.has_header = false;
	expect(CONTINUITY_REBASE, "no WAL header");
}

static void
test_identity(void)
{
	file.st_ino = 3;
	expect(CONTINUITY_REBASE, "another file");
	now.page_size = 8192;
	expect(CONTINUITY_REBASE, "another page size");
}

static void
test_same(void)
{
	idx.mx_frame = 0;
	pos.complete = true;
	expect(CONTINUITY_SAME, "R0: empty WAL and an untouched file");
	idx.mx_frame = 0;
	expect(CONTINUITY_REBASE, "the record was not taken with everything in the file");
	idx.mx_frame = 0;
	pos.complete = true;
	file.st_mtim.tv_sec++;
	expect(CONTINUITY_REBASE, "the file was written");
	idx.mx_frame = 0;
	pos.complete = true;
	file.st_ctim.tv_sec++;
	expect(CONTINUITY_REBASE, "its times were set back");
	idx.mx_frame = 0;
	pos.complete = true;
	pos.taken_ns = 1000 * SECOND + SECOND / 2;
	expect(CONTINUITY_REBASE,
	       "the record is as old as the last write: a later one might not show");
}

/* One restart since: the new generation has 1 frame. */
static void
restart(void)
{
	reset();
	put_frame(1, newer, 7, 9);
	idx.salts = now.header.salts = newer;
	idx.mx_frame = 1;
}

static void
expect_tail(const char *pages, const char *what)
{
	struct continuity_verdict v;
	struct ls_err err = {0};
	char got[200] = "";

	is_int(continuity_decide(&pos, &now, &v, &err), 0, what);
	is_int(v.what, CONTINUITY_TAIL, "  verdict");
	ok(wal_salts_equal(v.salts, newer), "  it names the generation");
	for (size_t i = 0; i < v.tail.n; i++)
		snprintf(got + strlen(got), sizeof got - strlen(got), "%s%u", i ? " " : "",
			 v.tail.pages[i]);
	is_str(got, pages, "  pages");
	continuity_done(&v);
	restart();
}

static void
expect_lost(const char *what)
{
	expect(CONTINUITY_REBASE, what);
	restart();
}

static void
test_tail(void)
{
	restart();
	expect_tail("5 6", "R2: frames 4 and 5 were missed, an older one follows");
	put_frame(4, older, 5, 0);
	expect_tail("", "nothing was missed");
	pos.nhistory = 0;
	put_frame(6, elder, 5, 0);
	expect_tail("5 6", "older by its count of restarts");
	put_frame(4, same, 9, 0);
	put_frame(5, same, 5, 9);
	expect_tail("5 9", "ascending");
	put_frame(5, same, 5, 9);
	expect_tail("5", "each page once");
	wal[4][FRAME - 1]++;
	expect_tail("5", "a leftover of a rollback: salts of the generation, broken checksum");
	put_frame(5, zero, 6, 0);
	expect_tail("5 6", "a frame without salts may have been committed (H85)");
	put_frame(4, zero, 5, 0);
	wal[4][FRAME - 1]++;
	expect_tail("5 6", "and the one behind it, whatever its checksum");
}

static void
test_no_proof(void)
{
	restart();
	wal_frames = 5;
	expect_lost("the file ends behind the tail: it may have been cut there (H13)");
	wal_frames = 3;
	expect_lost("the file ends behind the recorded frame");
	put_frame(6, alien, 7, 0);
	expect_lost("a frame of an unknown generation");
	put_frame(6, newer, 7, 0);
	expect_lost("a frame of the new generation behind the record");
	put_frame(6, zero, 0, 0);
	expect_lost("a frame of zeros");
	put_frame(6, zero, 7, 0);
	put_frame(7, zero, 7, 0);
	wal_frames = 7;
	expect_lost("frames without salts up to the end");
	put_frame(3, newer, 4, 0);
	expect_lost("the recorded frame was overwritten by a transaction that is not committed");
	pos.sum.s0++;
	expect_lost("the recorded frame has another checksum");
	overwrite_at = 5;
	expect_lost("a writer overwrites the frames while they are read");
	idx.mx_frame = 3;
	expect_lost("the new generation is longer than the record");
	idx.salts.s1++;
	now.header.salts.s1++;
	expect_lost("two restarts");
	now.header.salts.s2++;
	expect_lost("the header is not that of the wal-index");
	now.header.page_size *= 2;
	expect_lost("nor its page size");
	now.boot++;
	expect_lost("another boot");
	now.boot = pos.boot = 0;
	expect_lost("unknown boot");
	pos.chained = false;
	expect_lost("frames without checksum before the record");
	pos.frame = 0;
	expect_lost("a record before the first frame");
}

static void
test_wrap(void)
{
	restart();
	pos.salts.s1 = UINT32_MAX;
	for (uint32_t k = 3; k <= 5; k++)
		put_frame(k, pos.salts, k + 1, 0);
	pos.sum = sums[3];
	idx.salts.s1 = now.header.salts.s1 = 0;
	expect(CONTINUITY_TAIL, "the salt wraps");
}

static void
test_errors(void)
{
	struct continuity_verdict v;
	struct ls_err err = {0};

	reset();
	read_error = -EIO;
	is_int(continuity_decide(&pos, &now, &v, &err), -EIO, "an error of reading is one");
	continuity_done(&v);
	restart();
	read_error = -EIO;
	is_int(continuity_decide(&pos, &now, &v, &err), -EIO, "the same after a restart");
	continuity_done(&v);
}

int
main(void)
{
	RUN(test_append);
	RUN(test_identity);
	RUN(test_same);
	RUN(test_tail);
	RUN(test_no_proof);
	RUN(test_wrap);
	RUN(test_errors);
	return tap_done();
}
