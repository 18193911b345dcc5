/* SPDX-License-Identifier: Apache-2.0 */
/* The durable catalog: it holds what was put, a prefix of that, or nothing; never anything else. */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/base/io.h"
#include "engine/format/crc64.h"
#include "engine/replica/catalog_log.h"
#include "tests/lib/rnd.h"
#include "tests/lib/tap.h"

#include <time.h>

enum { HEADER = 32, RECORD = 48, OPS = 60 };

static const char url[] = "file:///backup", root[] = "801-2";
static char dir[] = "/tmp/test_catalog.XXXXXX";
static char path[64];
static struct ls_err err;
static struct catalog_log *
reopen(struct catalog_log *l, bool *ret_valid)
{
	struct catalog_log *next = NULL;

	catalog_log_close(l);
	if (catalog_log_open(path, url, root, &next, ret_valid, &err) < 0) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	return next;
}

static struct catalog_log *
fresh(void)
{
	bool valid;

	unlink(path);
	return reopen(NULL, &valid);
}

static struct catalog_file
file_of(unsigned level, uint64_t min, uint64_t max)
{
	return (struct catalog_file){.level = (uint8_t)level,
				     .min = min,
				     .max = max,
				     .size = 200 + max,
				     .time_ms = (int64_t)max * 10,
				     .time_exact = max & 1};
}

static bool
same(const struct catalog *a, const struct catalog *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		const struct catalog_file *x = &a->files[i], *y = &b->files[i];

		if (x->level != y->level || x->min != y->min || x->max != y->max ||
		    x->size != y->size || x->time_ms != y->time_ms ||
		    x->time_exact != y->time_exact)
			return false;
	}
	return a->n == b->n && memcmp(a->first, b->first, sizeof a->first) == 0;
}

/* ---- the catalog's own insertion and removal ---- */

static void
test_insert(void)
{
	LS_AUTO(catalog_done) struct catalog c = {0};
	unsigned bad = 0, added = 0;
	bool is_new = false;

	for (unsigned i = 0; i < 3000; i++) {
		struct catalog_file f = file_of(rnd(10), 1 + rnd(6), 6 + rnd(4));
		LS_AUTO(catalog_done) struct catalog sorted = {0};
		bool there = catalog_find(&c, &f) != NULL;

		f.etag = (char *)(uintptr_t) "etag";
		if (rnd(2)) {
			bad += catalog_insert(&c, &f, &is_new, &err) != 0 || is_new == there;
			added++;
		} else {
			bad += catalog_remove(&c, &f) != there;
		}
		for (size_t k = c.n; i % 50 == 0 && k-- > 0;)
			bad += catalog_add(&sorted, &c.files[k], &err) != 0;
		catalog_sort(&sorted);
		bad += i % 50 == 0 && !same(&sorted, &c);
	}
	ok(bad == 0 && added > 1000, "insertion and removal keep the order of catalog_sort()");
}

/* ---- a history, and what the log holds after each step ---- */

static struct catalog states[OPS + 1];

static void
copy(const struct catalog *from, struct catalog *to)
{
	*to = (struct catalog){0};
	for (size_t i = 0; i < from->n; i++)
		if (catalog_add(to, &from->files[i], &err) < 0)
			exit(1);
	catalog_sort(to);
}

/* Exactly OPS records behind the header. */
static struct catalog_log *
history(void)
{
	struct catalog_log *l = fresh();
	unsigned bad = 0;

	bad += catalog_log_reset(l, &states[0], &err) != 0;
	for (unsigned i = 1; i <= OPS; i++) {
		const struct catalog *now = catalog_log_catalog(l);

		if (now->n > 3 && rnd(3) == 0) {
			struct catalog_file victim = now->files[rnd((unsigned)now->n)];

			bad += catalog_log_del(l, &victim, &err) != 0;
		} else {
			struct catalog_file f = file_of(rnd(3) ? 0 : rnd(10), i, i + rnd(3));

			bad += catalog_log_put(l, &f, &err) != 0;
		}
		copy(catalog_log_catalog(l), &states[i]);
	}
	is_int(bad, 0, "a history of puts and deletions");
	return l;
}

static void
forget(void)
{
	for (unsigned i = 0; i <= OPS; i++)
		catalog_done(&states[i]);
}

static void
write_bytes(const char *text, size_t n)
{
	int fd;

	unlink(path); /* a truncated file would be flushed when it is closed */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n || close(fd) < 0)
		exit(1);
}

static void
test_reopen(void)
{
	struct catalog_log *l = history();
	bool valid = false;

	l = reopen(l, &valid);
	ok(valid && same(catalog_log_catalog(l), &states[OPS]), "reopened, it holds the same");
	catalog_log_close(l);
	ok(catalog_log_open(path, "file:///other", root, &l, &valid, &err) == 0 && !valid &&
		   catalog_log_catalog(l)->n == 0,
	   "another URL: not valid, empty");
	catalog_log_close(l);
	ok(catalog_log_open(path, url, "801-3", &l, &valid, &err) == 0 && !valid, "another root");
	catalog_log_close(l);
	forget();
}

