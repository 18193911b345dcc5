/* SPDX-License-Identifier: Apache-2.0 */
/* /generations and /raw. */
#include "config.h"

#include "fs/fetch.h"
#include "fs/ops.h"

#include <stdio.h>
#include <string.h>

enum { WHICH_BITS = 2 };

static uint64_t
file_value(uint32_t id, enum tree_which which)
{
	return (uint64_t)id << WHICH_BITS | (uint64_t)which;
}

static enum tree_which
which_of(const struct tree_node *n)
{
	return (enum tree_which)(n->value & ((1 << WHICH_BITS) - 1));
}

static uint32_t
state_id(const struct tree_node *n)
{
	return (uint32_t)(n->value >> WHICH_BITS);
}

/* The key that a node of /raw stands for; "" for /raw itself; NULL: unknown. */
static const char *
key_of(struct fetch *f, const struct tree_node *n)
{
	return n->value ? names_text(&f->fs->names, n->value) : "";
}

/* ---- names ---- */

static int
find_generation(struct fetch *f, struct tree_node *ret, struct ls_err *err)
{
	ls_autofree char(*v)[NAME03_GENERATION_LEN + 1] = NULL;
	size_t n = 0;
	int rc = old_generations(f->fs->old, &f->call, &v, &n, err);

	for (size_t i = 0; rc == 0 && i < n; i++)
		if (strcmp(v[i], f->name) == 0) {
			*ret = (struct tree_node){.kind = TREE_OLD_DIR,
						  .value = names_id(&f->fs->names, v[i])};
			return ret->value ? 0 : -ENOMEM;
		}
	return rc < 0 ? rc : -ENOENT;
}

