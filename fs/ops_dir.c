/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/timex.h"
#include "fs/fetch.h"
#include "fs/ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const double FOREVER_S = 86400, SOON_S = 1, NAME_S = 60;

static struct fs *
fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* ---- attributes ---- */

static void
fill(const struct fs *fs, const struct tree_node *n, struct stat *st)
{
	mode_t type = tree_is_dir(n->kind)    ? S_IFDIR | 0555
		      : tree_is_link(n->kind) ? S_IFLNK | 0777
					      : S_IFREG | 0444;

	*st = (struct stat){.st_ino = tree_ino(n),
			    .st_mode = tree_is_link(n->kind) ? type : type & ~fs->umask,
			    .st_nlink = tree_is_dir(n->kind) ? 2 : 1,
			    .st_uid = fs->uid,
			    .st_gid = fs->gid,
			    .st_blksize = 4096};
	st->st_mtime = st->st_ctime = st->st_atime = fs->start_s;
	if (n->kind == TREE_WAL)
		st->st_size = 32;
	else if (n->kind == TREE_LATEST)
		st->st_size = 24; /* txid/<16 hex>.db */
	else if (tree_is_link(n->kind))
		st->st_size = n->kind == TREE_TIME_LINK ? 36 : 27;
}

static void
set_time(struct stat *st, int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	st->st_mtim = st->st_ctim = st->st_atim = t;
}

/* Attributes of a node that is a transaction, or belongs to one. */
static int
fill_db(struct fetch *f, const struct tree_node *n, struct stat *st, struct ls_err *err)
{
	struct view_info info;
	int rc;

	fill(f->fs, n, st);
	if (n->kind == TREE_OLD_FILE || n->kind == TREE_RAW_FILE)
		return ops_more_fill(f, n, st, err);
	if (n->kind < TREE_DB)
		return 0;
	if ((rc = view_stat(f->fs->history, &f->call, n->value, &info, err)) < 0)
		return rc;
	set_time(st, info.time_ms);
	if (n->kind == TREE_DB) {
		st->st_size = (off_t)info.size;
		st->st_blocks = (blkcnt_t)((info.size + 511) / 512);
	}
	return 0;
}

uint16_t
ops_stamp(const struct fs *fs, uint64_t txid)
{
	uint64_t s = 0;

	if (history_stamp(fs->history, txid, &s, NULL) < 0)
		return 0;
	return (uint16_t)(s ^ s >> 16 ^ s >> 32 ^ s >> 48);
}

/* ---- lookup ---- */

static bool
strip_db(const char *name, char *out, size_t n)
{
	size_t len = strlen(name);

	if (len <= 3 || len - 3 >= n || strcmp(name + len - 3, ".db") != 0)
		return false;
	memcpy(out, name, len - 3);
	out[len - 3] = '\0';
	return true;
}

static int
find_root(const char *name, struct tree_node *ret)
{
	static const struct {
		const char *name;
		enum tree_kind kind;
	} rows[] = {{"latest.db", TREE_LATEST},
		    {"txid", TREE_TXID_DIR},
		    {"at", TREE_AT_DIR},
		    {"time", TREE_TIME_DIR},
		    {"snapshots", TREE_SNAPSHOT_DIR},
		    {"generations", TREE_OLD_DIR},
		    {"raw", TREE_RAW_DIR}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(name, rows[i].name) == 0) {
			*ret = (struct tree_node){.kind = rows[i].kind};
			return 0;
		}
	return -ENOENT;
}

/* The siblings exist only where SQLite will look at them: beside a database in WAL mode. */
static int
check_sibling(struct fetch *f, uint64_t txid, struct ls_err *err)
{
	struct view *v = NULL;
	int rc = view_open(f->fs->history, &f->call, txid, &v, err);
	bool wal;

	if (rc < 0)
		return rc;
	wal = view_info(v)->wal_mode && view_info(v)->size > 0;
	view_unref(v);
	return wal ? 0 : -ENOENT;
}

