/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/view.h"

#include "engine/base/io.h"
#include "tests/lib/tap.h"
#include "tests/unit/test_view_model.h"

static const int64_t epoch = 1700000000000;

static struct history *
open_history(const struct model *m)
{
	struct history *h = NULL;
	struct ls_err err = {0};

	if (history_open(model_open(m), NULL, NULL, &h, &err) < 0) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	return h;
}

static void
check_times(const struct model *m)
{
	struct history *h = open_history(m);
	struct ls_err err = {0};
	uint64_t txid = 0;

	is_int(history_latest(h, &txid, &err), 0, "latest");
	is_u64(txid, 6, "is the last one");
	is_int(history_at(h, NULL, epoch + 3000, &txid, &err), 0, "at the time of TXID 3");
	is_u64(txid, 2, "is the state before it");
	is_int(history_at(h, NULL, epoch + 3001, &txid, &err), 0, "one millisecond later");
	is_u64(txid, 3, "is TXID 3");
	is_int(history_at(h, NULL, epoch + 99999999, &txid, &err), 0, "in the future");
	is_u64(txid, 6, "is the latest");
	is_int(history_at(h, NULL, epoch, &txid, &err), -ENOENT, "before the first");
	ok(strstr(err.msg, "timestamp does not exist"), "%s", err.msg);
	history_close(h);
}

static void
test_times(void)
{
	struct model_opts o = {.seed = 31, .page_size = 512, .pages = 10, .txids = 6};
	struct model m;

	model_new(&m, &o);
	check_times(&m);
	for (unsigned t = 1; t <= 6; t++) {
		struct timespec ts[2] = {{.tv_sec = 1600000000, .tv_nsec = 1},
					 {.tv_sec = 1600000000, .tv_nsec = 1}};
		char path[160];

		model_path(&m, 0, t, t, path);
		utimensat(AT_FDCWD, path, ts, 0);
	}
	printf("# as copied without their times\n");
	check_times(&m);
	model_done(&m);
}

static void
test_refresh(void)
{
	struct model_opts o = {.seed = 32, .page_size = 512, .pages = 10, .txids = 6};
	struct history *h;
	struct view *a = NULL, *b = NULL, *c = NULL;
	struct ls_err err = {0};
	struct view_info st;
	bool changed = false;
	uint64_t txid = 0, one = 0, two = 0;
	char path[160], away[170];
	struct model m;

	model_new(&m, &o);
	model_path(&m, 0, 6, 6, path);
	snprintf(away, sizeof away, "%s/away", m.dir);
	rename(path, away);
	h = open_history(&m);
	is_int(history_latest(h, &txid, &err), 0, "latest");
	is_u64(txid, 5, "without the last file");
	is_int(view_stat(h, NULL, 6, &st, &err), -ENOENT, "it has no figures");
	rename(away, path);
	is_int(view_open(h, NULL, 6, &a, &err), -ENOENT, "nor can it be opened");
	is_int(history_refresh(h, NULL, &changed, &err), 0, "look again");
	ok(changed, "it has come");
	is_int(view_open(h, NULL, 6, &a, &err), 0, "open it");
	is_int(view_open(h, NULL, 6, &b, &err), 0, "twice");
	ok(a == b, "which is the same view");
	is_int(history_stamp(h, 5, &one, &err), 0, "stamp of 5");
	is_int(history_stamp(h, 6, &two, &err), 0, "stamp of 6");
	ok(one != two, "differ");
	model_write(&m, 1, 1, 6);
	for (unsigned t = 1; t < 6; t++) {
		model_path(&m, 0, t, t, path);
		unlink(path);
	}
	is_int(history_refresh(h, NULL, &changed, &err), 0, "after merging");
	ok(changed, "points have gone");
	is_int(view_open(h, NULL, 6, &c, &err), 0, "the last one is still there");
	ok(c != a && view_info(c)->size == view_info(a)->size, "from other files");
	is_int(view_open(h, NULL, 3, &b, &err), -ENOENT, "one in the middle is not");
	view_unref(a);
	view_unref(a);
	view_unref(c);
	history_close(h);
	model_done(&m);
}

static void
test_gaps(void)
{
	static const uint32_t first[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, some[] = {1, 6, 7, 8, 10};
	struct model_opts o = {.seed = 33, .page_size = 512};
	struct ls_err err = {0};
	struct view *v = NULL;
	struct history *h;
	uint8_t page[512];
	uint64_t txid = 0;
	struct model m;
	size_t n = 0;

	model_new(&m, &o);
	model_put(&m, &(struct model_file){0, 1, 1, 10, first, 10, 1});
	model_put(&m, &(struct model_file){0, 2, 2, 5, first, 1, 2});
	model_put(&m, &(struct model_file){0, 3, 3, 10, some, 5, 3});
	model_put(&m, &(struct model_file){0, 5, 5, 10, first, 10, 5});
	h = open_history(&m);
	is_int(history_latest(h, &txid, &err), -ENODATA, "no latest state behind a gap");
	is_int(view_open(h, NULL, 3, &v, &err), 0, "a state with a hole can be opened");
	ok(!view_info(v)->wal_mode, "it is not in WAL mode");
	is_int(view_read(v, NULL, 8 * 512, page, 512, false, &n, &err), -ENODATA,
	       "a page that was cut off is not brought back from older files");
	ok(strstr(err.msg, "page 9"), "%s", err.msg);
	is_int(view_read(v, NULL, 9 * 512, page, 512, false, &n, &err), 0, "the others are there");
	is_int(page[511], 3, "as written last");
	is_int(view_read(v, NULL, 4 * 512, page, 512, false, &n, &err), 0, "page 5");
	is_int(page[0], 1, "is the oldest");
	is_int(view_read(v, NULL, 10 * 512, page, 512, false, &n, &err), 0, "at the end");
	is_u64(n, 0, "there is nothing");
	view_unref(v);
	history_close(h);
	model_done(&m);
}

static void
test_lock_page(void)
{
	enum { LOCK = 16385, PAGES = LOCK + 3 };
	struct model_opts o = {.seed = 34, .page_size = 65536};
	ls_autofree uint32_t *pages = calloc(PAGES, sizeof *pages);
	ls_autofree uint8_t *buf = malloc(3 * 65536);
	struct ls_err err = {0};
	struct view *v = NULL;
	struct history *h;
	struct model m;
	size_t k = 0, n = 0, zeros = 0;

	model_new(&m, &o);
	for (uint32_t p = 1; p <= PAGES; p++)
		if (p != LOCK)
			pages[k++] = p;
	model_put(&m, &(struct model_file){9, 1, 1, PAGES, pages, k, 7});
	h = open_history(&m);
	is_int(view_open(h, NULL, 1, &v, &err), 0, "a database over 1 GiB");
	is_u64(view_info(v)->size, (uint64_t)PAGES * 65536, "its size counts the lock page");
	is_int(view_read(v, NULL, (LOCK - 2) * UINT64_C(65536), buf, 3 * 65536, false, &n, &err), 0,
	       "read around the lock page");
	for (size_t i = 0; i < 65536; i++)
		zeros += buf[65536 + i] == 0;
	ok(zeros == 65536 && buf[65535] == 7 && buf[2 * 65536] == 7, "it is zeros, the others not");
	ok(view_cached(v, (LOCK - 1) * UINT64_C(65536), 65536), "and needs no fetch");
	view_unref(v);
	history_close(h);
	model_done(&m);
}

int
main(void)
{
	RUN(test_times);
	RUN(test_refresh);
	RUN(test_gaps);
	RUN(test_lock_page);
	return tap_done();
}
