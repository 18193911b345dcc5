/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/localstate.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/format/ltx_name.h"
#include "engine/sync/stage.h"
#include "engine/sync/upload.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "out of memory");
}

static void
read_waiting(const struct statedir *dir, const struct stage_entry *v, size_t n,
	     struct localstate *s)
{
	for (size_t i = 0; i < n; i++) {
		ls_autofree char *path = NULL;
		struct stat st;

		if (v[i].txid <= s->acked)
			continue;
		if (s->waiting++ == 0 && (path = stage_path(dir, v[i].txid)) &&
		    io_stat(path, &st, NULL) == 0)
			s->waiting_since_ms = (int64_t)st.st_ctim.tv_sec * 1000;
		s->waiting_bytes += v[i].size;
	}
}

static int
read_files(const struct conf_db *db, struct localstate *s, struct ls_err *err)
{
	ls_autofree char *ltx0 = ls_buf_format("%s/ltx/0", db->meta_path);
	const struct statedir dir = {.path = db->meta_path, .ltx0 = ltx0};
	ls_autofree struct stage_entry *v = NULL;
	struct stat st;
	size_t n = 0;
	int rc;

	if (!ltx0)
		return no_memory(err);
	if (io_stat(ltx0, &st, NULL) == -ENOENT)
		return 0;
	rc = stage_list(&dir, &v, &n, err);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		s->kind = LOCALSTATE_ERROR;
		return 0;
	}
	if (n == 0)
		return 0;
	s->kind = LOCALSTATE_OK;
	s->txid = v[n - 1].txid;
	if (db->nreplicas)
		read_waiting(&dir, v, n, s);
	return 0;
}

/* The process that is named in the lock file, if it is one of ours and alive. The lock itself is
 * not tried: a daemon that starts in that moment would be refused. */
static int
holder(const struct conf_db *db)
{
	ls_autofree char *path = ls_buf_format("%s/lock", db->meta_path), *text = NULL;
	ls_autofree char *comm_path = NULL, *comm = NULL;
	int pid = 0;

	if (!path || io_read_file(path, 4096, &text, NULL, NULL) < 0 ||
	    sscanf(text, "pid %d ", &pid) != 1 || pid <= 0 || (kill(pid, 0) < 0 && errno != EPERM))
		return 0;
	comm_path = ls_buf_format("/proc/%d/comm", pid);
	if (!comm_path || io_read_file(comm_path, 64, &comm, NULL, NULL) < 0 ||
	    strcmp(comm, "litestream\n") != 0)
		return 0;
	return pid;
}

int
localstate_read(const struct conf_db *db, struct localstate *ret, struct ls_err *err)
{
	ls_autofree char *wal = io_beside(db->path, "-wal");
	struct localstate *s = ret;
	struct stat st;

	*s = (struct localstate){.kind = LOCALSTATE_NO_DATABASE};
	if (!wal)
		return no_memory(err);
	if (io_stat(db->path, &st, NULL) < 0)
		return 0;
	s->kind = LOCALSTATE_NOT_INITIALIZED;
	if (io_stat(wal, &st, NULL) == 0)
		s->wal_size = (uint64_t)st.st_size;
	s->pid = holder(db);
	for (size_t i = 0; i < db->nreplicas; i++) {
		uint64_t acked = 0;

		/* A cursor that cannot be read tells nothing. */
		if (upload_read_cursor(db->meta_path, &db->replicas[i], &acked, NULL) < 0)
			acked = 0;
		s->acked = i && s->acked < acked ? s->acked : acked;
	}
	return read_files(db, s, err);
}

/* ---- reset ---- */

struct files {
	const char *dir;
	localstate_file_fn *fn;
	void *arg;
};

static int
visit(void *arg, const char *name, struct ls_err *err)
{
	const struct files *f = arg;
	uint64_t min, max;
	ls_autofree char *path = NULL;

	/* Names that are nobody's are left alone. */
	if (!ltx_name_parse(name, &min, &max) && !ls_buf_ends_with(name, ".tmp"))
		return 0;
	path = ls_buf_format("%s/%s", f->dir, name);
	return path ? f->fn(f->arg, path, err) : no_memory(err);
}

/* The released program keeps higher levels there, too. */
static int
visit_levels(const struct conf_db *db, struct files *f, struct ls_err *err)
{
	int rc = 0;

	for (int level = 0; rc == 0 && level <= 9; level++) {
		ls_autofree char *dir = ls_buf_format("%s/ltx/%d", db->meta_path, level);

		if (!dir)
			return no_memory(err);
		f->dir = dir;
		rc = io_list(dir, visit, f, err);
		if (rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

int
localstate_files(const struct conf_db *db, localstate_file_fn *fn, void *arg, struct ls_err *err)
{
	static const char *const names[] = {"position", "pagehash"};
	struct files f = {.fn = fn, .arg = arg};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2; i++) {
		ls_autofree char *path = ls_buf_format("%s/%s", db->meta_path, names[i]);
		struct stat st;

		if (!path)
			return no_memory(err);
		if (io_stat(path, &st, NULL) == 0)
			rc = fn(arg, path, err);
	}
	return rc < 0 ? rc : visit_levels(db, &f, err);
}

static int
remove_file(void *arg, const char *path, struct ls_err *err)
{
	int rc = io_unlink(path, err);

	(void)arg;
	return rc == -ENOENT ? 0 : rc;
}

int
localstate_reset(const struct conf_db *db, struct ls_err *err)
{
	struct stat st;
	struct statedir dir;
	int rc = io_stat(db->meta_path, &st, err);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if ((rc = statedir_open(db->meta_path, &st, &st, &dir, err)) < 0)
		return rc;
	/* The position record goes first: without it nothing is taken for captured. */
	rc = localstate_files(db, remove_file, NULL, err);
	statedir_close(&dir);
	return rc;
}
