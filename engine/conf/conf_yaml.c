/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_yaml.h"

#include "engine/base/timex.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WARNINGS_MAX = 1000 };

int
conf_yaml_error(struct conf_yaml *y, const yaml_node_t *node, struct ls_err *err, const char *fmt,
		...)
{
	char text[LS_ERR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return ls_err_set(err, -EINVAL, "%s: line %zu: %s", y->name,
			  node ? node->start_mark.line + 1 : 0, text);
}

int
conf_yaml_warn(struct conf *c, const char *fmt, ...)
{
	char *text = NULL, **v;
	va_list ap;
	int n;

	if (c->nwarnings == WARNINGS_MAX)
		return 0;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	v = n < 0 ? NULL : ls_grow_array(c->warnings, c->nwarnings + 1, sizeof *v);
	if (!v) {
		if (n >= 0)
			free(text);
		return -ENOMEM;
	}
	c->warnings = v;
	v[c->nwarnings++] = text;
	return 0;
}

static bool
is_null(const yaml_node_t *node)
{
	const char *s;

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	s = (const char *)node->data.scalar.value;
	return !*s || strcmp(s, "~") == 0 || strcasecmp(s, "null") == 0;
}

static bool
parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"true", "yes", "on", "y"};
	static const char *const no[] = {"false", "no", "off", "n"};

	for (int i = 0; i < 4; i++) {
		if (strcasecmp(s, yes[i]) == 0)
			return *ret = true, true;
		if (strcasecmp(s, no[i]) == 0)
			return *ret = false, true;
	}
	return false;
}

/* YAML 1.1 integers: 5, 0x10, 0o17, 0600 (octal), 5.0, 1_000. */
static bool
parse_int(const char *s, int64_t *ret)
{
	char text[64];
	size_t n = 0;
	char *end;
	int base = 10;
	const char *p;

	for (; *s; s++)
		if (*s != '_') {
			if (n == sizeof text - 1)
				return false;
			text[n++] = *s;
		}
	text[n] = '\0';
	p = text + (*text == '-' || *text == '+');
	if (!isdigit((unsigned char)*p))
		return false;
	if (p[0] == '0' && p[1] == 'x')
		base = 16;
	else if (p[0] == '0' && p[1] == 'o')
		memmove(text + (p - text) + 1, p + 2, strlen(p + 2) + 1), base = 8;
	else if (p[0] == '0' && isdigit((unsigned char)p[1]))
		base = 8;
	errno = 0;
	*ret = strtoll(text, &end, base);
	if (*end == '.' && base == 10)
		end += 1 + strspn(end + 1, "0");
	return !*end && errno == 0;
}

/* Go's form, or a bare number, which is nanoseconds. */
static int
parse_duration(struct conf_yaml *y, const yaml_node_t *node, const char *key, uint64_t *ret_ms,
	       struct ls_err *err)
{
	const char *s = (const char *)node->data.scalar.value;
	int64_t ns = 0;

	if (timex_duration(s, &ns, NULL) < 0) {
		if (!parse_int(s, &ns))
			return conf_yaml_error(
				y, node, err,
				"%s: '%.40s' is no duration: write 300ms, 10s or 1h30m", key, s);
		if (ns &&
		    conf_yaml_warn(y->conf,
				   "%s: line %zu: %s: %.40s means nanoseconds: write %.20ss for "
				   "seconds",
				   y->name, node->start_mark.line + 1, key, s, s) < 0)
			return ls_err_set(err, -ENOMEM, "configuration: out of memory");
	}
	if (ns < 0)
		return conf_yaml_error(y, node, err, "%s: must not be negative (got %.40s)", key,
				       s);
	*ret_ms = ns == 0 ? 0 : (uint64_t)(ns + 999999) / 1000000;
	return 0;
}

static int
store_scalar(struct conf_yaml *y, yaml_node_t *node, const struct conf_key *k, void *at,
	     struct ls_err *err)
{
	bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	const char *s = (const char *)node->data.scalar.value;

	switch (k->kind) {
	case CONF_STRING: {
		char *copy = strdup(is_null(node) ? "" : s);

		if (!copy)
			return ls_err_set(err, -ENOMEM, "configuration: out of memory");
		free(*(char **)at);
		*(char **)at = copy;
		return 0;
	}
	case CONF_BOOL:
		if (!plain || !parse_bool(s, at))
			return conf_yaml_error(y, node, err,
					       "%s: '%.40s' is neither true nor false", k->name, s);
		return 0;
	case CONF_INT:
		if (!plain || !parse_int(s, at))
			return conf_yaml_error(y, node, err, "%s: '%.40s' is no whole number",
					       k->name, s);
		return 0;
	default:
		return parse_duration(y, node, k->name, at, err);
	}
}

