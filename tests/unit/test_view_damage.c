/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged, missing and exchanged objects: an error or the right bytes, by view and by restore. */
#include "config.h"

#include "engine/view/view.h"

#include "engine/base/io.h"
#include "engine/store/store_fault.h"
#include "engine/view/restore.h"
#include "tests/lib/tap.h"
#include "tests/unit/test_view_model.h"

static const struct model_opts small = {
	.seed = 11, .page_size = 512, .pages = 24, .txids = 4, .random_bytes = false};

struct tally {
	unsigned same, error, wrong;
};

static bool
gone(const struct model *m, const char *name)
{
	char path[96];
	struct stat s;

	snprintf(path, sizeof path, "%s/%s", m->dir, name);
	return io_stat(path, &s, NULL) == -ENOENT;
}

/* Restores the last TXID from st; 0 also means that the bytes are right. */
static int
try_restore(const struct model *m, struct store *st, struct ls_err *err)
{
	char out[96];
	struct restore_opts o = {.output = out, .target.txid = m->o.txids, .parallelism = 1};
	struct restore_result res = {0};
	ls_autofree char *got = NULL;
	size_t n = 0;
	int rc;

	snprintf(out, sizeof out, "%s/out.db", m->dir);
	rc = restore_run(st, NULL, &o, &res, err);
	if (rc == 0 && io_read_file(out, 1 << 24, &got, &n, err) == 0)
		rc = n == model_size(m, m->o.txids) && memcmp(got, m->image[m->o.txids], n) == 0
			     ? 0
			     : 1;
	unlink(out);
	return rc;
}

static int
try_view(const struct model *m, struct store *st, struct ls_err *err)
{
	size_t n = 0, size = model_size(m, m->o.txids);
	ls_autofree uint8_t *buf = calloc(1, size + 1);
	struct history *h = NULL;
	struct view *v = NULL;
	int rc = history_open(st, NULL, NULL, &h, err);

	if (rc < 0)
		return rc;
	rc = view_open(h, NULL, m->o.txids, &v, err);
	if (rc == 0)
		rc = view_read(v, NULL, 0, buf, size + 1, false, &n, err);
	if (rc == 0)
		rc = n == size && memcmp(buf, m->image[m->o.txids], n) == 0 ? 0 : 1;
	view_unref(v);
	history_close(h);
	return rc;
}

static void
count(struct tally *t, int rc, const struct ls_err *err)
{
	t->same += rc == 0;
	t->wrong += rc > 0 || (rc < 0 && !err->msg[0]);
	t->error += rc < 0;
}

static void
try_both(const struct model *m, struct tally *views, struct tally *restores)
{
	struct ls_err err = {0};
	struct store *st = model_open(m);

	count(restores, try_restore(m, st, &err), &err);
	store_close(st);
	err = (struct ls_err){0};
	count(views, try_view(m, model_open(m), &err), &err);
}

static void
report(const char *what, const struct tally *views, const struct tally *restores)
{
	ok(!views->wrong, "%s: view gave %u errors, %u times the same, never other bytes", what,
	   views->error, views->same);
	ok(!restores->wrong, "%s: restore gave %u errors, %u times the same, never other bytes",
	   what, restores->error, restores->same);
}

static void
write_bytes(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f))
		exit(1);
}

/* Each bit of every byte of one file in turn. */
static void
flip_all(int encoding, unsigned txid)
{
	struct model_opts o = small;
	struct tally views = {0}, restores = {0};
	ls_autofree char *p = NULL;
	struct ls_err err = {0};
	char path[160], what[64];
	struct model m;
	size_t n = 0;

	o.encoding = (enum ltx_encoding)encoding;
	model_new(&m, &o);
	model_path(&m, 0, txid, txid, path);
	is_int(io_read_file(path, 1 << 20, &p, &n, &err), 0, "read the object");
	for (size_t i = 0; i < n; i++) {
		char old = p[i];

		p[i] = (char)(old ^ (1 << model_rand(&m) % 8));
		write_bytes(path, p, n);
		try_both(&m, &views, &restores);
		p[i] = old;
	}
	snprintf(what, sizeof what, "%zu bytes of a %s file", n, encoding ? "block" : "frame");
	report(what, &views, &restores);
	ok(restores.error == n - restores.same && restores.same <= n / 8,
	   "nearly every flipped bit is noticed");
	model_done(&m);
}

static void
test_flips(void)
{
	flip_all(LTX_FRAME, 2);
	flip_all(LTX_BLOCK, 2);
	flip_all(LTX_FRAME, 4);
	flip_all(LTX_BLOCK, 1);
}

/* A snapshot that is too large to be read whole: random bits, and all in its header and tail. */
static void
test_flips_large(void)
{
	struct model_opts o = {
		.seed = 12, .page_size = 4096, .pages = 400, .txids = 1, .random_bytes = true};
	struct tally views = {0}, restores = {0};
	ls_autofree char *p = NULL;
	struct ls_err err = {0};
	char path[160];
	struct model m;
	size_t n = 0;

	model_new(&m, &o);
	model_path(&m, 0, 1, 1, path);
	is_int(io_read_file(path, 1 << 24, &p, &n, &err), 0, "read the object");
	for (size_t i = 0; i < 400; i++) {
		size_t at = i < 200 ? model_rand(&m) % n : i < 300 ? i - 200 : n - 1 - (i - 300);
		char old = p[at];

		p[at] = (char)(old ^ (1 << model_rand(&m) % 8));
		write_bytes(path, p, n);
		try_both(&m, &views, &restores);
		p[at] = old;
	}
	report("400 bytes of a large snapshot", &views, &restores);
	model_done(&m);
}

