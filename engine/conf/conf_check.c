/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_check.h"

#include "engine/base/io.h"

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

static bool
same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	if (strcmp(a, b) == 0)
		return true;
	return io_stat(a, &sa, NULL) == 0 && io_stat(b, &sb, NULL) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static int
check_pair(const struct conf_db *a, const struct conf_db *b, struct ls_err *err)
{
	if (same_file(a->path, b->path))
		return ls_err_set(err, -EINVAL, "database '%s' is configured twice (also as '%s')",
				  b->path, a->path);
	if (strcmp(a->meta_path, b->meta_path) == 0)
		return ls_err_set(err, -EINVAL, "databases '%s' and '%s' have the same meta-path",
				  a->path, b->path);
	for (size_t i = 0; i < a->nreplicas; i++)
		for (size_t k = 0; k < b->nreplicas; k++)
			if (strcmp(a->replicas[i].url, b->replicas[k].url) == 0)
				return ls_err_set(
					err, -EINVAL,
					"databases '%s' and '%s' have the same replica '%s'",
					a->path, b->path, a->replicas[i].url);
	return 0;
}

int
conf_check_duplicates(const struct conf *c, struct ls_err *err)
{
	for (size_t i = 0; i < c->ndbs; i++)
		for (size_t k = i + 1; k < c->ndbs; k++) {
			int rc = check_pair(&c->dbs[i], &c->dbs[k], err);

			if (rc < 0)
				return rc;
		}
	return 0;
}
