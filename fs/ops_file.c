/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a database file. What is cached is answered by the FUSE thread at once; the rest goes to
 * the pool. After a miss of a random reader, the neighbourhood, which was fetched with it, is
 * pushed into the kernel's page cache by a thread of its own: that thread may wait for a page that
 * the kernel is reading, so it must not be one of those that answer reads.
 */
#include "config.h"

#include "fs/fetch.h"
#include "fs/ops.h"

#include <inttypes.h>
#include <string.h>

enum {
	PUSH_BLOCK = 64 << 10,
	PUSH_MAX = 256 << 10,
	PUSH_READ_MAX = 16 << 10, /* larger reads are not random */
	WINDOW = 4 << 20,	  /* reads of a sequential reader come this much out of order */
	RUN = 3,		  /* reads in a row that make a reader sequential */
};

struct handle {
	struct view *view; /* under the lock; another one once objects of the first were merged */
	pthread_mutex_t lock;
	uint64_t next; /* where a sequential reader would go on */
	unsigned run;
	uint64_t *pushed; /* one bit for each PUSH_BLOCK */
	atomic_uint refs; /* the open file, and pushes under way */
};

static struct handle *
handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

static void
handle_put(struct handle *h)
{
	if (!h || atomic_fetch_sub(&h->refs, 1) > 1)
		return;
	view_unref(h->view);
	pthread_mutex_destroy(&h->lock);
	free(h->pushed);
	free(h);
}

/* Referenced. */
static struct view *
handle_view(struct handle *h)
{
	LS_AUTOLOCK(&h->lock);

	view_ref(h->view);
	return h->view;
}

static struct handle *
handle_new(struct view *v)
{
	struct handle *h = calloc(1, sizeof *h);
	size_t blocks = (size_t)(view_info(v)->size / PUSH_BLOCK) + 1;

	if (!h)
		return NULL;
	h->pushed = ls_alloc_array(blocks / 64 + 1, sizeof *h->pushed);
	if (!h->pushed) {
		free(h);
		return NULL;
	}
	h->view = v;
	pthread_mutex_init(&h->lock, NULL);
	atomic_init(&h->refs, 1);
	return h;
}

static void
run_open(struct fetch *f)
{
	struct ls_err err = {0};
	struct view *v = NULL;
	struct handle *h = NULL;
	int rc = view_open(f->fs->history, &f->call, f->node.value, &v, &err);

	/* The kernel keeps pages by inode: other content must not come under this one. After ESTALE
	 * it looks the name up again. */
	if (rc == 0 && ops_stamp(f->fs, f->node.value) != f->node.stamp)
		rc = -ESTALE;
	if (rc == 0 && !(h = handle_new(v)))
		rc = -ENOMEM;
	if (rc < 0)
		view_unref(v);
	if (!fetch_end(f)) {
		if (h)
			handle_put(h);
		return;
	}
	if (rc < 0) {
		ops_reply_err(f->req, rc, OPS_READ);
		return;
	}
	if (!atomic_exchange(&f->fs->was_opened, true))
		f->fs->opened(f->fs->ready_arg);
	f->fi.fh = (uint64_t)(uintptr_t)h;
	if (fuse_reply_open(f->req, &f->fi) == -ENOENT)
		handle_put(h);
}

void
ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fetch what = {.fi = *fi};
	struct tree_node n;

	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EROFS);
		return;
	}
	what.fi.keep_cache = 1;
	what.fi.noflush = 1;
	what.fi.fh = 0;
	if (tree_node(ino, &n) && (n.kind == TREE_OLD_FILE || n.kind == TREE_RAW_FILE))
		fetch_start(fuse_req_userdata(req), req, ino, ops_more_open, &what);
	else if (n.kind == TREE_DB)
		fetch_start(fuse_req_userdata(req), req, ino, run_open, &what);
	else
		fuse_reply_open(req, &what.fi);
}

void
ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct tree_node n;

	if (tree_node(ino, &n) && (n.kind == TREE_OLD_FILE || n.kind == TREE_RAW_FILE))
		ops_more_release(&n, fi->fh);
	else
		handle_put(handle_of(fi));
	fuse_reply_err(req, 0);
}

/* ---- pushing the neighbourhood ---- */

struct push {
	struct job job;
	struct fs *fs;
	struct handle *h;
	uint64_t ino, off;
};

/* Claims the blocks of [off, off + n) that were not pushed yet; false: all were. */
static bool
claim(struct handle *h, uint64_t off, size_t n)
{
	bool any = false;

	LS_AUTOLOCK(&h->lock);
	for (uint64_t b = off / PUSH_BLOCK; b * PUSH_BLOCK < off + n; b++) {
		uint64_t bit = UINT64_C(1) << (b & 63);

		any |= !(h->pushed[b >> 6] & bit);
		h->pushed[b >> 6] |= bit;
	}
	return any;
}

/* The largest aligned window around off whose bytes are here already. */
static size_t
window(struct push *p, struct view *v, uint64_t *ret_off)
{
	uint64_t size = view_info(v)->size;

	for (size_t n = PUSH_MAX; n >= PUSH_BLOCK; n /= 2) {
		uint64_t off = p->off / n * n;
		size_t len = size - off < n ? (size_t)(size - off) : n;

		if (view_cached(v, off, len)) {
			*ret_off = off;
			return len;
		}
	}
	return 0;
}