static void
test_cuts(void)
{
	struct tally views = {0}, restores = {0};
	ls_autofree char *p = NULL;
	struct ls_err err = {0};
	char path[160];
	struct model m;
	size_t n = 0;

	model_new(&m, &small);
	model_path(&m, 0, 3, 3, path);
	is_int(io_read_file(path, 1 << 20, &p, &n, &err), 0, "read the object");
	for (size_t cut = 0; cut < n; cut += cut < 200 || cut + 200 > n ? 1 : 17) {
		write_bytes(path, p, cut);
		try_both(&m, &views, &restores);
	}
	report("a cut file", &views, &restores);
	is_int(views.same + restores.same, 0, "every cut is noticed");
	write_bytes(path, p, n);
	model_done(&m);
}

static void
expect_error(const struct model *m, int code, const char *what)
{
	struct ls_err verr = {0}, rerr = {0};
	struct store *st = model_open(m);
	int r = try_restore(m, st, &rerr), v = try_view(m, model_open(m), &verr);

	store_close(st);
	ok(r == code && v == code && gone(m, "out.db") && gone(m, "out.db.tmp"), "%s: %s", what,
	   rerr.msg);
	if (r != code || v != code)
		printf("# restore %d, view %d (%s)\n", r, v, verr.msg);
}

static void
test_missing_and_exchanged(void)
{
	char a[160], b[160], tmp[200];
	struct model m;

	model_new(&m, &small);
	model_path(&m, 0, 2, 2, a);
	model_path(&m, 0, 3, 3, b);
	snprintf(tmp, sizeof tmp, "%s.x", a);
	rename(a, tmp);
	expect_error(&m, -ENOENT, "a missing file");
	rename(b, a);
	rename(tmp, b);
	expect_error(&m, -EBADMSG, "two files with each other's name");
	write_bytes(a, "", 0);
	expect_error(&m, -EBADMSG, "an empty file");
	model_done(&m);
}

/* Every call of the store fails once; then a half answered one. */
static void
test_faults(void)
{
	unsigned ok_r = 0, ok_v = 0, bad = 0;
	struct model m;

	model_new(&m, &small);
	for (int mode = 0; mode < 2; mode++)
		for (uint64_t nth = 1; nth < 80; nth++) {
			struct store_fault_plan plan = {.ops = STORE_FAULT_ALL,
							.nth = nth,
							.code = -EIO,
							.short_read = mode == 1};
			struct store *rs = NULL, *vs = NULL;
			struct ls_err err = {0};
			int rc;

			if (store_fault_open(model_open(&m), &rs, &err) < 0 ||
			    store_fault_open(model_open(&m), &vs, &err) < 0)
				exit(1);
			store_fault_set(rs, &plan);
			store_fault_set(vs, &plan);
			rc = try_restore(&m, rs, &err);
			ok_r += rc == 0;
			bad += rc > 0 || !gone(&m, "out.db") || !gone(&m, "out.db.tmp");
			rc = try_view(&m, vs, &err);
			ok_v += rc == 0;
			bad += rc > 0;
			store_close(rs);
		}
	ok(bad == 0 && ok_r > 20 && ok_v > 20,
	   "a failing store call: an error or the right bytes, nothing left (%u, %u passed)", ok_r,
	   ok_v);
	model_done(&m);
}

static void
test_replaced_while_open(void)
{
	struct model m;
	struct history *h = NULL;
	struct view *v = NULL;
	struct ls_err err = {0};
	uint64_t before = 0, after = 0;
	bool changed = false;
	uint8_t page[512];
	size_t n = 0;
	char path[160];

	model_new(&m, &small);
	is_int(history_open(model_open(&m), NULL, &(struct history_opts){.cache_bytes = 1}, &h,
			    &err),
	       0, "open");
	is_int(view_open(h, NULL, 4, &v, &err), 0, "view");
	is_int(history_stamp(h, 4, &before, &err), 0, "stamp");
	is_int(history_refresh(h, NULL, &changed, &err), 0, "look again");
	ok(!changed, "nothing has changed");
	for (unsigned t = 1; t <= 4; t++) {
		model_path(&m, 0, t, t, path);
		unlink(path);
		m.o.encoding = LTX_BLOCK;
		model_write(&m, 0, t, t);
	}
	is_int(view_read(v, NULL, 0, page, sizeof page, false, &n, &err), -ESTALE,
	       "objects were replaced under an open view");
	is_int(history_refresh(h, NULL, &changed, &err), 0, "look again");
	ok(changed, "that is a change");
	is_int(history_stamp(h, 4, &after, &err), 0, "stamp");
	ok(before != after, "and another stamp");
	view_unref(v);
	is_int(view_open(h, NULL, 4, &v, &err), 0, "the new objects can be opened");
	is_int(view_read(v, NULL, 0, page, sizeof page, false, &n, &err), 0, "and read");
	view_unref(v);
	model_path(&m, 0, 4, 4, path);
	unlink(path);
	v = NULL;
	is_int(view_open(h, NULL, 4, &v, &err), -ENOENT, "a point that is gone");
	history_close(h);
	model_done(&m);
}

int
main(void)
{
	RUN(test_flips);
	RUN(test_flips_large);
	RUN(test_cuts);
	RUN(test_missing_and_exchanged);
	RUN(test_faults);
	RUN(test_replaced_while_open);
	return tap_done();
}
