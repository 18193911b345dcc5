/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches that are in the replica, and that levels and packs are still to be made of. The smaller
 * ones are in memory (kept.h); where the replica is in object storage, there are links to the local
 * files, too, in replicas/NAME/recent, so that what was here a moment ago is not fetched. A cache
 * of this run: what is not here is read from the replica.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/format/ltx_name.h"
#include "engine/sync/upload_impl.h"

enum { RECENT_MAX = 64 << 20 };

static char *
path_of(const struct upload_recent *k, uint64_t txid)
{
	char name[LTX_NAME_LEN + 1];

	ltx_name_format(txid, txid, name);
	return io_join(k->dir, name);
}

static void
remove_one(struct upload *u, uint64_t txid)
{
	const struct kept_name name = {.min = txid, .max = txid};
	struct upload_recent *k = &u->recent;
	ls_autofree char *path = k->dir ? path_of(k, txid) : NULL;
	struct stat st;
	int rc = path ? io_stat(path, &st, NULL) : -ENOENT;

	/* Another replica that is not so far reads it from its own objects. */
	kept_drop(u->dir->kept, &name);
	if (rc == 0)
		rc = io_unlink(path, NULL);
	if (rc == 0)
		k->bytes -= (uint64_t)st.st_size;
}

/* Under the lock. */
static void
forget(struct upload *u, uint64_t before)
{
	struct upload_recent *k = &u->recent;

	while (k->from < k->to && k->from < before)
		remove_one(u, k->from++);
	if (k->from == k->to)
		k->bytes = 0;
}

static int
remove_leftover(void *arg, const char *name, struct ls_err *err)
{
	ls_autofree char *path = io_join(arg, name);
	int ignored = path ? io_unlink(path, NULL) : 0;

	(void)err;
	(void)ignored;
	return 0;
}

int
upload_keep_recent(struct upload *u, struct ls_err *err)
{
	struct upload_recent *k = &u->recent;
	int rc;

	if (!(k->dir = io_join(u->home, "recent")))
		return ls_err_set(err, -ENOMEM, "upload: out of memory");
	if ((rc = io_mkdir(k->dir, u->dir->dir_mode, err)) == 0)
		rc = io_list(k->dir, remove_leftover, k->dir, err);
	return rc;
}

static bool
add_link(struct upload *u, const struct upload_local *l, uint64_t txid)
{
	struct upload_recent *k = &u->recent;
	ls_autofree char *path = path_of(k, txid);

	while (k->bytes + l->size > RECENT_MAX)
		forget(u, k->from + 1);
	if (!path || io_link(l->path, path, NULL) < 0)
		return false;
	k->bytes += l->size;
	return true;
}

void
upload_recent_add(struct upload *u, const struct upload_local *l, uint64_t txid)
{
	struct upload_recent *k = &u->recent;

	if (!u->dir->kept || l->size > RECENT_MAX)
		return;
	LS_AUTOLOCK(&k->lock);
	if (txid != k->to) {
		forget(u, k->to);
		k->from = k->to = txid;
	}
	if (!k->dir || add_link(u, l, txid))
		k->to++;
}

bool
upload_recent_forget(struct upload *u, uint64_t to)
{
	struct upload_recent *k = &u->recent;
	bool any;

	LS_AUTOLOCK(&k->lock);
	any = k->dir && k->from < k->to && k->from < to;
	forget(u, to);
	return any;
}

/* Whether it is a batch that was sent from here. */
static bool
is_ours(struct upload_recent *k, const struct catalog_file *f)
{
	LS_AUTOLOCK(&k->lock);

	return f->level == 0 && f->min == f->max && f->min >= k->from && f->min < k->to;
}

/* The descriptor of the link, or -1. */
static int
open_recent(struct upload_recent *k, const struct catalog_file *f)
{
	ls_autofree char *path = NULL;
	ls_autoclose int fd = -1;
	struct stat st;

	LS_AUTOLOCK(&k->lock);
	if (!k->dir || !(path = path_of(k, f->min)))
		return -1;
	fd = io_open(path, O_RDONLY | O_NOFOLLOW, 0, NULL);
	if (fd < 0 || io_fstat(fd, &st, NULL) < 0 || (uint64_t)st.st_size != f->size)
		return -1;
	return ls_steal_fd(&fd);
}

int
upload_read(struct upload *u, const struct store_call *call, const struct catalog_file *f,
	    uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	const struct kept_name name = {f->level ? u : NULL, f->min, f->max, f->level};
	bool ours = is_ours(&u->recent, f);
	ls_autoclose int fd = -1;

	if ((ours || f->level) && kept_get(u->dir->kept, &name, f->size, off, p, n, ret_n))
		return 0;
	fd = ours ? open_recent(&u->recent, f) : -1;
	if (fd >= 0 && io_pread(fd, p, n, off, ret_n, NULL) == 0)
		return 0;
	return catalog_get(&u->replica, call, f, off, p, n, ret_n, err);
}
