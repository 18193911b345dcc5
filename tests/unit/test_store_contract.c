/* SPDX-License-Identifier: Apache-2.0 */
/* What store.h promises, for every driver and wrapper of tests/lib/store_drivers.c. */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/store/store.h"
#include "tests/lib/store_drivers.h"
#include "tests/lib/tap.h"

enum { BIG = (3 << 20) + 7, PART = 5 << 20, MANY = 1203 };

static const struct store_driver *driver;
static struct store *st;
static struct ls_err err;
static const int64_t time_ms = 1764065999123;

static void
fresh(bool make_root)
{
	char identity[STORE_ETAG_MAX];
	bool parent_ok;

	st = driver->open(driver);
	if (make_root && store_root(st, NULL, true, identity, &parent_ok, &err) < 0) {
		printf("Bail out! make the root: %s\n", err.msg);
		exit(1);
	}
}

static void
done(void)
{
	is_int(store_drivers_leftovers(), 0, "no temporary name is left");
	store_close(st);
}

static int
put(const char *key, const void *p, size_t n, bool create_only, struct store_meta *ret_meta)
{
	struct store_put put = {.key = key, .time_ms = time_ms, .create_only = create_only};
	struct store_source src = store_source_mem(p, n);

	return store_put(st, NULL, &put, &src, ret_meta, &err);
}

static int
puts_(const char *key, const char *text)
{
	return put(key, text, strlen(text), false, NULL);
}

static int
get(const char *key, uint64_t off, size_t len, void *buf, size_t *ret_n)
{
	struct store_get g = {.key = key, .off = off, .len = len};

	*ret_n = 0;
	return store_get(st, NULL, &g, buf, ret_n, NULL, &err);
}

static bool
holds(const char *key, const char *text)
{
	char buf[256] = "";
	size_t n;

	return get(key, 0, sizeof buf, buf, &n) == 0 && n == strlen(text) &&
	       memcmp(buf, text, n) == 0;
}

static uint8_t *
pattern(size_t n)
{
	uint8_t *p = malloc(n);

	for (size_t i = 0; p && i < n; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 13);
	return p;
}

/* ---- root ---- */

static void
test_root(void)
{
	char one[STORE_ETAG_MAX] = "", two[STORE_ETAG_MAX] = "";
	bool parent_ok = false;

	fresh(false);
	if (driver->bucket) {
		is_int(store_root(st, NULL, false, one, &parent_ok, &err), 0, "always there");
		is_int(store_root(st, NULL, true, two, &parent_ok, &err), 0, "also when made");
		ok(*one && strcmp(one, two) == 0 && parent_ok, "its identity stays: %s", one);
		done();
		return;
	}
	is_int(store_root(st, NULL, false, one, &parent_ok, &err), -ENOENT, "a root is missing");
	ok(parent_ok, "provably, for its parent can be listed");
	is_int(store_root(st, NULL, false, one, &parent_ok, &err), -ENOENT, "looking made none");
	is_int(puts_("a/b", "x"), -ENOENT, "a put does not make the root");
	is_int(store_root(st, NULL, false, one, &parent_ok, &err), -ENOENT, "still missing");
	is_int(store_root(st, NULL, true, one, &parent_ok, &err), 0, "made when asked");
	is_int(store_root(st, NULL, true, two, &parent_ok, &err), 0, "an existing one is fine");
	ok(*one && strcmp(one, two) == 0, "its identity stays: %s", one);
	is_int(puts_("a/b", "x"), 0, "now a put works");
	is_int(store_root(st, NULL, false, two, &parent_ok, &err), 0, "look again");
	is_str(two, one, "content does not change the identity");
	done();
}

/* ---- keys ---- */

static void
test_bad_keys(void)
{
	static const char *const bad[] = {
		"",	"/",	 "/a",	 "a/",	  "a//b", ".",	  "..",		  "a/..",
		"../a", "a/./b", "a\nb", "a\x7f", "\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf"};
	char longest[STORE_KEY_MAX + 2];
	struct store_meta meta;
	uint8_t buf[8];
	size_t n;

	fresh(true);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *key = bad[i];

		ok(puts_(key, "x") == -EINVAL && get(key, 0, 8, buf, &n) == -EINVAL &&
			   store_head(st, NULL, key, &meta, &err) == -EINVAL &&
			   store_del(st, NULL, &key, 1, &err) == -EINVAL,
		   "bad key %zu is refused by every call", i);
	}
	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	is_int(get(longest, 0, 8, buf, &n), -EINVAL, "a key that is too long");
	is_int(puts_("d\xc3\xa9p\xc3\xb4t/\xe2\x82\xac", "x"), 0, "UTF-8 is fine");
	ok(holds("d\xc3\xa9p\xc3\xb4t/\xe2\x82\xac", "x"), "and found again");
	done();
}

