/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursor file, 48 bytes, big-endian: "LSCURSR1", u32 version 1, u32 zero, u64 CRC of URL NUL root,
 * u64 acknowledged TXID, u64 1 once the root has been seen, u64 CRC-64 of the 40 bytes before.
 * Not fsynced: an old cursor only means that a file is put again, which finds itself there.
 */
#include "config.h"

#include "engine/sync/upload_impl.h"

#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/base/io.h"
#include "engine/format/crc64.h"
#include "engine/format/ltx_dec.h"
#include "engine/replica/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CURSOR_SIZE = 48, CURSOR_VERSION = 1 };

static char *
in_home(const struct upload *u, const char *name)
{
	return io_join(u->home, name);
}

static uint64_t
url_crc(const struct conf_replica *conf)
{
	return crc64(0, conf->url, strlen(conf->url));
}

/* *ret_seen: this state directory has met this replica. */
static int
read_cursor(const char *home, const struct conf_replica *conf, uint64_t *ret_acked, bool *ret_seen,
	    struct ls_err *err)
{
	ls_autofree char *path = io_join(home, "cursor"), *raw = NULL;
	size_t n = 0;
	int rc;

	if (!path)
		return ls_err_set(err, -ENOMEM, "cursor: out of memory");
	rc = io_read_file(path, 4096, &raw, &n, err);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	if (n != CURSOR_SIZE || memcmp(raw, "LSCURSR1", 8) != 0 ||
	    get_be64(raw + 40) != crc64(0, raw, 40))
		return 0;
	if (get_be32(raw + 8) != CURSOR_VERSION)
		return ls_err_set(err, -EINVAL, "'%s' was written by a newer litestream-c", path);
	if (get_be64(raw + 16) != url_crc(conf))
		return 0; /* the URL was changed: a replica never seen before */
	*ret_acked = get_be64(raw + 24);
	*ret_seen = get_be64(raw + 32) == 1;
	return 0;
}

static char *
home_of(const char *meta_path, const struct conf_replica *conf)
{
	return ls_buf_format("%s/replicas/%s", meta_path, conf->name);
}

int
upload_read_cursor(const char *meta_path, const struct conf_replica *conf, uint64_t *ret_acked,
		   struct ls_err *err)
{
	ls_autofree char *home = home_of(meta_path, conf);
	bool seen;

	*ret_acked = 0;
	return home ? read_cursor(home, conf, ret_acked, &seen, err)
		    : ls_err_set(err, -ENOMEM, "cursor: out of memory");
}

static int
open_cursor(struct upload *u, struct ls_err *err)
{
	ls_autofree char *path = in_home(u, "cursor");

	if (!path)
		return ls_err_set(err, -ENOMEM, "cursor: out of memory");
	if (u->cursor_fd < 0)
		u->cursor_fd = io_open(path, O_WRONLY | O_CREAT, u->dir->file_mode, err);
	return u->cursor_fd < 0 ? u->cursor_fd : 0;
}

static void
close_cursor(struct upload *u)
{
	if (u->cursor_fd >= 0)
		close(u->cursor_fd);
	u->cursor_fd = -1;
}

static int
write_cursor(struct upload *u, struct ls_err *err)
{
	uint8_t raw[CURSOR_SIZE] = "LSCURSR1";
	int rc = u->cursor_fd < 0 ? open_cursor(u, err) : 0;

	if (rc < 0)
		return rc;
	put_be32(raw + 8, CURSOR_VERSION);
	put_be64(raw + 16, url_crc(u->conf));
	put_be64(raw + 24, u->info.acked);
	put_be64(raw + 32, 1);
	put_be64(raw + 40, crc64(0, raw, 40));
	return io_pwrite(u->cursor_fd, raw, sizeof raw, 0, err);
}

/* What a crash has left. */
static void
remove_leftovers(const struct upload *u)
{
	static const char *const names[] = {UPLOAD_SNAPSHOT_TMP, UPLOAD_LEVEL_TMP,
					    UPLOAD_SNAPSHOT_INTERIOR_TMP,
					    UPLOAD_LEVEL_INTERIOR_TMP};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		ls_autofree char *path = in_home(u, names[i]);
		int ignored = path ? io_unlink(path, NULL) : 0;

		(void)ignored;
	}
}

