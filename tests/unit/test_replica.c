/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a replica by kind of storage, and the catalog of a directory full of strangers. */
#include "config.h"

#include "engine/format/ltx.h"
#include "engine/replica/catalog.h"
#include "engine/store/store_count.h"
#include "engine/store/store_fault.h"
#include "tests/lib/store_drivers.h"
#include "tests/lib/tap.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct ls_err err;

/* ---- keys ---- */

static void
test_keys(void)
{
	static const struct {
		const char *scheme;
		int level;
		uint64_t min, max;
		const char *key;
	} c[] = {
		{"file", 0, 1, 1, "ltx/0/0000000000000001-0000000000000001.ltx"},
		{"file", 9, 1, 0xabc, "ltx/9/0000000000000001-0000000000000abc.ltx"},
		{"gs", 3, UINT64_MAX, UINT64_MAX, "ltx/3/ffffffffffffffff-ffffffffffffffff.ltx"},
		{"s3", 0, 1, 2, "0000/0000000000000001-0000000000000002.ltx"},
		{"s3", 9, 1, 2, "0009/0000000000000001-0000000000000002.ltx"},
		{"oss", 8, 1, 2, "0008/0000000000000001-0000000000000002.ltx"},
	};

	for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
		struct replica r = {.scheme = c[i].scheme};
		char key[REPLICA_KEY_MAX], prefix[REPLICA_KEY_MAX];
		uint64_t min = 0, max = 0;
		int level = -1;

		replica_key(&r, c[i].level, c[i].min, c[i].max, key);
		is_str(key, c[i].key, c[i].scheme);
		ok(replica_key_parse(&r, key, &level, &min, &max) && level == c[i].level &&
			   min == c[i].min && max == c[i].max,
		   "and back");
		replica_level_prefix(&r, c[i].level, prefix);
		ok(strncmp(key, prefix, strlen(prefix)) == 0 && strlen(key + strlen(prefix)) == 37,
		   "its prefix is '%s'", prefix);
	}
}

static void
test_foreign_keys(void)
{
	static const char *const bad[] = {
		"",
		"ltx/0",
		"ltx/0/",
		"0000/0000000000000001-0000000000000001.ltx",
		"ltx/10/0000000000000001-0000000000000001.ltx",
		"ltx/00/0000000000000001-0000000000000001.ltx",
		"ltx/-1/0000000000000001-0000000000000001.ltx",
		"ltx/0/0000000000000001-0000000000000001.ltx.tmp",
		"ltx/0/0000000000000001-000000000000000A.ltx",
		"ltx/0/000000000000001-0000000000000001.ltx",
		"ltx/0/0000000000000000-0000000000000001.ltx",
		"ltx/0/0000000000000002-0000000000000001.ltx",
		"ltx/0/x/0000000000000001-0000000000000001.ltx",
		"LTX/0/0000000000000001-0000000000000001.ltx",
	};
	struct replica file = {.scheme = "file"}, s3 = {.scheme = "s3"};
	uint64_t min, max;
	int level;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ok(!replica_key_parse(&file, bad[i], &level, &min, &max), "not ours: '%s'", bad[i]);
	ok(!replica_key_parse(&s3, "ltx/0/0000000000000001-0000000000000001.ltx", &level, &min,
			      &max),
	   "the layout of another kind of storage");
}

/* ---- catalog ---- */

static struct store *st;
static struct replica r;

static void
fresh(void)
{
	char identity[STORE_ETAG_MAX];
	bool parent_ok;

	st = store_drivers[0].open(&store_drivers[0]);
	replica_init(&r, st);
	if (store_root(st, NULL, true, identity, &parent_ok, &err) < 0)
		exit(1);
}

static void
put(const char *key, const void *p, size_t n, int64_t time_ms)
{
	struct store_put put = {.key = key, .time_ms = time_ms};
	struct store_source src = store_source_mem(p, n);

	if (store_put(st, NULL, &put, &src, NULL, &err) < 0)
		exit(1);
}

static void
put_ltx(int level, uint64_t min, uint64_t max, int64_t time_ms)
{
	char key[REPLICA_KEY_MAX];

	replica_key(&r, level, min, max, key);
	put(key, "x", 1, time_ms);
}

static void
test_load(void)
{
	LS_AUTO(catalog_done) struct catalog c = {0};

	fresh();
	is_int(catalog_load(&r, NULL, &c, &err), 0, "an empty replica");
	is_u64(catalog_max_txid(&c), 0, "holds nothing");
	put_ltx(9, 1, 7, 7000);
	put_ltx(0, 10, 10, 1000);
	put_ltx(0, 9, 9, 900);
	put_ltx(1, 8, 9, 900);
	put_ltx(1, 8, 8, 800);
	put("readme.txt", "x", 1, 1);
	put("ltx/readme.txt", "x", 1, 1);
	put("ltx/0/readme.txt", "x", 1, 1);
	put("ltx/0/0000000000000001-0000000000000001.ltx.old", "x", 1, 1);
	put("ltx/0/sub/0000000000000001-0000000000000001.ltx", "x", 1, 1);
	put("ltx/10/0000000000000001-0000000000000001.ltx", "x", 1, 1);
	put("generations/0123456789abcdef/wal/x", "x", 1, 1);
	catalog_done(&c);
	is_int(catalog_load(&r, NULL, &c, &err), 0, "a replica among strangers");
	is_u64(c.n, 5, "only its files");
	ok(c.first[0] == 0 && c.first[1] == 2 && c.first[2] == 4 && c.first[9] == 4 &&
		   c.first[10] == 5,
	   "sorted by level");
	ok(c.files[0].min == 9 && c.files[1].min == 10 && c.files[2].max == 8 &&
		   c.files[3].max == 9 && c.files[4].level == 9,
	   "then min, then max");
	ok(c.files[0].size == 1 && c.files[0].time_ms == 900 && c.files[0].time_exact &&
		   c.files[0].etag && *c.files[0].etag,
	   "with size, time and etag");
	is_u64(catalog_max_txid(&c), 10, "the newest TXID");
	store_close(st);
}