static int
find_state(struct fetch *f, struct tree_node *ret, struct ls_err *err)
{
	const char *generation = names_text(&f->fs->names, f->node.value);
	ls_autofree struct old_state *v = NULL;
	enum tree_which which;
	uint32_t index;
	uint64_t end;
	size_t n = 0;
	int rc;

	if (!generation || !tree_parse_old(f->name, &index, &end, &which))
		return -ENOENT;
	if ((rc = old_states(f->fs->old, &f->call, generation, &v, &n, err)) < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		if (v[i].index == index && v[i].end == end) {
			*ret = (struct tree_node){.kind = TREE_OLD_FILE,
						  .value = file_value(v[i].id, which)};
			return 0;
		}
	return -ENOENT;
}

static int
find_raw(struct fetch *f, struct tree_node *ret, struct ls_err *err)
{
	const char *dir = key_of(f, &f->node);
	const struct raw_object *o;
	char key[STORE_KEY_MAX + NAME_MAX + 2];
	struct raw_list *l = NULL;
	bool is_dir = false;
	int rc;

	if (!dir)
		return -ESTALE;
	snprintf(key, sizeof key, "%s%s%s", dir, *dir ? "/" : "", f->name);
	if ((rc = raw_get(&f->fs->raw, &f->call, &l, err)) < 0)
		return rc;
	o = raw_find(l, key, &is_dir);
	raw_put(l);
	if (!o && !is_dir)
		return -ENOENT;
	*ret = (struct tree_node){.kind = o ? TREE_RAW_FILE : TREE_RAW_DIR,
				  .value = names_id(&f->fs->names, key)};
	return ret->value ? 0 : -ENOMEM;
}

int
ops_more_find(struct fetch *f, struct tree_node *ret, struct ls_err *err)
{
	if (f->node.kind == TREE_RAW_DIR)
		return find_raw(f, ret, err);
	return f->node.value ? find_state(f, ret, err) : find_generation(f, ret, err);
}

int
ops_more_latest(struct fetch *f, char *out, size_t size, struct ls_err *err)
{
	ls_autofree char(*v)[NAME03_GENERATION_LEN + 1] = NULL;
	ls_autofree struct old_state *states = NULL;
	char name[TREE_NAME_MAX];
	size_t n = 0, nstates = 0;
	int rc = old_generations(f->fs->old, &f->call, &v, &n, err);

	if (rc < 0 || n == 0)
		return rc < 0 ? rc : -ENOENT;
	rc = old_states(f->fs->old, &f->call, v[n - 1], &states, &nstates, err);
	if (rc < 0 || nstates == 0)
		return rc < 0 ? rc : -ENOENT;
	tree_old_name(states[nstates - 1].index, states[nstates - 1].end, name);
	snprintf(out, size, "generations/%s/%s", v[n - 1], name);
	return 0;
}

/* ---- attributes ---- */

static int
fill_raw(struct fetch *f, const struct tree_node *n, struct stat *st, struct ls_err *err)
{
	const char *key = key_of(f, n);
	const struct raw_object *o;
	struct raw_list *l = NULL;
	bool is_dir;
	int rc;

	if (!key)
		return -ESTALE;
	if ((rc = raw_get(&f->fs->raw, &f->call, &l, err)) < 0)
		return rc;
	if ((o = raw_find(l, key, &is_dir))) {
		st->st_size = (off_t)o->size;
		st->st_mtim.tv_sec = o->time_ms / 1000;
		st->st_mtim.tv_nsec = o->time_ms % 1000 * 1000000;
	}
	raw_put(l);
	return o ? 0 : -ENOENT;
}

int
ops_more_fill(struct fetch *f, const struct tree_node *n, struct stat *st, struct ls_err *err)
{
	struct old_state s;
	int rc;

	if (n->kind == TREE_RAW_FILE)
		return fill_raw(f, n, st, err);
	if ((rc = old_stat(f->fs->old, &f->call, state_id(n), &s, err)) < 0)
		return rc;
	st->st_size = which_of(n) == TREE_THE_DB    ? (off_t)s.size
		      : which_of(n) == TREE_ITS_WAL ? 32
						    : 0;
	st->st_blocks = (st->st_size + 511) / 512;
	st->st_mtim.tv_sec = s.time_ms / 1000;
	st->st_mtim.tv_nsec = s.time_ms % 1000 * 1000000;
	st->st_ctim = st->st_atim = st->st_mtim;
	return 0;
}

/* ---- directories ---- */

struct entry {
	struct tree_node node;
	char *name;
};

struct ops_entries {
	struct entry *v;
	size_t n;
};

static int
add(struct ops_entries *l, enum tree_kind kind, uint64_t value, const char *name)
{
	struct entry *v = ls_grow_array(l->v, l->n + 1, sizeof *v);

	if (!v)
		return -ENOMEM;
	l->v = v;
	v[l->n] = (struct entry){{.kind = kind, .value = value}, strdup(name)};
	return v[l->n].name ? (l->n++, 0) : -ENOMEM;
}

static int
list_generations(struct fetch *f, struct ops_entries *l, struct ls_err *err)
{
	ls_autofree char(*v)[NAME03_GENERATION_LEN + 1] = NULL;
	size_t n = 0;
	int rc = old_generations(f->fs->old, &f->call, &v, &n, err);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add(l, TREE_OLD_DIR, names_id(&f->fs->names, v[i]), v[i]);
	return rc;
}

static int
list_states(struct fetch *f, struct ops_entries *l, struct ls_err *err)
{
	const char *generation = names_text(&f->fs->names, f->node.value);
	ls_autofree struct old_state *v = NULL;
	char name[TREE_NAME_MAX];
	size_t n = 0;
	int rc = generation ? old_states(f->fs->old, &f->call, generation, &v, &n, err) : -ESTALE;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		tree_old_name(v[i].index, v[i].end, name);
		rc = add(l, TREE_OLD_FILE, file_value(v[i].id, TREE_THE_DB), name);
	}
	return rc;
}

