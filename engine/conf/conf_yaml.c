/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_yaml.h"

#include "engine/base/timex.h"
#include "engine/conf/conf_scalar.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MERGES_MAX = 16 };

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "configuration: out of memory");
}

static size_t
line_of(const yaml_node_t *node)
{
	return node ? node->start_mark.line + 1 : 1;
}

int
conf_yaml_error(struct conf_yaml *y, const yaml_node_t *node, struct ls_err *err, const char *fmt,
		...)
{
	char text[LS_ERR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	ls_err_set(err, -EINVAL, "%s", text);
	return conf_yaml_wrap(y, node, -EINVAL, err);
}

int
conf_yaml_wrap(struct conf_yaml *y, const yaml_node_t *node, int rc, struct ls_err *err)
{
	return ls_err_wrap(err, rc, "%s: line %zu", y->name, line_of(node));
}

/* The part of a warning after "FILE: line N: ". */
static const char *
without_place(const char *warning, const char *file)
{
	size_t n = strlen(file);
	const char *p = warning;

	if (strncmp(p, file, n) != 0 || strncmp(p + n, ": line ", 7) != 0)
		return p;
	p += n + 7;
	p += strspn(p, "0123456789");
	return strncmp(p, ": ", 2) == 0 ? p + 2 : p;
}

int
conf_yaml_warn(struct conf *c, const char *file, size_t line, const char *fmt, ...)
{
	ls_autofree char *text = NULL, *full = NULL;
	char **v;
	va_list ap;
	int n;

	if (c->nwarnings == CONF_YAML_WARNINGS_MAX)
		return 0;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->nwarnings; i++)
		if (strcmp(without_place(c->warnings[i], file), text) == 0)
			return 0;
	if (asprintf(&full, "%s: line %zu: %s", file, line, text) < 0) {
		full = NULL;
		return -ENOMEM;
	}
	v = ls_grow_array(c->warnings, c->nwarnings + 1, sizeof *v);
	if (!v)
		return -ENOMEM;
	c->warnings = v;
	v[c->nwarnings++] = ls_steal_ptr(&full);
	return 0;
}

/* ---- values ---- */

static bool
is_null(const yaml_node_t *node)
{
	const char *s;

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	s = (const char *)node->data.scalar.value;
	return !*s || strcmp(s, "~") == 0 || strcasecmp(s, "null") == 0;
}

/* Nothing that could be lost: null, "", false, an empty list, and a map of such things. */
static bool
is_blank(struct conf_yaml *y, const yaml_node_t *node, int depth)
{
	bool value = false;

	if (depth > 1 || ++y->visits > CONF_YAML_VISITS_MAX)
		return false;
	if (node->type == YAML_SCALAR_NODE)
		return is_null(node) || !node->data.scalar.length ||
		       (conf_scalar_bool((char *)node->data.scalar.value, &value) && !value);
	if (node->type == YAML_SEQUENCE_NODE)
		return node->data.sequence.items.start == node->data.sequence.items.top;
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
	     p++)
		if (!is_blank(y, yaml_document_get_node(&y->doc, p->value), depth + 1))
			return false;
	return true;
}

/* Go's form, or a bare number, which is nanoseconds. */
static int
parse_duration(struct conf_yaml *y, const yaml_node_t *node, const char *key,
	       struct conf_duration *ret, struct ls_err *err)
{
	const char *s = (const char *)node->data.scalar.value;
	bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	int64_t ns = 0;

	if (timex_duration(s, &ns, NULL) < 0) {
		if (!plain || !conf_scalar_decimal(s, &ns))
			return conf_yaml_error(
				y, node, err,
				"%s: '%.40s' is no duration: write 300ms, 10s or 1h30m", key, s);
		if (ns && conf_yaml_warn(y->conf, y->name, line_of(node),
					 "%s: %.40s means nanoseconds: write %.20ss for seconds",
					 key, s, s) < 0)
			return no_memory(err);
	}
	ret->node = node;
	ret->ms = ns <= 0 ? 0 : (uint64_t)(ns / 1000000 + (ns % 1000000 != 0));
	return 0;
}

static int
store_scalar(struct conf_yaml *y, yaml_node_t *node, const struct conf_key *k, void *at,
	     struct ls_err *err)
{
	bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	const char *s = (const char *)node->data.scalar.value;
	bool truth = false;
	char *copy;