static int
store_value(struct conf_yaml *y, yaml_node_t *node, const struct conf_key *k, void *target,
	    struct ls_err *err)
{
	void *at = (char *)target + k->offset;

	if (k->kind == CONF_LATER)
		return conf_yaml_warn(y->conf,
				      "%s: line %zu: '%s' is not supported by this build and is "
				      "ignored",
				      y->name, node->start_mark.line + 1, k->name);
	if (k->kind == CONF_REFUSED)
		return conf_yaml_error(y, node, err,
				       "'%s' is not supported by this build, and ignoring it would "
				       "not be safe",
				       k->name);
	if (k->kind == CONF_NODE) {
		*(yaml_node_t **)at = node;
		return 0;
	}
	if (node->type != YAML_SCALAR_NODE)
		return conf_yaml_error(y, node, err, "%s: one value is wanted here", k->name);
	if (is_null(node) && k->kind != CONF_STRING)
		return 0;
	if (k->set_at >= 0)
		*(bool *)((char *)target + k->set_at) = true;
	return store_scalar(y, node, k, at, err);
}

/* The known key that differs by one letter added, lost, changed or by '_' for '-'; or NULL. */
static const char *
near_miss(const char *s, const struct conf_key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *a = s, *b = keys[i].name;
		size_t la = strlen(a), lb = strlen(b), diff = la > lb ? la - lb : lb - la, k = 0;

		if (diff > 1 || la < 3)
			continue;
		while (a[k] && a[k] == b[k])
			k++;
		if (strcmp(a + k + (la >= lb), b + k + (lb >= la)) == 0)
			return b;
		if (la == lb && a[k] == b[k + 1] && a[k + 1] == b[k] &&
		    strcmp(a + k + 2, b + k + 2) == 0)
			return b;
	}
	return NULL;
}

static int
unknown_key(struct conf_yaml *y, const yaml_node_t *node, const struct conf_key *keys, size_t n)
{
	const char *s = (const char *)node->data.scalar.value, *like = near_miss(s, keys, n);

	return conf_yaml_warn(y->conf, "%s: line %zu: unknown key '%.60s' is ignored%s%s%s",
			      y->name, node->start_mark.line + 1, s, like ? ", did you mean '" : "",
			      like ? like : "", like ? "'?" : "");
}

int
conf_yaml_map(struct conf_yaml *y, yaml_node_t *node, const struct conf_key *keys, size_t n,
	      void *target, struct ls_err *err)
{
	if (!node || is_null(node))
		return 0;
	if (node->type != YAML_MAPPING_NODE)
		return conf_yaml_error(y, node, err, "'key: value' lines are wanted here");
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *key = yaml_document_get_node(&y->doc, p->key);
		yaml_node_t *value = yaml_document_get_node(&y->doc, p->value);
		size_t i = 0;
		int rc;

		if (!key || !value || key->type != YAML_SCALAR_NODE)
			return conf_yaml_error(y, key, err, "a key must be a word");
		while (i < n && strcmp((char *)key->data.scalar.value, keys[i].name) != 0)
			i++;
		rc = i < n ? store_value(y, value, &keys[i], target, err)
			   : unknown_key(y, key, keys, n);
		if (rc < 0)
			return rc == -ENOMEM ? ls_err_set(err, rc, "configuration: out of memory")
					     : rc;
	}
	return 0;
}

int
conf_yaml_list(struct conf_yaml *y, yaml_node_t *node, const char *what, conf_item_fn *fn,
	       void *arg, struct ls_err *err)
{
	if (!node || is_null(node))
		return 0;
	if (node->type != YAML_SEQUENCE_NODE)
		return conf_yaml_error(y, node, err, "%s: a list is wanted here ('- ...')", what);
	for (yaml_node_item_t *i = node->data.sequence.items.start;
	     i < node->data.sequence.items.top; i++) {
		yaml_node_t *item = yaml_document_get_node(&y->doc, *i);
		int rc;

		if (!item || is_null(item))
			return conf_yaml_error(y, item ? item : node, err, "%s: an item is empty",
					       what);
		if ((rc = fn(y, item, arg, err)) < 0)
			return rc;
	}
	return 0;
}
