/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_env.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool
name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Length of the name after '$' at p (n bytes), 0: a literal '$'. *ret_skip: bytes to pass over. */
static size_t
find_name(const char *p, size_t n, const char **ret_name, size_t *ret_skip)
{
	size_t len = 0;

	if (n && *p == '{') {
		const char *end = memchr(p, '}', n);

		*ret_name = p + 1;
		/* "${" that is never closed, and "${}", vanish. */
		*ret_skip = end ? (size_t)(end - p) + 1 : 1;
		return end ? (size_t)(end - p) - 1 : 0;
	}
	*ret_name = p;
	if (n && (isdigit((unsigned char)*p) || strchr("$*#@!?-", *p)) && *p) {
		*ret_skip = 1;
		return 1;
	}
	while (len < n && name_char(p[len]))
		len++;
	*ret_skip = len;
	return len;
}

struct expansion {
	struct ls_buf *out;
	conf_env_unset_fn *unset;
	void *arg;
	size_t line;
	bool blank, comment; /* so far: the line is blank; it is a comment */
};

static int
append_value(struct expansion *e, const char *name, size_t len)
{
	char key[256];
	const char *value = NULL;
	size_t n = len < sizeof key ? len : sizeof key - 1;

	memcpy(key, name, n);
	key[n] = '\0';
	if (strcmp(key, "PID") == 0)
		return ls_buf_printf(e->out, "%d", (int)getpid());
	if (strlen(key) == len)
		value = getenv(key);
	if (value)
		return ls_buf_append(e->out, value, strlen(value));
	return e->comment ? 0 : e->unset(e->arg, key, e->line);
}

/* Keeps track of lines and comments. */
static void
pass(struct expansion *e, const char *p, size_t n)
{
	for (; n--; p++) {
		if (*p == '\n') {
			e->line++;
			e->blank = true;
			e->comment = false;
		} else if (e->blank && *p != ' ' && *p != '\t') {
			e->blank = false;
			e->comment = *p == '#';
		}
	}
}

int
conf_env_expand(const char *text, size_t n, struct ls_buf *out, conf_env_unset_fn *unset, void *arg,
		struct ls_err *err)
{
	struct expansion e = {.out = out, .unset = unset, .arg = arg, .line = 1, .blank = true};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n;) {
		const char *name = NULL;
		size_t skip = 0, len = 0;

		if (text[i] == '$')
			len = find_name(text + i + 1, n - i - 1, &name, &skip);
		if (len)
			rc = append_value(&e, name, len);
		else if (skip == 0)
			rc = ls_buf_append(out, text + i, 1);
		pass(&e, text + i, 1 + skip);
		i += 1 + skip;
	}
	if (rc == 0)
		return 0;
	return out->len >= out->max / 2
		       ? ls_err_set(err, -EINVAL, "the configuration is too large once expanded")
		       : ls_err_set(err, -ENOMEM, "configuration: out of memory");
}
