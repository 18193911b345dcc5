/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/stage.h"

#include "engine/base/io.h"
#include "engine/format/ltx_name.h"

#include <stdatomic.h>
#include <inttypes.h>
#include <string.h>

enum { PENDING_MAX = 1 << 20 };

char *
stage_path(const struct statedir *dir, uint64_t txid)
{
	char name[LTX_NAME_LEN + 1];

	ltx_name_format(txid, txid, name);
	return io_join(dir->ltx0, name);
}

int
stage_begin(struct statedir *dir, uint64_t txid, struct stage_file *ret, struct ls_err *err)
{
	struct stage_file *f = ret;
	ls_autofree char *path = stage_path(dir, txid);
	size_t n;

	*f = (struct stage_file){.dir = dir, .txid = txid, .fd = -1};
	ls_buf_init(&f->pending, PENDING_MAX);
	n = path ? strlen(path) : 0;
	f->tmp = path ? malloc(n + sizeof ".tmp") : NULL;
	if (!f->tmp)
		return ls_err_set(err, -ENOMEM, "stage: out of memory");
	memcpy(f->tmp, path, n);
	memcpy(f->tmp + n, ".tmp", sizeof ".tmp");
	f->fd = io_create(f->tmp, O_RDWR, dir->file_mode, err);
	if (f->fd < 0)
		return f->fd;
	if (dir->others)
		io_own(f->fd, dir->uid, dir->gid);
	return 0;
}

/* All of it is still in memory. */
static void
keep(const struct stage_file *f)
{
	const struct kept_name name = {.min = f->txid, .max = f->txid};

	if (f->size == f->pending.len)
		kept_put(f->dir->kept, &name, f->pending.p, f->pending.len);
}

static int
drain(struct stage_file *f, struct ls_err *err)
{
	int rc = io_pwrite(f->fd, f->pending.p, f->pending.len, f->size, err);

	if (rc < 0)
		return ls_err_wrap(err, rc, "'%s'", f->tmp);
	f->size += f->pending.len;
	return 0;
}

int
stage_write(void *arg, const void *p, size_t n, struct ls_err *err)
{
	struct stage_file *f = arg;
	int rc;

	if (f->pending.len + n > PENDING_MAX) {
		if ((rc = drain(f, err)) < 0)
			return rc;
		f->pending.len = 0;
	}
	if (n > PENDING_MAX) {
		if ((rc = io_pwrite(f->fd, p, n, f->size, err)) < 0)
			return ls_err_wrap(err, rc, "'%s'", f->tmp);
		f->size += n;
		return 0;
	}
	if (ls_buf_append(&f->pending, p, n) < 0)
		return ls_err_set(err, -ENOMEM, "stage: out of memory");
	return 0;
}

int
stage_commit(struct stage_file *f, int64_t time_ms, struct ls_err *err)
{
	ls_autofree char *path = stage_path(f->dir, f->txid);
	int rc;

	if (!path)
		return ls_err_set(err, -ENOMEM, "stage: out of memory");
	/* The name first: most file systems then make both durable with one journal commit, and
	 * find nothing left to do for the directory. */
	if ((rc = drain(f, err)) < 0 || (rc = io_set_time(f->fd, time_ms, err)) < 0)
		return rc;
	if ((rc = io_rename_new(f->tmp, path, err)) < 0)
		return rc == -EEXIST ? ls_err_set(err, rc,
						  "'%s' exists: another program captures this "
						  "database",
						  path)
				     : rc;
	free(f->tmp);
	f->tmp = NULL;
	if ((rc = io_fsync(f->fd, path, err)) == 0)
		rc = statedir_sync_ltx0(f->dir, err);
	if (rc == 0) {
		keep(f);
	} else {
		int ignored = io_unlink(path, NULL);

		(void)ignored;
	}
	return rc;
}

