/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restore and views while calls fail: the bytes are right or there is an error, no restore leaves
 * anything behind, descriptors are given back, and the same thing works afterwards.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/view/history.h"
#include "engine/view/restore.h"
#include "engine/view/view.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"
#include "tests/unit/test_view_model.h"

static const struct model_opts opts = {.seed = 5,
				       .page_size = 1024,
				       .pages = 40,
				       .txids = 6,
				       .random_bytes = true,
				       .levels = true};
static struct model m;
static char out[128];
static struct store *replica;

static void
must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s (%s)\n", what, fault_io_struck());
	exit(1);
}

static int
count_one(void *arg, const char *name, struct ls_err *err)
{
	(void)name;
	(void)err;
	++*(unsigned *)arg;
	return 0;
}

static unsigned
count(const char *dir)
{
	unsigned n = 0;

	must(io_list(dir, count_one, &n, NULL) == 0, dir);
	return n;
}

static bool
is_latest(const char *path)
{
	ls_autofree char *p = NULL;
	size_t n = 0;

	return io_read_file(path, 1 << 24, &p, &n, NULL) == 0 && n == model_size(&m, opts.txids) &&
	       memcmp(p, m.image[opts.txids], n) == 0;
}

static int
do_restore(void)
{
	struct restore_opts o = {.output = out, .parallelism = 1};
	struct restore_result res;
	struct ls_err err = {0};
	int rc = restore_run(replica, NULL, &o, &res, &err);

	must(rc == 0 || *err.msg, "an error without a text");
	return rc;
}

/* Opens the newest state and reads it whole, in two different steps. */
static int
do_view(struct store *st)
{
	static uint8_t page[5000];
	struct history *h = NULL;
	struct view *v = NULL;
	uint64_t txid = 0, size = model_size(&m, opts.txids);
	int rc = history_open(st, NULL, NULL, &h, NULL);

	if (rc == 0 && (rc = history_latest(h, &txid, NULL)) == 0)
		rc = view_open(h, NULL, txid, &v, NULL);
	for (uint64_t off = 0; rc == 0 && off < size; off += sizeof page) {
		size_t n = 0;

		rc = view_read(v, NULL, off, page, sizeof page, false, &n, NULL);
		must(rc < 0 || (n == (size - off < sizeof page ? size - off : sizeof page) &&
				memcmp(page, m.image[opts.txids] + off, n) == 0),
		     "a view answered other bytes");
	}
	view_unref(v);
	history_close(h);
	return rc;
}

static void
test_restore(void)
{
	unsigned cells = 0, failed = 0, files = count(m.dir), fds;

	must(do_restore() == 0, "restore without faults");
	unlink(out);
	fds = count("/proc/self/fd");
	for (size_t k = 0; k < fault_kinds_n; k++)
		for (uint64_t nth = 1;; nth++) {
			int rc;

			fault_begin(&fault_kinds[k], nth);
			rc = do_restore();
			if (!fault_end(&fault_kinds[k])) {
				must(rc == 0 && is_latest(out), "nothing failed, but it did");
				unlink(out);
				break;
			}
			cells++;
			failed += rc < 0;
			must(count("/proc/self/fd") == fds, "a descriptor was lost");
			if (rc == 0)
				must(is_latest(out), "success with other bytes");
			unlink(out);
			/* What cannot even be unlinked stays, as a .tmp file that the next run
			 * takes. */
			if (!fault_kinds[k].persistent)
				must(count(m.dir) == files, "something was left behind");
			must(do_restore() == 0 && is_latest(out), "not again afterwards");
			unlink(out);
		}
	ok(cells > 150 && failed > cells / 2, "%u failed calls of restore, %u felt", cells, failed);
}

static void
test_view(void)
{
	unsigned cells = 0, failed = 0, fds;

	must(do_view(model_open(&m)) == 0, "a view without faults");
	fds = count("/proc/self/fd");
	for (size_t k = 0; k < fault_kinds_n; k++)
		for (uint64_t nth = 1;; nth++) {
			struct store *st = model_open(&m);
			int rc;

			fault_begin(&fault_kinds[k], nth);
			rc = do_view(st);
			if (!fault_end(&fault_kinds[k])) {
				must(rc == 0, "nothing failed, but it did");
				break;
			}
			cells++;
			failed += rc < 0;
			must(count("/proc/self/fd") == fds, "a descriptor was lost");
		}
	ok(cells > 150 && failed > cells / 2, "%u failed calls of views, %u felt", cells, failed);
}

int
main(void)
{
	model_new(&m, &opts);
	snprintf(out, sizeof out, "%s/restored.db", m.dir);
	replica = model_open(&m);
	RUN(test_restore);
	RUN(test_view);
	store_close(replica);
	model_done(&m);
	return tap_done();
}
