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

static int
append_value(struct ls_buf *out, const char *name, size_t len, unsigned *unset)
{
	char key[256];
	const char *value;

	if (len == 3 && strncmp(name, "PID", 3) == 0)
		return ls_buf_printf(out, "%d", (int)getpid());
	if (len >= sizeof key) {
		++*unset;
		return 0;
	}
	memcpy(key, name, len);
	key[len] = '\0';
	value = getenv(key);
	if (!value)
		++*unset;
	return value ? ls_buf_append(out, value, strlen(value)) : 0;
}

int
conf_env_expand(const char *text, size_t n, struct ls_buf *out, unsigned *ret_unset,
		struct ls_err *err)
{
	int rc = 0;

	*ret_unset = 0;
	for (size_t i = 0; rc == 0 && i < n;) {
		const char *name = NULL;
		size_t skip = 0, len = 0;

		if (text[i] == '$')
			len = find_name(text + i + 1, n - i - 1, &name, &skip);
		if (len)
			rc = append_value(out, name, len, ret_unset);
		else if (skip == 0)
			rc = ls_buf_append(out, text + i, 1);
		i += 1 + skip;
	}
	return rc < 0 ? ls_err_set(err, -EINVAL, "configuration is too large once expanded") : 0;
}