	switch (k->kind) {
	case CONF_STRING:
		copy = strdup(is_null(node) ? "" : s);
		if (!copy)
			return no_memory(err);
		free(*(char **)at);
		*(char **)at = copy;
		return 0;
	case CONF_BOOL:
	case CONF_MAYBE:
		if (!plain || !conf_scalar_bool(s, &truth))
			return conf_yaml_error(
				y, node, err,
				"%s: '%.40s' is neither true nor false (without quotes)", k->name,
				s);
		if (k->kind == CONF_BOOL)
			*(bool *)at = truth;
		else
			*(int *)at = truth ? 2 : 1;
		return 0;
	case CONF_INT:
		if (!plain || !conf_scalar_int(s, at))
			return conf_yaml_error(y, node, err,
					       "%s: '%.40s' is no whole number (without quotes)",
					       k->name, s);
		return 0;
	case CONF_SIZE:
		if (!conf_scalar_size(s, at))
			return conf_yaml_error(y, node, err,
					       "%s: '%.40s' is no size: write 500MB or 2GiB",
					       k->name, s);
		return 0;
	default:
		return parse_duration(y, node, k->name, at, err);
	}
}

static int
refused(struct conf_yaml *y, yaml_node_t *node, const struct conf_key *k, struct ls_err *err)
{
	if (is_blank(y, node, 0))
		return 0;
	if (strcmp(k->name, "age") == 0)
		return conf_yaml_error(y, node, err,
				       "age encryption is not currently supported: without it "
				       "the replica would not be encrypted");
	return conf_yaml_error(y, node, err,
			       "'%s' is not supported yet by this build, and ignoring it would not "
			       "be safe: remove it",
			       k->name);
}

static int
store_value(struct conf_yaml *y, yaml_node_t *node, const struct conf_key *k, void *target,
	    struct ls_err *err)
{
	void *at = (char *)target + k->offset;

	if (k->kind == CONF_LATER)
		return conf_yaml_warn(y->conf, y->name, line_of(node),
				      "'%s' is not supported yet by this build and is ignored",
				      k->name) < 0
			       ? no_memory(err)
			       : 0;
	if (k->kind == CONF_REFUSED)
		return refused(y, node, k, err);
	if (k->kind == CONF_NODE) {
		*(yaml_node_t **)at = is_null(node) ? NULL : node;
		return 0;
	}
	if (node->type != YAML_SCALAR_NODE)
		return conf_yaml_error(y, node, err, "%s: one value is wanted here", k->name);
	if (strlen((char *)node->data.scalar.value) != node->data.scalar.length)
		return conf_yaml_error(y, node, err, "%s: it holds a NUL byte", k->name);
	if (is_null(node) && k->kind != CONF_STRING)
		return 0;
	return store_scalar(y, node, k, at, err);
}

/* ---- maps and lists ---- */

/* The known key that differs by one letter added, lost, changed or swapped; or NULL. */
static const char *
near_miss(const char *s, const struct conf_key *keys, size_t n)
{
	size_t la = strlen(s);

	for (size_t i = 0; la >= 3 && i < n; i++) {
		const char *a = s, *b = keys[i].name;
		size_t lb = strlen(b);

		while (*a && tolower((unsigned char)*a) == *b)
			a++, b++;
		if (!*a && !*b)
			return keys[i].name;
		if ((la == lb && strcasecmp(a + 1, b + 1) == 0) ||
		    (la == lb + 1 && strcasecmp(a + 1, b) == 0) ||
		    (la + 1 == lb && strcasecmp(a, b + 1) == 0) ||
		    (la == lb && a[1] && a[0] == b[1] && a[1] == b[0] &&
		     strcasecmp(a + 2, b + 2) == 0))
			return keys[i].name;
	}
	return NULL;
}

/* The same with '_' or a blank for '-'. */
static const char *
similar(const char *s, const struct conf_key *keys, size_t n)
{
	char word[64];
	size_t i = 0;

	for (; s[i] && i < sizeof word - 1; i++)
		word[i] = s[i] == '_' || s[i] == ' ' ? '-' : s[i];
	word[i] = '\0';
	return near_miss(word, keys, n);
}

