/* SPDX-License-Identifier: Apache-2.0 */
/* The restore plan: the rows of spec/format.md 8.5 and where ours differs from the original. */
#include "config.h"

#include "engine/replica/plan.h"
#include "tests/lib/tap.h"

static struct ls_err err;

/* Adds "L:min-max" or "L:n", with "@time" if it is not 1000 * max, "#size" if not 1000. */
static void
add(struct catalog *c, const char *word)
{
	struct catalog_file f = {.size = 1000, .time_exact = true};
	const char *at = strchr(word, '@'), *size = strchr(word, '#');
	char *end;

	f.level = (uint8_t)strtoul(word, &end, 10);
	f.min = f.max = strtoull(end + 1, &end, 10);
	if (*end == '-')
		f.max = strtoull(end + 1, NULL, 10);
	f.time_ms = at ? strtoll(at + 1, NULL, 10) : (int64_t)f.max * 1000;
	if (size)
		f.size = strtoull(size + 1, NULL, 10);
	if (catalog_add(c, &f, &err) < 0)
		exit(1);
}

static struct catalog
catalog(const char *text)
{
	struct catalog c = {0};
	char copy[512], *save = NULL;

	snprintf(copy, sizeof copy, "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		add(&c, w);
	catalog_sort(&c);
	return c;
}

/* The plan in the same words, or "error: text". */
static const char *
plan(const char *files, const struct plan_target *t)
{
	static char out[700];
	struct catalog c = catalog(files);
	struct plan p = {0};
	size_t n = 0;

	if (plan_build(&c, t, &p, &err) < 0)
		n = (size_t)snprintf(out, sizeof out, "error %d: %s", err.code, err.msg);
	for (size_t i = 0; i < p.n; i++)
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%u:%u-%u", i ? " " : "",
				      p.files[i]->level, (unsigned)p.files[i]->min,
				      (unsigned)p.files[i]->max);
	plan_done(&p);
	catalog_done(&c);
	return out;
}

static const char *
by_txid(const char *files, uint64_t txid)
{
	return plan(files, &(struct plan_target){.txid = txid});
}

static const char *
by_time(const char *files, int64_t time_ms)
{
	return plan(files, &(struct plan_target){.by_time = true, .time_ms = time_ms});
}

static const char *
latest(const char *files)
{
	return plan(files, &(struct plan_target){0});
}

static void
fails(const char *got, int code, const char *text, const char *what)
{
	ok(strncmp(got, "error", 5) == 0 && err.code == code && strstr(got, text), "%s: %s", what,
	   got);
}

#define L0_6_20 "0:6 0:7 0:8 0:9 0:10 0:11 0:12 0:13 0:14 0:15 0:16 0:17 0:18 0:19 0:20"

static void
test_rows(void)
{
	is_str(by_txid("9:1-10", 10), "9:1-10", "a snapshot alone");
	is_str(by_txid("9:1-5 9:1-15 1:6-7 1:8-9 1:10-12 0:7 0:8 0:9 0:10 0:11", 10),
	       "9:1-5 1:6-7 1:8-9 0:10-10", "each level where it fits");
	is_str(by_txid("9:1-5 2:6-12 0:6-20", 20), "9:1-5 0:6-20", "the longest reach wins");
	is_str(by_txid("9:1-5 1:6-7 1:9-10 0:8 0:9 0:10", 10), "9:1-5 1:6-7 0:8-8 1:9-10",
	       "a hole of one level is filled by another");
	is_str(by_txid("9:1-1 1:1-1 0:1-1", 1), "9:1-1", "the snapshot is enough");
	is_str(by_txid("9:1-5 2:1-100 2:50-60", 100), "9:1-5 2:1-100", "contained files skipped");
	fails(by_txid("9:1-10", 5), -ENOENT, "no matching backup files available", "before it");
	fails(by_txid("", 5), -ENOENT, "no matching backup files available", "empty");
	fails(latest(""), -ENOENT, "no matching backup files available", "empty, latest");
	fails(latest("9:1-5 0:6-6 0:8-8"), -ENODATA,
	      "non-contiguous ltx files: have up to 0000000000000006 but next file starts at "
	      "0000000000000008",
	      "a gap");
	is_str(latest("0:1 0:2 1:1-2"), "1:1-2", "without a snapshot");
	fails(latest("0:2 1:2-4"), -ENODATA,
	      "no matching backup files available: no file starts at TXID 1, the first one starts "
	      "at 0000000000000002",
	      "no beginning");
	is_str(by_txid("9:1-5 " L0_6_20, 9), "9:1-5 0:6-6 0:7-7 0:8-8 0:9-9", "one by one");
}

