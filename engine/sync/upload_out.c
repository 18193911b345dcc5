/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/sync/upload_impl.h"

#include <string.h>

enum { PENDING = 1 << 20 };

int
upload_out_open(const struct upload *u, const char *name, struct upload_out *ret,
		struct ls_err *err)
{
	const struct statedir *dir = u->dir;
	struct upload_out *o = ret;
	int rc;

	*o = (struct upload_out){.fd = -1, .spill_fd = -1};
	ls_buf_init(&o->pending, PENDING);
	if (!(o->path = io_join(u->home, name)))
		return ls_err_set(err, -ENOMEM, "upload: out of memory");
	if ((o->fd = io_create(o->path, O_RDWR, dir->file_mode, err)) < 0)
		return o->fd;
	if ((rc = stage_spill_open(dir, &o->spill_fd, err)) < 0)
		return rc;
	o->index = stage_spill_init(&o->spill, o->spill_fd);
	return 0;
}

static int
flush(struct upload_out *o, struct ls_err *err)
{
	int rc;

	if (o->pending.len == 0)
		return 0;
	rc = io_pwrite(o->fd, o->pending.p, o->pending.len, o->size, err);
	o->in_memory = o->size == 0 ? o->pending.len : 0;
	o->size += o->pending.len;
	o->pending.len = 0;
	return rc;
}

int
upload_out_write(void *arg, const void *p, size_t n, struct ls_err *err)
{
	struct upload_out *o = arg;
	int rc;

	if (o->pending.len + n > PENDING && (rc = flush(o, err)) < 0)
		return rc;
	if (n > PENDING) { /* the page index of a large database */
		rc = io_pwrite(o->fd, p, n, o->size, err);
		o->size += n;
		return rc;
	}
	return ls_buf_append(&o->pending, p, n) < 0
		       ? ls_err_set(err, -ENOMEM, "upload: out of memory")
		       : 0;
}

int
upload_out_rewrite(struct upload_out *o, const void *p, size_t n, struct ls_err *err)
{
	int rc = flush(o, err);

	return rc < 0 ? rc : io_pwrite(o->fd, p, n, 0, err);
}

static int
settle(struct upload_out *o, int64_t time_ms, struct upload_local *ret, struct ls_err *err)
{
	int rc;

	if ((rc = flush(o, err)) < 0 || (rc = io_fsync(o->fd, o->path, err)) < 0)
		return rc;
	*ret = (struct upload_local){
		.path = o->path, .fd = o->fd, .time_ms = time_ms, .size = o->size};
	return 0;
}

int
upload_out_store(struct upload *u, const struct store_call *call, struct upload_out *o,
		 const char *root, struct catalog_file *f, struct ls_err *err)
{
	struct upload_local l;
	int rc = settle(o, f->time_ms, &l, err);

	f->size = o->size;
	return rc < 0 ? rc : upload_store(u, call, &l, root, f, err);
}

int
upload_out_store_as(struct upload *u, const struct store_call *call, struct upload_out *o,
		    const struct store_put *p, struct ls_err *err)
{
	struct upload_local l;
	int rc = settle(o, p->time_ms, &l, err);

	return rc < 0 ? rc : upload_store_as(u, call, &l, p, err);
}

int
upload_out_put(struct upload *u, const struct store_call *call, struct upload_out *o,
	       struct catalog_file *f, struct ls_err *err)
{
	int rc = upload_out_store(u, call, o, u->root, f, err);

	return rc < 0 ? rc : catalog_log_put(u->log, f, err);
}

int
upload_is_at(const struct upload *u, const char *root, struct ls_err *err)
{
	return strcmp(root, u->root) == 0
		       ? 0
		       : ls_err_set(err, -ESTALE, "the replica became another one meanwhile");
}

/* Under the lock: whether it is still to be put, and where. */
static int
may_publish(struct upload *u, const struct store_call *call, const struct catalog_file *f,
	    char root[STORE_ETAG_MAX], bool *ret, struct ls_err *err)
{
	*ret = !catalog_find(catalog_log_catalog(u->log), f);
	memcpy(root, u->root, STORE_ETAG_MAX);
	return *ret ? upload_same_root(u, call, err) : 0;
}

int
upload_out_publish(struct upload *u, const struct store_call *call, struct upload_out *o,
		   struct catalog_file *f, pthread_mutex_t *lock, bool *ret_put, struct ls_err *err)
{
	char root[STORE_ETAG_MAX];
	bool wanted;
	int rc;

	*ret_put = false;
	pthread_mutex_lock(lock);
	rc = may_publish(u, call, f, root, &wanted, err);
	pthread_mutex_unlock(lock);
	if (rc < 0 || !wanted || (rc = upload_out_store(u, call, o, root, f, err)) < 0)
		return rc;
	LS_AUTOLOCK(lock);
	if ((rc = upload_is_at(u, root, err)) < 0 || (rc = catalog_log_put(u->log, f, err)) < 0)
		return rc;
	u->info.has_base |= f->min == 1;
	*ret_put = true;
	return 0;
}

void
upload_out_keep(struct upload *u, const struct upload_out *o, const struct catalog_file *f)
{
	const struct kept_name name = {u, f->min, f->max, f->level};

	if (o->in_memory && o->in_memory == o->size)
		kept_put(u->dir->kept, &name, o->pending.p, o->in_memory);
}

void
upload_out_close(struct upload_out *o)
{
	int ignored = 0;

	if (o->fd >= 0) {
		close(o->fd);
		ignored = io_unlink(o->path, NULL);
	}
	(void)ignored;
	if (o->spill_fd >= 0)
		close(o->spill_fd);
	ls_buf_done(&o->pending);
	free(o->path);
	*o = (struct upload_out){.fd = -1, .spill_fd = -1};
}
