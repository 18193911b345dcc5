/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/io.h"
#include "tests/lib/tap.h"

static char dir[] = "/tmp/test_io.XXXXXX";

static char *
in_dir(const char *name)
{
	return io_join(dir, name);
}

static void
test_write_and_read(void)
{
	ls_autofree char *path = in_dir("a/b/c"), *parent = in_dir("a/b"), *text = NULL;
	struct ls_err err = {0};
	size_t n = 0;
	char two[2];
	int fd;

	is_int(io_mkdirs(parent, 0700, &err), 0, "make parents");
	is_int(io_mkdirs(parent, 0700, &err), 0, "again is fine");
	fd = io_open(path, O_RDWR | O_CREAT, 0600, &err);
	ok(fd >= 0, "open");
	is_int(io_pwrite(fd, "hello", 5, 0, &err), 0, "write");
	is_int(io_pread_exact(fd, two, 2, 4, &err), -EBADMSG, "a short file is corrupt");
	is_str(err.msg, "1 of 2 bytes at 4", "and says how short");
	is_int(io_fsync(fd, path, &err), 0, "fsync");
	is_int(io_close(fd, path, &err), 0, "close");
	is_int(io_fsync_dir(parent, &err), 0, "fsync the directory");
	is_int(io_read_file(path, 100, &text, &n, &err), 0, "read whole");
	is_str(text, "hello", "what was written");
	is_int(io_read_file(path, 4, &text, &n, &err), -EBADMSG, "over the maximum");
}

static void
test_rename_new(void)
{
	ls_autofree char *a = in_dir("ra"), *b = in_dir("rb");
	struct ls_err err = {0};

	close(open(a, O_CREAT | O_WRONLY, 0600));
	close(open(b, O_CREAT | O_WRONLY, 0600));
	is_int(io_rename_new(a, b, &err), -EEXIST, "an existing name is never replaced");
	is_int(io_unlink(b, &err), 0, "remove it");
	is_int(io_rename_new(a, b, &err), 0, "then it works");
}

static void
test_lock(void)
{
	ls_autofree char *a = in_dir("lock");
	struct ls_err err = {0};
	ls_autoclose int one = io_open(a, O_RDWR | O_CREAT, 0600, &err);
	ls_autoclose int two = io_open(a, O_RDWR, 0, &err);

	is_int(io_lock(one, a, &err), 0, "first lock");
	is_int(io_lock(two, a, &err), -EBUSY, "second lock is refused");
}

static ssize_t
short_pwrite(int fd, const void *p, size_t n, off_t off)
{
	return pwrite(fd, p, n > 3 ? 3 : n, off);
}

static void
test_short_write(void)
{
	ls_autofree char *path = in_dir("short"), *text = NULL;
	struct io_ops shorts = io_system;
	struct ls_err err = {0};
	int fd;

	shorts.pwrite = short_pwrite;
	io_set_ops(&shorts);
	fd = io_open(path, O_RDWR | O_CREAT, 0600, &err);
	is_int(io_pwrite(fd, "0123456789", 10, 0, &err), 0, "short writes are continued");
	io_set_ops(NULL);
	is_int(io_close(fd, path, &err), 0, "close");
	is_int(io_read_file(path, 100, &text, NULL, &err), 0, "read back");
	is_str(text, "0123456789", "everything arrived");
}

static int
count_name(void *arg, const char *name, struct ls_err *err)
{
	(void)name;
	(void)err;
	++*(int *)arg;
	return 0;
}

static void
test_list(void)
{
	ls_autofree char *sub = in_dir("list"), *f = in_dir("list/f");
	struct ls_err err = {0};
	int n = 0;

	is_int(io_mkdirs(sub, 0700, &err), 0, "directory");
	close(open(f, O_CREAT | O_WRONLY, 0600));
	is_int(io_list(sub, count_name, &n, &err), 0, "list");
	is_int(n, 1, "without . and ..");
	is_int(io_list(f, count_name, &n, &err), -ENOENT, "a file is no directory");
}

static int
answer_nfs(int fd, struct statfs *st)
{
	(void)fd;
	*st = (struct statfs){.f_type = 0x6969};
	return 0;
}

static void
test_remote_fs(void)
{
	struct io_ops ops = io_system;
	int fd = io_open("/dev/null", O_RDONLY, 0, NULL);

	ok(io_remote_fs(fd) == NULL, "a local file system has no name here");
	ops.fstatfs = answer_nfs;
	io_set_ops(&ops);
	is_str(io_remote_fs(fd), "nfs", "NFS is known (H34)");
	io_set_ops(NULL);
	close(fd);
}

int
main(void)
{
	char cmd[64];

	if (!mkdtemp(dir))
		return 1;
	RUN(test_write_and_read);
	RUN(test_rename_new);
	RUN(test_lock);
	RUN(test_short_write);
	RUN(test_list);
	RUN(test_remote_fs);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	if (system(cmd))
		return 1;
	return tap_done();
}
