/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list of the directory driver: a walk in byte order of the keys.
 *
 * In a directory, names of directories sort as if they ended in '/', because that is the next byte
 * of every key below them.
 */
#include "config.h"

#include "engine/store/store_file_int.h"

#include <stdio.h>
#include <string.h>

struct walk {
	struct store_file *f;
	const struct store_call *call;
	const char *prefix, *after; /* after may be NULL */
	store_entry_fn *fn;
	void *arg;
};

struct node {
	char *name; /* ends in '/' for a directory */
	bool dir;
	struct store_file_id id;
};

struct folder {
	const struct walk *w;
	const char *dir; /* key of the directory; "" for the root */
	struct node *v;
	size_t n, cap;
};

static void
folder_done(struct folder *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
}

static int
out_of_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "list: out of memory");
}

static int
add_node(struct folder *l, const char *name, const struct stat *s, struct ls_err *err)
{
	struct node node = {.dir = S_ISDIR(s->st_mode), .id = store_file_id(s)};

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct node *v = ls_grow_array(l->v, cap, sizeof *v);

		if (!v)
			return out_of_memory(err);
		l->v = v;
		l->cap = cap;
	}
	if (asprintf(&node.name, "%s%s", name, node.dir ? "/" : "") < 0)
		return out_of_memory(err);
	l->v[l->n++] = node;
	return 0;
}

static bool
begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* Whether key, or something below it, may have to be reported. */
static bool
wanted(const struct walk *w, const char *key)
{
	size_t n = strlen(key);

	if (!store_key_ok(key) || !store_file_key_ok(key))
		return false;
	if (!begins(key, w->prefix) && !(begins(w->prefix, key) && w->prefix[n] == '/'))
		return false;
	return !w->after || strcmp(key, w->after) > 0 || begins(w->after, key);
}

static bool
is_link(const char *path)
{
	ls_autoclose int fd = io_open(path, O_PATH | O_NOFOLLOW, 0, NULL);
	struct stat s;

	return fd >= 0 && io_fstat(fd, &s, NULL) == 0 && S_ISLNK(s.st_mode);
}

/* *ret_take: a file or a directory to walk. Links to directories may make a circle. */
static int
look(const char *path, struct stat *ret, bool *ret_take, struct ls_err *err)
{
	int rc = io_stat(path, ret, err);

	*ret_take = rc == 0 && (S_ISREG(ret->st_mode) || (S_ISDIR(ret->st_mode) && !is_link(path)));
	return rc == -ENOENT || (rc < 0 && is_link(path)) ? 0 : rc;
}

static int
add_name(void *arg, const char *name, struct ls_err *err)
{
	struct folder *l = arg;
	ls_autofree char *key = *l->dir ? io_join(l->dir, name) : strdup(name);
	ls_autofree char *path = key ? io_join(l->w->f->root, key) : NULL;
	bool take = false;
	struct stat s;
	int rc;

	if (!path)
		return out_of_memory(err);
	if (!wanted(l->w, key))
		return 0;
	if ((rc = store_call_check(l->w->call, err)) < 0 || (rc = look(path, &s, &take, err)) < 0)
		return rc;
	return take ? add_node(l, name, &s, err) : 0;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->name, ((const struct node *)b)->name);
}

static int
report(const struct walk *w, const char *key, const struct store_file_id *id, struct ls_err *err)
{
	struct store_entry e = {.key = key};
	int rc;

	if (!begins(key, w->prefix) || (w->after && strcmp(key, w->after) <= 0))
		return 0;
	if ((rc = store_call_check(w->call, err)) < 0)
		return rc;
	store_file_meta(id, &e.meta);
	return w->fn(w->arg, &e, err);
}

static int walk_dir(const struct walk *w, const char *dir, struct ls_err *err);

static int
walk_node(const struct walk *w, const char *dir, const struct node *node, struct ls_err *err)
{
	ls_autofree char *key = *dir ? io_join(dir, node->name) : strdup(node->name);

	if (!key)
		return out_of_memory(err);
	if (!node->dir)
		return report(w, key, &node->id, err);
	key[strlen(key) - 1] = '\0';
	return walk_dir(w, key, err);
}

/* The depth is bounded by the parts that a key may have. */
static int
walk_dir(const struct walk *w, const char *dir, struct ls_err *err)
{
	LS_AUTO(folder_done) struct folder l = {.w = w, .dir = dir};
	ls_autofree char *path = *dir ? io_join(w->f->root, dir) : strdup(w->f->root);
	struct stat s;
	int rc;

	if (!path)
		return out_of_memory(err);
	rc = io_list(path, add_name, &l, err);
	if (rc == -ENOENT) /* nothing is there, unless the root itself has gone */
		return store_file_check_root(w->f, &s, err);
	if (rc < 0)
		return rc;
	if (l.n)
		qsort(l.v, l.n, sizeof *l.v, by_bytes);
	for (size_t i = 0; i < l.n; i++)
		if ((rc = walk_node(w, dir, &l.v[i], err)) < 0)
			return rc;
	return 0;
}

int
store_file_list(struct store *st, const struct store_call *call, const char *prefix,
		const char *after, store_entry_fn *fn, void *arg, struct ls_err *err)
{
	struct walk w = {(struct store_file *)st, call, prefix, after, fn, arg};
	ls_autofree char *dir = strdup(prefix);
	struct stat s;
	char *slash;
	int rc;

	if (!dir)
		return out_of_memory(err);
	slash = strrchr(dir, '/');
	*(slash ? slash : dir) = '\0';
	if ((rc = store_file_check_root(w.f, &s, err)) < 0)
		return rc;
	return walk_dir(&w, dir, err);
}