static int
find_txid(struct fetch *f, const struct points_list *l, struct tree_node *ret, struct ls_err *err)
{
	enum tree_kind kind;
	uint64_t txid;

	if (!tree_parse_txid(f->name, &txid, &kind) || !points_find(l, txid))
		return -ENOENT;
	*ret = (struct tree_node){.kind = kind, .value = txid, .stamp = ops_stamp(f->fs, txid)};
	return kind == TREE_DB ? 0 : check_sibling(f, txid, err);
}

static int
find_snapshot(struct fetch *f, const struct points_list *l, struct tree_node *ret)
{
	const struct catalog_point *p;
	enum tree_kind kind;
	uint64_t txid;

	if (!tree_parse_txid(f->name, &txid, &kind) || kind != TREE_DB)
		return -ENOENT;
	p = points_find(l, txid);
	if (!p || !p->snapshot)
		return -ENOENT;
	*ret = (struct tree_node){.kind = TREE_SNAPSHOT_LINK, .value = txid};
	return 0;
}

static int
find_at(struct fetch *f, struct tree_node *ret, struct ls_err *err)
{
	char expr[NAME_MAX + 1];
	int64_t ms = 0;
	uint64_t txid = 0;
	int rc;

	if (!strip_db(f->name, expr, sizeof expr) ||
	    timex_parse(expr, clock_wall_ms(), &ms, NULL) < 0)
		return -ENOENT;
	if ((rc = history_at(f->fs->history, &f->call, ms, &txid, err)) < 0)
		return rc;
	*ret = (struct tree_node){.kind = TREE_AT_LINK, .value = txid};
	return 0;
}

static int
find_time(struct fetch *f, const struct points_list *l, struct tree_node *ret)
{
	int depth = tree_date_depth(f->node.value) + 1;
	uint64_t child = tree_date_child(f->node.value, f->name);
	char name[TREE_NAME_MAX];

	for (size_t i = 0; i < l->n; i++) {
		uint64_t date = tree_date(l->v[i].time_ms);

		if (depth <= 3 && child && tree_date_parent(date, depth) == child) {
			*ret = (struct tree_node){.kind = TREE_TIME_DIR, .value = child};
			return 0;
		}
		if (depth <= 3 || date != f->node.value)
			continue;
		timex_format_name(l->v[i].time_ms, name);
		if (strncmp(f->name, name, strlen(name)) == 0 &&
		    strcmp(f->name + strlen(name), ".db") == 0) {
			*ret = (struct tree_node){.kind = TREE_TIME_LINK, .value = l->v[i].txid};
			return 0;
		}
	}
	return -ENOENT;
}

static int
find(struct fetch *f, struct tree_node *ret, struct ls_err *err)
{
	struct points_list *l;
	int rc = -ENOENT;

	if (f->node.kind == TREE_ROOT)
		return find_root(f->name, ret);
	if (f->node.kind == TREE_OLD_DIR || f->node.kind == TREE_RAW_DIR)
		return ops_more_find(f, ret, err);
	l = points_get(&f->fs->points, &f->call);
	switch (f->node.kind) {
	case TREE_TXID_DIR:
		rc = find_txid(f, l, ret, err);
		break;
	case TREE_SNAPSHOT_DIR:
		rc = find_snapshot(f, l, ret);
		break;
	case TREE_AT_DIR:
		rc = find_at(f, ret, err);
		break;
	case TREE_TIME_DIR:
		rc = find_time(f, l, ret);
		break;
	default:
		break;
	}
	points_put(l);
	return rc;
}

static double
name_timeout(const struct tree_node *n)
{
	if (n->kind == TREE_AT_LINK || n->kind == TREE_LATEST || tree_is_dir(n->kind))
		return SOON_S;
	return NAME_S;
}

static void
run_lookup(struct fetch *f)
{
	struct fuse_entry_param e = {0};
	struct tree_node n = {0};
	struct ls_err err = {0};
	int rc = find(f, &n, &err);

	if (rc == 0)
		rc = fill_db(f, &n, &e.attr, &err);
	if (!fetch_end(f))
		return;
	if (rc == 0) {
		e.ino = e.attr.st_ino;
		e.attr_timeout = tree_is_dir(n.kind) ? SOON_S : FOREVER_S;
		e.entry_timeout = name_timeout(&n);
		fuse_reply_entry(f->req, &e);
	} else if (rc == -ENOENT) {
		e.entry_timeout = SOON_S;
		fuse_reply_entry(f->req, &e);
	} else {
		ops_reply_err(f->req, rc, OPS_LOOKUP);
	}
}

