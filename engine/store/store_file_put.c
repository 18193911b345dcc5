/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put of the directory driver.
 *
 * The bytes go beside the target under a name that ends in ".tmp" (the released program ignores
 * those), get the transaction time and are fsynced; then the file takes its name and the directory
 * is fsynced. A file that is durable already is linked instead, a new object without a temporary
 * name. The directories up to the root are fsynced once by each store, because whoever made them
 * may have died before that.
 */
#include "config.h"

#include "engine/store/store_file_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct writing {
	struct store_file *f;
	const struct store_call *call;
	const struct store_put *p;
	const struct store_source *src;
	char *path, *tmp, *dir; /* of the object, its temporary name, its directory */
	bool made_dirs;
};

static void
writing_done(struct writing *w)
{
	free(w->path);
	free(w->tmp);
	free(w->dir);
}

static int
writing_init(struct writing *w, struct ls_err *err)
{
	w->path = io_join(w->f->root, w->p->key);
	w->dir = w->path ? strdup(w->path) : NULL;
	if (!w->dir || asprintf(&w->tmp, "%s.%" PRIx64 ".%u.tmp", w->path, w->f->tmp_id,
				atomic_fetch_add(&w->f->serial, 1)) < 0) {
		w->tmp = NULL;
		return ls_err_set(err, -ENOMEM, "'%s': out of memory", w->p->key);
	}
	*strrchr(w->dir, '/') = '\0';
	return 0;
}

static int
copy_source(int fd, const struct writing *w, struct ls_err *err)
{
	ls_autofree uint8_t *chunk = malloc(STORE_FILE_CHUNK);
	int rc = 0;

	if (!chunk)
		return ls_err_set(err, -ENOMEM, "copy: out of memory");
	for (uint64_t off = 0; off < w->src->size;) {
		uint64_t left = w->src->size - off;
		size_t n = left < STORE_FILE_CHUNK ? (size_t)left : STORE_FILE_CHUNK;

		if ((rc = store_call_check(w->call, err)) < 0 ||
		    (rc = w->src->read(w->src->arg, off, chunk, n, err)) < 0 ||
		    (rc = io_pwrite(fd, chunk, n, off, err)) < 0)
			return rc;
		off += n;
	}
	return 0;
}

/* A new file for the bytes: as private as the file that they come from. */
static int
create_tmp(const struct writing *w, struct ls_err *err)
{
	struct stat s = {.st_mode = 0600};
	bool known = w->src->path && io_stat(w->src->path, &s, NULL) == 0;
	int fd = io_open(w->tmp, O_WRONLY | O_CREAT | O_EXCL, known ? s.st_mode & 0666 : 0600, err);

	if (fd >= 0 && known)
		io_own(fd, s.st_uid, s.st_gid);
	return fd;
}