int
upload_open(const struct statedir *dir, const struct conf_replica *conf, bool own_copies,
	    struct store_counts *counts, struct upload **ret, struct ls_err *err)
{
	struct upload *u = calloc(1, sizeof *u);
	int rc = 0;

	if (!u || !(u->home = home_of(dir->path, conf))) {
		free(u);
		return ls_err_set(err, -ENOMEM, "upload: out of memory");
	}
	u->dir = dir;
	u->conf = conf;
	u->cursor_fd = -1;
	u->own_copies = own_copies;
	pthread_mutex_init(&u->recent.lock, NULL);
	if ((rc = io_mkdirs(u->home, dir->dir_mode, err)) < 0 ||
	    (rc = conf_open_counted_store(conf, counts, &u->store, err)) < 0 ||
	    (rc = read_cursor(u->home, conf, &u->info.acked, &u->info.met, err)) < 0) {
		upload_close(u);
		return rc;
	}
	remove_leftovers(u);
	replica_init(&u->replica, u->store);
	*ret = u;
	return 0;
}

void
upload_close(struct upload *u)
{
	if (!u)
		return;
	catalog_log_close(u->log);
	close_cursor(u);
	store_close(u->store);
	upload_recent_forget(u, UINT64_MAX);
	kept_drop_all(u->dir->kept, u);
	pthread_mutex_destroy(&u->recent.lock);
	free(u->recent.dir);
	free(u->home);
	free(u);
}

const struct upload_info *
upload_info(const struct upload *u)
{
	return &u->info;
}

static int
check_root(struct upload *u, const struct store_call *call, struct ls_err *err)
{
	bool parent_ok = false;
	int rc = store_root(u->store, call, !u->info.met, u->root, &parent_ok, err);

	if (rc == -ENOENT && u->info.met)
		return ls_err_wrap(err, rc,
				   "the replica was there before and is gone (not mounted?); it is "
				   "not created again");
	return rc;
}

static int
open_log(struct upload *u, struct ls_err *err)
{
	ls_autofree char *path = in_home(u, "catalog");
	bool valid = false;

	if (!path)
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	if (u->log)
		return 0;
	return catalog_log_open(path, u->conf->url, u->root, &u->log, &valid, err);
}

/* The newest file of level 0, or NULL. */
static const struct catalog_file *
newest_l0(const struct catalog *c)
{
	return c->first[1] ? &c->files[c->first[1] - 1] : NULL;
}

static bool
is_whole(const struct catalog *c)
{
	LS_AUTO(plan_done) struct plan p = {0};
	struct plan_target latest = {0};

	return plan_build(c, &latest, &p, NULL) == 0 && p.txid == catalog_max_txid(c);
}

static void
take_stock(struct upload *u, const struct catalog *c)
{
	u->info.whole = is_whole(c);
	u->info.remote_max = catalog_max_txid(c);
	u->info.fresh = c->n == 0;
	u->info.acked = u->info.remote_max;
	u->info.has_base = false;
	u->info.image = 0;
	for (size_t i = 0; i < c->n; i++)
		u->info.has_base |= c->files[i].min == 1;
}

int
upload_connect(struct upload *u, const struct store_call *call, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	int rc;

	if ((rc = check_root(u, call, err)) < 0 ||
	    (rc = catalog_load(&u->replica, call, &cat, err)) < 0 || (rc = open_log(u, err)) < 0 ||
	    (rc = catalog_log_reset(u->log, &cat, err)) < 0)
		return rc;
	upload_recent_forget(u, UINT64_MAX);
	kept_drop_all(u->dir->kept, u);
	take_stock(u, &cat);
	u->info.met = true;
	return write_cursor(u, err);
}

