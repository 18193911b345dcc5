/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Catalog, plan and catalog log while calls fail: a result is right or there is none, and the log
 * holds the state before or after the change that failed, in memory as on the disk.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/replica/catalog_log.h"
#include "engine/replica/plan.h"
#include "engine/store/store_fault.h"
#include "tests/lib/fault.h"
#include "tests/lib/store_drivers.h"
#include "tests/lib/tap.h"

#include <sys/wait.h>
#include <unistd.h>

static struct store *st;
static struct replica r;
static char path[256];

static void
must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s\n", what);
	exit(1);
}

/* ---- a replica on the disk ---- */

static void
put_ltx(int level, uint64_t min, uint64_t max)
{
	static const char bytes[200] = "no LTX";
	char key[REPLICA_KEY_MAX];
	struct store_put p = {.key = key, .time_ms = (int64_t)max * 1000};
	struct store_source src = store_source_mem(bytes, sizeof bytes);

	replica_key(&r, level, min, max, key);
	must(store_put(st, NULL, &p, &src, NULL, NULL) == 0, key);
}

static void
make_replica(void)
{
	const struct timespec copied[2] = {{.tv_sec = 9, .tv_nsec = 1},
					   {.tv_sec = 9, .tv_nsec = 1}};
	char identity[STORE_ETAG_MAX], file[300];
	bool parent_ok;

	st = store_drivers[0].open(&store_drivers[0]);
	must(store_root(st, NULL, true, identity, &parent_ok, NULL) == 0, "root");
	replica_init(&r, st);
	put_ltx(9, 1, 3);
	put_ltx(1, 4, 5);
	put_ltx(0, 4, 4);
	put_ltx(0, 5, 5);
	put_ltx(0, 6, 6);
	put_ltx(0, 8, 8);
	snprintf(file, sizeof file, "%s/ltx/0/0000000000000008-0000000000000008.ltx",
		 store_drivers_root());
	must(utimensat(AT_FDCWD, file, copied, 0) == 0, "an inexact time");
}

/* Everything that reads: the listing, times, points, plans. All of it is right, or it fails. */
static int
do_read(void)
{
	LS_AUTO(catalog_done) struct catalog c = {0};
	ls_autofree struct catalog_point *points = NULL;
	struct plan_target six = {.txid = 6}, seven = {.txid = 7}, past = {.by_time = true};
	struct plan p = {0};
	size_t n = 0;
	int rc = catalog_load(&r, NULL, &c, NULL);

	if (rc < 0)
		return rc;
	must(c.n == 6, "an incomplete catalog");
	if ((rc = catalog_fill_times(&c, &r, NULL, NULL)) < 0 ||
	    (rc = catalog_points(&c, &points, &n, NULL)) < 0)
		return rc;
	must(n == 4 && points[3].txid == 6, "other points");
	if ((rc = plan_build(&c, &six, &p, NULL)) < 0)
		return rc;
	must(p.n == 3 && p.txid == 6, "another plan");
	plan_done(&p);
	past.time_ms = 4500;
	if ((rc = plan_build(&c, &past, &p, NULL)) < 0)
		return rc;
	must(p.n == 2 && p.txid == 4, "another plan for a time");
	plan_done(&p);
	rc = plan_build(&c, &seven, &p, NULL);
	must(rc < 0, "a plan for nothing");
	return rc == -ENOENT ? 0 : rc;
}

static void
test_read(void)
{
	unsigned cells = 0, failed = 0;

	make_replica();
	for (size_t k = 0; k < fault_kinds_n; k++)
		for (uint64_t nth = 1;; nth++) {
			int rc;

			fault_begin(&fault_kinds[k], nth);
			rc = do_read();
			if (!fault_end(&fault_kinds[k])) {
				must(rc == 0, "nothing failed, but it did");
				break;
			}
			cells++;
			failed += rc < 0;
		}
	ok(cells > 200 && failed > cells / 2, "%u failed calls of catalog and plan, %u felt", cells,
	   failed);
	store_close(st);
}

/* ---- the log ---- */

static const struct catalog_file put1 = {.level = 0, .min = 9, .max = 9, .size = 900},
				 again = {.level = 0, .min = 2, .max = 2, .size = 777},
				 victim = {.level = 0, .min = 3, .max = 3};

static struct catalog_log *
open_log(bool *ret_valid)
{
	struct catalog_log *l = NULL;

	must(catalog_log_open(path, "file:///x", "1-2", &l, ret_valid, NULL) == 0, "open the log");
	return l;
}

static struct catalog_log *
fresh_log(void)
{
	struct catalog_log *l;
	bool valid;

	unlink(path);
	l = open_log(&valid);
	for (uint64_t t = 1; t <= 4; t++) {
		struct catalog_file f = {.min = t, .max = t, .size = t * 100};

		must(catalog_log_put(l, &f, NULL) == 0, "put");
	}
	return l;
}