/* ---- get, put, head ---- */

static void
test_missing(void)
{
	struct store_meta meta;
	uint8_t buf[8];
	size_t n;

	fresh(true);
	is_int(get("no/such", 0, 8, buf, &n), -ENOENT, "get of nothing");
	is_int(get("no/such", 0, 0, buf, &n), -ENOENT, "no bytes of nothing");
	is_int(store_head(st, NULL, "no/such", &meta, &err), -ENOENT, "head of nothing");
	is_int(puts_("no", "x"), 0, "an object where a part of that key is");
	is_int(get("no/such", 0, 8, buf, &n), -ENOENT, "still nothing");
	done();
}

static void
test_ranges(void)
{
	static const struct {
		uint64_t off;
		size_t len, want;
	} c[] = {
		{0, BIG + 100, BIG},
		{0, 1, 1},
		{BIG - 1, 1, 1},
		{BIG - 1, 100, 1},
		{1000, 2 << 20, 2 << 20},
		{BIG, 10, 0},
		{BIG + 1, 10, 0},
		{UINT64_MAX / 4, 10, 0},
		{5, 0, 0},
	};
	ls_autofree uint8_t *data = pattern(BIG), *buf = malloc(BIG + 100);
	size_t n = 0;

	fresh(true);
	is_int(put("big", data, BIG, true, NULL), 0, "put a large object");
	for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
		memset(buf, 0x5a, BIG + 100);
		ok(get("big", c[i].off, c[i].len, buf, &n) == 0 && n == c[i].want &&
			   (n == 0 || memcmp(buf, data + c[i].off, n) == 0) && buf[n] == 0x5a,
		   "range %llu+%zu %s", (unsigned long long)c[i].off, c[i].len, err.msg);
	}
	is_int(put("empty", "", 0, true, NULL), 0, "put an empty object");
	ok(get("empty", 0, 10, buf, &n) == 0 && n == 0, "and get it");
	done();
}

static void
test_meta(void)
{
	static const int64_t times[] = {0, 1, 999, 1764065999123, 1764065999000, 4102444800001};
	struct store_meta a, b, c;
	struct store_get g = {.key = "k", .len = 8};
	uint8_t buf[8];
	size_t n;

	fresh(true);
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct store_put p = {.key = "k", .time_ms = times[i]};
		struct store_source src = store_source_mem("12345", 5);
		int rc = store_put(st, NULL, &p, &src, &a, &err);

		ok(rc == 0 && store_head(st, NULL, "k", &b, &err) == 0 &&
			   store_get(st, NULL, &g, buf, &n, &c, &err) == 0,
		   "put, head, get");
		ok(a.size == 5 && b.size == 5 && c.size == 5, "all say the size");
		ok(*a.etag && strcmp(a.etag, b.etag) == 0 && strcmp(a.etag, c.etag) == 0,
		   "all say the same etag");
		ok(a.time_exact && b.time_exact && c.time_exact, "the time is the writer's");
		ok(a.time_ms / driver->time_step_ms == times[i] / driver->time_step_ms &&
			   b.time_ms == a.time_ms && c.time_ms == a.time_ms,
		   "time %lld is kept", (long long)times[i]);
	}
	done();
}

static void
test_etag(void)
{
	struct store_meta one, two;
	struct store_get g = {.key = "k", .len = 8, .etag = one.etag};
	uint8_t buf[8];
	size_t n = 0;

	fresh(true);
	is_int(put("k", "aaaa", 4, false, &one), 0, "put");
	is_int(store_get(st, NULL, &g, buf, &n, NULL, &err), 0, "get of that version");
	is_int(put("k", "bbbb", 4, false, &two), 0, "replace: same size, same time");
	ok(strcmp(one.etag, two.etag) != 0, "another etag");
	is_int(store_get(st, NULL, &g, buf, &n, NULL, &err), -ESTALE, "the old version is gone");
	g.etag = two.etag;
	is_int(store_get(st, NULL, &g, buf, &n, NULL, &err), 0, "the new one is there");
	done();
}