static int
unknown_key(struct conf_yaml *y, const yaml_node_t *node, const struct conf_key *keys, size_t n,
	    struct ls_err *err)
{
	const char *s = (const char *)node->data.scalar.value, *like = similar(s, keys, n);
	int rc;

	if (like)
		rc = conf_yaml_warn(y->conf, y->name, line_of(node),
				    "unknown key '%.60s' is ignored, did you mean '%s'?", s, like);
	else
		rc = conf_yaml_warn(y->conf, y->name, line_of(node),
				    "unknown key '%.60s' is ignored", s);
	return rc < 0 ? no_memory(err) : 0;
}

struct map {
	const struct conf_key *keys;
	size_t n;
	void *target;
	int merges; /* how deep */
};

static int
read_map(struct conf_yaml *y, yaml_node_t *node, const struct map *m, struct ls_err *err);

/* "<<: *other" or "<<: [*a, *b]", of which the first one that has a key counts. */
static int
merge(struct conf_yaml *y, yaml_node_t *node, const struct map *m, struct ls_err *err)
{
	struct map inner = *m;
	int rc = 0;

	if (++inner.merges > MERGES_MAX)
		return conf_yaml_error(y, node, err, "'<<' is nested too deeply");
	if (node->type != YAML_SEQUENCE_NODE)
		return read_map(y, node, &inner, err);
	for (yaml_node_item_t *i = node->data.sequence.items.top;
	     rc == 0 && i-- > node->data.sequence.items.start;) {
		yaml_node_t *item = yaml_document_get_node(&y->doc, *i);

		rc = item->type == YAML_SEQUENCE_NODE
			     ? conf_yaml_error(y, item, err, "'<<' wants a list of maps")
			     : read_map(y, item, &inner, err);
	}
	return rc;
}

static bool
is_merge(const yaml_node_t *key)
{
	return key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       strcmp((char *)key->data.scalar.value, "<<") == 0;
}

static int
read_pair(struct conf_yaml *y, yaml_node_t *key, yaml_node_t *value, const struct map *m,
	  struct ls_err *err)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp((char *)key->data.scalar.value, m->keys[i].name) == 0)
			return store_value(y, value, &m->keys[i], m->target, err);
	return unknown_key(y, key, m->keys, m->n, err);
}

static int
read_map(struct conf_yaml *y, yaml_node_t *node, const struct map *m, struct ls_err *err)
{
	int rc = 0;

	if (node->type != YAML_MAPPING_NODE)
		return conf_yaml_error(y, node, err, "'key: value' lines are wanted here");
	/* Merged maps first: what is written here counts more. */
	for (int pass = 0; pass < 2; pass++)
		for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
		     rc == 0 && p < node->data.mapping.pairs.top; p++) {
			yaml_node_t *key = yaml_document_get_node(&y->doc, p->key);
			yaml_node_t *value = yaml_document_get_node(&y->doc, p->value);

			if (++y->visits > CONF_YAML_VISITS_MAX)
				return conf_yaml_error(y, key, err, "too many merged values");
			if (!key || !value || key->type != YAML_SCALAR_NODE)
				return conf_yaml_error(y, key, err, "a key must be a word");
			if (is_merge(key) != (pass == 0))
				continue;
			rc = pass == 0 ? merge(y, value, m, err) : read_pair(y, key, value, m, err);
		}
	return rc;
}

int
conf_yaml_map(struct conf_yaml *y, yaml_node_t *node, const struct conf_key *keys, size_t n,
	      void *target, struct ls_err *err)
{
	const struct map m = {.keys = keys, .n = n, .target = target};

	return !node || is_null(node) ? 0 : read_map(y, node, &m, err);
}

int
conf_yaml_list(struct conf_yaml *y, yaml_node_t *node, const char *what, conf_item_fn *fn,
	       void *arg, struct ls_err *err)
{
	if (!node || is_null(node))
		return 0;
	if (node->type != YAML_SEQUENCE_NODE)
		return conf_yaml_error(y, node, err, "%s: a list is wanted here ('- ...')", what);
	if (node->data.sequence.items.top - node->data.sequence.items.start > CONF_YAML_ITEMS_MAX)
		return conf_yaml_error(y, node, err, "%s: more than %d items", what,
				       CONF_YAML_ITEMS_MAX);
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