static void
test_load_fails(void)
{
	struct catalog c = {0};
	struct store *faulty = NULL;
	unsigned failed = 0;

	st = store_drivers[0].open(&store_drivers[0]);
	replica_init(&r, st);
	is_int(catalog_load(&r, NULL, &c, &err), -ENOENT, "a root that is missing");
	ok(strstr(err.msg, "does not exist") && strstr(err.msg, store_drivers_root()), "%s",
	   err.msg);
	store_close(st);
	fresh();
	put_ltx(0, 1, 1, 1);
	ok(store_fault_open(st, &faulty, &err) == 0, "a store that fails");
	r.store = faulty;
	for (uint64_t nth = 1; nth <= 2; nth++) {
		struct store_fault_plan plan = {.ops = STORE_FAULT_LIST, .nth = nth, .code = -EIO};

		store_fault_set(faulty, &plan);
		failed += catalog_load(&r, NULL, &c, &err) == -EIO && c.n == 0;
	}
	is_int(failed, 2, "each of the listings counts: of the levels, and of the packs");
	store_close(faulty);
}

/* A header of 100 bytes with this time; the rest of the file is not looked at. */
static void
put_header(uint64_t txid, int64_t time_ms)
{
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
			       .page_size = 4096,
			       .commit = 1,
			       .min_txid = txid,
			       .max_txid = txid,
			       .time_ms = time_ms};
	uint8_t raw[LTX_HEADER_SIZE];
	char key[REPLICA_KEY_MAX], path[256];
	struct timespec now[2] = {{.tv_sec = 5, .tv_nsec = 123}, {.tv_sec = 5, .tv_nsec = 123}};

	if (ltx_header_encode(&h, raw, &err) < 0)
		exit(1);
	replica_key(&r, 0, txid, txid, key);
	put(key, raw, sizeof raw, 1);
	snprintf(path, sizeof path, "%s/%s", store_drivers_root(), key);
	if (utimensat(AT_FDCWD, path, now, 0) < 0)
		exit(1);
}

static void
test_fill_times(void)
{
	LS_AUTO(catalog_done) struct catalog c = {0};
	struct store_counts counts = {0};
	struct store *counting = NULL;
	const char *gone = "ltx/0/0000000000000004-0000000000000004.ltx";

	fresh();
	put_ltx(0, 1, 1, 1000);
	put_header(2, 2222);
	put_header(3, 3333);
	put_header(4, 4444);
	put("ltx/0/0000000000000005-0000000000000005.ltx", "not ltx", 7, 5000);
	ok(store_count_open(st, &counts, &counting, &err) == 0, "count");
	r.store = counting;
	is_int(catalog_load(&r, NULL, &c, &err), 0, "load");
	ok(c.n == 5 && c.files[0].time_exact && !c.files[1].time_exact,
	   "copied files have no time");
	is_int(store_del(st, NULL, &gone, 1, &err), 0, "one is merged meanwhile");
	is_int(catalog_fill_times(&c, &r, NULL, &err), 0, "read the headers");
	is_u64(counts.gets, 3, "only where it is needed");
	ok(c.files[1].time_ms == 2222 && c.files[1].time_exact && c.files[2].time_ms == 3333,
	   "times of the headers");
	ok(c.files[0].time_ms == 1000 && c.files[4].time_ms == 5000, "the others stay");
	store_close(counting);
}

static void
test_points(void)
{
	LS_AUTO(catalog_done) struct catalog c = {0};
	ls_autofree struct catalog_point *p = NULL;
	size_t n = 0;

	fresh();
	put_ltx(9, 1, 3, 9999);
	put_ltx(0, 3, 3, 3000);
	put_ltx(0, 4, 4, 4000);
	put_ltx(2, 4, 6, 6000);
	put_ltx(0, 6, 6, 6000);
	put_ltx(0, 8, 8, 8000);
	is_int(catalog_load(&r, NULL, &c, &err), 0, "load");
	is_int(catalog_points(&c, &p, &n, &err), 0, "points");
	is_u64(n, 3, "three states");
	ok(p[0].txid == 3 && p[0].snapshot && p[0].level == 9 && p[0].time_ms == 3000,
	   "a snapshot, with the time of its transaction");
	ok(p[1].txid == 4 && !p[1].snapshot && p[1].level == 0, "a transaction");
	ok(p[2].txid == 6 && p[2].level == 2 && p[2].time_ms == 6000, "a merged file");
	store_close(st);
}

int
main(void)
{
	RUN(test_keys);
	RUN(test_foreign_keys);
	RUN(test_load);
	RUN(test_load_fails);
	RUN(test_fill_times);
	RUN(test_points);
	store_drivers_done();
	return tap_done();
}