int
upload_same_tail(struct upload *u, const struct store_call *call, bool *ret_same,
		 struct ls_err *err)
{
	const struct catalog_file *f = newest_l0(catalog_log_catalog(u->log));
	LS_AUTO(upload_local_close) struct upload_local l = {.fd = -1};
	uint8_t here[LTX_TRAILER_SIZE], there[LTX_TRAILER_SIZE];
	char key[REPLICA_KEY_MAX];
	struct store_get g = {.key = key, .len = sizeof there};
	size_t n = 0;
	int rc;

	*ret_same = false;
	if (!f || f->min != f->max || f->max != u->info.remote_max || f->size < LTX_SIZE_MIN)
		return 0;
	rc = upload_local_open(u->dir, f->max, &l, NULL);
	if (rc < 0 || l.size != f->size)
		return rc == -ENOMEM ? ls_err_set(err, rc, "out of memory") : 0;
	replica_key(&u->replica, 0, f->min, f->max, key);
	g.off = f->size - sizeof there;
	if ((rc = store_get(u->store, call, &g, there, &n, NULL, err)) < 0 ||
	    (rc = io_pread_exact(l.fd, here, sizeof here, g.off, err)) < 0)
		return rc;
	*ret_same = n == sizeof there && memcmp(here, there, sizeof here) == 0;
	return 0;
}

int
upload_same_root(struct upload *u, const struct store_call *call, struct ls_err *err)
{
	char now[STORE_ETAG_MAX];
	bool parent_ok;
	int rc = store_root(u->store, call, false, now, &parent_ok, err);

	if (rc < 0)
		return rc;
	if (strcmp(now, u->root) != 0)
		return ls_err_set(err, -ESTALE,
				  "the replica is another one than before "
				  "(mounted or replaced meanwhile)");
	return 0;
}

int
upload_reconnect(struct upload *u, const struct store_call *call, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	uint64_t known = u->info.remote_max;
	int rc;

	if ((rc = upload_same_root(u, call, err)) < 0 ||
	    (rc = catalog_load(&u->replica, call, &cat, err)) < 0)
		return rc;
	/* A put whose acknowledgement was lost is one more than we know of. */
	if (catalog_max_txid(&cat) < known || catalog_max_txid(&cat) > known + 1)
		return ls_err_set(err, -ESTALE,
				  "the replica ends at TXID %016" PRIx64 " and not at %016" PRIx64,
				  catalog_max_txid(&cat), known);
	return 0;
}

void
upload_rest(struct upload *u)
{
	if (u->log)
		catalog_log_rest(u->log);
	close_cursor(u);
}

bool
upload_local_gone(const struct upload *u)
{
	return u->local_gone;
}

/* Whether a full image can be restored as soon as it is at level 0. */
static bool
leads_to(const struct upload *u, uint64_t txid)
{
	return txid == 1 || (u->info.whole && u->info.remote_max == txid - 1);
}

int
upload_file(struct upload *u, const struct store_call *call, uint64_t txid, bool image,
	    struct ls_err *err)
{
	LS_AUTO(upload_local_close) struct upload_local l = {.fd = -1};
	struct catalog_file f = {.min = txid, .max = txid, .time_exact = true};
	int rc;

	u->local_gone = false;
	rc = image ? upload_local_open(u->dir, txid, &l, err)
		   : upload_local_find(u->dir, txid, &l, err);
	if (rc < 0) {
		u->local_gone = true;
		return rc;
	}
	l.shared = u->own_copies;
	f.size = l.size;
	f.time_ms = l.time_ms;
	if (image && !leads_to(u, txid)) {
		if ((rc = upload_snapshot_first(u, call, &l, txid, err)) < 0)
			return rc;
		image = false;
	}
	if ((rc = upload_put(u, call, &l, &f, err)) < 0)
		return rc;
	u->info.acked = txid;
	if (image)
		u->info.image = txid;
	u->info.fresh = false;
	u->info.has_base |= txid == 1;
	u->info.whole |= txid == 1;
	if (txid > u->info.remote_max)
		u->info.remote_max = txid;
	upload_recent_add(u, &l, txid);
	return write_cursor(u, err);
}
