/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/fault_io.h"

#include "engine/base/io.h"

#include <signal.h>
#include <stdatomic.h>

static struct fault_io_plan plan;
static _Atomic uint64_t count;
static atomic_bool struck;
static const char *struck_call;

/* Whether this call is to fail; errno is set then. */
static bool
strike_change(const char *call)
{
	uint64_t n = ++count;

	if (plan.nth == 0 || n < plan.nth || (n > plan.nth && !plan.persistent))
		return false;
	if (!struck)
		struck_call = call;
	struck = true;
	if (plan.die)
		raise(SIGKILL);
	errno = plan.errnum;
	return true;
}

/* A call that changes something; of a plan with done it is made all the same, and no other call of
 * such a plan fails. */
#define CHANGE(name, call) (strike_change(name) ? (plan.done ? lose(call) : -1) : (call))

static bool
strike(const char *call)
{
	return !plan.done && strike_change(call);
}

/* What was done and is said to have failed. */
static int
lose(int rc)
{
	(void)rc;
	errno = plan.errnum;
	return -1;
}

static size_t
part(size_t n)
{
	return plan.short_writes && n > 1 ? 1 + n / 3 : n;
}

static int
do_open(const char *path, int flags, mode_t mode)
{
	return strike("open") ? -1 : io_system.open(path, flags, mode);
}

/* The descriptor is gone in any case, as with the real close(). */
static int
do_close(int fd)
{
	bool fail = strike("close");
	int errnum = errno, rc = io_system.close(fd);

	errno = fail ? errnum : errno;
	return fail ? -1 : rc;
}

static ssize_t
do_pread(int fd, void *p, size_t n, off_t off)
{
	return strike("pread") ? -1 : io_system.pread(fd, p, part(n), off);
}

/* A write that fails may have written something. */
static ssize_t
do_pwrite(int fd, const void *p, size_t n, off_t off)
{
	size_t some = plan.done ? n : n / 2;

	if (!strike_change("pwrite"))
		return io_system.pwrite(fd, p, part(n), off);
	if (some && io_system.pwrite(fd, p, some, off) < 0)
		return -1;
	errno = plan.errnum;
	return -1;
}

/* No test looks at what a power loss would leave, and a busy disk makes thousands of them slow. */
static int
do_fsync(int fd)
{
	(void)fd;
	return strike("fsync") ? -1 : 0;
}

static int
do_fdatasync(int fd)
{
	(void)fd;
	return strike("fdatasync") ? -1 : 0;
}

static int
do_write_back(int fd, off_t off, off_t n)
{
	return strike("write_back") ? -1 : io_system.write_back(fd, off, n);
}

static int
do_fallocate(int fd, int mode, off_t off, off_t n)
{
	return strike("fallocate") ? -1 : io_system.fallocate(fd, mode, off, n);
}

static int
do_ftruncate(int fd, off_t size)
{
	return CHANGE("ftruncate", io_system.ftruncate(fd, size));
}

static int
do_rename(const char *from, const char *to)
{
	return CHANGE("rename", io_system.rename(from, to));
}

static int
do_renamex(const char *from, const char *to, unsigned flags)
{
	return CHANGE("renamex", io_system.renamex(from, to, flags));
}

static int
do_link(const char *from, const char *to)
{
	return CHANGE("link", io_system.link(from, to));
}

static int
do_unlink(const char *path)
{
	return CHANGE("unlink", io_system.unlink(path));
}

static int
do_mkdir(const char *path, mode_t mode)
{
	return CHANGE("mkdir", io_system.mkdir(path, mode));
}

static int
do_rmdir(const char *path)
{
	return CHANGE("rmdir", io_system.rmdir(path));
}

static int
do_lstat(const char *path, struct stat *st)
{
	return strike("lstat") ? -1 : io_system.lstat(path, st);
}

static int
do_stat(const char *path, struct stat *st)
{
	return strike("stat") ? -1 : io_system.stat(path, st);
}

static int
do_fstatfs(int fd, struct statfs *st)
{
	return strike("fstatfs") ? -1 : io_system.fstatfs(fd, st);
}

static int
do_fstat(int fd, struct stat *st)
{
	return strike("fstat") ? -1 : io_system.fstat(fd, st);
}

static int
do_utimens(const char *path, const struct timespec ts[2])
{
	return strike("utimens") ? -1 : io_system.utimens(path, ts);
}

static int
do_futimens(int fd, const struct timespec ts[2])
{
	return strike("futimens") ? -1 : io_system.futimens(fd, ts);
}

static int
do_fchown(int fd, uid_t uid, gid_t gid)
{
	return strike("fchown") ? -1 : io_system.fchown(fd, uid, gid);
}

static int
do_flock(int fd, int op)
{
	return strike("flock") ? -1 : io_system.flock(fd, op);
}

static DIR *
do_opendir(const char *path)
{
	return strike("opendir") ? NULL : io_system.opendir(path);
}

static struct dirent *
do_readdir(DIR *dir)
{
	return strike("readdir") ? NULL : io_system.readdir(dir);
}

static const struct io_ops faulty = {
	.open = do_open,
	.close = do_close,
	.pread = do_pread,
	.pwrite = do_pwrite,
	.fsync = do_fsync,
	.fdatasync = do_fdatasync,
	.write_back = do_write_back,
	.fallocate = do_fallocate,
	.ftruncate = do_ftruncate,
	.rename = do_rename,
	.renamex = do_renamex,
	.link = do_link,
	.unlink = do_unlink,
	.mkdir = do_mkdir,
	.rmdir = do_rmdir,
	.stat = do_stat,
	.lstat = do_lstat,
	.fstat = do_fstat,
	.fstatfs = do_fstatfs,
	.utimens = do_utimens,
	.futimens = do_futimens,
	.fchown = do_fchown,
	.flock = do_flock,
	.opendir = do_opendir,
	.readdir = do_readdir,
};

void
fault_io_arm(const struct fault_io_plan *p)
{
	plan = *p;
	count = 0;
	struck = false;
	struck_call = NULL;
	io_set_ops(&faulty);
}

bool
fault_io_disarm(void)
{
	plan = (struct fault_io_plan){0};
	return struck;
}

const char *
fault_io_struck(void)
{
	return struck_call ? struck_call : "";
}

uint64_t
fault_io_count(void)
{
	return count;
}