static void
test_create_only(void)
{
	ls_autofree uint8_t *data = pattern(BIG);
	struct store_meta meta;

	fresh(true);
	is_int(put("k", "one", 3, true, NULL), 0, "create");
	is_int(put("k", "two", 3, true, NULL), -EEXIST, "other bytes of the same size");
	is_int(put("k", "three", 5, true, NULL), -EEXIST, "another size");
	ok(holds("k", "one"), "the first one stays");
	is_int(put("k", "one", 3, true, &meta), 0, "the same bytes again are success");
	is_u64(meta.size, 3, "with the facts of the object");
	is_int(put("k", "two", 3, false, NULL), 0, "replace when that is wanted");
	ok(holds("k", "two"), "replaced");
	is_int(put("big", data, BIG, true, NULL), 0, "a large one");
	is_int(put("big", data, BIG, true, NULL), 0, "and again");
	data[BIG - 1] ^= 1;
	is_int(put("big", data, BIG, true, NULL), -EEXIST, "its last byte counts");
	done();
}

static int
put_if(const char *text, const char *etag, struct store_meta *ret_meta)
{
	struct store_put p = {.key = "k", .time_ms = time_ms, .if_match = etag};
	struct store_source src = store_source_mem(text, strlen(text));

	return store_put(st, NULL, &p, &src, ret_meta, &err);
}

static void
test_conditions(void)
{
	struct store_meta one = {0}, two = {0};
	int rc;

	fresh(true);
	rc = put_if("one", "", &one);
	if (rc == -ENOTSUP) {
		is_int(put_if("one", "x", &one), -ENOTSUP, "no conditions at all");
		done();
		return;
	}
	is_int(rc, 0, "created");
	is_int(put_if("one", "", NULL), -EEXIST, "not again, not even with the same bytes");
	is_int(put_if("two", "0123456789abcdef0123456789abcdef", NULL), -ESTALE, "another etag");
	ok(holds("k", "one"), "it stays");
	is_int(put_if("two", one.etag, &two), 0, "its etag");
	ok(holds("k", "two") && *two.etag && strcmp(one.etag, two.etag) != 0, "replaced");
	is_int(put_if("three", one.etag, NULL), -ESTALE, "the old etag");
	is_int(put_if("three", two.etag, NULL), 0, "the one that the put told");
	is_int(store_del(st, NULL, &(const char *){"k"}, 1, &err), 0, "removed");
	is_int(put_if("four", two.etag, NULL), -ESTALE, "nothing to replace");
	is_int(put_if("four", "", NULL), 0, "created anew");
	done();
}

static void
test_until(void)
{
	_Atomic uint64_t until = clock_boot_ms() + 60000;
	struct store_call call = {.until_ms = &until};
	struct store_put p = {.key = "k", .time_ms = time_ms};
	struct store_source src = store_source_mem("old", 3);

	fresh(true);
	is_int(store_put(st, &call, &p, &src, NULL, &err), 0, "while it is held");
	until = clock_boot_ms();
	is_int(store_put(st, &call, &p, &src, NULL, &err), -ETIMEDOUT, "not behind its end");
	ok(strstr(err.msg, "lease") != NULL, "and says why: %s", err.msg);
	done();
}

/* ---- list ---- */

struct seen {
	char text[512];
	unsigned n, stop_at;
	int code;
};

static int
see(void *arg, const struct store_entry *e, struct ls_err *e_err)
{
	struct seen *s = arg;
	struct store_meta meta;
	size_t used = strlen(s->text);

	if (s->stop_at && ++s->n == s->stop_at)
		return ls_err_set(e_err, s->code, "enough");
	if (store_head(st, NULL, e->key, &meta, e_err) < 0 || meta.size != e->meta.size ||
	    (e->meta.time_exact && meta.time_ms != e->meta.time_ms) ||
	    strcmp(meta.etag, e->meta.etag) != 0)
		return ls_err_set(e_err, -EBADMSG, "list and head differ");
	snprintf(s->text + used, sizeof s->text - used, "%s ", e->key);
	return 0;
}

static const char *
list(const char *prefix, const char *after)
{
	static struct seen s;

	s = (struct seen){.n = 0};
	return store_list(st, NULL, prefix, after, see, &s, &err) < 0 ? err.msg : s.text;
}

