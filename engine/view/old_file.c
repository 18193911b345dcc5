/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/view/old_int.h"
#include "engine/view/restore_generation.h"

#include <string.h>

struct old_file {
	struct old_file *next;
	struct old *old;
	uint32_t id;
	unsigned refs;
	int fd;
};

/* A file without a name. */
static int
open_unnamed(struct ls_err *err)
{
	const char *env = getenv("TMPDIR"), *dir = env && *env ? env : "/var/tmp";
	ls_autofree char *path = ls_buf_format("%s/litestream-mount.XXXXXX", dir);
	int fd = io_open(dir, O_RDWR | O_TMPFILE, 0600, NULL), ignored;

	if (fd >= 0)
		return fd;
	if (!path)
		return ls_err_set(err, -ENOMEM, "generations: out of memory");
	if ((fd = mkostemp(path, O_CLOEXEC)) < 0)
		return ls_err_sys(err, errno, "make a file in '%s'", dir);
	ignored = io_unlink(path, NULL);
	(void)ignored;
	return fd;
}

/* The plan of its index, up to its segment. Under the lock. */
static int
make_plan(const struct old *o, const struct old_entry *e, struct generations_plan *ret,
	  struct ls_err *err)
{
	struct generations_target t = {
		.generation = e->generation, .by_index = true, .index = e->index};
	size_t n = 0;
	int rc = generations_plan(&o->generations, &t, ret, err);

	if (rc < 0)
		return rc;
	if (e->snapshot) {
		ret->n = 0;
		return ret->snapshot->index == e->index
			       ? 0
			       : ls_err_set(err, -ESTALE, "the snapshot is gone");
	}
	while (n < ret->n &&
	       (ret->segments[n].index < e->index ||
		(ret->segments[n].index == e->index && ret->segments[n].offset <= e->start)))
		n++;
	if (n == 0 || ret->segments[n - 1].index != e->index ||
	    ret->segments[n - 1].offset != e->start)
		return ls_err_set(err, -ESTALE, "the segment is gone");
	ret->n = n;
	return 0;
}

/* A copy of what the plan borrows from the listing, which others may renew. */
struct task {
	struct generation generation;
	struct generations_object snapshot, *segments;
	struct generations_plan plan;
};

static int
prepare(struct old *o, uint32_t id, struct task *t, struct ls_err *err)
{
	struct generations_plan p;
	int rc;

	LS_AUTOLOCK(&o->lock);
	if (id >= o->n)
		return ls_err_set(err, -ESTALE, "unknown state");
	if ((rc = make_plan(o, &o->entries[id], &p, err)) < 0)
		return rc;
	if (!(t->segments = ls_alloc_array(p.n, sizeof *t->segments)))
		return ls_err_set(err, -ENOMEM, "generations: out of memory");
	if (p.n)
		memcpy(t->segments, p.segments, p.n * sizeof *t->segments);
	memcpy(t->generation.id, p.generation->id, sizeof t->generation.id);
	t->snapshot = *p.snapshot;
	t->plan = (struct generations_plan){.generation = &t->generation,
					    .snapshot = &t->snapshot,
					    .segments = t->segments,
					    .n = p.n};
	return 0;
}

static int
build(struct old *o, const struct store_call *call, uint32_t id, int *ret_fd, struct ls_err *err)
{
	struct restore_out out = {.fd = -1};
	struct restore_opts opts = {0};
	struct task t = {0};
	uint32_t page_size = 0;
	uint64_t size = 0;
	int rc = prepare(o, id, &t, err);

	if (rc == 0 && (out.fd = open_unnamed(err)) < 0)
		rc = out.fd;
	if (rc == 0) {
		pthread_mutex_init(&out.lock, NULL);
		rc = restore_generation(o->store, call, &opts, &t.plan, &out, &size, &page_size,
					err);
		pthread_mutex_destroy(&out.lock);
	}
	if (rc == 0)
		rc = io_ftruncate(out.fd, size, err);
	free(t.segments);
	if (rc < 0) {
		if (out.fd >= 0)
			close(out.fd);
		return rc;
	}
	*ret_fd = out.fd;
	return 0;
}

/* The one that is open already, or NULL. */
static struct old_file *
share(struct old *o, uint32_t id)
{
	LS_AUTOLOCK(&o->lock);

	for (struct old_file *f = o->files; f; f = f->next)
		if (f->id == id) {
			f->refs++;
			return f;
		}
	return NULL;
}

int
old_open(struct old *o, const struct store_call *call, uint32_t id, struct old_file **ret,
	 struct ls_err *err)
{
	struct old_file *f;
	int rc;

	LS_AUTOLOCK(&o->building);
	if ((*ret = share(o, id)))
		return 0;
	if (!(f = calloc(1, sizeof *f)))
		return ls_err_set(err, -ENOMEM, "generations: out of memory");
	if ((rc = build(o, call, id, &f->fd, err)) < 0) {
		free(f);
		return rc;
	}
	f->old = o;
	f->id = id;
	f->refs = 1;
	pthread_mutex_lock(&o->lock);
	f->next = o->files;
	o->files = f;
	pthread_mutex_unlock(&o->lock);
	*ret = f;
	return 0;
}

void
old_close(struct old_file *f)
{
	struct old_file **at;

	if (!f)
		return;
	LS_AUTOLOCK(&f->old->lock);
	if (--f->refs)
		return;
	for (at = &f->old->files; *at != f;)
		at = &(*at)->next;
	*at = f->next;
	close(f->fd);
	free(f);
}

int
old_read(struct old_file *f, void *p, size_t n, uint64_t off, size_t *ret_n, struct ls_err *err)
{
	return io_pread(f->fd, p, n, off, ret_n, err);
}
