/* SPDX-License-Identifier: Apache-2.0 */
/* What a restore does with its output, and what it says when there is nothing to restore. */
#include "config.h"

#include "engine/view/restore.h"

#include "engine/base/io.h"
#include "tests/lib/tap.h"
#include "tests/unit/test_view_model.h"

static const struct model_opts opts = {
	.seed = 21, .page_size = 1024, .pages = 40, .txids = 6, .random_bytes = true};
static struct model m;

static void
in_dir(const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", m.dir, name);
}

static void
put_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	in_dir(name, path);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		exit(1);
}

static bool
has(const char *name, const char *text)
{
	ls_autofree char *p = NULL;
	char path[128];

	in_dir(name, path);
	return io_read_file(path, 1 << 20, &p, NULL, NULL) == 0 && strcmp(p, text) == 0;
}

static bool
absent(const char *name)
{
	struct stat s;
	char path[128];

	in_dir(name, path);
	return io_stat(path, &s, NULL) == -ENOENT;
}

static void
drop(const char *name)
{
	char path[128];

	in_dir(name, path);
	unlink(path);
}

static int
run(struct restore_opts o, const char *name, struct restore_result *res, struct ls_err *err)
{
	struct store *st = model_open(&m);
	char out[128];
	int rc;

	in_dir(name, out);
	o.output = out;
	*err = (struct ls_err){0};
	rc = restore_run(st, NULL, &o, res, err);
	store_close(st);
	return rc;
}

static bool
is_state(const char *name, unsigned txid)
{
	ls_autofree char *p = NULL;
	char path[128];
	size_t n = 0;

	in_dir(name, path);
	return io_read_file(path, 1 << 24, &p, &n, NULL) == 0 && n == model_size(&m, txid) &&
	       memcmp(p, m.image[txid], n) == 0;
}

static void
test_existing_output(void)
{
	struct restore_result res;
	struct ls_err err;

	put_file("out", "precious");
	is_int(run((struct restore_opts){0}, "out", &res, &err), -EEXIST, "an output with content");
	ok(strstr(err.msg, "already exists and is not empty") && strstr(err.msg, "-force"), "%s",
	   err.msg);
	ok(has("out", "precious"), "it is untouched");
	put_file("out", "");
	is_int(run((struct restore_opts){0}, "out", &res, &err), 0, "an empty one is replaced");
	ok(is_state("out", 6), "by the database");
	put_file("out", "");
	put_file("out-wal", "frames");
	is_int(run((struct restore_opts){0}, "out", &res, &err), -EEXIST, "not beside a -wal file");
	drop("out");
	is_int(run((struct restore_opts){0}, "out", &res, &err), -EEXIST,
	       "nor when only the -wal file is there");
	ok(strstr(err.msg, "out-wal") && has("out-wal", "frames"), "%s", err.msg);
	drop("out-wal");
	is_int(run((struct restore_opts){0}, "ltx", &res, &err), -EEXIST, "a directory");
	ok(strstr(err.msg, "is a directory"), "%s", err.msg);
}

static void
test_force(void)
{
	struct restore_result res;
	struct ls_err err;
	char path[160], away[170];

	put_file("old", "old");
	put_file("old-wal", "wal");
	put_file("old-shm", "shm");
	put_file("old-journal", "journal");
	model_path(&m, 0, 4, 4, path);
	snprintf(away, sizeof away, "%s.away", path);
	rename(path, away);
	is_int(run((struct restore_opts){.force = true}, "old", &res, &err), -ENODATA, "a gap");
	ok(has("old", "old") && has("old-wal", "wal") && has("old-shm", "shm") && absent("old.tmp"),
	   "a forced restore that fails has touched nothing");
	rename(away, path);
	is_int(run((struct restore_opts){.force = true}, "old", &res, &err), 0, "forced");
	ok(is_state("old", 6) && absent("old-wal") && absent("old-shm") && absent("old-journal"),
	   "the new database stands alone");
}

