/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/continuity.h"
#include "tests/lib/tap.h"

#define SECOND INT64_C(1000000000)

static struct stat file = {.st_dev = 1, .st_ino = 2, .st_size = 8192};
static struct walidx_header idx;
static struct position pos;
static struct continuity_now now;

/* A record at frame 3 of a generation that has 5 frames now. */
static void
reset(void)
{
	file.st_ino = 2;
	file.st_mtim.tv_sec = 1000;
	file.st_ctim.tv_sec = 1000;
	pos = (struct position){.txid = 9,
				.page_size = 4096,
				.commit = 2,
				.salts = {11, 12},
				.frame = 3,
				.sum = {21, 22},
				.chained = true};
	continuity_stamp(&pos, &file, 2000 * SECOND);
	idx = (struct walidx_header){.page_size = 4096, .mx_frame = 5, .salts = {11, 12}};
	now = (struct continuity_now){.db = &file,
				      .page_size = 4096,
				      .walidx = &idx,
				      .has_frame = true,
				      .frame = {.salts = {11, 12}, .sum = {21, 22}},
				      .has_header = true,
				      .header = {.salts = {11, 12}}};
}

static void
expect(enum continuity want, const char *what)
{
	const char *why = "";
	enum continuity got = continuity_decide(&pos, &now, &why);

	is_int(got, want, what);
	if (want == CONTINUITY_REBASE)
		ok(*why, "  and it says why: %s", why);
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
	idx.mx_frame = 2;
	expect(CONTINUITY_REBASE, "the database went back");
	idx.salts.s2++;
	expect(CONTINUITY_REBASE, "another generation");
	now.frame.sum.s1++;
	expect(CONTINUITY_REBASE, "another checksum");
	now.frame.salts.s1++;
	expect(CONTINUITY_REBASE, "a frame of another generation");
	now.has_frame = false;
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

int
main(void)
{
	RUN(test_append);
	RUN(test_identity);
	RUN(test_same);
	return tap_done();
}
