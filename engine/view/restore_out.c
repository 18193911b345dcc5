/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore_out.h"

#include "engine/base/io.h"
#include "engine/view/restore.h"

#include <stdio.h>
#include <string.h>

static const char *const sidecars[] = {"-wal", "-shm", "-journal"};

static int
check_sidecars(const char *output, struct ls_err *err)
{
	for (size_t i = 0; i < sizeof sidecars / sizeof sidecars[0]; i++) {
		ls_autofree char *path = NULL;
		struct stat s;

		if (asprintf(&path, "%s%s", output, sidecars[i]) < 0)
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

int
restore_out_begin(const char *path, bool force, struct restore_out *ret, struct ls_err *err)
{
	struct restore_out *o = ret;
	int rc;

	*o = (struct restore_out){.fd = -1};
	if ((rc = restore_check_output(path, force, err)) < 0)
		return rc;
	o->path = strdup(path);
	if (!o->path || asprintf(&o->tmp, "%s.tmp", path) < 0) {
		o->tmp = NULL;
		return ls_err_set(err, -ENOMEM, "out of memory");
	}
	if ((rc = make_parent(o, err)) < 0)
		return rc;
	if ((rc = io_open(o->tmp, O_RDWR | O_CREAT | O_NOFOLLOW, 0666, err)) < 0)
		return rc;
	o->fd = rc;
	if ((rc = io_lock(o->fd, o->tmp, err)) < 0) {
		close(o->fd);
		o->fd = -1; /* it belongs to the other restore */
		return ls_err_wrap(err, rc, "another restore writes it");
	}
	return io_ftruncate(o->fd, 0, err);
}

int
restore_out_write(struct restore_out *o, const void *p, size_t n, uint64_t off, struct ls_err *err)
{
	int rc = io_pwrite(o->fd, p, n, off, err);

	return rc < 0 ? ls_err_wrap(err, rc, "'%s'", o->tmp) : 0;
}

static int
remove_sidecars(struct restore_out *o, struct ls_err *err)
{
	bool any = false;

	for (size_t i = 0; i < sizeof sidecars / sizeof sidecars[0]; i++) {
		ls_autofree char *path = NULL;
		int rc;

		if (asprintf(&path, "%s%s", o->path, sidecars[i]) < 0)
			return ls_err_set(err, -ENOMEM, "out of memory");
		rc = io_unlink(path, err);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		any |= rc == 0;
	}
	return any ? io_fsync_dir(o->dir, err) : 0;
}

int
restore_out_commit(struct restore_out *o, uint64_t size, struct ls_err *err)
{
	int rc;

	/* A crash in here leaves the old database or the new one, never the new one beside an old
	 * -wal file. */
	if ((rc = io_ftruncate(o->fd, size, err)) < 0 || (rc = io_fsync(o->fd, o->tmp, err)) < 0 ||
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
