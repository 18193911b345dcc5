/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io: the only file of the program that makes file system calls.
 *
 * Every call goes through a table that tests replace (io_set_ops), so that the n-th call can fail
 * or the process can die there. EINTR is retried, descriptors are O_CLOEXEC, errors name the path.
 * Threads: any; io_set_ops() before threads start.
 */
#ifndef ENGINE_BASE_IO_H
#define ENGINE_BASE_IO_H

#include "engine/base/err.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>

struct io_ops {
	int (*open)(const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	ssize_t (*pread)(int fd, void *p, size_t n, off_t off);
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t off);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*write_back)(int fd, off_t off, off_t n); /* sync_file_range, no waiting */
	int (*fallocate)(int fd, int mode, off_t off, off_t n);
	int (*ftruncate)(int fd, off_t size);
	int (*rename)(const char *from, const char *to);
	int (*renamex)(const char *from, const char *to, unsigned flags); /* renameat2 */
	int (*link)(const char *from, const char *to);
	int (*unlink)(const char *path);
	int (*mkdir)(const char *path, mode_t mode);
	int (*rmdir)(const char *path);
	int (*stat)(const char *path, struct stat *st);
	int (*lstat)(const char *path, struct stat *st);
	int (*fstat)(int fd, struct stat *st);
	int (*fstatfs)(int fd, struct statfs *st);
	int (*utimens)(const char *path, const struct timespec ts[2]);
	int (*futimens)(int fd, const struct timespec ts[2]);
	int (*fchown)(int fd, uid_t uid, gid_t gid);
	int (*flock)(int fd, int op);
	DIR *(*opendir)(const char *path);
	struct dirent *(*readdir)(DIR *dir);
};

extern const struct io_ops io_system;	   /* the kernel's */
void io_set_ops(const struct io_ops *ops); /* NULL: io_system */

LS_MUST_USE int io_open(const char *path, int flags, mode_t mode, struct ls_err *err);
/* A new file: what has this name is removed, and never opened: it may be another name of a file
 * that counts. flags: besides O_CREAT and O_EXCL. */
LS_MUST_USE int io_create(const char *path, int flags, mode_t mode, struct ls_err *err);
LS_MUST_USE int io_close(int fd, const char *path, struct ls_err *err);

/* Reads up to n bytes; *ret_n is smaller only at the end of the file. */
LS_MUST_USE int
io_pread(int fd, void *p, size_t n, uint64_t off, size_t *ret_n, struct ls_err *err);
/* Reads exactly n bytes; fewer is -EBADMSG "a of b bytes". */
LS_MUST_USE int io_pread_exact(int fd, void *p, size_t n, uint64_t off, struct ls_err *err);
LS_MUST_USE int io_pwrite(int fd, const void *p, size_t n, uint64_t off, struct ls_err *err);
LS_MUST_USE int io_fsync(int fd, const char *path, struct ls_err *err);
LS_MUST_USE int io_fdatasync(int fd, const char *path, struct ls_err *err);
/* Starts to write a range to the disk, so that a later fsync has less to do. A hint: no errors. */
void io_write_back(int fd, uint64_t off, uint64_t n);
/* Makes room for n bytes in one piece where the file system can; the file becomes that long. A
 * hint: no errors. */
void io_allocate(int fd, uint64_t n);
LS_MUST_USE int io_ftruncate(int fd, uint64_t size, struct ls_err *err);
LS_MUST_USE int io_rename(const char *from, const char *to, struct ls_err *err);
/* -EEXIST when the new name is taken. Falls back to link + unlink where the kernel cannot. */
LS_MUST_USE int io_rename_new(const char *from, const char *to, struct ls_err *err);
LS_MUST_USE int io_link(const char *from, const char *to, struct ls_err *err);
LS_MUST_USE int io_unlink(const char *path, struct ls_err *err);
/* Makes one directory; an existing one is success, a missing parent is -ENOENT. */
LS_MUST_USE int io_mkdir(const char *path, mode_t mode, struct ls_err *err);
/* Makes the directory and its missing parents with this mode; an existing one is success. */
LS_MUST_USE int io_mkdirs(const char *path, mode_t mode, struct ls_err *err);
LS_MUST_USE int io_rmdir(const char *path, struct ls_err *err);
LS_MUST_USE int io_stat(const char *path, struct stat *ret, struct ls_err *err);
/* Of the name itself, which may be a symbolic link. */
LS_MUST_USE int io_lstat(const char *path, struct stat *ret, struct ls_err *err);
LS_MUST_USE int io_fstat(int fd, struct stat *ret, struct ls_err *err);
/* Bytes that may still be written on the file system of fd, and its size. */
LS_MUST_USE int io_space(int fd, uint64_t *ret_free, uint64_t *ret_size, struct ls_err *err);
/* Name of a network file system (or one that hides one) that the file lives on; NULL: local. */
const char *io_remote_fs(int fd);
/* Makes created, renamed and removed names in this directory durable. */
LS_MUST_USE int io_fsync_dir(const char *path, struct ls_err *err);
/* Sets access and modification time. */
LS_MUST_USE int io_set_time(int fd, int64_t time_ms, struct ls_err *err);
/* Owner of a new file; a refusal is no error (only root may give files away). */
void io_own(int fd, uid_t uid, gid_t gid);
/* Exclusive flock without waiting: -EBUSY when another process holds it. */
LS_MUST_USE int io_lock(int fd, const char *path, struct ls_err *err);

/* Calls fn for every name but "." and ".."; fn's negative result ends the walk and is returned. */
typedef int io_name_fn(void *arg, const char *name, struct ls_err *err);
LS_MUST_USE int io_list(const char *path, io_name_fn *fn, void *arg, struct ls_err *err);

/* Reads a whole small file: caller frees *ret (NUL-terminated). Larger than max is -EBADMSG. */
LS_MUST_USE int
io_read_file(const char *path, size_t max, char **ret, size_t *ret_len, struct ls_err *err);

/* "dir/name" in new memory, caller frees; NULL when memory is short. */
char *io_join(const char *dir, const char *name);
/* The same of a file beside the one that path means, where symbolic links lead: "a.db" with "-wal"
 * is "a.db-wal". */
char *io_beside(const char *path, const char *suffix);
/* Whether both are of one file, under whatever names. */
bool io_same_file(const struct stat *a, const struct stat *b);

#endif