static void
test_list(void)
{
	static const char *const keys[] = {"b/1",     "a/x", "a.b", "a0",
					   "a/x/y.d", "a-",  "a/",  "c/d/e"};

	fresh(true);
	is_str(list("", NULL), "", "an empty root");
	is_str(list("a/b/", NULL), "", "a prefix without objects");
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (i != 4 && i != 6)
			is_int(puts_(keys[i], "x"), 0, keys[i]);
	is_str(list("", NULL), "a- a.b a/x a0 b/1 c/d/e ", "byte order of whole keys");
	is_str(list("a", NULL), "a- a.b a/x a0 ", "a prefix may end within a part");
	is_str(list("a/", NULL), "a/x ", "or at a slash");
	is_str(list("a/x", NULL), "a/x ", "or be a key");
	is_str(list("a/x/", NULL), "", "an object is no directory");
	is_str(list("c/", NULL), "c/d/e ", "deeper");
	is_str(list("c/d/e", NULL), "c/d/e ", "down to the key");
	is_str(list("z", NULL), "", "nothing there");
	is_str(list("", "a.b"), "a/x a0 b/1 c/d/e ", "after a key");
	is_str(list("", "a/x"), "a0 b/1 c/d/e ", "after one in a directory");
	is_str(list("", "a/"), "a/x a0 b/1 c/d/e ", "after no key, before one");
	is_str(list("", "a/w"), "a/x a0 b/1 c/d/e ", "between");
	is_str(list("b/", "a"), "b/1 ", "after something before the prefix");
	is_str(list("a", "c"), "", "after everything");
	ok(store_list(st, NULL, "../", NULL, see, NULL, &err) == -EINVAL &&
		   store_list(st, NULL, "a//", NULL, see, NULL, &err) == -EINVAL &&
		   store_list(st, NULL, "/", NULL, see, NULL, &err) == -EINVAL,
	   "a prefix that no key can have is refused");
	done();
}

static void
test_list_callback(void)
{
	static const int codes[] = {-ECANCELED, -ENOENT, -EBADMSG};
	struct seen s;

	fresh(true);
	ok(puts_("a/1", "x") == 0 && puts_("a/2", "x") == 0 && puts_("b/3", "x") == 0, "three");
	for (size_t i = 0; i < 3; i++) {
		s = (struct seen){.stop_at = 2, .code = codes[i]};
		is_int(store_list(st, NULL, "", NULL, see, &s, &err), codes[i],
		       "the callback's error is the result");
		is_str(s.text, "a/1 ", "and ends the call");
		is_str(err.msg, "enough", "with its text");
	}
	done();
}

/* Sizes around those of the parts that a bucket takes a large object in. */
static void
test_sizes(void)
{
	static const size_t sizes[] = {0, 1, PART - 1, PART, PART + 1, 2 * PART, 4 * PART + 12345};
	ls_autofree uint8_t *data = pattern(5 * PART), *buf = malloc(5 * PART);
	struct store_meta meta;
	size_t n;

	fresh(true);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		is_int(put("sized", data + i, sizes[i], false, &meta), 0, "put");
		is_u64(meta.size, sizes[i], "with its size");
		ok(get("sized", 0, 5 * PART, buf, &n) == 0 && n == sizes[i] &&
			   memcmp(buf, data + i, n) == 0,
		   "all of %zu bytes", sizes[i]);
		is_int(store_head(st, NULL, "sized", &meta, &err), 0, "head");
		ok(meta.size == sizes[i] && meta.time_exact && meta.time_ms == time_ms, "facts");
	}
	is_int(put("sized", data, 2 * PART + 1, true, NULL), -EEXIST, "create-only, in parts");
	is_int(put("other", data, 2 * PART + 1, true, NULL), 0, "a new one");
	is_int(put("other", data, 2 * PART + 1, true, NULL), 0, "the same one again");
	done();
}

static int
count_entries(void *arg, const struct store_entry *e, struct ls_err *e_err)
{
	(void)e;
	(void)e_err;
	++*(unsigned *)arg;
	return 0;
}

/* More than a page of a listing, more than one deletion takes. */
static void
test_many(void)
{
	ls_autofree char(*names)[32] = ls_alloc_array(MANY, sizeof *names);
	ls_autofree const char **keys = ls_alloc_array(MANY, sizeof *keys);
	unsigned n = 0, bad = 0;

	fresh(true);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "many/%05u", i);
		keys[i] = names[i];
		bad += puts_(names[i], "x") != 0;
	}
	is_int(bad, 0, "all are put");
	is_int(store_list(st, NULL, "many/", NULL, count_entries, &n, &err), 0, "list");
	is_int(n, MANY, "all are listed");
	n = 0;
	is_int(store_list(st, NULL, "many/", "many/00999", count_entries, &n, &err), 0, "the rest");
	is_int(n, MANY - 1000, "from there on");
	is_int(store_del(st, NULL, keys, MANY, &err), 0, "delete");
	is_str(list("", NULL), "", "all are gone");
	done();
}

/* ---- del ---- */

