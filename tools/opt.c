/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/opt.h"

#include "engine/base/timex.h"

#include <ctype.h>
#include <string.h>

bool
opt_is_help(const char *word)
{
	return strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0 || strcmp(word, "--help") == 0;
}

/* Any code of ls_err_set() -> OPT_USAGE. */
static int
usage(int rc)
{
	return rc < 0 ? OPT_USAGE : rc;
}

static int
bad_value(const struct opt *o, const char *value, const char *why, struct ls_err *err)
{
	return usage(ls_err_set(err, -EINVAL, "invalid value \"%.80s\" for flag -%s: %s", value,
				o->name, why));
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
	return usage(ls_err_set(err, -EINVAL,
				"invalid boolean value \"%.80s\" for -%s: parse error", value,
				o->name));
}

static int
digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* "0x", "0o", "0b" or "0" in front; 10 without. */
static int
parse_base(const char **p)
{
	static const char letters[] = "xob";
	static const int bases[] = {16, 8, 2};
	const char *at;

	if (**p != '0' || !(*p)[1])
		return 10;
	at = strchr(letters, tolower((unsigned char)(*p)[1]));
	*p += at ? 2 : 1;
	return at ? bases[at - letters] : 8;
}

/* Go literals: 8, 0x10, 0o17, 017, 0b1; single '_' between digits or after the prefix. */
static int
set_int(const struct opt *o, const char *value, struct ls_err *err)
{
	bool negative = *value == '-', range = false;
	const char *p = value + (*value == '-' || *value == '+'), *start = p;
	int base = parse_base(&p);
	char before = p > start ? '0' : '_';
	int64_t v = 0;

	if (!*p)
		return bad_value(o, value, "parse error", err);
	for (; *p; before = *p++) {
		int d = digit(*p);

		if (*p == '_' && before != '_' && p[1])
			continue;
		if (d >= base)
			return bad_value(o, value, "parse error", err);
		range |= __builtin_mul_overflow(v, base, &v) || __builtin_sub_overflow(v, d, &v);
	}
	if (range || (!negative && v == INT64_MIN))
		return bad_value(o, value, "value out of range", err);
	*(int64_t *)o->value = negative ? v : -v;
	return 0;
}

/* Shorter than 16 digits: padded with zeros, which the released program refuses. */
static int
set_txid(const struct opt *o, const char *value, struct ls_err *err)
{
	size_t n = strlen(value);
	uint64_t v = 0;

	for (size_t i = 0; i < n && n <= 16; i++) {
		if (digit(value[i]) > 15)
			return bad_value(o, value, "invalid txid format", err);
		v = v << 4 | (uint64_t)digit(value[i]);
	}
	if (n == 0 || n > 16 || v == 0)
		return bad_value(o, value, "invalid txid format", err);
	*(uint64_t *)o->value = v;
	return 0;
}

static int
set_duration(const struct opt *o, const char *value, struct ls_err *err)
{
	int64_t ns;

	if (timex_duration(value, &ns, NULL) < 0)
		return bad_value(o, value, "parse error", err);
	*(int64_t *)o->value = ns / 1000000;
	return 0;
}

static int
set(const struct opt *o, const char *value, struct ls_err *err)
{
	switch (o->kind) {
	case OPT_DURATION:
		return set_duration(o, value, err);
	case OPT_BOOL:
		return set_bool(o, value, err);
	case OPT_INT:
		return set_int(o, value, err);
	case OPT_TXID:
		return set_txid(o, value, err);
	default:
		*(const char **)o->value = value;
		return 0;
	}
}

static const struct opt *
find(const struct opt *opts, const char *name, size_t n)
{
	for (; opts->name; opts++)
		if (strlen(opts->name) == n && strncmp(opts->name, name, n) == 0)
			return opts;
	return NULL;
}

/* One flag at argv[*i]; moves on behind it and its value. */
static int
parse_flag(const struct opt *opts, int argc, char **argv, int *i, struct ls_err *err)
{
	const char *word = argv[(*i)++], *name = word + (word[1] == '-' ? 2 : 1), *eq;
	const struct opt *o;
	size_t n;

	if (*name == '-' || *name == '=')
		return usage(ls_err_set(err, -EINVAL, "bad flag syntax: %.80s", word));
	eq = strchr(name, '=');
	n = eq ? (size_t)(eq - name) : strlen(name);
	o = find(opts, name, n);
	if (!o && ((n == 1 && *name == 'h') || (n == 4 && strncmp(name, "help", 4) == 0)))
		return OPT_HELP;
	if (!o)
		return usage(ls_err_set(err, -EINVAL, "flag provided but not defined: -%.*s",
					n < 80 ? (int)n : 80, name));
	if (o->kind == OPT_LATER)
		return ls_err_set(err, -EINVAL, "flag -%s is not supported yet by this build",
				  o->name);
	if (eq)
		return set(o, eq + 1, err);
	if (o->kind == OPT_BOOL)
		return set(o, "true", err);
	if (*i == argc)
		return usage(ls_err_set(err, -EINVAL, "flag needs an argument: -%s", o->name));
	return set(o, argv[(*i)++], err);
}

int
opt_parse(const struct opt *opts, int argc, char **argv, int *ret_first, struct ls_err *err)
{
	int i = 0;

	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		int rc;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if ((rc = parse_flag(opts, argc, argv, &i, err)) != 0)
			return rc;
	}
	*ret_first = i;
	return 0;
}

int
opt_one(int left, const char *what, const char *example, const char **ret_hint, struct ls_err *err)
{
	if (left == 0) {
		*ret_hint = example;
		return ls_err_set(err, -EINVAL, "%s required", what);
	}
	return left == 1 ? 0 : ls_err_set(err, -EINVAL, "too many arguments");
}
