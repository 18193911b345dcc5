/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore_out.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/view/restore.h"

#include <stdio.h>
#include <string.h>

enum { WRITE_BACK = 16 << 20, RUN_MIN = 128 << 10, LOCK_TRIES = 10, ALLOCATE_MIN = 16 << 20 };

static const char *const sidecars[] = {"-wal", "-shm", "-journal"};

static int
check_sidecars(const char *output, struct ls_err *err)
{
	for (size_t i = 0; i < sizeof sidecars / sizeof sidecars[0]; i++) {
		ls_autofree char *path = ls_buf_format("%s%s", output, sidecars[i]);
		struct stat s;

		if (!path)
			return ls_err_set(err, -ENOMEM, "out of memory");
		if (io_stat(path, &s, NULL) == 0)
			return ls_err_set(
				err, -EEXIST,
				"cannot restore, '%s' exists and SQLite would apply it to "
				"the restored database: remove it or use -force",
				path);
	}
	return 0;
}

int
restore_check_output(const char *output, bool force, struct ls_err *err)
{
	struct stat s;
	int rc = io_stat(output, &s, err);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && S_ISDIR(s.st_mode))
		return ls_err_set(err, -EEXIST, "cannot restore, output path is a directory: %s",
				  output);
	if (rc == 0 && s.st_size > 0 && !force)
		return ls_err_set(
			err, -EEXIST,
			"cannot restore, output path already exists and is not empty: %s. "
			"Use -force to overwrite",
			output);
	return force ? 0 : check_sidecars(output, err);
}

static int
make_parent(struct restore_out *o, struct ls_err *err)
{
	char *slash;

	o->dir = strdup(o->path);
	if (!o->dir)
		return ls_err_set(err, -ENOMEM, "out of memory");
	slash = strrchr(o->dir, '/');
	if (!slash) {
		o->dir[0] = '.';
		o->dir[1] = '\0';
		return 0;
	}
	slash[slash == o->dir ? 1 : 0] = '\0';
	return io_mkdirs(o->dir, 0700, err);
}

/* Locks and empties the open temporary file; 1: it was renamed or removed meanwhile. */
static int
lock_open_tmp(const struct restore_out *o, int fd, struct ls_err *err)
{
	struct stat a, b;
	int rc = io_lock(fd, o->tmp, err);

	if (rc == -EBUSY)
		return ls_err_wrap(err, rc, "another restore writes it");
	if (rc < 0)
		return rc;
	if ((rc = io_fstat(fd, &a, err)) < 0)
		return rc;
	if (io_stat(o->tmp, &b, NULL) < 0 || !io_same_file(&a, &b))
		return 1;
	return io_ftruncate(fd, 0, err);
}

static int
lock_tmp(struct restore_out *o, struct ls_err *err)
{
	ls_autoclose int fd = io_open(o->tmp, O_RDWR | O_CREAT | O_NOFOLLOW, 0666, err);
	int rc, ignored;

	if (fd < 0)
		return fd;
	rc = lock_open_tmp(o, fd, err);
	if (rc == 0)
		o->fd = ls_steal_fd(&fd);
	else if (rc < 0 && rc != -EBUSY) {
		ignored = io_unlink(o->tmp, NULL);
		(void)ignored;
	}
	return rc;
}

int
restore_out_begin(const char *path, bool force, struct restore_out *ret, struct ls_err *err)
{
	struct restore_out *o = ret;
	int rc;

	*o = (struct restore_out){.fd = -1, .force = force};
	pthread_mutex_init(&o->lock, NULL);
	if ((rc = restore_check_output(path, force, err)) < 0)
		return rc;
	o->path = strdup(path);
	if (!o->path || asprintf(&o->tmp, "%s.tmp", path) < 0) {
		o->tmp = NULL;
		return ls_err_set(err, -ENOMEM, "out of memory");
	}
	if ((rc = make_parent(o, err)) < 0)
		return rc;
	for (int i = 0; i < LOCK_TRIES; i++)
		if ((rc = lock_tmp(o, err)) <= 0)
			return rc;
	return ls_err_set(err, -EBUSY, "'%s': another restore writes it", o->tmp);
}

void
restore_out_expect(struct restore_out *o, uint64_t n)
{
	if (n >= ALLOCATE_MIN)
		io_allocate(o->fd, n);
}

/* Lets the disk begin with what lies well behind the writers, who go on in order most of the time.
 */
static void
write_back(struct restore_out *o, uint64_t end)
{
	uint64_t at = atomic_load(&o->written_back);

	if (end >= at + 2 * (uint64_t)WRITE_BACK &&
	    atomic_compare_exchange_strong(&o->written_back, &at, at + WRITE_BACK))
		io_write_back(o->fd, at, WRITE_BACK);
}

int
restore_out_write(struct restore_out *o, const void *p, size_t n, uint64_t off, struct ls_err *err)
{
	int rc;

	pthread_mutex_lock(&o->lock);
	rc = io_pwrite(o->fd, p, n, off, err);
	pthread_mutex_unlock(&o->lock);
	if (rc < 0)
		return ls_err_wrap(err, rc, "'%s'", o->tmp);
	if (n >= RUN_MIN) /* not for the scattered pages of small objects */
		write_back(o, off + n);
	return 0;
}

static int
remove_sidecars(struct restore_out *o, struct ls_err *err)
{
	bool any = false;

	for (size_t i = 0; i < sizeof sidecars / sizeof sidecars[0]; i++) {
		ls_autofree char *path = ls_buf_format("%s%s", o->path, sidecars[i]);
		int rc;

		if (!path)
			return ls_err_set(err, -ENOMEM, "out of memory");
		rc = io_unlink(path, err);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		any |= rc == 0;
	}
	return any ? io_fsync_dir(o->dir, err) : 0;
}

int
restore_out_check(struct restore_out *o, uint64_t size, enum integrity_mode mode,
		  const struct stop *stop, struct ls_err *err)
{
	int rc = mode == INTEGRITY_NONE ? 0 : io_ftruncate(o->fd, size, err);

	return rc < 0 ? rc : integrity_check(o->tmp, mode, stop, err);
}

int
restore_out_commit(struct restore_out *o, uint64_t size, struct ls_err *err)
{
	int rc;

	/* A crash in here leaves the old database or the new one, never the new one beside an old
	 * -wal file. What appeared at the output while we worked is not ours to replace. */
	if ((rc = io_ftruncate(o->fd, size, err)) < 0 || (rc = io_fsync(o->fd, o->tmp, err)) < 0 ||
	    (rc = restore_check_output(o->path, o->force, err)) < 0 ||
	    (rc = remove_sidecars(o, err)) < 0 || (rc = io_rename(o->tmp, o->path, err)) < 0)
		return rc;
	free(o->tmp);
	o->tmp = NULL;
	return io_fsync_dir(o->dir, err);
}

void
restore_out_done(struct restore_out *o)
{
	int ignored;

	if (o->fd >= 0 && o->tmp) {
		ignored = io_unlink(o->tmp, NULL);
		(void)ignored;
	}
	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
	free(o->tmp);
	free(o->dir);
	*o = (struct restore_out){.fd = -1};
}