static int
copy_tmp(const struct writing *w, struct ls_err *err)
{
	ls_autoclose int fd = create_tmp(w, err);
	int rc = fd;

	if (fd < 0)
		return fd;
	if ((rc = copy_source(fd, w, err)) < 0 || (rc = io_set_time(fd, w->p->time_ms, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", w->tmp);
	if ((rc = io_fsync(fd, w->tmp, err)) < 0)
		return rc;
	return io_close(ls_steal_fd(&fd), w->tmp, err);
}

/* Gives the source's file, with the transaction time, another name. */
static int
link_source(const struct writing *w, const char *to)
{
	ls_autoclose int fd = -1;
	struct stat s;
	int rc;

	if (w->src->path_checked)
		return io_link(w->src->path, to, NULL);
	fd = io_open(w->src->path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW, 0, NULL);
	if ((rc = fd < 0 ? fd : io_fstat(fd, &s, NULL)) < 0)
		return rc;
	if (!S_ISREG(s.st_mode) || (uint64_t)s.st_size != w->src->size)
		return -EINVAL;
	if (s.st_mtim.tv_sec * INT64_C(1000) + s.st_mtim.tv_nsec / 1000000 != w->p->time_ms &&
	    (rc = io_set_time(fd, w->p->time_ms, NULL)) < 0)
		return rc;
	return io_link(w->src->path, to, NULL);
}

/* A complete, durable file with the source's bytes under the temporary name. */
static int
write_tmp(const struct writing *w, struct ls_err *err)
{
	return w->src->path && link_source(w, w->tmp) == 0 ? 0 : copy_tmp(w, err);
}

/* Whether the object holds exactly the source's bytes. */
static int
same_content(const struct writing *w, bool *ret, struct ls_err *err)
{
	ls_autofree uint8_t *a = malloc(STORE_FILE_CHUNK), *b = malloc(STORE_FILE_CHUNK);
	ls_autoclose int fd = -1;
	struct stat s;
	int rc;

	*ret = false;
	if (!a || !b)
		return ls_err_set(err, -ENOMEM, "compare: out of memory");
	if ((fd = io_open(w->path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, err)) < 0)
		return fd;
	if ((rc = io_fstat(fd, &s, err)) < 0 || !S_ISREG(s.st_mode) ||
	    (uint64_t)s.st_size != w->src->size)
		return rc;
	for (uint64_t off = 0; off < w->src->size;) {
		uint64_t left = w->src->size - off;
		size_t n = left < STORE_FILE_CHUNK ? (size_t)left : STORE_FILE_CHUNK;

		if ((rc = store_call_check(w->call, err)) < 0 ||
		    (rc = io_pread_exact(fd, a, n, off, err)) < 0 ||
		    (rc = w->src->read(w->src->arg, off, b, n, err)) < 0)
			return rc;
		if (memcmp(a, b, n) != 0)
			return 0;
		off += n;
	}
	*ret = true;
	return 0;
}

/* rename() of one of two links to the same file does nothing and leaves both. */
static int
replace(const struct writing *w, struct ls_err *err)
{
	int rc = io_rename(w->tmp, w->path, err);

	if (rc < 0 || !w->src->path)
		return rc;
	rc = io_unlink(w->tmp, err);
	return rc == -ENOENT ? 0 : rc;
}

/* A key that is taken: the same content is as good as ours. */
static int
accept(const struct writing *w, struct ls_err *err)
{
	bool same = false;
	int rc = same_content(w, &same, err);

	if (rc < 0)
		return ls_err_wrap(err, rc, "compare with '%s'", w->path);
	if (!same)
		return ls_err_set(err, -EEXIST,
				  "'%s' exists with other content: does another writer use this "
				  "replica?",
				  w->path);
	return 0;
}

/* Gives the temporary file its name. */
static int
publish(const struct writing *w, struct ls_err *err)
{
	int rc;

	if (!w->p->create_only)
		return replace(w, err);
	rc = io_rename_new(w->tmp, w->path, err);
	if (rc == -EEXIST && (rc = accept(w, err)) == 0)
		rc = io_unlink(w->tmp, err);
	return rc;
}

/* FNV-1a */
static uint64_t
hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h;
}

static bool
is_durable(struct store_file *f, const char *dir)
{
	LS_AUTOLOCK(&f->lock);
	for (unsigned i = 0; i < f->ndurable; i++)
		if (f->durable[i] == hash(dir))
			return true;
	return false;
}

static void
set_durable(struct store_file *f, const char *dir)
{
	bool known = is_durable(f, dir);
	LS_AUTOLOCK(&f->lock);

	if (!known && f->ndurable < STORE_FILE_DURABLE)
		f->durable[f->ndurable++] = hash(dir);
}

static void
forget_durable(struct store_file *f)
{
	LS_AUTOLOCK(&f->lock);
	f->ndurable = 0;
}

/* A directory is missing: whatever we knew may be wrong. Only those below the root are made: a root
 * that has gone is never made again by a put (H86). */
static int
make_dirs(struct writing *w, struct ls_err *err)
{
	ls_autofree char *dir = strdup(w->dir);
	int rc;

	if (!dir)
		return ls_err_set(err, -ENOMEM, "'%s': out of memory", w->path);
	forget_durable(w->f);
	w->made_dirs = true;
	for (char *p = dir + strlen(w->f->root); (p = strchr(p + 1, '/'));) {
		*p = '\0';
		rc = io_mkdir(dir, STORE_FILE_DIR_MODE, err);
		*p = '/';
		if (rc < 0)
			return rc;
	}
	return io_mkdir(dir, STORE_FILE_DIR_MODE, err);
}

/* Makes the name durable, and once the names of the directories between it and the root. */
static int
settle(const struct writing *w, struct ls_err *err)
{
	bool known = !w->made_dirs && is_durable(w->f, w->dir);
	ls_autofree char *dir = strdup(w->dir);
	size_t root = strlen(w->f->root);
	int rc;

	if (!dir)
		return ls_err_set(err, -ENOMEM, "'%s': out of memory", w->path);
	if ((rc = io_fsync_dir(*dir ? dir : "/", err)) < 0 || known)
		return rc;
	while (strlen(dir) > root) {
		*strrchr(dir, '/') = '\0';
		if ((rc = io_fsync_dir(*dir ? dir : "/", err)) < 0)
			return rc;
	}
	set_durable(w->f, w->dir);
	return 0;
}

static int
write_copy(struct writing *w, struct ls_err *err)
{
	int rc = write_tmp(w, err);

	if (rc == -ENOENT && (rc = make_dirs(w, err)) == 0)
		rc = write_tmp(w, err);
	if (rc == 0)
		rc = publish(w, err);
	if (rc < 0) {
		int ignored = io_unlink(w->tmp, NULL);

		(void)ignored;
	}
	return rc;
}

static int
write_object(struct writing *w, struct ls_err *err)
{
	int rc = -ENOENT;

	if (w->p->create_only && w->src->path) {
		rc = link_source(w, w->path);
		if (rc == -ENOENT && (rc = make_dirs(w, err)) == 0)
			rc = link_source(w, w->path);
	}
	if (rc == -EEXIST)
		rc = accept(w, err);
	else if (rc < 0)
		rc = write_copy(w, err);
	return rc < 0 ? rc : settle(w, err);
}

int
store_file_put(struct store *st, const struct store_call *call, const struct store_put *p,
	       const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	LS_AUTO(writing_done)
	struct writing w = {.f = (struct store_file *)st, .call = call, .p = p, .src = src};
	char identity[STORE_ETAG_MAX];
	struct stat s;
	int rc;

	if (!store_file_key_ok(p->key))
		return ls_err_set(err, -EINVAL, "put '%.200s': not a name for an object", p->key);
	if (p->if_match)
		return ls_err_set(err, -ENOTSUP, "a directory has no conditional writes");
	if ((rc = store_file_check_root(w.f, &s, err)) < 0)
		return rc;
	store_file_identity(&s, identity);
	if (p->root && strcmp(identity, p->root) != 0)
		return ls_err_set(err, -ESTALE,
				  "'%s' is another directory than before (mounted or replaced "
				  "meanwhile)",
				  w.f->root);
	if ((rc = writing_init(&w, err)) < 0 || (rc = write_object(&w, err)) < 0)
		return ls_err_wrap(err, rc, "put object");
	return ret_meta ? st->ops->head(st, call, p->key, ret_meta, err) : 0;
}
