/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/opt.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int
bad_value(const char *name, const char *value, const char *why, struct ls_err *err)
{
	return ls_err_set(err, -EINVAL, "invalid value \"%.80s\" for flag -%s: %s", value, name,
			  why);
}

static int
set_bool(const struct opt *o, const char *value, struct ls_err *err)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

	for (size_t i = 0; i < 6; i++) {
		if (strcmp(value, yes[i]) == 0)
			return *(bool *)o->value = true, 0;
		if (strcmp(value, no[i]) == 0)
			return *(bool *)o->value = false, 0;
	}
	return ls_err_set(err, -EINVAL, "invalid boolean value \"%.80s\" for -%s: parse error",
			  value, o->name);
}

/* Go literals: 8, 0x10, 0o17, 017, 0b1, 1_0. */
static int
set_int(const struct opt *o, const char *value, struct ls_err *err)
{
	char text[64], *end;
	const char *p = value;
	size_t n = 0;
	int base = 10, sign = 1;

	if (*p == '-' || *p == '+')
		sign = *p++ == '-' ? -1 : 1;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		base = 16, p += 2;
	else if (p[0] == '0' && (p[1] == 'o' || p[1] == 'O'))
		base = 8, p += 2;
	else if (p[0] == '0' && (p[1] == 'b' || p[1] == 'B'))
		base = 2, p += 2;
	else if (p[0] == '0' && p[1])
		base = 8, p++;
	for (; *p && n < sizeof text - 1; p++)
		if (*p != '_')
			text[n++] = *p;
	text[n] = '\0';
	errno = 0;
	*(int64_t *)o->value = strtoll(text, &end, base) * sign;
	if (n == 0 || *p || *end || !isxdigit((unsigned char)text[0]))
		return bad_value(o->name, value, "parse error", err);
	if (errno == ERANGE)
		return bad_value(o->name, value, "value out of range", err);
	return 0;
}

/* Up to 16 hex digits; shorter than 16 is padded with zeros. */
static int
set_txid(const struct opt *o, const char *value, struct ls_err *err)
{
	uint64_t v = 0;
	size_t n = strlen(value);

	for (size_t i = 0; i < n && n <= 16; i++) {
		int c = tolower((unsigned char)value[i]);

		if (!isxdigit(c))
			return bad_value(o->name, value, "invalid txid format", err);
		v = v << 4 | (uint64_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
	}
	if (n == 0 || n > 16 || v == 0)
		return bad_value(o->name, value, "invalid txid format", err);
	*(uint64_t *)o->value = v;
	return 0;
}

static int
set(const struct opt *o, const char *value, struct ls_err *err)
{
	switch (o->kind) {
	case OPT_STRING:
		*(const char **)o->value = value;
		return 0;
	case OPT_BOOL:
		return set_bool(o, value, err);
	case OPT_INT:
		return set_int(o, value, err);
	case OPT_TXID:
		return set_txid(o, value, err);
	case OPT_LATER:
		break;
	}
	return ls_err_set(err, -EINVAL, "flag -%s is not supported by this build", o->name);
}

static const struct opt *
find(const struct opt *opts, const char *name, size_t n)
{
	for (; opts->name; opts++)
		if (strlen(opts->name) == n && strncmp(opts->name, name, n) == 0)
			return opts;
	return NULL;
}

int
opt_parse(const struct opt *opts, int argc, char **argv, struct ls_err *err)
{
	int i = 0;

	while (i < argc) {
		const char *word = argv[i], *name = word, *eq;
		const struct opt *o;
		int rc;

		if (word[0] != '-' || !word[1])
			return i;
		name += word[1] == '-' ? 2 : 1;
		i++;
		if (!*name)
			return i;
		if (*name == '-' || *name == '=')
			return ls_err_set(err, -EINVAL, "bad flag syntax: %.80s", word);
		eq = strchr(name, '=');
		o = find(opts, name, eq ? (size_t)(eq - name) : strlen(name));
		if (!o)
			return ls_err_set(err, -EINVAL, "flag provided but not defined: -%.*s",
					  eq ? (int)(eq - name) : 80, name);
		if (eq)
			rc = set(o, eq + 1, err);
		else if (o->kind == OPT_BOOL)
			rc = set(o, "true", err);
		else if (o->kind == OPT_LATER)
			rc = set(o, "", err);
		else if (i < argc)
			rc = set(o, argv[i++], err);
		else
			return ls_err_set(err, -EINVAL, "flag needs an argument: -%s", o->name);
		if (rc < 0)
			return rc;
	}
	return i;
}