static void
test_del(void)
{
	const char *keys[] = {"a/1", "no/such", "b/2", "a/1", "a"};
	struct store_meta meta;

	fresh(true);
	ok(puts_("a/1", "x") == 0 && puts_("b/2", "x") == 0 && puts_("b/3", "x") == 0, "three");
	is_int(store_del(st, NULL, keys, 0, &err), 0, "delete nothing");
	is_int(store_del(st, NULL, keys, 5, &err), 0, "a key that is not there is success");
	is_int(store_head(st, NULL, "a/1", &meta, &err), -ENOENT, "gone");
	is_str(list("", NULL), "b/3 ", "only those");
	is_int(puts_("a/1", "again"), 0, "a deleted key can be put again");
	ok(holds("a/1", "again"), "with new content");
	done();
}

/* ---- the call context ---- */

static void
test_call(void)
{
	struct stop stop;
	struct store_call stopped = {.stop = &stop}, late = {.deadline_ms = 1};
	const struct store_call *calls[] = {&stopped, &late};
	static const int want[] = {-ECANCELED, -ETIMEDOUT};
	struct store_get g = {.key = "k", .len = 8};
	struct store_put p = {.key = "k", .time_ms = time_ms};
	struct store_source src = store_source_mem("new", 3);
	const char *key = "k";
	char identity[STORE_ETAG_MAX], buf[8];
	struct store_meta meta;
	bool parent_ok;
	struct seen s = {.n = 0};
	size_t n;

	fresh(true);
	ok(stop_init(&stop, &err) == 0 && puts_("k", "old") == 0, "an object");
	stop_fire(&stop);
	for (size_t i = 0; i < 2; i++) {
		is_int(store_get(st, calls[i], &g, buf, &n, NULL, &err), want[i], "get");
		is_int(store_put(st, calls[i], &p, &src, NULL, &err), want[i], "put");
		is_int(store_list(st, calls[i], "", NULL, see, &s, &err), want[i], "list");
		is_int(store_head(st, calls[i], key, &meta, &err), want[i], "head");
		is_int(store_del(st, calls[i], &key, 1, &err), want[i], "del");
		is_int(store_root(st, calls[i], false, identity, &parent_ok, &err), want[i],
		       "root");
	}
	ok(holds("k", "old"), "nothing was done");
	late.deadline_ms = clock_mono_ms() + 60000;
	is_int(store_put(st, &late, &p, &src, NULL, &err), 0, "in time");
	stop_done(&stop);
	done();
}

/* A source that breaks, or fires the token, half-way. */
struct breaking {
	struct stop *fire;
	int code;
};

static int
read_breaking(void *arg, uint64_t off, void *p, size_t n, struct ls_err *e)
{
	const struct breaking *b = arg;

	memset(p, 'x', n);
	if (off == 0)
		return 0;
	if (b->fire)
		stop_fire(b->fire);
	return b->code ? ls_err_set(e, b->code, "the source broke") : 0;
}

static void
test_broken_source(void)
{
	struct stop stop;
	struct breaking b[] = {{NULL, -EBADMSG}, {&stop, 0}};
	static const int want[] = {-EBADMSG, -ECANCELED};
	struct store_call call = {.stop = &stop};
	struct store_meta meta;

	fresh(true);
	ok(stop_init(&stop, &err) == 0 && puts_("old/k", "old") == 0, "an object");
	for (int i = 0; i < 4; i++) {
		struct store_put p = {.key = i & 1 ? "old/k" : "new/k", .create_only = false};
		struct store_source src = {.size = BIG, .read = read_breaking, .arg = &b[i / 2]};

		is_int(store_put(st, &call, &p, &src, NULL, &err), want[i / 2], "the put fails");
	}
	ok(strstr(err.msg, "stopped") != NULL, "and says why: %s", err.msg);
	is_int(store_head(st, NULL, "new/k", &meta, &err), -ENOENT, "nothing half written");
	ok(holds("old/k", "old"), "what was there stays");
	is_str(list("", NULL), "old/k ", "and nothing else");
	stop_done(&stop);
	done();
}

int
main(void)
{
	static void (*const cases[])(void) = {
		test_root,	    test_bad_keys, test_missing,     test_ranges,
		test_meta,	    test_etag,	   test_create_only, test_list,
		test_list_callback, test_del,	   test_call,	     test_broken_source,
		test_sizes,	    test_many,	   test_conditions,  test_until,
	};

	store_drivers_choose();
	for (size_t d = 0; d < store_drivers_n; d++) {
		driver = &store_drivers[d];
		printf("# driver %s\n", driver->name);
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
			cases[i]();
	}
	store_drivers_done();
	return tap_done();
}
