/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/io.h"

#include "engine/base/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

static int
sys_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

static int
sys_renamex(const char *from, const char *to, unsigned flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static int
sys_write_back(int fd, off_t off, off_t n)
{
	return sync_file_range(fd, off, n, SYNC_FILE_RANGE_WRITE);
}

static int
sys_utimens(const char *path, const struct timespec ts[2])
{
	return utimensat(AT_FDCWD, path, ts, 0);
}

const struct io_ops io_system = {
	.open = sys_open,
	.close = close,
	.pread = pread,
	.pwrite = pwrite,
	.fsync = fsync,
	.fdatasync = fdatasync,
	.write_back = sys_write_back,
	.fallocate = fallocate,
	.ftruncate = ftruncate,
	.rename = rename,
	.renamex = sys_renamex,
	.link = link,
	.unlink = unlink,
	.mkdir = mkdir,
	.rmdir = rmdir,
	.stat = stat,
	.lstat = lstat,
	.fstat = fstat,
	.fstatfs = fstatfs,
	.utimens = sys_utimens,
	.futimens = futimens,
	.fchown = fchown,
	.flock = flock,
	.opendir = opendir,
	.readdir = readdir,
};

static const struct io_ops *ops = &io_system;

void
io_set_ops(const struct io_ops *replacement)
{
	ops = replacement ? replacement : &io_system;
}

int
io_open(const char *path, int flags, mode_t mode, struct ls_err *err)
{
	int fd;

	do
		fd = ops->open(path, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? ls_err_sys(err, errno, "open '%s'", path) : fd;
}

int
io_create(const char *path, int flags, mode_t mode, struct ls_err *err)
{
	int fd = io_open(path, flags | O_CREAT | O_EXCL, mode, err), rc;

	if (fd != -EEXIST)
		return fd;
	if ((rc = io_unlink(path, err)) < 0)
		return rc;
	return io_open(path, flags | O_CREAT | O_EXCL, mode, err);
}

int
io_close(int fd, const char *path, struct ls_err *err)
{
	if (ops->close(fd) < 0 && errno != EINTR)
		return ls_err_sys(err, errno, "close '%s'", path);
	return 0;
}

int
io_pread(int fd, void *p, size_t n, uint64_t off, size_t *ret_n, struct ls_err *err)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = ops->pread(fd, (char *)p + done, n - done, (off_t)(off + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ls_err_sys(err, errno, "read at %" PRIu64, off + done);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	*ret_n = done;
	return 0;
}

int
io_pread_exact(int fd, void *p, size_t n, uint64_t off, struct ls_err *err)
{
	size_t got = 0;
	int rc = io_pread(fd, p, n, off, &got, err);

	if (rc == 0 && got < n)
		return ls_err_set(err, -EBADMSG, "%zu of %zu bytes at %" PRIu64, got, n, off);
	return rc;
}

int
io_pwrite(int fd, const void *p, size_t n, uint64_t off, struct ls_err *err)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put =
			ops->pwrite(fd, (const char *)p + done, n - done, (off_t)(off + done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return ls_err_sys(err, errno, "write at %" PRIu64, off + done);
		done += (size_t)put;
	}
	return 0;
}

int
io_fsync(int fd, const char *path, struct ls_err *err)
{
	return ops->fsync(fd) < 0 ? ls_err_sys(err, errno, "fsync '%s'", path) : 0;
}

int
io_fdatasync(int fd, const char *path, struct ls_err *err)
{
	return ops->fdatasync(fd) < 0 ? ls_err_sys(err, errno, "fdatasync '%s'", path) : 0;
}

void
io_write_back(int fd, uint64_t off, uint64_t n)
{
	ops->write_back(fd, (off_t)off, (off_t)n);
}

void
io_allocate(int fd, uint64_t n)
{
	ops->fallocate(fd, 0, 0, (off_t)n);
}

int
io_ftruncate(int fd, uint64_t size, struct ls_err *err)
{
	if (ops->ftruncate(fd, (off_t)size) < 0)
		return ls_err_sys(err, errno, "set size %" PRIu64, size);
	return 0;
}

int
io_rename(const char *from, const char *to, struct ls_err *err)
{
	if (ops->rename(from, to) < 0)
		return ls_err_sys(err, errno, "rename '%s' to '%s'", from, to);
	return 0;
}

int
io_rename_new(const char *from, const char *to, struct ls_err *err)
{
	if (ops->renamex(from, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return ls_err_sys(err, errno, "rename '%s' to '%s'", from, to);
	if (ops->link(from, to) < 0)
		return ls_err_sys(err, errno, "link '%s' to '%s'", from, to);
	return io_unlink(from, err);
}

int
io_link(const char *from, const char *to, struct ls_err *err)
{
	if (ops->link(from, to) < 0)
		return ls_err_sys(err, errno, "link '%s' to '%s'", from, to);
	return 0;
}

int
io_unlink(const char *path, struct ls_err *err)
{
	return ops->unlink(path) < 0 ? ls_err_sys(err, errno, "remove '%s'", path) : 0;
}

int
io_mkdir(const char *path, mode_t mode, struct ls_err *err)
{
	struct stat st;

	if (ops->mkdir(path, mode) == 0)
		return 0;
	if (errno == EEXIST && ops->stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return ls_err_sys(err, errno, "make directory '%s'", path);
}

int
io_mkdirs(const char *path, mode_t mode, struct ls_err *err)
{
	ls_autofree char *copy = strdup(path);
	struct stat st;
	int rc;

	if (!copy)
		return ls_err_set(err, -ENOMEM, "make directory '%s': out of memory", path);
	if (ops->stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		if (ops->stat(copy, &st) < 0 && (rc = io_mkdir(copy, mode, err)) < 0)
			return rc;
		*p = '/';
	}
	return io_mkdir(copy, mode, err);
}

int
io_rmdir(const char *path, struct ls_err *err)
{
	return ops->rmdir(path) < 0 ? ls_err_sys(err, errno, "remove directory '%s'", path) : 0;
}

int
io_stat(const char *path, struct stat *ret, struct ls_err *err)
{
	return ops->stat(path, ret) < 0 ? ls_err_sys(err, errno, "stat '%s'", path) : 0;
}

int
io_lstat(const char *path, struct stat *ret, struct ls_err *err)
{
	return ops->lstat(path, ret) < 0 ? ls_err_sys(err, errno, "stat '%s'", path) : 0;
}

int
io_fstat(int fd, struct stat *ret, struct ls_err *err)
{
	return ops->fstat(fd, ret) < 0 ? ls_err_sys(err, errno, "fstat") : 0;
}

int
io_space(int fd, uint64_t *ret_free, uint64_t *ret_size, struct ls_err *err)
{
	struct statfs st;

	if (ops->fstatfs(fd, &st) < 0)
		return ls_err_sys(err, errno, "free space");
	*ret_free = (uint64_t)st.f_bavail * (uint64_t)st.f_bsize;
	*ret_size = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize;
	return 0;
}

const char *
io_remote_fs(int fd)
{
	static const struct {
		uint32_t magic; /* statfs(2) */
		const char *name;
	} remote[] = {{0x6969, "nfs"},	   {0xff534d42, "cifs"}, {0xfe534d42, "smb2"},
		      {0x517b, "smb"},	   {0x01021997, "9p"},	 {0x00c36400, "ceph"},
		      {0x5346414f, "afs"}, {0x65735546, "fuse"}};
	struct statfs st;

	if (ops->fstatfs(fd, &st) == 0)
		for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
			if ((uint32_t)st.f_type == remote[i].magic)
				return remote[i].name;
	return NULL;
}

int
io_fsync_dir(const char *path, struct ls_err *err)
{
	ls_autoclose int fd = io_open(path, O_RDONLY | O_DIRECTORY, 0, err);

	return fd < 0 ? fd : io_fsync(fd, path, err);
}

int
io_set_time(int fd, int64_t time_ms, struct ls_err *err)
{
	struct timespec t = {.tv_sec = time_ms / 1000, .tv_nsec = time_ms % 1000 * 1000000};
	struct timespec ts[2] = {t, t};

	return ops->futimens(fd, ts) < 0 ? ls_err_sys(err, errno, "set file time") : 0;
}

void
io_own(int fd, uid_t uid, gid_t gid)
{
	int rc = ops->fchown(fd, uid, gid);

	(void)rc;
}

int
io_lock(int fd, const char *path, struct ls_err *err)
{
	if (ops->flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return ls_err_set(err, -EBUSY, "'%s' is locked by another process", path);
	return ls_err_sys(err, errno, "lock '%s'", path);
}

int
io_list(const char *path, io_name_fn *fn, void *arg, struct ls_err *err)
{
	DIR *dir = ops->opendir(path);
	int rc = 0;

	if (!dir)
		return ls_err_sys(err, errno, "list '%s'", path);
	while (rc == 0) {
		struct dirent *e;

		errno = 0;
		e = ops->readdir(dir);
		if (!e) {
			if (errno)
				rc = ls_err_sys(err, errno, "list '%s'", path);
			break;
		}
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			rc = fn(arg, e->d_name, err);
	}
	closedir(dir);
	return rc;
}

/* Reads to the end, whatever fstat says; room for a NUL is left. */
static int
read_unsized(int fd, size_t max, char **ret, size_t *ret_n, struct ls_err *err)
{
	ls_autofree char *p = NULL;
	size_t cap = 0, n = 0, got;
	int rc;

	do {
		char *bigger;

		if (n > max)
			return ls_err_set(err, -EBADMSG, "larger than %zu bytes", max);
		cap = cap ? cap * 2 : 4096;
		bigger = realloc(p, cap + 1);
		if (!bigger)
			return ls_err_set(err, -ENOMEM, "out of memory");
		p = bigger;
		if ((rc = io_pread(fd, p + n, cap - n, n, &got, err)) < 0)
			return rc;
		n += got;
	} while (n == cap);
	if (n > max)
		return ls_err_set(err, -EBADMSG, "larger than %zu bytes", max);
	*ret = ls_steal_ptr(&p);
	*ret_n = n;
	return 0;
}

int
io_read_file(const char *path, size_t max, char **ret, size_t *ret_len, struct ls_err *err)
{
	ls_autofree char *p = NULL;
	ls_autoclose int fd = -1;
	struct stat st;
	size_t n = 0;
	int rc;

	if ((fd = io_open(path, O_RDONLY, 0, err)) < 0)
		return fd;
	if ((rc = io_fstat(fd, &st, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", path);
	if (S_ISDIR(st.st_mode))
		return ls_err_sys(err, EISDIR, "read '%s'", path);
	if ((uint64_t)st.st_size > max)
		return ls_err_set(err, -EBADMSG, "'%s' is larger than %zu bytes", path, max);
	if (st.st_size == 0) { /* maybe a file of /proc, which does not know its size */
		if ((rc = read_unsized(fd, max, &p, &n, err)) < 0)
			return ls_err_wrap(err, rc, "'%s'", path);
	} else {
		p = malloc((size_t)st.st_size + 1);
		if (!p)
			return ls_err_set(err, -ENOMEM, "read '%s': out of memory", path);
		if ((rc = io_pread(fd, p, (size_t)st.st_size, 0, &n, err)) < 0)
			return ls_err_wrap(err, rc, "'%s'", path);
	}
	p[n] = '\0';
	*ret = ls_steal_ptr(&p);
	if (ret_len)
		*ret_len = n;
	return 0;
}

char *
io_join(const char *dir, const char *name)
{
	size_t n = strlen(dir), size = strlen(name) + 1;
	bool slash = n == 0 || dir[n - 1] != '/';
	char *ret = malloc(n + slash + size);

	if (!ret)
		return NULL;
	memcpy(ret, dir, n);
	ret[n] = '/';
	memcpy(ret + n + slash, name, size);
	return ret;
}

char *
io_beside(const char *path, const char *suffix)
{
	ls_autofree char *real = realpath(path, NULL);

	return ls_buf_format("%s%s", real ? real : path, suffix);
}

bool
io_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}
