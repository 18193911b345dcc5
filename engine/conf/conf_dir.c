/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_dir.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/conf/conf_check.h"
#include "engine/conf/conf_db.h"
#include "engine/format/dbhdr.h"
#include "engine/store/s3_config.h"

#include <fnmatch.h>
#include <string.h>

enum { DEPTH_MAX = 32 };

struct conf_dir *
conf_dir_new(struct conf *c)
{
	struct conf_dir *v = ls_grow_array(c->dirs, c->ndirs + 1, sizeof *v);

	if (!v)
		return NULL;
	c->dirs = v;
	v[c->ndirs] = (struct conf_dir){.model = conf_db_defaults};
	return &v[c->ndirs++];
}

void
conf_dir_done(struct conf_dir *d)
{
	conf_db_done(&d->model);
	free(d->pattern);
	free(d->meta_dir);
	free(d->meta_path);
	*d = (struct conf_dir){0};
}

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "configuration: out of memory");
}

/* ---- names ---- */

size_t
conf_dir_stem(const char *name)
{
	static const char *const ends[] = {"-wal", "-shm", "-journal"};

	for (size_t i = 0; i < 3; i++)
		if (ls_buf_ends_with(name, ends[i]))
			return strlen(name) - strlen(ends[i]);
	return strlen(name);
}

static const char *
base_name(const char *rel)
{
	const char *slash = strrchr(rel, '/');

	return slash ? slash + 1 : rel;
}

bool
conf_dir_matches(const struct conf_dir *d, const char *rel)
{
	const char *name = base_name(rel);

	if (name[conf_dir_stem(name)])
		return false;
	return (d->recursive || name == rel) && fnmatch(d->pattern, name, 0) == 0;
}

static char *
state_path(const struct conf_dir *d, const char *rel)
{
	const char *name = base_name(rel), *slash = name == rel ? "" : "/";
	int dir = name == rel ? 0 : (int)(name - rel - 1);

	if (d->meta_dir)
		return ls_buf_format("%s/%s-litestream", d->meta_dir, rel);
	return ls_buf_format("%s%s%.*s/.%s-litestream", d->meta_path ? d->meta_path : d->model.path,
			     slash, dir, rel, name);
}

/* URL/REL, before the query if there is one. */
static char *
member_url(const char *url, const char *rel)
{
	const char *query = strchr(url, '?');
	size_t n = query ? (size_t)(query - url) : strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return ls_buf_format("%.*s/%s%s", (int)n, url, rel, query ? query : "");
}

/* The same bucket, and a path below. */
static int
member_bucket(const struct s3_config *from, const char *rel, struct s3_config **ret,
	      struct ls_err *err)
{
	struct s3_config *c = calloc(1, sizeof *c);
	const char *path = from->path ? from->path : "";
	bool root = !*path || strcmp(path, ".") == 0;
	int rc = c ? s3_config_copy(from, c, err) : no_memory(err);

	*ret = c;
	if (rc < 0)
		return rc;
	free(c->path);
	c->path = ls_buf_format("%s%s%s", root ? "" : path, root ? "" : "/", rel);
	return c->path ? 0 : no_memory(err);
}

static int
member_replica(const struct conf_replica *from, const char *rel, struct conf_replica *ret,
	       struct ls_err *err)
{
	int rc = 0;

	*ret = *from;
	ret->name = strdup(from->name);
	ret->type = strdup(from->type);
	ret->url = member_url(from->url, rel);
	ret->path = from->path ? ls_buf_format("%s/%s", from->path, rel) : NULL;
	ret->s3 = NULL;
	if (from->s3)
		rc = member_bucket(from->s3, rel, &ret->s3, err);
	return rc == 0 && ret->name && ret->type && ret->url && !ret->path == !from->path
		       ? 0
		       : no_memory(err);
}

int
conf_dir_member(const struct conf_dir *d, size_t number, const char *rel, struct conf_db *ret,
		struct ls_err *err)
{
	struct conf_db *db = ret;
	int rc = 0;

	*db = d->model;
	db->dir = number;
	db->path =
		ls_buf_format("%s/%s", strcmp(d->model.path, "/") == 0 ? "" : d->model.path, rel);
	db->meta_path = state_path(d, rel);
	db->replicas = ls_alloc_array(d->model.nreplicas, sizeof *db->replicas);
	db->nreplicas = 0;
	if (!db->path || !db->meta_path || !db->replicas)
		rc = no_memory(err);
	while (rc == 0 && db->nreplicas < d->model.nreplicas) {
		size_t i = db->nreplicas++;

		rc = member_replica(&d->model.replicas[i], rel, &db->replicas[i], err);
	}
	if (rc < 0)
		conf_db_done(db);
	return rc;
}

