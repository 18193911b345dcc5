/* SPDX-License-Identifier: Apache-2.0 */
/* Local LTX files as sources of objects. */
#include "config.h"

#include "engine/base/io.h"
#include "engine/sync/upload_impl.h"

void
upload_local_close(struct upload_local *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->path);
}

static int
open_local(struct upload_local *l, struct ls_err *err)
{
	l->fd = io_open(l->path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW, 0, err);
	return l->fd < 0 ? l->fd : 0;
}

static int
local_read(void *arg, uint64_t off, void *p, size_t n, struct ls_err *err)
{
	struct upload_local *l = arg;
	size_t got = 0;
	int rc = 0;

	if (l->fd < 0 && kept_get(l->kept, &l->name, l->size, off, p, n, &got) && got == n)
		return 0;
	if (l->fd < 0)
		rc = open_local(l, err);
	if (rc == 0)
		rc = io_pread_exact(l->fd, p, n, off, err);
	return rc < 0 ? ls_err_wrap(err, rc, "'%s'", l->path) : 0;
}

static int
fits(struct upload_local *l, const uint8_t raw[LTX_HEADER_SIZE], const struct stat *st,
     uint64_t txid, struct ls_err *err)
{
	struct ltx_header h;
	int rc = ltx_header_decode(raw, &h, err);

	if (rc < 0)
		return ls_err_wrap(err, rc, "local file '%s'", l->path);
	if (h.min_txid != txid || h.max_txid != txid)
		return ls_err_set(err, -EBADMSG, "local file '%s' holds other TXIDs", l->path);
	l->size = (uint64_t)st->st_size;
	l->time_ms = h.time_ms;
	l->stamped =
		S_ISREG(st->st_mode) &&
		st->st_mtim.tv_sec * INT64_C(1000) + st->st_mtim.tv_nsec / 1000000 == h.time_ms;
	return 0;
}

int
upload_local_open(const struct statedir *dir, uint64_t txid, struct upload_local *ret,
		  struct ls_err *err)
{
	uint8_t raw[LTX_HEADER_SIZE];
	struct stat st;
	int rc;

	*ret = (struct upload_local){.fd = -1, .path = stage_path(dir, txid)};
	if (!ret->path)
		return ls_err_set(err, -ENOMEM, "upload: out of memory");
	if ((rc = open_local(ret, err)) < 0)
		return rc;
	if ((rc = io_fstat(ret->fd, &st, err)) < 0 ||
	    (rc = io_pread_exact(ret->fd, raw, sizeof raw, 0, err)) < 0)
		return ls_err_wrap(err, rc, "local file '%s'", ret->path);
	return fits(ret, raw, &st, txid, err);
}

int
upload_local_find(const struct statedir *dir, uint64_t txid, struct upload_local *ret,
		  struct ls_err *err)
{
	struct kept_name name = {.min = txid, .max = txid};
	uint64_t size = kept_size(dir->kept, &name);
	uint8_t raw[LTX_HEADER_SIZE];
	struct stat st;
	size_t n = 0;
	int rc;

	if (!size)
		return upload_local_open(dir, txid, ret, err);
	*ret = (struct upload_local){
		.fd = -1, .path = stage_path(dir, txid), .kept = dir->kept, .name = name};
	if (!ret->path)
		return ls_err_set(err, -ENOMEM, "upload: out of memory");
	if ((rc = io_lstat(ret->path, &st, err)) < 0)
		return rc;
	if ((uint64_t)st.st_size != size || !S_ISREG(st.st_mode) ||
	    !kept_get(dir->kept, &name, size, 0, raw, sizeof raw, &n) || n < sizeof raw) {
		upload_local_close(ret);
		return upload_local_open(dir, txid, ret, err);
	}
	return fits(ret, raw, &st, txid, err);
}

int
upload_store_as(struct upload *u, const struct store_call *call, struct upload_local *l,
		const struct store_put *p, struct ls_err *err)
{
	struct store_source src = {.size = l->size,
				   .read = local_read,
				   .arg = l,
				   .path = l->shared ? NULL : l->path,
				   .path_checked = l->stamped};

	return store_put(u->store, call, p, &src, NULL, err);
}

int
upload_store(struct upload *u, const struct store_call *call, struct upload_local *l,
	     const char *root, const struct catalog_file *f, struct ls_err *err)
{
	char key[REPLICA_KEY_MAX];
	struct store_put p = {.key = key, .time_ms = l->time_ms, .root = root, .create_only = true};

	replica_key(&u->replica, f->level, f->min, f->max, key);
	return upload_store_as(u, call, l, &p, err);
}

int
upload_put(struct upload *u, const struct store_call *call, struct upload_local *l,
	   const struct catalog_file *f, struct ls_err *err)
{
	int rc = upload_store(u, call, l, u->root, f, err);

	return rc < 0 ? rc : catalog_log_put(u->log, f, err);
}