static void
test_new_output(void)
{
	struct restore_result res;
	struct ls_err err;
	struct stat s;
	char path[128];

	umask(027);
	put_file("fresh.tmp", "left by a crash, longer than what will be there at first");
	is_int(run((struct restore_opts){0}, "fresh", &res, &err), 0, "over a stale .tmp file");
	ok(is_state("fresh", 6) && absent("fresh.tmp"), "it is whole, the .tmp file gone");
	is_int(run((struct restore_opts){.target.txid = 3}, "a/b/c", &res, &err), 0,
	       "missing directories are made");
	ok(is_state("a/b/c", 3), "TXID 3");
	is_u64(res.txid, 3, "the result names it");
	is_u64(res.nfiles, 3, "and the number of files");
	in_dir("a/b", path);
	ok(stat(path, &s) == 0 && (s.st_mode & 0777) == 0700, "directories are private");
	in_dir("a/b/c", path);
	ok(stat(path, &s) == 0 && (s.st_mode & 0777) == 0640, "the file obeys the umask");
	umask(022);
}

static void
test_targets(void)
{
	struct restore_opts o = {.target = {.by_time = true, .time_ms = 1700000000000 + 3000}};
	struct restore_result res;
	struct ls_err err;

	is_int(run(o, "t1", &res, &err), 0, "the time of TXID 3");
	ok(is_state("t1", 2), "is the state before it");
	o.target.time_ms++;
	is_int(run(o, "t2", &res, &err), 0, "one millisecond later");
	ok(is_state("t2", 3), "is TXID 3");
	o.target.time_ms += 1000000000;
	is_int(run(o, "t3", &res, &err), 0, "after the last one");
	ok(is_state("t3", 6), "is the latest");
	o.target.time_ms = 1600000000000;
	is_int(run(o, "t4", &res, &err), -ENOENT, "before the first one");
	ok(strstr(err.msg, "timestamp does not exist") && absent("t4"), "%s", err.msg);
	o = (struct restore_opts){.target.txid = 99};
	is_int(run(o, "t5", &res, &err), -ENOENT, "a TXID that was never there");
	ok(strstr(err.msg, "no matching backup files available") && absent("t5.tmp"), "%s",
	   err.msg);
}

static int
restore_dir(const char *dir, struct ls_err *err)
{
	struct store_config cfg = {.type = "file", .path = dir};
	struct restore_result res;
	struct store *st = NULL;
	char out[128];
	int rc;

	in_dir("none", out);
	*err = (struct ls_err){0};
	if (store_open(&cfg, &st, err) < 0)
		return -1;
	rc = restore_run(st, NULL, &(struct restore_opts){.output = out}, &res, err);
	store_close(st);
	return rc;
}

static void
test_nothing_there(void)
{
	char dir[128];
	struct ls_err err;

	in_dir("nowhere", dir);
	is_int(restore_dir(dir, &err), -ENOENT, "a replica that does not exist");
	in_dir("nowhere/deeper", dir);
	is_int(restore_dir(dir, &err), -EIO, "its parent does not exist either: not proved");
	in_dir("empty", dir);
	mkdir(dir, 0755);
	is_int(restore_dir(dir, &err), -ENOENT, "an empty replica");
	ok(strstr(err.msg, "no matching backup files available"), "%s", err.msg);
	in_dir("empty/generations", dir);
	mkdir(dir, 0755);
	put_file("empty/generations/x", "");
	in_dir("empty", dir);
	is_int(restore_dir(dir, &err), -ENOENT, "a folder of generations without one");
	ok(strstr(err.msg, "no matching backup files available") && absent("none") &&
		   absent("none.tmp"),
	   "%s", err.msg);
}

struct canceller {
	struct stop stop;
	uint64_t after, done, total;
};

static void
cancel_after(void *arg, const struct restore_progress *p)
{
	struct canceller *c = arg;

	c->done = p->done;
	c->total = p->total;
	if (p->done >= c->after)
		stop_fire(&c->stop);
}

