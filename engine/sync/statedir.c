/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/statedir.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/timex.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HOLD_S = 7 * 24 * 3600 };

static int
make_dir(struct statedir *s, const char *path, struct ls_err *err)
{
	ls_autoclose int fd = -1;
	struct stat st;
	int rc;

	if (io_stat(path, &st, NULL) == 0 && S_ISDIR(st.st_mode))
		return 0;
	if ((rc = io_mkdirs(path, s->dir_mode, err)) < 0)
		return rc;
	if ((fd = io_open(path, O_RDONLY | O_DIRECTORY, 0, err)) < 0)
		return fd;
	io_own(fd, s->uid, s->gid);
	return 0;
}

static int
remove_tmp(void *arg, const char *name, struct ls_err *err)
{
	const char *dir = arg;
	ls_autofree char *path = NULL;
	int rc;

	if (!ls_buf_ends_with(name, ".tmp"))
		return 0;
	if (!(path = io_join(dir, name)))
		return ls_err_set(err, -ENOMEM, "out of memory");
	rc = io_unlink(path, err);
	return rc == -ENOENT ? 0 : rc;
}

static int
lock_held(const char *path, struct ls_err *err)
{
	ls_autofree char *holder = NULL;

	if (io_read_file(path, 4096, &holder, NULL, NULL) == 0 && *holder)
		holder[strcspn(holder, "\n")] = '\0';
	return ls_err_set(
		err, -EBUSY,
		"another litestream replicates this database already (%.80s), it holds '%s'",
		holder && *holder ? holder : "unknown", path);
}

static int
take_lock(struct statedir *s, struct ls_err *err)
{
	ls_autofree char *path = io_join(s->path, "lock");
	char text[128], now[TIMEX_LEN];
	int rc, n;

	if (!path)
		return ls_err_set(err, -ENOMEM, "out of memory");
	s->lock_fd = io_open(path, O_RDWR | O_CREAT, s->file_mode, err);
	if (s->lock_fd < 0)
		return s->lock_fd;
	rc = io_lock(s->lock_fd, path, err);
	if (rc == -EBUSY)
		return lock_held(path, err);
	if (rc < 0)
		return rc;
	io_own(s->lock_fd, s->uid, s->gid);
	timex_format(clock_wall_ms(), now);
	n = snprintf(text, sizeof text, "pid %d since %s\n", (int)getpid(), now);
	if ((rc = io_ftruncate(s->lock_fd, 0, err)) < 0)
		return rc;
	return io_pwrite(s->lock_fd, text, (size_t)n, 0, err);
}

int
statedir_open(const char *path, const struct stat *db, const struct stat *db_dir,
	      struct statedir *ret, struct ls_err *err)
{
	struct statedir *s = ret;
	int rc;

	*s = (struct statedir){.lock_fd = -1,
			       .ltx0_fd = -1,
			       .file_mode = db->st_mode & 0666,
			       .dir_mode = db_dir->st_mode & 0777,
			       .uid = db->st_uid,
			       .gid = db->st_gid,
			       .others = db->st_uid != geteuid() || db->st_gid != getegid()};
	s->path = strdup(path);
	s->ltx0 = s->path ? io_join(path, "ltx/0") : NULL;
	if (!s->ltx0)
		rc = ls_err_set(err, -ENOMEM, "out of memory");
	else if ((rc = make_dir(s, s->path, err)) == 0 && (rc = take_lock(s, err)) == 0 &&
		 (rc = make_dir(s, s->ltx0, err)) == 0 &&
		 (rc = io_list(s->path, remove_tmp, s->path, err)) == 0)
		rc = io_list(s->ltx0, remove_tmp, s->ltx0, err);
	if (rc < 0) {
		statedir_close(s);
		return ls_err_wrap(err, rc, "state directory");
	}
	return 0;
}

int
statedir_hold(const struct statedir *s, struct ls_err *err)
{
	ls_autofree char *path = io_join(s->path, "hold");
	ls_autoclose int fd = -1;

	if (!path)
		return ls_err_set(err, -ENOMEM, "out of memory");
	if ((fd = io_open(path, O_WRONLY | O_CREAT, s->file_mode, err)) < 0)
		return fd;
	io_own(fd, s->uid, s->gid);
	return io_set_time(fd, clock_wall_ms(), err);
}

bool
statedir_is_held(const struct statedir *s)
{
	ls_autofree char *path = io_join(s->path, "hold");
	struct stat st;

	return !path || (io_stat(path, &st, NULL) == 0 &&
			 st.st_mtim.tv_sec + HOLD_S > clock_wall_ms() / 1000);
}

/* A directory that was removed and made again meanwhile is another one: its names are not durable
 * then, which after a power failure is a re-base, as that is with local files that are gone. */
int
statedir_sync_ltx0(struct statedir *s, struct ls_err *err)
{
	if (s->ltx0_fd < 0 && (s->ltx0_fd = io_open(s->ltx0, O_RDONLY | O_DIRECTORY, 0, err)) < 0)
		return s->ltx0_fd;
	return io_fsync(s->ltx0_fd, s->ltx0, err);
}

void
statedir_rest(struct statedir *s)
{
	if (s->ltx0_fd >= 0)
		close(s->ltx0_fd);
	s->ltx0_fd = -1;
}

void
statedir_close(struct statedir *s)
{
	statedir_rest(s);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->path);
	free(s->ltx0);
	kept_free(s->kept);
	*s = (struct statedir){.lock_fd = -1, .ltx0_fd = -1};
}