void
ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fetch what = {0};

	if (strlen(name) > NAME_MAX) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	memcpy(what.name, name, strlen(name) + 1);
	fetch_start(fs_of(req), req, parent, run_lookup, &what);
}

static void
run_getattr(struct fetch *f)
{
	struct ls_err err = {0};
	struct stat st;
	int rc = fill_db(f, &f->node, &st, &err);

	if (!fetch_end(f))
		return;
	if (rc < 0)
		ops_reply_err(f->req, rc, OPS_READ);
	else
		fuse_reply_attr(f->req, &st, tree_is_dir(f->node.kind) ? SOON_S : FOREVER_S);
}

void
ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	fetch_start(fs_of(req), req, ino, run_getattr, NULL);
}

/* ---- links ---- */

/* The newest transaction; of a replica that has none, its newest state of Litestream 0.3. */
static int
find_latest(struct fetch *f, char *target, size_t size, struct ls_err *err)
{
	char name[TREE_NAME_MAX];
	uint64_t txid;
	int rc;

	points_put(points_get(&f->fs->points, &f->call));
	rc = history_latest(f->fs->history, &txid, err);
	if (rc == -ENOENT)
		return ops_more_latest(f, target, size, err);
	if (rc < 0)
		return rc;
	tree_txid_name(txid, name);
	snprintf(target, size, "txid/%s", name);
	return 0;
}

static void
run_readlink(struct fetch *f)
{
	char name[TREE_NAME_MAX], target[80];
	struct ls_err err = {0};
	int rc = 0;

	tree_txid_name(f->node.value, name);
	if (f->node.kind == TREE_LATEST)
		rc = find_latest(f, target, sizeof target, &err);
	else if (tree_is_link(f->node.kind))
		snprintf(target, sizeof target, "%stxid/%s",
			 f->node.kind == TREE_TIME_LINK ? "../../../../" : "../", name);
	else
		rc = -ENOENT;
	if (!fetch_end(f))
		return;
	if (rc < 0)
		ops_reply_err(f->req, rc, OPS_LOOKUP);
	else
		fuse_reply_readlink(f->req, target);
}

void
ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	fetch_start(fs_of(req), req, ino, run_readlink, NULL);
}

/* ---- directories ---- */

static bool
has_more(const struct tree_node *n)
{
	return n->kind == TREE_OLD_DIR || n->kind == TREE_RAW_DIR;
}

static void
run_open_more(struct fetch *f)
{
	struct ops_entries *l = NULL;
	struct ls_err err = {0};
	int rc = ops_more_list(f, &l, &err);

	f->fi.fh = (uint64_t)(uintptr_t)l;
	if (!fetch_end(f)) {
		ops_more_free(l);
	} else if (rc < 0) {
		ops_reply_err(f->req, rc, OPS_LOOKUP);
	} else if (fuse_reply_open(f->req, &f->fi) == -ENOENT) {
		ops_more_free(l);
	}
}

static void
run_opendir(struct fetch *f)
{
	struct points_list *l = points_get(&f->fs->points, &f->call);

	f->fi.fh = (uint64_t)(uintptr_t)l;
	/* An open that was interrupted is not released. */
	if (!fetch_end(f) || fuse_reply_open(f->req, &f->fi) == -ENOENT)
		points_put(l);
}

void
ops_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fetch what = {.fi = *fi};
	struct tree_node n;
	bool more = tree_node(ino, &n) && has_more(&n);

	fetch_start(fs_of(req), req, ino, more ? run_open_more : run_opendir, &what);
}