static void
test_cancel(void)
{
	bool good = true;
	uint64_t total = 0;

	for (int i = 0; i < 6; i++) {
		struct canceller c = {.after = i ? (uint64_t)i * 8000 : UINT64_MAX};
		struct store_call call = {.stop = &c.stop};
		char out[128];
		struct restore_opts o = {.output = out,
					 .parallelism = 1,
					 .progress = cancel_after,
					 .progress_arg = &c};
		struct store *st = model_open(&m);
		struct restore_result res;
		struct ls_err err = {0};
		int rc;

		in_dir("cancelled", out);
		if (stop_init(&c.stop, &err) < 0)
			exit(1);
		rc = restore_run(st, &call, &o, &res, &err);
		if (i == 0) {
			good &= rc == 0 && c.done == c.total;
			total = c.total;
			drop("cancelled");
		} else {
			good &= rc == -ECANCELED && absent("cancelled") && absent("cancelled.tmp");
		}
		store_close(st);
		stop_done(&c.stop);
	}
	ok(good && total > 40000, "cancelled at any moment it leaves nothing");
}

/* A store in which the L0 files are merged when the first of them is fetched. */
struct trap {
	struct store base;
	struct store_ops ops;
	struct store *inner;
	int gets;
};

static int
trap_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	 size_t *ret_n, struct store_meta *meta, struct ls_err *err)
{
	struct trap *t = (struct trap *)st;
	char path[160];

	if (t->gets++ == 1) {
		model_write(&m, 1, 2, 6);
		for (unsigned i = 2; i <= 6; i++) {
			model_path(&m, 0, i, i, path);
			unlink(path);
		}
	}
	return t->inner->ops->get(t->inner, call, g, buf, ret_n, meta, err);
}

static int
trap_list(struct store *st, const struct store_call *call, const char *prefix, const char *after,
	  store_entry_fn *fn, void *arg, struct ls_err *err)
{
	return store_list(((struct trap *)st)->inner, call, prefix, after, fn, arg, err);
}

static int
trap_root(struct store *st, const struct store_call *call, bool create,
	  char identity[STORE_ETAG_MAX], bool *parent_ok, struct ls_err *err)
{
	return store_root(((struct trap *)st)->inner, call, create, identity, parent_ok, err);
}

static void
test_vanishing(void)
{
	struct trap t = {
		.ops = {.scheme = "file", .get = trap_get, .list = trap_list, .root = trap_root}};
	struct restore_result res;
	struct ls_err err = {0};
	char out[128];

	t.base.ops = &t.ops;
	t.inner = model_open(&m);
	in_dir("merged", out);
	is_int(restore_run(&t.base, NULL, &(struct restore_opts){.output = out}, &res, &err), 0,
	       "files are merged while we restore");
	ok(is_state("merged", 6), "the result is right");
	is_u64(res.nfiles, 2, "and came from the merged file");
	store_close(t.inner);
}

static void
test_missing_pages(void)
{
	static const uint32_t first[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, some[] = {1, 6, 7, 8, 10};
	struct model_opts o = {.seed = 1, .page_size = 512};
	struct model whole = m;
	struct restore_result res;
	struct ls_err err;

	model_new(&m, &o);
	model_put(&m, &(struct model_file){0, 1, 1, 10, first, 10, 1});
	model_put(&m, &(struct model_file){0, 2, 2, 5, first, 1, 2});
	model_put(&m, &(struct model_file){0, 3, 3, 10, some, 5, 3});
	is_int(run((struct restore_opts){.target.txid = 3}, "out", &res, &err), -ENODATA,
	       "a page that was cut off and never written again");
	ok(strstr(err.msg, "page 9 of 10") && absent("out") && absent("out.tmp"), "%s", err.msg);
	is_int(run((struct restore_opts){.target.txid = 2}, "out", &res, &err), 0,
	       "the state before it");
	model_done(&m);
	m = whole;
}

int
main(void)
{
	model_new(&m, &opts);
	RUN(test_existing_output);
	RUN(test_force);
	RUN(test_new_output);
	RUN(test_targets);
	RUN(test_nothing_there);
	RUN(test_cancel);
	RUN(test_missing_pages);
	RUN(test_vanishing);
	model_done(&m);
	return tap_done();
}
