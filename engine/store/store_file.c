/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory as a store: the key is the path below it.
 *
 * put writes beside the target under a name that ends in ".tmp" (the released program ignores and
 * removes those), sets the modification time to the transaction time, fsyncs, renames, and fsyncs
 * every directory that changed. The time has whole milliseconds; a time with a finer part was set
 * by the kernel (a copy, another writer) and is not exact.
 */
#include "config.h"

#include "engine/store/store_file.h"

#include "engine/base/io.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { COPY_CHUNK = 1 << 20, FILE_MODE = 0644, DIR_MODE = 0755, DEPTH_MAX = 8 };

struct store_file {
	struct store base;
	char *root;
	atomic_uint serial;
};

static struct store_file *
self(struct store *st)
{
	return (struct store_file *)st;
}

static int64_t
mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static void
fill_meta(const struct stat *st, struct store_meta *ret)
{
	int64_t ns = mtime_ns(st);

	*ret = (struct store_meta){.size = (uint64_t)st->st_size,
				   .time_ms = ns >= 0 ? ns / 1000000 : -((-ns + 999999) / 1000000),
				   .time_exact = st->st_mtim.tv_nsec % 1000000 == 0};
	snprintf(ret->etag, sizeof ret->etag, "%llx-%llx-%llx-%" PRIx64,
		 (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
		 (unsigned long long)st->st_size, ns);
}

static int
key_path(struct store_file *f, const char *key, char **ret, struct ls_err *err)
{
	*ret = io_join(f->root, key);
	return *ret ? 0 : ls_err_set(err, -ENOMEM, "object '%s': out of memory", key);
}

static int
file_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	 size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err)
{
	ls_autofree char *path = NULL;
	ls_autoclose int fd = -1;
	struct store_meta meta;
	struct stat s;
	size_t n = 0;
	int rc;

	(void)call;
	if ((rc = key_path(self(st), g->key, &path, err)) < 0)
		return rc;
	if ((fd = io_open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, err)) < 0)
		return fd;
	if ((rc = io_fstat(fd, &s, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", path);
	if (!S_ISREG(s.st_mode))
		return ls_err_set(err, -ENOENT, "'%s' is not a regular file", path);
	fill_meta(&s, &meta);
	if (g->etag && strcmp(g->etag, meta.etag) != 0)
		return ls_err_set(err, -ESTALE, "'%s' was replaced by another object", path);
	if ((rc = io_pread(fd, buf, g->len, g->off, &n, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", path);
	*ret_n = n;
	if (ret_meta)
		*ret_meta = meta;
	return 0;
}

static int
file_head(struct store *st, const struct store_call *call, const char *key, struct store_meta *ret,
	  struct ls_err *err)
{
	ls_autofree char *path = NULL;
	struct stat s;
	int rc;

	(void)call;
	if ((rc = key_path(self(st), key, &path, err)) < 0 || (rc = io_stat(path, &s, err)) < 0)
		return rc;
	if (!S_ISREG(s.st_mode))
		return ls_err_set(err, -ENOENT, "'%s' is not a regular file", path);
	fill_meta(&s, ret);
	return 0;
}

/* Makes the directories of path below the root, each durable in its parent. */
static int
make_dirs(struct store_file *f, const char *path, struct ls_err *err)
{
	ls_autofree char *dir = strdup(path);
	char *p;
	int rc;

	if (!dir)
		return ls_err_set(err, -ENOMEM, "'%s': out of memory", path);
	p = dir + strlen(f->root);
	while ((p = strchr(p + 1, '/'))) {
		struct stat s;

		*p = '\0';
		if (io_stat(dir, &s, NULL) < 0) {
			char *slash = strrchr(dir, '/');

			if ((rc = io_mkdirs(dir, DIR_MODE, err)) < 0)
				return rc;
			*slash = '\0';
			rc = io_fsync_dir(dir, err);
			*slash = '/';
			if (rc < 0)
				return rc;
		}
		*p = '/';
	}
	return 0;
}

static int
copy_source(int fd, const struct store_call *call, const struct store_source *src,
	    struct ls_err *err)
{
	ls_autofree uint8_t *chunk = malloc(COPY_CHUNK);
	int rc = 0;

	if (!chunk)
		return ls_err_set(err, -ENOMEM, "copy: out of memory");
	for (uint64_t off = 0; off < src->size;) {
		uint64_t left = src->size - off;
		size_t n = left < COPY_CHUNK ? (size_t)left : COPY_CHUNK;

		if ((rc = store_call_check(call, err)) < 0 ||
		    (rc = src->read(src->arg, off, chunk, n, err)) < 0 ||
		    (rc = io_pwrite(fd, chunk, n, off, err)) < 0)
			return rc;
		off += n;
	}
	return 0;
}

/* A complete, durable file with the source's bytes under the name tmp. */
static int
write_tmp(const char *tmp, const struct store_call *call, const struct store_put *p,
	  const struct store_source *src, struct ls_err *err)
{
	bool linked = src->path && io_link(src->path, tmp, NULL) == 0;
	ls_autoclose int fd = -1;
	int rc;

	if ((fd = io_open(tmp, linked ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, FILE_MODE, err)) <
	    0)
		return fd;
	if (!linked && (rc = copy_source(fd, call, src, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", tmp);
	if ((rc = io_set_time(fd, p->time_ms, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", tmp);
	return linked ? 0 : io_fsync(fd, tmp, err);
}

/* Whether the file at path holds exactly the source's bytes. */
static int
same_content(const char *path, const struct store_source *src, bool *ret, struct ls_err *err)
{
	ls_autofree uint8_t *a = malloc(COPY_CHUNK), *b = malloc(COPY_CHUNK);
	ls_autoclose int fd = -1;
	struct stat s;
	int rc;

	*ret = false;
	if (!a || !b)
		return ls_err_set(err, -ENOMEM, "compare: out of memory");
	if ((fd = io_open(path, O_RDONLY, 0, err)) < 0)
		return fd;
	if ((rc = io_fstat(fd, &s, err)) < 0 || (uint64_t)s.st_size != src->size)
		return rc;
	for (uint64_t off = 0; off < src->size;) {
		uint64_t left = src->size - off;
		size_t n = left < COPY_CHUNK ? (size_t)left : COPY_CHUNK;

		if ((rc = io_pread_exact(fd, a, n, off, err)) < 0 ||
		    (rc = src->read(src->arg, off, b, n, err)) < 0)
			return rc;
		if (memcmp(a, b, n) != 0)
			return 0;
		off += n;
	}
	*ret = true;
	return 0;
}

/* Gives tmp its name; an existing equal file is as good. */
static int
publish(const char *tmp, const char *path, bool create_only, const struct store_source *src,
	struct ls_err *err)
{
	bool same = false;
	int rc;

	if (!create_only)
		return io_rename(tmp, path, err);
	rc = io_rename_new(tmp, path, err);
	if (rc != -EEXIST)
		return rc;
	if ((rc = same_content(path, src, &same, err)) < 0)
		return rc;
	if (!same)
		return ls_err_set(err, -EEXIST,
				  "'%s' exists with other content: does another writer use this "
				  "replica?",
				  path);
	return io_unlink(tmp, err);
}

static int
put_at(struct store_file *f, const char *path, const struct store_call *call,
       const struct store_put *p, const struct store_source *src, struct ls_err *err)
{
	ls_autofree char *tmp = NULL, *dir = strdup(path);
	int rc;

	if (!dir || asprintf(&tmp, "%s.%d.%u.tmp", path, (int)getpid(),
			     atomic_fetch_add(&f->serial, 1)) < 0)
		return ls_err_set(err, -ENOMEM, "put '%s': out of memory", path);
	*strrchr(dir, '/') = '\0';
	rc = write_tmp(tmp, call, p, src, err);
	if (rc == -ENOENT && (rc = make_dirs(f, path, err)) == 0)
		rc = write_tmp(tmp, call, p, src, err);
	if (rc == 0)
		rc = publish(tmp, path, p->create_only, src, err);
	if (rc < 0) {
		int ignored = io_unlink(tmp, NULL);

		(void)ignored;
		return rc;
	}
	return io_fsync_dir(dir, err);
}

static int
file_put(struct store *st, const struct store_call *call, const struct store_put *p,
	 const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	struct store_file *f = self(st);
	ls_autofree char *path = NULL;
	struct stat s;
	int rc;

	if ((rc = key_path(f, p->key, &path, err)) < 0)
		return rc;
	if (io_stat(f->root, &s, err) < 0)
		return ls_err_set(err, -ENOENT, "replica directory '%s' does not exist", f->root);
	if ((rc = put_at(f, path, call, p, src, err)) < 0)
		return ls_err_wrap(err, rc, "put object");
	return ret_meta ? file_head(st, call, p->key, ret_meta, err) : 0;
}

struct names {
	char **v;
	size_t n, cap;
};

static void
names_done(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static int
add_name(void *arg, const char *name, struct ls_err *err)
{
	struct names *l = arg;
	size_t len = strlen(name);

	if (name[0] == '.' || (len > 4 && strcmp(name + len - 4, ".tmp") == 0))
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		char **v = ls_grow_array(l->v, cap, sizeof *v);

		if (!v)
			return ls_err_set(err, -ENOMEM, "list: out of memory");
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n] = strdup(name);
	return l->v[l->n] ? (l->n++, 0) : ls_err_set(err, -ENOMEM, "list: out of memory");
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct walk {
	const struct store_call *call;
	const char *prefix, *after;
	store_entry_fn *fn;
	void *arg;
};

/* Whether objects that begin with prefix can lie below dir (both without the root). */
static bool
may_hold(const char *dir, const char *prefix)
{
	size_t d = strlen(dir), p = strlen(prefix);

	return d == 0 || (strncmp(dir, prefix, d < p ? d : p) == 0 && (d >= p || prefix[d] == '/'));
}

static int
report(const struct walk *w, const char *key, const struct stat *s, struct ls_err *err)
{
	struct store_entry e = {.key = key};

	if (!store_key_ok(key) || strncmp(key, w->prefix, strlen(w->prefix)) != 0 ||
	    (w->after && strcmp(key, w->after) <= 0))
		return 0;
	fill_meta(s, &e.meta);
	return w->fn(w->arg, &e, err);
}

static int
walk_dir(struct store_file *f, const struct walk *w, const char *dir, int depth, struct ls_err *err)
{
	LS_AUTO(names_done) struct names l = {0};
	ls_autofree char *path = io_join(f->root, dir);
	int rc;

	if (!path)
		return ls_err_set(err, -ENOMEM, "list: out of memory");
	rc = io_list(path, add_name, &l, err);
	if (rc == -ENOENT && depth > 0)
		return 0;
	if (rc < 0)
		return rc;
	qsort(l.v, l.n, sizeof *l.v, by_bytes);
	for (size_t i = 0; i < l.n; i++) {
		ls_autofree char *key = depth ? io_join(dir, l.v[i]) : strdup(l.v[i]);
		ls_autofree char *full = key ? io_join(f->root, key) : NULL;
		struct stat s;

		if (!full)
			return ls_err_set(err, -ENOMEM, "list: out of memory");
		if ((rc = store_call_check(w->call, err)) < 0)
			return rc;
		if (io_stat(full, &s, NULL) < 0)
			continue; /* removed meanwhile, or a dangling link */
		if (S_ISREG(s.st_mode))
			rc = report(w, key, &s, err);
		else if (S_ISDIR(s.st_mode) && depth < DEPTH_MAX && may_hold(key, w->prefix))
			rc = walk_dir(f, w, key, depth + 1, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
file_list(struct store *st, const struct store_call *call, const char *prefix, const char *after,
	  store_entry_fn *fn, void *arg, struct ls_err *err)
{
	struct walk w = {call, prefix, after, fn, arg};
	ls_autofree char *dir = strdup(prefix);
	struct store_file *f = self(st);
	struct stat s;
	char *slash;
	int rc;

	if (!dir)
		return ls_err_set(err, -ENOMEM, "list: out of memory");
	slash = strrchr(dir, '/');
	*(slash ? slash : dir) = '\0';
	if ((rc = io_stat(f->root, &s, err)) < 0)
		return ls_err_wrap(err, rc, "replica directory");
	if (!S_ISDIR(s.st_mode))
		return ls_err_set(err, -EINVAL, "'%s' is not a directory", f->root);
	return walk_dir(f, &w, dir, *dir ? 1 : 0, err);
}

static int
file_del(struct store *st, const struct store_call *call, const char *const *keys, size_t n,
	 struct ls_err *err)
{
	struct store_file *f = self(st);
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		ls_autofree char *path = NULL;

		if ((rc = store_call_check(call, err)) < 0 ||
		    (rc = key_path(f, keys[i], &path, err)) < 0)
			return rc;
		rc = io_unlink(path, err);
		if (rc == -ENOENT)
			continue;
		if (rc < 0)
			return rc;
		*strrchr(path, '/') = '\0';
		if ((rc = io_fsync_dir(path, err)) < 0)
			return rc;
	}
	return 0;
}

static int
make_root(struct store_file *f, struct ls_err *err)
{
	ls_autofree char *parent = strdup(f->root);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	int rc = io_mkdirs(f->root, DIR_MODE, err);

	if (rc < 0 || !slash)
		return rc;
	slash[slash == parent ? 1 : 0] = '\0';
	return io_fsync_dir(parent, err);
}

static int
no_name(void *arg, const char *name, struct ls_err *err)
{
	(void)arg;
	(void)name;
	(void)err;
	return 0;
}

/* Whether the nearest directory above the root can be listed: then the root is truly absent. */
static bool
parent_listable(const char *root)
{
	ls_autofree char *parent = strdup(root);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (!slash)
		return false;
	slash[slash == parent ? 1 : 0] = '\0';
	return io_list(parent, no_name, NULL, NULL) == 0;
}

static int
file_root(struct store *st, const struct store_call *call, bool create,
	  char identity[STORE_ETAG_MAX], bool *ret_parent_ok, struct ls_err *err)
{
	struct store_file *f = self(st);
	struct stat s;
	int rc;

	(void)call;
	*ret_parent_ok = true;
	rc = io_stat(f->root, &s, err);
	if (rc == -ENOENT && create) {
		if ((rc = make_root(f, err)) == 0)
			rc = io_stat(f->root, &s, err);
	} else if (rc == -ENOENT) {
		*ret_parent_ok = parent_listable(f->root);
		return ls_err_set(err, -ENOENT, "replica directory '%s' does not exist", f->root);
	}
	if (rc < 0)
		return ls_err_wrap(err, rc, "replica directory");
	if (!S_ISDIR(s.st_mode))
		return ls_err_set(err, -EINVAL, "'%s' is not a directory", f->root);
	snprintf(identity, STORE_ETAG_MAX, "%llx-%llx", (unsigned long long)s.st_dev,
		 (unsigned long long)s.st_ino);
	return 0;
}

static void
file_close(struct store *st)
{
	free(self(st)->root);
	free(st);
}

static const struct store_ops file_ops = {
	.scheme = "file",
	.get = file_get,
	.put = file_put,
	.list = file_list,
	.head = file_head,
	.del = file_del,
	.root = file_root,
	.close = file_close,
};

int
store_file_open(const struct store_config *cfg, struct store **ret, struct ls_err *err)
{
	struct store_file *f;
	size_t n;

	if (!cfg->path || cfg->path[0] != '/')
		return ls_err_set(err, -EINVAL, "file replica path required");
	f = calloc(1, sizeof *f);
	if (!f || !(f->root = strdup(cfg->path))) {
		free(f);
		return ls_err_set(err, -ENOMEM, "open store: out of memory");
	}
	for (n = strlen(f->root); n > 1 && f->root[n - 1] == '/'; n--)
		f->root[n - 1] = '\0';
	f->base.ops = &file_ops;
	*ret = &f->base;
	return 0;
}