static void
test_choice(void)
{
	is_str(latest("9:1-9 9:1-15 9:1-12 0:16"), "9:1-15 0:16-16", "the longest snapshot");
	is_str(latest("9:1-5 9:3-15 0:6"), "9:1-5 0:6-6", "a snapshot begins at 1");
	is_str(latest("9:1-5 1:6-9 2:6-9 3:7-9"), "9:1-5 2:6-9", "smaller begin, higher level");
	is_str(latest("9:1-5 1:4-9 0:6 0:7 0:8 0:9"), "9:1-5 1:4-9", "overlap is fine");
	is_str(by_txid("0:1-18446744073709551615 9:1-4", UINT64_MAX), "9:1-4 0:1-4294967295",
	       "the largest TXID there is");
	is_str(latest("8:1-3 0:4"), "8:1-3 0:4-4", "every level counts");
}

static void
test_txid_errors(void)
{
	const char *files = "9:1-5 1:6-10 0:11 0:13";

	fails(by_txid(files, 8), -ENOENT,
	      "its neighbours 0000000000000005 and 000000000000000a can",
	      "merged into a larger file");
	fails(by_txid(files, 13), -ENOENT, "the last one that can is 000000000000000b",
	      "behind a gap");
	fails(by_txid(files, 99), -ENOENT, "the last one that can is 000000000000000b", "too new");
	fails(by_txid(files, 2), -ENOENT, "the first one that can is 0000000000000005", "too old");
	fails(by_txid("0:3 0:4", 4), -ENODATA, "starts at 0000000000000003", "no base at all");
}

static void
test_damaged(void)
{
	fails(latest("9:1-5 0:6#130"), -EBADMSG,
	      "level 0 file 0000000000000006-0000000000000006.ltx is damaged: it has only 130",
	      "a file too small to be one");
	is_str(latest("9:1-5 0:6#131"), "9:1-5 0:6-6", "the smallest one");
	is_str(by_txid("9:1-5 0:6#0", 5), "9:1-5", "only files of the plan count");
}

static void
test_time(void)
{
	const char *files = "9:1-5@5500 0:6 0:7 0:8";

	is_str(by_time(files, 7000), "9:1-5 0:6-6", "strictly before");
	is_str(by_time(files, 7001), "9:1-5 0:6-6 0:7-7", "a millisecond later");
	is_str(by_time(files, 8001), "9:1-5 0:6-6 0:7-7 0:8-8", "the newest can be reached");
	is_str(by_time(files, INT64_MAX), "9:1-5 0:6-6 0:7-7 0:8-8", "later than all: the latest");
	is_str(by_time(files, 5501), "9:1-5", "the snapshot alone");
	fails(by_time(files, 5500), -ENOENT,
	      "timestamp does not exist: the replica holds the states after "
	      "1970-01-01T00:00:05.500Z, the last one of 1970-01-01T00:00:08.000Z",
	      "before the first");
	is_str(by_time("9:1-5@9000 0:5 0:6 0:7 0:8", 6001), "9:1-5 0:6-6",
	       "a snapshot made later, of an older state");
	is_str(by_time("9:1-5 1:6-10", 8000), "9:1-5", "within a merged file: before it");
	is_str(by_time("9:1-5 1:6-10 0:9 0:10 0:11", 9500), "9:1-5",
	       "merged TXIDs are no gap: the history is coarser there");
	is_str(by_time("9:1-5 1:6-10 0:9 0:10 0:11", 10001), "9:1-5 1:6-10", "and finer here");
	fails(by_time("9:1-5 0:6 0:8 0:9", 8500), -ENODATA,
	      "have up to 0000000000000006 but next file starts at 0000000000000008",
	      "a gap before the time is refused");
	is_str(by_time("9:1-5 0:6 0:8 0:9", 6500), "9:1-5 0:6-6", "a gap after it is not");
	fails(by_time("9:1-20 0:15 0:16 0:17", 17500), -ENOENT, "states after 1970-01-01T00:00:20",
	      "no base for the files of that time");
	fails(by_time("", 1), -ENOENT, "no matching backup files available", "empty");
	fails(by_time("0:3 0:4", 5000), -ENODATA, "starts at 0000000000000003", "no base at all");
}

/* Decision 7: times that do not rise go by TXID. */
static void
test_clock_went_back(void)
{
	const char *files = "0:1@1000 0:2@2000 0:3@3000 0:4@500 0:5@600 0:6@4000";

	is_str(by_time(files, 3000), "0:1-1 0:2-2", "before the clock first showed it");
	is_str(by_time(files, 4000), "0:1-1 0:2-2 0:3-3 0:4-4 0:5-5", "the state before 4 s");
	is_str(by_time(files, 4001), "0:1-1 0:2-2 0:3-3 0:4-4 0:5-5 0:6-6", "all");
	fails(by_time(files, 700), -ENOENT, "timestamp does not exist",
	      "never newer than asked for");
}

int
main(void)
{
	RUN(test_rows);
	RUN(test_choice);
	RUN(test_txid_errors);
	RUN(test_damaged);
	RUN(test_time);
	RUN(test_clock_went_back);
	return tap_done();
}
