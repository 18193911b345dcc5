/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_check.h"

#include "engine/base/io.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static const char *
home(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw && pw->pw_dir && *pw->pw_dir ? pw->pw_dir : getenv("HOME");
}

/* "a//b/./c/../d" -> "a/b/d"; the path begins with '/'. */
static void
clean(char *path)
{
	char *out = path, *p = path;

	while (*p) {
		size_t n;

		while (*p == '/')
			p++;
		n = strcspn(p, "/");
		if (n == 0)
			break;
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (n != 1 || p[0] != '.') {
			*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

int
conf_check_path(const char *path, char **ret, struct ls_err *err)
{
	ls_autofree char *cwd = NULL;
	char *full = NULL;
	int n;

	if (strncmp(path, "sqlite://", 9) == 0)
		path += 9;
	else if (strncmp(path, "sqlite3://", 10) == 0)
		path += 10;
	if (path[0] == '~' && (path[1] == '/' || !path[1])) {
		const char *h = home();

		if (!h)
			return ls_err_set(err, -EINVAL, "'%s': no home directory is known", path);
		n = asprintf(&full, "%s%s", h, path + 1);
	} else if (path[0] == '/') {
		n = asprintf(&full, "%s", path);
	} else {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return ls_err_sys(err, errno, "current directory");
		n = asprintf(&full, "%s/%s", cwd, path);
	}
	if (n < 0)
		return ls_err_set(err, -ENOMEM, "path: out of memory");
	clean(full);
	*ret = full;
	return 0;
}

/* What makes two names one file: device and inode, of the directory while the file is missing. */
struct identity {
	const char *path;  /* as configured, absolute */
	const char *name;  /* below the directory, "" for the file itself */
	const char *owner; /* the database of the entry */
	dev_t dev;
	ino_t ino;
};

static void
identify(const char *path, const char *owner, struct identity *ret)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	struct stat s;

	*ret = (struct identity){.path = path, .name = path, .owner = owner};
	if (io_stat(path, &s, NULL) == 0) {
		ret->name = "";
	} else {
		/* A path that does not fit cannot be opened either. */
		snprintf(dir, sizeof dir, "%.*s", slash > path ? (int)(slash - path) : 1, path);
		if (io_stat(dir, &s, NULL) < 0)
			return;
		ret->name = slash + 1;
	}
	ret->dev = s.st_dev;
	ret->ino = s.st_ino;
}

static int
compare(const void *pa, const void *pb)
{
	const struct identity *a = pa, *b = pb;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* The first two equal entries, or NULL. */
static const struct identity *
find_pair(struct identity *v, size_t n)
{
	if (n > 1)
		qsort(v, n, sizeof *v, compare);
	for (size_t i = 1; i < n; i++)
		if (compare(&v[i - 1], &v[i]) == 0)
			return &v[i - 1];
	return NULL;
}

static int
check_databases(const struct conf *c, struct identity *v, struct ls_err *err)
{
	const struct identity *pair;

	for (size_t i = 0; i < c->ndbs; i++)
		identify(c->dbs[i].path, c->dbs[i].path, &v[i]);
	if ((pair = find_pair(v, c->ndbs)))
		return ls_err_set(err, -EINVAL,
				  "one database is configured twice, as '%s' and as '%s': remove "
				  "one of them",
				  pair[0].path, pair[1].path);
	for (size_t i = 0; i < c->ndbs; i++)
		identify(c->dbs[i].meta_path, c->dbs[i].path, &v[i]);
	if ((pair = find_pair(v, c->ndbs)))
		return ls_err_set(err, -EINVAL,
				  "databases '%s' and '%s' have the same meta-path '%s'",
				  pair[0].owner, pair[1].owner, pair[0].path);
	return 0;
}

/* Other kinds than "file" are the same if their URLs are. */
static void
identify_replica(const struct conf_replica *r, const char *owner, struct identity *ret)
{
	if (r->path)
		identify(r->path, owner, ret);
	else
		*ret = (struct identity){.path = r->url, .name = r->url, .owner = owner};
}

static int
check_replicas(const struct conf *c, struct ls_err *err)
{
	ls_autofree struct identity *v = NULL;
	const struct identity *pair;
	size_t n = 0, max = 0;

	for (size_t i = 0; i < c->ndbs; i++)
		max += c->dbs[i].nreplicas;
	if (!(v = ls_alloc_array(max, sizeof *v)))
		return ls_err_set(err, -ENOMEM, "configuration: out of memory");
	for (size_t i = 0; i < c->ndbs; i++)
		for (size_t k = 0; k < c->dbs[i].nreplicas; k++)
			identify_replica(&c->dbs[i].replicas[k], c->dbs[i].path, &v[n++]);
	if (!(pair = find_pair(v, n)))
		return 0;
	if (strcmp(pair[0].owner, pair[1].owner) == 0)
		return ls_err_set(err, -EINVAL,
				  "database '%s' has the replica '%s' twice: each needs a "
				  "place of its own",
				  pair[0].owner, pair[0].path);
	return ls_err_set(err, -EINVAL,
			  "databases '%s' and '%s' have the same replica '%s': each needs a "
			  "place of its own",
			  pair[0].owner, pair[1].owner, pair[0].path);
}

int
conf_check_duplicates(const struct conf *c, struct ls_err *err)
{
	ls_autofree struct identity *v = ls_alloc_array(c->ndbs, sizeof *v);
	int rc;

	if (!v)
		return ls_err_set(err, -ENOMEM, "configuration: out of memory");
	rc = check_databases(c, v, err);
	return rc < 0 ? rc : check_replicas(c, err);
}
