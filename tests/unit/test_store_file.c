/* SPDX-License-Identifier: Apache-2.0 */
/* What only the directory driver does: links, foreign names, permissions, other file systems. */
#include "config.h"

#include "engine/base/io.h"
#include "engine/store/store.h"
#include "tests/lib/store_drivers.h"
#include "tests/lib/tap.h"

static struct store *st;
static struct ls_err err;

static void
fresh(void)
{
	char identity[STORE_ETAG_MAX];
	bool parent_ok;

	st = store_drivers[0].open(&store_drivers[0]);
	if (store_root(st, NULL, true, identity, &parent_ok, &err) < 0)
		exit(1);
}

/* A path below the root; a few may be held at once. */
static const char *
at(const char *name)
{
	static char paths[4][512];
	static unsigned next;

	snprintf(paths[next % 4], sizeof paths[0], "%s/%s", store_drivers_root(), name);
	return paths[next++ % 4];
}

static void
touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0) {
		printf("Bail out! %s\n", path);
		exit(1);
	}
}

static int
put(const char *key, const char *text, bool create_only)
{
	struct store_put p = {.key = key, .time_ms = 1000, .create_only = create_only};
	struct store_source src = store_source_mem(text, strlen(text));

	return store_put(st, NULL, &p, &src, NULL, &err);
}

static int
see(void *arg, const struct store_entry *e, struct ls_err *ignored)
{
	char *text = arg;
	size_t n = strlen(text);

	(void)ignored;
	snprintf(text + n, 256 - n, "%s ", e->key);
	return 0;
}

static const char *
list(const char *prefix)
{
	static char text[256];

	*text = '\0';
	return store_list(st, NULL, prefix, NULL, see, text, &err) < 0 ? err.msg : text;
}

/* ---- names that are not ours ---- */

static void
test_strangers(void)
{
	char name[260], buf[8];
	struct store_get g = {.len = 8};
	struct store_meta meta;
	size_t n;

	fresh();
	ok(put("d/good", "x", true) == 0, "an object");
	memset(name, 'n', sizeof name);
	memcpy(name, "d/", 2);
	name[2 + 255] = '\0';
	touch(at(name));
	touch(at("d/a\nb"));
	touch(at("d/\xff\xfe"));
	touch(at("d/.hidden"));
	touch(at("d/x.tmp"));
	ok(mkfifo(at("d/fifo"), 0600) == 0 && symlink("loop", at("d/loop")) == 0 &&
		   symlink("nowhere", at("d/dangling")) == 0 && symlink("..", at("d/up")) == 0 &&
		   symlink("good", at("d/link")) == 0 && mkdir(at("d/dir"), 0700) == 0,
	   "pipes, links, directories");
	is_str(list(""), "d/good d/link ", "only regular files with good names, no circles");
	is_str(list("d/up/d/"), "d/up/d/good d/up/d/link ",
	       "a link that the caller names is followed");
	g.key = "d/fifo";
	is_int(store_get(st, NULL, &g, buf, &n, NULL, &err), -ENOENT, "a pipe does not block");
	g.key = "d/dir";
	is_int(store_get(st, NULL, &g, buf, &n, NULL, &err), -ENOENT, "a directory is no object");
	is_int(store_del(st, NULL, &g.key, 1, &err), 0, "and not deleted");
	is_int(store_head(st, NULL, "d/x.tmp", &meta, &err), -ENOENT, "nor is a temporary file");
	is_int(put("d/x.tmp", "x", false), -EINVAL, "nothing can be put under such a name");
	is_int(put("d/.hidden", "x", false), -EINVAL, "nor this");
	is_int(put(name, "x", false), -EINVAL, "nor one that is too long");
	is_int(put("d/fifo", "x", true), -EEXIST, "create-only over a pipe");
	is_int(put("d/dir", "x", true), -EEXIST, "create-only over a directory");
	ok(put("d/dir", "x", false) < 0, "a directory is not replaced: %s", err.msg);
	is_int(store_drivers_leftovers(), 1, "only the stranger's temporary file is there");
	store_close(st);
}