/* ---- files ---- */

bool
conf_dir_is_database(const char *path)
{
	ls_autoclose int fd = io_open(path, O_RDONLY, 0, NULL);
	uint8_t raw[DBHDR_SIZE];
	struct dbhdr hdr;
	struct stat st;
	size_t n = 0;

	if (fd < 0 || io_fstat(fd, &st, NULL) < 0 || !S_ISREG(st.st_mode) ||
	    io_pread(fd, raw, sizeof raw, 0, &n, NULL) < 0 || dbhdr_decode(raw, n, &hdr, NULL) < 0)
		return false;
	return hdr.change_counter != hdr.version_valid_for ||
	       (uint64_t)st.st_size >= (uint64_t)hdr.npages * hdr.page_size;
}

/* One directory of a walk. */
struct level {
	const struct conf_dir *d;
	const struct conf_dir_walk *w;
	const char *path, *below; /* "" at the top */
	int depth;
};

static int walk(struct level *l, struct ls_err *err);

static bool
is_directory(const char *path)
{
	ls_autoclose int fd = io_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL);

	return fd >= 0;
}

static int
visit(void *arg, const char *name, struct ls_err *err)
{
	const struct level *l = arg;
	ls_autofree char *rel = ls_buf_format("%s%s%s", l->below, *l->below ? "/" : "", name);
	ls_autofree char *path = ls_buf_format("%s/%s", l->path, name);
	struct level next = {l->d, l->w, path, rel, l->depth + 1};

	if (!rel || !path)
		return no_memory(err);
	if (l->d->recursive && !(name[0] == '.' && ls_buf_ends_with(name, "-litestream")) &&
	    is_directory(path))
		return l->depth < DEPTH_MAX ? walk(&next, err) : 0;
	return conf_dir_matches(l->d, rel) ? l->w->found(l->w->arg, rel, err) : 0;
}

static int
walk(struct level *l, struct ls_err *err)
{
	int rc = l->w->entered ? l->w->entered(l->w->arg, l->path, err) : 0;

	if (rc == 0)
		rc = io_list(l->path, visit, l, err);
	/* Not at the top: it was there a moment ago. */
	return rc == -ENOENT && l->depth ? 0 : rc;
}

int
conf_dir_walk(const struct conf_dir *d, const struct conf_dir_walk *w, struct ls_err *err)
{
	struct level top = {d, w, d->model.path, "", 0};
	int rc = walk(&top, err);

	return rc < 0 ? ls_err_wrap(err, rc, "failed to scan directory %s", d->model.path) : 0;
}

/* ---- the whole configuration ---- */

struct expansion {
	struct conf *conf;
	size_t number, named, found;
};

static int
add_member(void *arg, const char *rel, struct ls_err *err)
{
	struct expansion *x = arg;
	struct conf *c = x->conf;
	struct conf_db db, *v;
	int rc = conf_dir_member(&c->dirs[x->number - 1], x->number, rel, &db, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < x->named; i++)
		if (strcmp(c->dbs[i].path, db.path) == 0) {
			conf_db_done(&db);
			return 0;
		}
	if (!conf_dir_is_database(db.path)) {
		conf_db_done(&db);
		return 0;
	}
	if (!(v = conf_db_new(c))) {
		conf_db_done(&db);
		return no_memory(err);
	}
	*v = db;
	x->found++;
	return 0;
}

static int
expand_one(struct expansion *x, bool demand, struct ls_err *err)
{
	const struct conf_dir *d = &x->conf->dirs[x->number - 1];
	const struct conf_dir_walk w = {.found = add_member, .arg = x};
	int rc = conf_dir_walk(d, &w, err);

	if (rc < 0 && !demand && rc != -ENOMEM)
		return 0;
	if (rc == 0 && demand && x->found == 0 && !d->watch)
		rc = ls_err_set(err, -ENOENT,
				"no SQLite databases found in directory %s with pattern %s",
				d->model.path, d->pattern);
	if (rc == 0 && demand)
		log_write(LOG_INFO, "found databases in directory", LOG_STR("dir", d->model.path),
			  LOG_U64("count", x->found),
			  LOG_STR("watch", d->watch ? "true" : "false"));
	return rc;
}

int
conf_dir_expand(struct conf *c, bool demand, struct ls_err *err)
{
	struct expansion x = {.conf = c, .named = c->ndbs};
	int rc = 0;

	if (c->ndirs == 0)
		return 0;
	for (size_t i = 0; rc == 0 && i < c->ndirs; i++) {
		x.number = i + 1;
		x.found = 0;
		rc = expand_one(&x, demand, err);
	}
	return rc < 0 ? rc : conf_check_duplicates(c, err);
}