void
ops_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct tree_node n;

	if (tree_node(ino, &n) && has_more(&n))
		ops_more_free((struct ops_entries *)(uintptr_t)fi->fh);
	else
		points_put((struct points_list *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

struct reply {
	fuse_req_t req;
	char *buf;
	size_t size, used;
};

/* false: the buffer is full. */
static bool
put_entry(struct reply *r, const struct tree_node *n, const char *name, off_t next)
{
	struct stat st = {.st_ino = tree_ino(n),
			  .st_mode = tree_is_dir(n->kind)    ? S_IFDIR
				     : tree_is_link(n->kind) ? S_IFLNK
							     : S_IFREG};
	size_t need =
		fuse_add_direntry(r->req, r->buf + r->used, r->size - r->used, name, &st, next);

	if (need > r->size - r->used)
		return false;
	r->used += need;
	return true;
}

static void
list_root(const struct fs *fs, struct reply *r, size_t i)
{
	static const char *const names[] = {"latest.db", "txid",	"at", "time",
					    "snapshots", "generations", "raw"};

	for (; i < sizeof names / sizeof names[0]; i++) {
		struct tree_node n;

		if (find_root(names[i], &n) < 0 || (n.kind == TREE_OLD_DIR && !fs->has_old))
			continue;
		if (!put_entry(r, &n, names[i], (off_t)i + 1))
			return;
	}
}

static void
list_points(struct fs *fs, struct reply *r, const struct points_list *l, bool snapshots, size_t i)
{
	for (; i < l->n; i++) {
		struct tree_node n = {.kind = snapshots ? TREE_SNAPSHOT_LINK : TREE_DB,
				      .value = l->v[i].txid};
		char name[TREE_NAME_MAX];

		if ((snapshots && !l->v[i].snapshot) || n.value > TREE_VALUE_MAX)
			continue;
		if (!snapshots)
			n.stamp = ops_stamp(fs, n.value);
		tree_txid_name(n.value, name);
		if (!put_entry(r, &n, name, (off_t)i + 1))
			return;
	}
}

static void
list_time(struct reply *r, const struct points_list *l, uint64_t dir, size_t i)
{
	int depth = tree_date_depth(dir);
	uint64_t last = 0;

	/* The entry before i was the last one listed. */
	if (i && i <= l->n && depth < 3)
		last = tree_date_parent(tree_date(l->v[i - 1].time_ms), depth + 1);
	for (size_t k = i; k < l->n; k++) {
		uint64_t date = tree_date(l->v[k].time_ms);
		struct tree_node n = {.kind = TREE_TIME_LINK, .value = l->v[k].txid};
		char name[TREE_NAME_MAX];

		if (tree_date_parent(date, depth) != dir)
			continue;
		if (depth < 3) {
			uint64_t child = tree_date_parent(date, depth + 1);

			if (child == last)
				continue;
			last = child;
			n = (struct tree_node){.kind = TREE_TIME_DIR, .value = child};
			tree_date_name(child, name);
		} else {
			timex_format_name(l->v[k].time_ms, name);
			memcpy(name + strlen(name), ".db", 4);
		}
		if (!put_entry(r, &n, name, (off_t)k + 1))
			return;
	}
}

static void
list_more(struct reply *r, const struct ops_entries *l, size_t i)
{
	struct tree_node n;
	const char *name;

	for (; ops_more_entry(l, i, &n, &name) && put_entry(r, &n, name, (off_t)i + 1); i++)
		;
}

void
ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	const void *fh = (const void *)(uintptr_t)fi->fh;
	const struct points_list *l = fh;
	struct reply r = {.req = req, .size = size};
	ls_autofree char *buf = malloc(size);
	struct tree_node n;

	if (!buf || !tree_node(ino, &n)) {
		ops_reply_err(req, -ENOMEM, OPS_LOOKUP);
		return;
	}
	r.buf = buf;
	if (n.kind == TREE_ROOT)
		list_root(fs_of(req), &r, (size_t)off);
	else if (n.kind == TREE_TXID_DIR || n.kind == TREE_SNAPSHOT_DIR)
		list_points(fs_of(req), &r, l, n.kind == TREE_SNAPSHOT_DIR, (size_t)off);
	else if (n.kind == TREE_TIME_DIR)
		list_time(&r, l, n.value, (size_t)off);
	else if (has_more(&n))
		list_more(&r, fh, (size_t)off);
	fuse_reply_buf(req, buf, r.used);
}
