/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every system call and every allocation of the directory driver fails in turn, or the process dies
 * there. Afterwards each object is absent or whole, nothing else lies about, and the next put
 * works.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/store/store.h"
#include "tests/lib/fault.h"
#include "tests/lib/store_drivers.h"
#include "tests/lib/tap.h"

#include <sys/wait.h>
#include <unistd.h>

static struct store *st;
static char staged[256];
static const char old[] = "the object that was there", new[] = "its successor, a bit longer";

static void
must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s\n", what);
	exit(1);
}

static int
put(const char *key, const char *text, bool create_only, const char *path)
{
	struct store_put p = {.key = key, .time_ms = 1234, .create_only = create_only};
	struct store_source src = store_source_mem(text, strlen(text));
	struct ls_err err = {0};
	int rc;

	src.path = path;
	rc = store_put(st, NULL, &p, &src, NULL, &err);
	must(rc == 0 || (err.code == rc && *err.msg), "a failure without a text");
	return rc;
}

/* A root with one object; `linked` is a second name of the staged file. */
static void
fresh(void)
{
	char identity[STORE_ETAG_MAX];
	bool parent_ok;
	int fd;

	if (st)
		store_close(st);
	st = store_drivers[0].open(&store_drivers[0]);
	must(store_root(st, NULL, true, identity, &parent_ok, NULL) == 0, "root");
	must(put("dir/old", old, true, NULL) == 0, "the first object");
	snprintf(staged, sizeof staged, "%s/staged", store_drivers_dir());
	unlink(staged);
	fd = open(staged, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	must(fd >= 0 && write(fd, new, strlen(new)) == (ssize_t)strlen(new) && close(fd) == 0,
	     "stage");
}

/* As the next process does: temporary names of the dead one are not met again. */
static void
reopen(void)
{
	struct store_config cfg = {.type = "file", .path = store_drivers_root()};

	store_close(st);
	must(store_open(&cfg, &st, NULL) == 0, "reopen");
}

/* ---- what is done while a call fails ---- */

struct text {
	char s[256];
};

static int
see(void *arg, const struct store_entry *e, struct ls_err *err)
{
	struct text *t = arg;
	size_t n = strlen(t->s);

	(void)err;
	snprintf(t->s + n, sizeof t->s - n, "%s ", e->key);
	return 0;
}

static int
do_put_new(void)
{
	return put("a/b/new", new, true, NULL);
}

static int
do_put_replace(void)
{
	return put("dir/old", new, false, NULL);
}

static int
do_put_same(void)
{
	return put("dir/old", old, true, NULL);
}

static int
do_put_taken(void)
{
	int rc = put("dir/old", new, true, NULL);

	must(rc < 0, "a key that is taken was replaced");
	return rc;
}

static int
do_put_linked(void)
{
	return put("a/b/new", new, true, staged);
}

static int
do_put_linked_again(void)
{
	int rc = put("a/b/new", new, true, staged);

	return rc < 0 ? rc : put("a/b/new", new, false, staged);
}

static int
do_get(void)
{
	char buf[64];
	struct store_get g = {.key = "dir/old", .len = sizeof buf};
	size_t n = 0;
	int rc = store_get(st, NULL, &g, buf, &n, NULL, NULL);

	must(rc < 0 || (n == strlen(old) && memcmp(buf, old, n) == 0), "get of other bytes");
	return rc;
}

static int
do_head(void)
{
	struct store_meta meta;
	int rc = store_head(st, NULL, "dir/old", &meta, NULL);

	must(rc < 0 || (meta.size == strlen(old) && meta.time_ms == 1234), "head of another one");
	return rc;
}

static int
do_list(void)
{
	struct text t = {""};
	int rc = store_list(st, NULL, "", NULL, see, &t, NULL);

	must(rc < 0 || strcmp(t.s, "dir/old ") == 0, "a listing that is not complete");
	return rc;
}

static int
do_del(void)
{
	const char *keys[] = {"dir/old", "no/such"};

	return store_del(st, NULL, keys, 2, NULL);
}

static int
do_root(void)
{
	struct store_config cfg = {.type = "file"};
	char identity[STORE_ETAG_MAX] = "", path[256];
	struct store *other = NULL;
	bool parent_ok = false;
	int rc;

	snprintf(path, sizeof path, "%s/made/root", store_drivers_root());
	cfg.path = path;
	if ((rc = store_open(&cfg, &other, NULL)) < 0)
		return rc;
	rc = store_root(other, NULL, true, identity, &parent_ok, NULL);
	must(rc < 0 || *identity, "a root without identity");
	store_close(other);
	return rc;
}

static const struct {
	const char *name;
	int (*run)(void);
} works[] = {
	{"put a new object in new directories", do_put_new},
	{"replace an object", do_put_replace},
	{"put what is there", do_put_same},
	{"put over other content", do_put_taken},
	{"put a staged file", do_put_linked},
	{"put a staged file twice", do_put_linked_again},
	{"get", do_get},
	{"head", do_head},
	{"list", do_list},
	{"delete", do_del},
	{"make the root", do_root},
};
enum { WORKS = sizeof works / sizeof works[0] };

/* ---- what must hold afterwards ---- */

/* 'o' old, 'n' new, '-' absent, '?' anything else */
static char
state(const char *key)
{
	char buf[64];
	struct store_get g = {.key = key, .len = sizeof buf};
	struct store_meta meta;
	size_t n = 0;
	int rc = store_get(st, NULL, &g, buf, &n, &meta, NULL);

	if (rc < 0)
		return rc == -ENOENT ? '-' : '?';
	if (!meta.time_exact || meta.time_ms != 1234)
		return '?';
	if (n == strlen(old) && memcmp(buf, old, n) == 0)
		return 'o';
	return n == strlen(new) && memcmp(buf, new, n) == 0 ? 'n' : '?';
}

static bool
staged_is_whole(void)
{
	ls_autofree char *text = NULL;

	return io_read_file(staged, 100, &text, NULL, NULL) == 0 && strcmp(text, new) == 0;
}

static bool
sound(int (*run)(void), int rc, bool no_leftovers)
{
	char one = state("dir/old"), two = state("a/b/new");
	bool may_go = run == do_del, may_change = run == do_put_replace;

	if (one == '?' || two == '?' || two == 'o' || !staged_is_whole())
		return false;
	if ((one == '-' && !may_go) || (one == 'n' && !may_change))
		return false;
	if (rc == 0 && ((may_go && one != '-') || (may_change && one != 'n')))
		return false;
	if (rc == 0 && (run == do_put_new || run == do_put_linked) && two != 'n')
		return false;
	if (no_leftovers && store_drivers_leftovers() != 0)
		return false;
	return put("a/b/new", new, true, NULL) == 0 && put("dir/old", old, false, NULL) == 0 &&
	       state("dir/old") == 'o' && state("a/b/new") == 'n';
}

/* Whether a temporary file can have been removed. */
static bool
can_tidy(const struct fault_kind *k)
{
	return k->alloc || (!k->persistent && strcmp(fault_io_struck(), "unlink") != 0);
}

static void
test_failures(void)
{
	unsigned cells = 0, bad = 0;

	for (size_t k = 0; k < fault_kinds_n; k++)
		for (size_t w = 0; w < WORKS; w++)
			for (uint64_t nth = 1;; nth++) {
				const struct fault_kind *kind = &fault_kinds[k];
				int rc;

				fresh();
				fault_begin(kind, nth);
				rc = works[w].run();
				if (!fault_end(kind)) {
					must(rc == 0 || works[w].run == do_put_taken,
					     works[w].name);
					break;
				}
				cells++;
				if (!sound(works[w].run, rc, can_tidy(kind))) {
					printf("# %s, %s %d (%s): rc %d\n", works[w].name,
					       kind->name, (int)nth, fault_io_struck(), rc);
					bad++;
				}
			}
	ok(bad == 0 && cells > 300, "%u failed calls, each left the store sound", cells);
}

static void
test_deaths(void)
{
	unsigned cells = 0, bad = 0;

	for (size_t w = 0; w < WORKS; w++)
		for (uint64_t nth = 1;; nth++) {
			struct fault_io_plan plan = {.nth = nth, .die = true};
			int status = 0;
			pid_t pid;

			fresh();
			fflush(stdout);
			pid = fork();
			if (pid == 0) {
				fault_io_arm(&plan);
				_exit(works[w].run() < 0);
			}
			must(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
			if (!WIFSIGNALED(status))
				break;
			cells++;
			reopen();
			if (!sound(works[w].run, -EINTR, false)) {
				printf("# %s, death at %d\n", works[w].name, (int)nth);
				bad++;
			}
		}
	ok(bad == 0 && cells > 50, "%u deaths, each left the store sound", cells);
}

static void
test_short_calls(void)
{
	struct fault_io_plan plan = {.short_writes = true};
	unsigned bad = 0;

	for (size_t w = 0; w < WORKS; w++) {
		int rc;

		fresh();
		fault_io_arm(&plan);
		rc = works[w].run();
		fault_io_disarm();
		bad += (rc < 0 && works[w].run != do_put_taken) || !sound(works[w].run, rc, true);
	}
	is_int(bad, 0, "short reads and writes change nothing");
}

int
main(void)
{
	store_drivers_in_memory();
	fault_io_arm(&(struct fault_io_plan){0});
	RUN(test_failures);
	RUN(test_deaths);
	RUN(test_short_calls);
	store_close(st);
	store_drivers_done();
	return tap_done();
}
