/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory as a store: the key is the path below it.
 *
 * An object's modification time is its transaction time in whole milliseconds; a time with a finer
 * part was set by the kernel (a copy, another writer) and is not exact. Symbolic links to files are
 * followed, links to directories only where the caller's own prefix or key names them.
 */
#include "config.h"

#include "engine/store/store_file.h"

#include "engine/store/store_file_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { PART_MAX = 200, PARTS_MAX = 32 };

static struct store_file *
self(struct store *st)
{
	return (struct store_file *)st;
}

struct store_file_id
store_file_id(const struct stat *st)
{
	return (struct store_file_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = (int64_t)((uint64_t)st->st_mtim.tv_sec * 1000000000 +
				      (uint64_t)st->st_mtim.tv_nsec),
	};
}

void
store_file_meta(const struct store_file_id *id, struct store_meta *ret)
{
	int64_t ms = id->mtime_ns / 1000000, rest = id->mtime_ns % 1000000;

	*ret = (struct store_meta){
		.size = id->size, .time_ms = rest < 0 ? ms - 1 : ms, .time_exact = rest == 0};
	snprintf(ret->etag, sizeof ret->etag, "%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx64,
		 id->dev, id->ino, id->size, (uint64_t)id->mtime_ns);
}

static bool
part_ok(const char *part, size_t n)
{
	return n <= PART_MAX && part[0] != '.' && (n < 4 || memcmp(part + n - 4, ".tmp", 4) != 0);
}

bool
store_file_key_ok(const char *key)
{
	const char *part = key;

	for (int i = 0; i < PARTS_MAX; i++) {
		size_t n = strcspn(part, "/");

		if (!part_ok(part, n))
			return false;
		if (part[n] == '\0')
			return true;
		part += n + 1;
	}
	return false;
}

/* The path of a key that may be there; -ENOENT for one that cannot. */
static int
key_path(struct store_file *f, const char *key, char **ret, struct ls_err *err)
{
	if (!store_file_key_ok(key))
		return ls_err_set(err, -ENOENT, "'%.200s' is no object of a directory", key);
	*ret = io_join(f->root, key);
	return *ret ? 0 : ls_err_set(err, -ENOMEM, "object '%s': out of memory", key);
}

int
store_file_check_root(struct store_file *f, struct stat *ret, struct ls_err *err)
{
	int rc = io_stat(f->root, ret, err);

	if (rc == -ENOENT)
		return ls_err_set(err, rc,
				  "replica directory '%s' does not exist: make it, or mount the "
				  "file system that holds it",
				  f->root);
	if (rc < 0)
		return ls_err_wrap(err, rc, "replica directory");
	if (!S_ISDIR(ret->st_mode))
		return ls_err_set(err, -EINVAL, "replica directory '%s' is not a directory",
				  f->root);
	return 0;
}

void
store_file_identity(const struct stat *root, char out[STORE_ETAG_MAX])
{
	snprintf(out, STORE_ETAG_MAX, "%llx-%llx", (unsigned long long)root->st_dev,
		 (unsigned long long)root->st_ino);
}

/* Long reads end early, too, when the call is over. */
static int
read_range(int fd, const struct store_call *call, const struct store_get *g, void *buf,
	   size_t *ret_n, struct ls_err *err)
{
	size_t done = 0;

	while (done < g->len) {
		size_t left = g->len - done, got = 0;
		size_t want = left < STORE_FILE_CHUNK ? left : STORE_FILE_CHUNK;
		int rc = store_call_check(call, err);

		if (rc < 0 ||
		    (rc = io_pread(fd, (char *)buf + done, want, g->off + done, &got, err)) < 0)
			return rc;
		done += got;
		if (got < want)
			break;
	}
	*ret_n = done;
	return 0;
}