static void
test_root_errors(void)
{
	struct store_config cfg = {.type = "file", .path = NULL};
	char identity[STORE_ETAG_MAX];
	bool parent_ok = true;
	char path[256];

	is_int(store_open(&cfg, &st, &err), -EINVAL, "a path is needed");
	cfg.path = "relative";
	is_int(store_open(&cfg, &st, &err), -EINVAL, "from the root of the file system");
	cfg.type = "carrier-pigeon";
	is_int(store_open(&cfg, &st, &err), -EINVAL, "an unknown type");
	ok(strstr(err.msg, "carrier-pigeon") != NULL, "is named: %s", err.msg);

	snprintf(path, sizeof path, "%s/no/such/root///", store_drivers_dir());
	cfg = (struct store_config){.type = "file", .path = path};
	ok(store_open(&cfg, &st, &err) == 0, "open looks at nothing");
	is_int(store_root(st, NULL, false, identity, &parent_ok, &err), -ENOENT, "root is missing");
	ok(!parent_ok, "and so is its parent: maybe not mounted");
	ok(strstr(err.msg, "no/such/root' does not exist: make it, or mount") != NULL, "%s",
	   err.msg);
	ok(strncmp(list(""), "replica directory", 17) == 0 && err.code == -ENOENT, "list: %s",
	   err.msg);
	is_int(store_root(st, NULL, true, identity, &parent_ok, &err), 0, "made with its parents");
	is_int(put("k", "x", true), 0, "and used");
	store_close(st);

	snprintf(path, sizeof path, "%s/file", store_drivers_dir());
	touch(path);
	ok(store_open(&cfg, &st, &err) == 0, "a file as root");
	is_int(store_root(st, NULL, true, identity, &parent_ok, &err), -EINVAL, "is refused");
	is_int(put("k", "x", true), -EINVAL, "by put");
	ok(strstr(list(""), "is not a directory") != NULL, "by list: %s", err.msg);
	store_close(st);
}

static void
test_identity(void)
{
	char one[STORE_ETAG_MAX], two[STORE_ETAG_MAX], away[600];
	bool parent_ok;

	fresh();
	ok(store_root(st, NULL, false, one, &parent_ok, &err) == 0, "identity");
	snprintf(away, sizeof away, "%s.away", store_drivers_root());
	ok(rename(store_drivers_root(), away) == 0, "the directory is moved away");
	is_int(store_root(st, NULL, true, two, &parent_ok, &err), 0, "and another one made");
	ok(strcmp(one, two) != 0, "that is seen");
	store_close(st);
}

/* ---- times ---- */

static void
test_inexact_time(void)
{
	struct timespec ts[2] = {{.tv_sec = 7, .tv_nsec = 5000001},
				 {.tv_sec = 7, .tv_nsec = 5000001}};
	struct store_meta meta;
	struct stat s;

	fresh();
	ok(put("k", "x", true) == 0 && stat(at("k"), &s) == 0, "an object");
	ok(s.st_mtim.tv_sec == 1 && s.st_mtim.tv_nsec == 0, "whose file has its time");
	ok(utimensat(AT_FDCWD, at("k"), ts, 0) == 0, "another program's time");
	ok(store_head(st, NULL, "k", &meta, &err) == 0 && !meta.time_exact && meta.time_ms == 7005,
	   "is not taken for the transaction's");
	ts[1].tv_sec = -1;
	ok(utimensat(AT_FDCWD, at("k"), ts, 0) == 0 && store_head(st, NULL, "k", &meta, &err) == 0,
	   "before 1970");
	is_int(meta.time_ms, -995, "rounds down");
	store_close(st);
}

/* ---- local files as sources ---- */

static int
read_file(void *arg, uint64_t off, void *p, size_t n, struct ls_err *e)
{
	return io_pread_exact(*(int *)arg, p, n, off, e);
}