static int
list_raw(struct fetch *f, struct ops_entries *l, struct ls_err *err)
{
	const char *dir = key_of(f, &f->node);
	char key[STORE_KEY_MAX + NAME_MAX + 2];
	struct raw_list *all = NULL;
	struct raw_child c;
	size_t at = 0;
	int rc = dir ? raw_get(&f->fs->raw, &f->call, &all, err) : -ESTALE;

	while (rc == 0 && raw_next(all, dir, &at, &c)) {
		snprintf(key, sizeof key, "%s%s%s", dir, *dir ? "/" : "", c.name);
		rc = add(l, c.object ? TREE_RAW_FILE : TREE_RAW_DIR, names_id(&f->fs->names, key),
			 c.name);
	}
	raw_put(all);
	return rc;
}

void
ops_more_free(struct ops_entries *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
	free(l);
}

int
ops_more_list(struct fetch *f, struct ops_entries **ret, struct ls_err *err)
{
	struct ops_entries *l = calloc(1, sizeof *l);
	int rc;

	if (!l)
		return -ENOMEM;
	if (f->node.kind == TREE_RAW_DIR)
		rc = list_raw(f, l, err);
	else
		rc = f->node.value ? list_states(f, l, err) : list_generations(f, l, err);
	if (rc < 0) {
		ops_more_free(l);
		return rc;
	}
	*ret = l;
	return 0;
}

bool
ops_more_entry(const struct ops_entries *l, size_t i, struct tree_node *ret, const char **ret_name)
{
	if (!l || i >= l->n)
		return false;
	*ret = l->v[i].node;
	*ret_name = l->v[i].name;
	return true;
}

/* ---- files ---- */

void
ops_more_open(struct fetch *f)
{
	struct old_file *file = NULL;
	struct ls_err err = {0};
	int rc = 0;

	if (f->node.kind == TREE_OLD_FILE && which_of(&f->node) == TREE_THE_DB)
		rc = old_open(f->fs->old, &f->call, state_id(&f->node), &file, &err);
	f->fi.fh = (uint64_t)(uintptr_t)file;
	if (!fetch_end(f))
		old_close(file);
	else if (rc < 0)
		ops_reply_err(f->req, rc, OPS_READ);
	else if (fuse_reply_open(f->req, &f->fi) == -ENOENT)
		old_close(file);
}

void
ops_more_release(const struct tree_node *n, uint64_t fh)
{
	if (n->kind == TREE_OLD_FILE)
		old_close((struct old_file *)(uintptr_t)fh);
}

static void
run_raw_read(struct fetch *f)
{
	const char *key = key_of(f, &f->node);
	struct store_get g = {.key = key, .off = (uint64_t)f->off, .len = f->size};
	ls_autofree char *buf = malloc(f->size);
	struct ls_err err = {0};
	size_t n = 0;
	int rc = buf && key ? store_get(f->fs->raw.store, &f->call, &g, buf, &n, NULL, &err)
			    : -ENOMEM;

	if (!fetch_end(f))
		return;
	if (rc < 0)
		ops_reply_err(f->req, rc, OPS_READ);
	else
		fuse_reply_buf(f->req, buf, n);
}

static void
read_state(fuse_req_t req, const struct fetch *what)
{
	struct old_file *file = (struct old_file *)(uintptr_t)what->fi.fh;
	ls_autofree char *buf = malloc(what->size);
	size_t n = 0;
	int rc = buf && file ? old_read(file, buf, what->size, (uint64_t)what->off, &n, NULL)
			     : -ESTALE;

	if (rc < 0)
		ops_reply_err(req, rc, OPS_READ);
	else
		fuse_reply_buf(req, buf, n);
}

void
ops_more_read(fuse_req_t req, fuse_ino_t ino, const struct tree_node *n, const struct fetch *what)
{
	if (n->kind == TREE_RAW_FILE)
		fetch_start(fuse_req_userdata(req), req, ino, run_raw_read, what);
	else if (which_of(n) == TREE_THE_DB)
		read_state(req, what);
	else
		ops_read_sibling(req, which_of(n) == TREE_ITS_WAL, what->size, what->off);
}
