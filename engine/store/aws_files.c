/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/aws_files.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/secret.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "credentials: out of memory");
}

/* p..end without blanks around. */
static void
trim(const char **p, const char **end)
{
	while (*p < *end && isspace((unsigned char)**p))
		++*p;
	while (*end > *p && isspace((unsigned char)(*end)[-1]))
		--*end;
}

static char *
section_name(const char *p, const char *end)
{
	trim(&p, &end);
	if (end - p > 8 && strncmp(p, "profile", 7) == 0 && isspace((unsigned char)p[7])) {
		p += 8;
		trim(&p, &end);
	}
	return strndup(p, (size_t)(end - p));
}

static int
add_line(struct aws_files *f, const char *section, const char *p, const char *eq, const char *end,
	 struct ls_err *err)
{
	struct aws_files_line *v = ls_grow_array(f->lines, f->n + 1, sizeof *v), *l;
	const char *key_end = eq, *value = eq + 1;

	if (!v)
		return no_memory(err);
	f->lines = v;
	l = &v[f->n++];
	trim(&p, &key_end);
	trim(&value, &end);
	l->section = strdup(section);
	l->key = strndup(p, (size_t)(key_end - p));
	l->value = strndup(value, (size_t)(end - value));
	if (!l->section || !l->key || !l->value)
		return no_memory(err);
	for (char *c = l->key; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return 0;
}

static int
take_line(struct aws_files *f, char **section, const char *p, const char *end, const char *where,
	  struct ls_err *err)
{
	const char *eq, *close;
	bool indented = p < end && isspace((unsigned char)*p);

	trim(&p, &end);
	if (p == end || *p == '#' || *p == ';')
		return 0;
	if (*p == '[') {
		if (!(close = memchr(p, ']', (size_t)(end - p))))
			return ls_err_set(err, -EBADMSG, "%s: a section without ']'", where);
		free(*section);
		return (*section = section_name(p + 1, close)) ? 0 : no_memory(err);
	}
	eq = memchr(p, '=', (size_t)(end - p));
	if (!eq)
		return ls_err_set(err, -EBADMSG, "%s: neither a section nor 'key = value'", where);
	/* Lines that are indented belong to the key before them ("s3 ="): none that we read. */
	return indented || !*section ? 0 : add_line(f, *section, p, eq, end, err);
}

int
aws_files_parse(struct aws_files *f, const char *name, const char *text, size_t n,
		struct ls_err *err)
{
	ls_autofree char *section = NULL;
	const char *p = text, *end = text + n;
	unsigned number = 0;
	int rc = 0;

	if (memchr(text, '\0', n))
		return ls_err_set(err, -EBADMSG, "%s is not a text file", name);
	while (rc == 0 && p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		char where[300];

		snprintf(where, sizeof where, "%.250s:%u", name, ++number);
		rc = take_line(f, &section, p, eol ? eol : end, where, err);
		p = eol ? eol + 1 : end;
	}
	return rc;
}

static int
read_one(struct aws_files *f, const char *variable, const char *fallback, struct ls_err *err)
{
	const char *named = getenv(variable), *home = getenv("HOME");
	ls_autofree char *path = named && *named
					 ? strdup(named)
					 : ls_buf_format("%s/.aws/%s", home ? home : "", fallback);
	char *text = NULL;
	size_t n = 0;
	int rc;

	if (!path)
		return no_memory(err);
	rc = io_read_file(path, AWS_FILES_MAX, &text, &n, err);
	if (rc == -ENOENT || rc == -EACCES)
		return 0;
	if (rc == 0)
		rc = aws_files_parse(f, path, text, n, err);
	secret_wipe(text);
	return rc;
}

int
aws_files_read(struct aws_files *ret, struct ls_err *err)
{
	struct aws_files f = {0};
	int rc;

	if ((rc = read_one(&f, "AWS_SHARED_CREDENTIALS_FILE", "credentials", err)) < 0 ||
	    (rc = read_one(&f, "AWS_CONFIG_FILE", "config", err)) < 0) {
		aws_files_done(&f);
		return rc;
	}
	*ret = f;
	return 0;
}

void
aws_files_done(struct aws_files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->lines[i].section);
		free(f->lines[i].key);
		secret_wipe(f->lines[i].value);
	}
	free(f->lines);
	*f = (struct aws_files){0};
}

const char *
aws_files_get(const struct aws_files *f, const char *profile, const char *key)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->lines[i].section, profile) == 0 &&
		    strcmp(f->lines[i].key, key) == 0 && *f->lines[i].value)
			return f->lines[i].value;
	return NULL;
}

bool
aws_files_has(const struct aws_files *f, const char *profile)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->lines[i].section, profile) == 0)
			return true;
	return false;
}