void
stage_abort(struct stage_file *f)
{
	if (f->tmp && f->fd >= 0) {
		int ignored = io_unlink(f->tmp, NULL);

		(void)ignored;
	}
	if (f->fd >= 0)
		close(f->fd);
	free(f->tmp);
	ls_buf_done(&f->pending);
	*f = (struct stage_file){.fd = -1};
}

struct listing {
	const struct statedir *dir;
	struct stage_entry *v;
	size_t n, cap;
};

static int
add(void *arg, const char *name, struct ls_err *err)
{
	struct listing *l = arg;
	ls_autofree char *path = NULL;
	uint64_t min, max;
	struct stat st;

	if (!ltx_name_parse(name, &min, &max) || min != max)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct stage_entry *v = ls_grow_array(l->v, cap, sizeof *v);

		if (!v)
			return ls_err_set(err, -ENOMEM, "stage: out of memory");
		l->v = v;
		l->cap = cap;
	}
	if (!(path = io_join(l->dir->ltx0, name)))
		return ls_err_set(err, -ENOMEM, "stage: out of memory");
	if (io_stat(path, &st, NULL) == 0)
		l->v[l->n++] = (struct stage_entry){.txid = min, .size = (uint64_t)st.st_size};
	return 0;
}

static int
by_txid(const void *pa, const void *pb)
{
	const struct stage_entry *a = pa, *b = pb;

	return a->txid < b->txid ? -1 : a->txid > b->txid;
}

int
stage_list(const struct statedir *dir, struct stage_entry **ret, size_t *ret_n, struct ls_err *err)
{
	struct listing l = {.dir = dir};
	int rc = io_list(dir->ltx0, add, &l, err);

	if (rc < 0) {
		free(l.v);
		return rc;
	}
	if (l.n)
		qsort(l.v, l.n, sizeof *l.v, by_txid);
	*ret = l.v;
	*ret_n = l.n;
	return 0;
}

int
stage_remove(const struct statedir *dir, uint64_t txid, struct ls_err *err)
{
	ls_autofree char *path = stage_path(dir, txid);
	int rc = path ? io_unlink(path, err) : ls_err_set(err, -ENOMEM, "out of memory");

	return rc == -ENOENT ? 0 : rc;
}

int
stage_prune(const struct statedir *dir, uint64_t keep, struct ls_err *err)
{
	ls_autofree struct stage_entry *v = NULL;
	size_t n = 0;
	int rc = stage_list(dir, &v, &n, err);

	for (size_t i = 0; rc == 0 && i < n && v[i].txid < keep; i++)
		rc = stage_remove(dir, v[i].txid, err);
	return rc;
}

int
stage_spill_open(const struct statedir *dir, int *ret_fd, struct ls_err *err)
{
	static atomic_uint count; /* several lanes may write at the same time */
	ls_autofree char *path =
		ls_buf_format("%s/index-%u.tmp", dir->path, atomic_fetch_add(&count, 1));
	ls_autoclose int fd = -1;
	int rc;

	if (!path)
		return ls_err_set(err, -ENOMEM, "stage: out of memory");
	if ((fd = io_create(path, O_RDWR, 0600, err)) < 0)
		return fd;
	if ((rc = io_unlink(path, err)) < 0)
		return rc;
	*ret_fd = ls_steal_fd(&fd);
	return 0;
}

static int
spill_write(void *arg, uint64_t off, const void *p, size_t n, struct ls_err *err)
{
	return io_pwrite(((struct stage_spill *)arg)->fd, p, n, off, err);
}

static int
spill_read(void *arg, uint64_t off, void *p, size_t n, struct ls_err *err)
{
	return io_pread_exact(((struct stage_spill *)arg)->fd, p, n, off, err);
}

const struct ltx_spill *
stage_spill_init(struct stage_spill *s, int fd)
{
	s->fd = fd;
	s->spill = (struct ltx_spill){.write = spill_write, .read = spill_read, .arg = s};
	return &s->spill;
}