static int
file_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
	 size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err)
{
	ls_autofree char *path = NULL;
	ls_autoclose int fd = -1;
	struct store_file_id id;
	struct store_meta meta;
	struct stat s;
	size_t n = 0;
	int rc;

	if ((rc = key_path(self(st), g->key, &path, err)) < 0)
		return rc;
	if ((fd = io_open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, err)) < 0)
		return fd;
	if ((rc = io_fstat(fd, &s, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", path);
	if (!S_ISREG(s.st_mode))
		return ls_err_set(err, -ENOENT, "'%s' is not a regular file", path);
	id = store_file_id(&s);
	store_file_meta(&id, &meta);
	if (g->etag && strcmp(g->etag, meta.etag) != 0)
		return ls_err_set(err, -ESTALE, "'%s' was replaced by another object", path);
	if (g->off < meta.size && (rc = read_range(fd, call, g, buf, &n, err)) < 0)
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
	struct store_file_id id;
	struct stat s;
	int rc;

	(void)call;
	if ((rc = key_path(self(st), key, &path, err)) < 0 || (rc = io_stat(path, &s, err)) < 0)
		return rc;
	if (!S_ISREG(s.st_mode))
		return ls_err_set(err, -ENOENT, "'%s' is not a regular file", path);
	id = store_file_id(&s);
	store_file_meta(&id, ret);
	return 0;
}

/* Removes one name; *ret_gone says whether a directory changed. */
static int
del_one(const char *path, bool *ret_gone, struct ls_err *err)
{
	struct stat s;
	int rc = io_unlink(path, err);

	*ret_gone = rc == 0;
	if (rc == -ENOENT || (rc < 0 && io_stat(path, &s, NULL) == 0 && S_ISDIR(s.st_mode)))
		return 0; /* a directory is no object */
	return rc;
}

/* Directory `dir` (NULL: none) has lost names. */
static int
settle_dir(const char *dir, struct ls_err *err)
{
	int rc = dir ? io_fsync_dir(dir, err) : 0;

	return rc == -ENOENT ? 0 : rc;
}

static int
file_del(struct store *st, const struct store_call *call, const char *const *keys, size_t n,
	 struct ls_err *err)
{
	struct store_file *f = self(st);
	ls_autofree char *changed = NULL;
	struct stat s;
	int rc = store_file_check_root(f, &s, err);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		ls_autofree char *path = NULL;
		bool gone = false;

		if ((rc = store_call_check(call, err)) < 0)
			break;
		if ((rc = key_path(f, keys[i], &path, err)) == -ENOENT) {
			rc = 0;
			continue;
		}
		if (rc < 0 || (rc = del_one(path, &gone, err)) < 0)
			break;
		if (!gone)
			continue;
		*strrchr(path, '/') = '\0';
		if (changed && strcmp(changed, path) != 0)
			rc = settle_dir(changed, err);
		free(changed);
		changed = ls_steal_ptr(&path);
	}
	return rc < 0 ? rc : settle_dir(changed, err);
}

/* Cuts the last part off; false when nothing is left. */
static bool
cut(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || (slash == path && path[1] == '\0'))
		return false;
	slash[slash == path ? 1 : 0] = '\0';
	return true;
}

/* The root and its missing parents, each durable in the directory above. */
static int
make_root(struct store_file *f, struct ls_err *err)
{
	ls_autofree char *there = strdup(f->root), *dir = strdup(f->root);
	struct stat s;
	int rc;

	if (!there || !dir)
		return ls_err_set(err, -ENOMEM, "make '%s': out of memory", f->root);
	while (io_stat(there, &s, NULL) < 0 && cut(there))
		continue;
	if ((rc = io_mkdirs(f->root, STORE_FILE_DIR_MODE, err)) < 0)
		return rc;
	while (strlen(dir) > strlen(there) && cut(dir))
		if ((rc = io_fsync_dir(dir, err)) < 0)
			return rc;
	return 0;
}

static int
no_name(void *arg, const char *name, struct ls_err *err)
{
	(void)arg;
	(void)name;
	(void)err;
	return 0;
}

/* Whether the directory above the root can be listed: then the root is truly absent. */
static bool
parent_listable(const char *root)
{
	ls_autofree char *parent = strdup(root);

	return parent && cut(parent) && io_list(parent, no_name, NULL, NULL) == 0;
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
	rc = store_file_check_root(f, &s, err);
	if (rc == -ENOENT && create) {
		if ((rc = make_root(f, err)) < 0)
			return ls_err_wrap(err, rc, "replica directory");
		rc = store_file_check_root(f, &s, err);
	}
	if (rc < 0) {
		*ret_parent_ok = rc == -ENOENT && parent_listable(f->root);
		return rc;
	}
	store_file_identity(&s, identity);
	return 0;
}

static void
file_close(struct store *st)
{
	struct store_file *f = self(st);

	pthread_mutex_destroy(&f->lock);
	free(f->root);
	free(f);
}

static const struct store_ops file_ops = {
	.scheme = "file",
	.parallel = 1,
	.get = file_get,
	.put = store_file_put,
	.list = store_file_list,
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
	if (getrandom(&f->tmp_id, sizeof f->tmp_id, 0) < 0)
		f->tmp_id = (uint64_t)getpid() << 32 ^ (uintptr_t)f;
	pthread_mutex_init(&f->lock, NULL);
	f->base.ops = &file_ops;
	*ret = &f->base;
	return 0;
}