/* Cut or changed at any byte. */
static void
test_damage(void)
{
	ls_autofree char *text = NULL;
	unsigned cut_bad = 0, flip_bad = 0, append_bad = 0;
	size_t n = 0;

	catalog_log_close(history());
	if (io_read_file(path, 1 << 20, &text, &n, &err) < 0)
		exit(1);
	is_int(n, HEADER + OPS * RECORD, "size of the log");
	for (size_t cut = 0; cut < n; cut++) {
		bool valid, want = cut >= HEADER;
		struct catalog_log *l;

		write_bytes(text, cut);
		l = reopen(NULL, &valid);
		cut_bad += valid != want || !same(catalog_log_catalog(l),
						  &states[want ? (cut - HEADER) / RECORD : 0]);
		catalog_log_close(l);
	}
	is_int(cut_bad, 0, "cut at any byte: what was before, or not valid");
	for (size_t i = 0; i < 3 * n; i++) {
		size_t at = i / 3, whole = at < HEADER ? 0 : (at - HEADER) / RECORD;
		char saved = text[at];
		struct catalog_file f = file_of(0, 5000, 5000);
		struct catalog_log *l;
		bool valid;

		text[at] = (char)(text[at] ^ (i % 3 == 0 ? 1 : i % 3 == 1 ? 0x80 : 0xff));
		write_bytes(text, n);
		text[at] = saved;
		l = reopen(NULL, &valid);
		flip_bad +=
			valid != (at >= HEADER) || !same(catalog_log_catalog(l), &states[whole]);
		/* What lies behind the damage stays dead when the log goes on over it. */
		append_bad += catalog_log_put(l, &f, &err) != 0;
		l = reopen(l, &valid);
		append_bad += !valid || catalog_log_catalog(l)->n != states[whole].n + 1 ||
			      !catalog_find(catalog_log_catalog(l), &f);
		catalog_log_close(l);
	}
	is_int(flip_bad, 0, "any byte changed: what was before it, or not valid");
	is_int(append_bad, 0, "the next record follows that, and nothing old comes back");
	forget();
}

static void
test_version(void)
{
	uint8_t h[HEADER] = "LSCATLG1";
	struct catalog_log *l = NULL;
	bool valid;

	put_be32(h + 8, 2);
	put_be64(h + 24, crc64(0, h, 24));
	write_bytes((char *)h, sizeof h);
	is_int(catalog_log_open(path, url, root, &l, &valid, &err), -EINVAL, "an unknown version");
	ok(strstr(err.msg, path) && strstr(err.msg, "newer litestream-c"), "%s", err.msg);
}

static void
test_rewrite(void)
{
	struct catalog_log *l = fresh();
	unsigned bad = 0;
	struct stat st;
	off_t max = 0;
	bool valid;

	for (unsigned i = 1; i <= 6000; i++) {
		struct catalog_file f = file_of(0, i, i), old = file_of(0, i - 100, i - 100);

		bad += catalog_log_put(l, &f, &err) != 0;
		bad += i > 100 && catalog_log_del(l, &old, &err) != 0;
		if (stat(path, &st) == 0 && st.st_size > max)
			max = st.st_size;
	}
	is_int(bad, 0, "6,000 files come and go");
	ok(max < 1300 * RECORD, "the log stays small: %ld bytes at most", (long)max);
	l = reopen(l, &valid);
	ok(valid && catalog_log_catalog(l)->n == 100 &&
		   catalog_log_catalog(l)->files[0].min == 5901,
	   "and holds the last hundred");
	catalog_log_close(l);
}

static void
test_edges(void)
{
	struct catalog_log *l = fresh();
	struct catalog_file f = file_of(0, 7, 7);
	bool valid = true;
	char tmp[80];

	is_int(catalog_log_del(l, &f, &err), 0, "deleting what is not there");
	is_int(catalog_log_put(l, &f, &err), 0, "put into a new log, without a reset");
	f.size = 999;
	is_int(catalog_log_put(l, &f, &err), 0, "put again");
	l = reopen(l, &valid);
	ok(valid && catalog_log_catalog(l)->n == 1 && catalog_log_catalog(l)->files[0].size == 999,
	   "replaces it");
	is_int(catalog_log_reset(l, catalog_log_catalog(l), &err), 0, "reset to its own content");
	ok(catalog_log_catalog(l)->n == 1, "keeps it");
	l = reopen(l, &valid);
	ok(valid && catalog_log_catalog(l)->n == 1, "on the disk, too");
	catalog_log_close(l);
	snprintf(tmp, sizeof tmp, "%s.tmp", path);
	ok(access(tmp, F_OK) < 0, "no temporary file is left");
	snprintf(tmp, sizeof tmp, "%s/no/catalog", dir);
	is_int(catalog_log_open(tmp, url, root, &l, &valid, &err), -ENOENT, "no directory");
}

/* The disk may be busy, and what it would hold is not looked at here. */
static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

int
main(void)
{
	const char *env = getenv("SEED");
	struct io_ops quick = io_system;
	char cmd[64];

	rng = (env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL)) | 1;
	printf("# SEED=%llu\n", (unsigned long long)rng);
	quick.fdatasync = no_sync;
	io_set_ops(&quick);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/catalog", dir);
	RUN(test_insert);
	RUN(test_reopen);
	RUN(test_damage);
	RUN(test_version);
	RUN(test_rewrite);
	RUN(test_edges);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	if (system(cmd))
		return 1;
	return tap_done();
}