/* Sizes in order tell which state it is. */
static const char *
content(const struct catalog_log *l)
{
	static char text[200];
	const struct catalog *c = catalog_log_catalog(l);
	size_t n = 0;

	*text = '\0';
	for (size_t i = 0; i < c->n && n < sizeof text; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%d ", (int)c->files[i].size);
	return text;
}

static int
do_put(struct catalog_log *l)
{
	return catalog_log_put(l, &put1, NULL);
}

static int
do_put_again(struct catalog_log *l)
{
	return catalog_log_put(l, &again, NULL);
}

static int
do_del(struct catalog_log *l)
{
	return catalog_log_del(l, &victim, NULL);
}

static int
do_reset(struct catalog_log *l)
{
	struct catalog_file one = put1;
	struct catalog c = {.files = &one, .total = 1, .cap = 1};

	catalog_sort(&c);
	return catalog_log_reset(l, &c, NULL);
}

/* Half of the log is dead: the last deletion rewrites it. */
static int
do_tidy(struct catalog_log *l)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < 512; i++)
		if ((rc = catalog_log_put(l, &put1, NULL)) == 0)
			rc = catalog_log_del(l, &put1, NULL);
	return rc;
}

static const struct {
	int (*run)(struct catalog_log *l);
	const char *after;
	uint64_t from, step; /* calls to fail: all, or the interesting ones of many */
} works[] = {
	{do_put, "100 200 300 400 900 ", 1, 1}, {do_put_again, "100 777 300 400 ", 1, 1},
	{do_del, "100 200 400 ", 1, 1},		{do_reset, "900 ", 1, 1},
	{do_tidy, "100 200 300 400 ", 1000, 1},
};
enum { WORKS = sizeof works / sizeof works[0] };

static const char before[] = "100 200 300 400 ";

static bool
known(const char *text, size_t work)
{
	return strcmp(text, before) == 0 || strcmp(text, works[work].after) == 0 ||
	       (works[work].run == do_tidy && strcmp(text, "100 200 300 400 900 ") == 0);
}

static const struct catalog_file more = {.level = 9, .min = 1, .max = 9, .size = 5},
				 last = {.level = 9, .min = 1, .max = 8, .size = 6};

/* What the next process finds, and whether it can go on. */
static bool
reopened_ok(size_t work)
{
	bool valid = false;
	struct catalog_log *l = open_log(&valid);
	bool good = valid && known(content(l), work) && catalog_log_put(l, &more, NULL) == 0;

	catalog_log_close(l);
	l = open_log(&valid);
	good = good && valid && catalog_find(catalog_log_catalog(l), &more) != NULL;
	catalog_log_close(l);
	return good;
}

/* The same process goes on, and the disk says what it knows. */
static bool
goes_on(struct catalog_log *l)
{
	char now[200];
	bool good = catalog_log_put(l, &last, NULL) == 0;

	snprintf(now, sizeof now, "%s", content(l));
	catalog_log_close(l);
	l = open_log(&(bool){false});
	good = good && strcmp(content(l), now) == 0 && catalog_log_del(l, &last, NULL) == 0;
	catalog_log_close(l);
	return good;
}

/* done: a change that was made was said to have failed. */
static bool
log_ok(struct catalog_log *l, size_t work, int rc, bool done)
{
	struct catalog_log *other;
	char now[200];
	bool good;

	snprintf(now, sizeof now, "%s", content(l));
	good = known(now, work) && (rc < 0 || strcmp(now, works[work].after) == 0);
	if (rc < 0 && works[work].run != do_tidy)
		good = good && strcmp(now, before) == 0; /* a change that failed is none */
	other = open_log(&(bool){false});
	good = good && (done ? known(content(other), work) : strcmp(content(other), now) == 0);
	catalog_log_close(other);
	return goes_on(l) && good && reopened_ok(work);
}

static void
test_log(void)
{
	unsigned cells = 0, bad = 0;

	for (size_t k = 0; k < fault_kinds_n; k++)
		for (size_t w = 0; w < WORKS; w++)
			for (uint64_t nth = works[w].from;; nth += works[w].step) {
				struct catalog_log *l = fresh_log();
				int rc;

				fault_begin(&fault_kinds[k], nth);
				rc = works[w].run(l);
				if (!fault_end(&fault_kinds[k])) {
					must(rc == 0, "nothing failed, but it did");
					catalog_log_close(l);
					break;
				}
				cells++;
				if (!log_ok(l, w, rc, fault_kinds[k].done)) {
					printf("# work %zu, %s %d (%s): rc %d\n", w,
					       fault_kinds[k].name, (int)nth, fault_io_struck(),
					       rc);
					bad++;
				}
			}
	ok(bad == 0 && cells > 60, "%u failed calls of the log, each left it sound", cells);
}

static void
test_log_deaths(void)
{
	unsigned cells = 0, bad = 0;

	for (size_t w = 0; w < WORKS; w++)
		for (uint64_t nth = works[w].from;; nth += works[w].step) {
			struct fault_io_plan plan = {.nth = nth, .die = true};
			struct catalog_log *l = fresh_log();
			int status = 0;
			pid_t pid;

			fflush(stdout);
			pid = fork();
			if (pid == 0) {
				fault_io_arm(&plan);
				_exit(works[w].run(l) < 0);
			}
			must(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
			catalog_log_close(l);
			if (!WIFSIGNALED(status))
				break;
			cells++;
			if (!reopened_ok(w)) {
				printf("# work %zu, death at %d\n", w, (int)nth);
				bad++;
			}
		}
	ok(bad == 0 && cells > 10, "%u deaths, each left the log sound", cells);
}

int
main(void)
{
	store_drivers_in_memory();
	fault_io_arm(&(struct fault_io_plan){0});
	snprintf(path, sizeof path, "%s/catalog", store_drivers_dir());
	RUN(test_read);
	RUN(test_log);
	RUN(test_log_deaths);
	store_drivers_done();
	return tap_done();
}