static int
put_path(const char *key, const char *path, bool create_only)
{
	int fd = open(path, O_RDONLY);
	struct store_put p = {.key = key, .time_ms = 4321, .create_only = create_only};
	struct stat s;
	struct store_source src = {.read = read_file, .arg = &fd, .path = path};
	struct store_meta meta;
	int rc;

	if (fd < 0 || fstat(fd, &s) < 0)
		exit(1);
	src.size = (uint64_t)s.st_size;
	rc = store_put(st, NULL, &p, &src, &meta, &err);
	ok(rc < 0 || (meta.size == src.size && meta.time_ms == 4321 && meta.time_exact),
	   "size and time of '%s'", key);
	close(fd);
	return rc;
}

static void
test_link(void)
{
	char from[256];
	struct stat a, b;

	fresh();
	snprintf(from, sizeof from, "%s/staged", store_drivers_dir());
	touch(from);
	is_int(chmod(from, 0640), 0, "a staged file");
	is_int(put_path("d/k", from, true), 0, "put it");
	ok(stat(from, &a) == 0 && stat(at("d/k"), &b) == 0 && a.st_ino == b.st_ino,
	   "no byte was copied");
	is_int(put_path("d/k", from, true), 0, "create it again");
	is_int(put_path("d/k", from, false), 0, "replace it by itself");
	is_int(store_drivers_leftovers(), 0, "no temporary name is left");
	ok(stat(from, &a) == 0 && a.st_nlink == 2, "two names");
	is_int(unlink(from), 0, "the staged name goes");
	touch(from);
	is_int(chmod(from, 0640), 0, "another file takes it");
	is_int(put_path("d/k", from, true), 0, "with the same content");
	is_int(put_path("d/k2", from, false), 0, "under another key");
	store_close(st);
}

static void
test_copy_from_elsewhere(void)
{
	char from[] = "/dev/shm/test_store.XXXXXX";
	int fd = mkstemp(from);
	struct stat a, b;

	fresh();
	if (fd < 0 || write(fd, "hello", 5) != 5 || fchmod(fd, 0640) < 0 || fstat(fd, &a) < 0 ||
	    stat(store_drivers_dir(), &b) < 0 || a.st_dev == b.st_dev) {
		ok(true, "# SKIP no second file system");
	} else {
		is_int(put_path("k", from, true), 0, "a source on another file system is copied");
		ok(stat(at("k"), &b) == 0 && b.st_size == 5 && (b.st_mode & 0777) == (0640 & ~022),
		   "with its permissions");
	}
	close(fd);
	unlink(from);
	is_int(put("m", "x", true), 0, "a source in memory");
	ok(stat(at("m"), &b) == 0 && (b.st_mode & 0777) == 0600, "is for the owner only");
	store_close(st);
}

static void
test_permission(void)
{
	if (geteuid() == 0 && seteuid(65534) < 0)
		return;
	is_int(mkdir("/proc/none", 0700), -1, "not root");
	fresh();
	ok(put("d/k", "x", true) == 0 && chmod(at("d"), 0500) == 0, "a directory without w");
	is_int(put("d/new", "x", true), -EACCES, "put");
	ok(strstr(err.msg, "d/new") && strstr(err.msg, "Permission denied"), "%s", err.msg);
	ok(chmod(at("d"), 0600) == 0, "without x");
	ok(strstr(list(""), "Permission denied") && err.code == -EACCES,
	   "a listing is complete, or it fails: %s", err.msg);
	ok(chmod(at("d"), 0000) == 0, "without r");
	ok(strstr(list(""), "Permission denied") && err.code == -EACCES, "again: %s", err.msg);
	ok(chmod(at("d"), 0700) == 0, "restore it");
	store_close(st);
	if (getuid() == 0 && seteuid(0) < 0)
		exit(1);
}

int
main(void)
{
	umask(022);
	if (chmod(store_drivers_dir(), 0777) < 0)
		return 1;
	RUN(test_strangers);
	RUN(test_root_errors);
	RUN(test_identity);
	RUN(test_inexact_time);
	RUN(test_link);
	RUN(test_copy_from_elsewhere);
	RUN(test_permission);
	store_drivers_done();
	return tap_done();
}