static void
run_push(struct job *job)
{
	struct push *p = (struct push *)job;
	struct view *v = handle_view(p->h);
	uint64_t off = 0;
	size_t n = window(p, v, &off), got = 0;
	ls_autofree char *buf = n && claim(p->h, off, n) ? malloc(n) : NULL;

	if (buf && view_read(v, NULL, off, buf, n, false, &got, NULL) == 0 && got) {
		struct fuse_bufvec out = FUSE_BUFVEC_INIT(got);

		out.buf[0].mem = buf;
		fuse_lowlevel_notify_store(p->fs->session, p->ino, (off_t)off, &out, 0);
	}
	view_unref(v);
	handle_put(p->h);
	free(p);
}

static void
push_around(struct fetch *f, struct handle *h)
{
	struct push *p = calloc(1, sizeof *p);

	if (!p)
		return;
	atomic_fetch_add(&h->refs, 1);
	*p = (struct push){
		.job.run = run_push, .fs = f->fs, .h = h, .ino = f->ino, .off = (uint64_t)f->off};
	job_submit(f->fs->push, &p->job);
}

/* ---- reading ---- */

static bool
is_sequential(struct handle *h, uint64_t off, size_t size)
{
	LS_AUTOLOCK(&h->lock);

	if (off + WINDOW >= h->next && off <= h->next + WINDOW && (h->run || off == h->next))
		h->run++;
	else
		h->run = 0;
	if (off + size > h->next || h->run == 0)
		h->next = off + size;
	return h->run >= RUN && size > PUSH_READ_MAX;
}

/* The same transaction made of other objects: those before were merged or packed meanwhile. */
static bool
is_same(const struct view *a, const struct view *b)
{
	const struct view_info *x = view_info(a), *y = view_info(b);

	return x->size == y->size && x->page_size == y->page_size && x->time_ms == y->time_ms;
}

static bool
reopen(struct fetch *f, struct handle *h, struct view **v)
{
	struct view *fresh = NULL, *old;
	bool changed;

	if (history_refresh(f->fs->history, &f->call, &changed, NULL) < 0 ||
	    view_open(f->fs->history, &f->call, view_info(*v)->txid, &fresh, NULL) < 0)
		return false;
	if (fresh == *v || !is_same(fresh, *v)) {
		view_unref(fresh);
		return false;
	}
	view_unref(*v);
	*v = fresh;
	view_ref(fresh);
	pthread_mutex_lock(&h->lock);
	old = h->view;
	h->view = fresh;
	pthread_mutex_unlock(&h->lock);
	view_unref(old);
	return true;
}

static void
run_read(struct fetch *f)
{
	struct handle *h = handle_of(&f->fi);
	bool sequential = is_sequential(h, (uint64_t)f->off, f->size);
	ls_autofree char *buf = malloc(f->size);
	struct view *v = handle_view(h);
	struct ls_err err = {0};
	size_t got = 0;
	int rc = -ENOMEM;

	for (int tries = 0; buf && tries < 2; tries++) {
		rc = view_read(v, &f->call, (uint64_t)f->off, buf, f->size, sequential, &got, &err);
		if ((rc != -ESTALE && rc != -ENOENT) || tries || !reopen(f, h, &v))
			break;
	}
	view_unref(v);
	if (fetch_end(f)) {
		if (rc < 0)
			ops_reply_err(f->req, rc, OPS_READ);
		else
			fuse_reply_buf(f->req, buf, got);
		if (!sequential && f->size <= PUSH_READ_MAX)
			push_around(f, h);
	}
	handle_put(h);
}

void
ops_read_sibling(fuse_req_t req, bool wal, size_t size, off_t off)
{
	static const char zeros[32];
	size_t len = wal ? sizeof zeros : 0;

	if ((size_t)off >= len)
		size = 0;
	else if (size > len - (size_t)off)
		size = len - (size_t)off;
	fuse_reply_buf(req, zeros, size);
}

/* The handle is held until run_read() ends: a release may come at once after the answer. */
static void
read_db(fuse_req_t req, fuse_ino_t ino, struct handle *h, const struct fetch *what)
{
	atomic_fetch_add(&h->refs, 1);
	if (!fetch_start(fuse_req_userdata(req), req, ino, run_read, what))
		handle_put(h);
}

void
ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fetch what = {.fi = *fi, .size = size, .off = off};
	struct handle *h = handle_of(fi);
	struct tree_node n;

	if (!tree_node(ino, &n) || (n.kind == TREE_DB && !h)) {
		ops_reply_err(req, -ESTALE, OPS_READ);
		return;
	}
	if (n.kind == TREE_OLD_FILE || n.kind == TREE_RAW_FILE)
		ops_more_read(req, ino, &n, &what);
	else if (n.kind != TREE_DB)
		ops_read_sibling(req, n.kind == TREE_WAL, size, off);
	else
		read_db(req, ino, h, &what);
}
