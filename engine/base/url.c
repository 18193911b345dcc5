/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool
url_has_scheme(const char *s)
{
	const char *p = s;

	while (isalnum((unsigned char)*p) || *p == '_')
		p++;
	return p > s && strncmp(p, "://", 3) == 0;
}

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "URL: out of memory");
}

static int
hex(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n bytes of s. */
static int
decode(const char *s, size_t n, char **ret, struct ls_err *err)
{
	ls_autofree char *out = malloc(n + 1);
	size_t len = 0;

	if (!out)
		return no_memory(err);
	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)s[i];

		if (c == '%') {
			int hi = n - i > 2 ? hex(s[i + 1]) : -1, lo = hi < 0 ? -1 : hex(s[i + 2]);

			if (lo < 0)
				return ls_err_set(err, -EINVAL, "'%%' without two hex digits");
			c = hi << 4 | lo;
			i += 2;
		}
		if (c == 0)
			return ls_err_set(err, -EINVAL, "it holds a NUL byte");
		out[len++] = (char)c;
	}
	out[len] = '\0';
	*ret = ls_steal_ptr(&out);
	return 0;
}

int
url_decode(const char *s, char **ret, struct ls_err *err)
{
	return decode(s, strlen(s), ret, err);
}

/* "user[:password]", n bytes. */
static int
parse_userinfo(const char *s, size_t n, struct url *u, struct ls_err *err)
{
	const char *colon = memchr(s, ':', n);
	size_t user = colon ? (size_t)(colon - s) : n;
	int rc = decode(s, user, &u->user, err);

	if (rc == 0 && colon)
		rc = decode(colon + 1, n - user - 1, &u->password, err);
	return rc;
}

static int
parse_port(const char *s, size_t n, uint16_t *ret, struct ls_err *err)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]) || v > 6553)
			return ls_err_set(err, -EINVAL, "the port is not a number up to 65535");
		v = v * 10 + (unsigned)(s[i] - '0');
	}
	if (n == 0 || v == 0 || v > 65535)
		return ls_err_set(err, -EINVAL, "the port is not a number up to 65535");
	*ret = (uint16_t)v;
	return 0;
}

/* "host[:port]", n bytes; "[::1]:80"; an ARN has colons of its own and no port. */
static int
parse_host(const char *s, size_t n, struct url *u, struct ls_err *err)
{
	const char *end = s + n, *colon;
	int rc = 0;

	if (n && *s == '[') {
		const char *close = memchr(s, ']', n);

		if (!close || (close + 1 < end && close[1] != ':'))
			return ls_err_set(err, -EINVAL, "the address in '[' is not closed");
		if (close + 1 < end &&
		    (rc = parse_port(close + 2, (size_t)(end - close) - 2, &u->port, err)) < 0)
			return rc;
		u->host = strndup(s + 1, (size_t)(close - s) - 1);
		return u->host ? 0 : no_memory(err);
	}
	colon = n >= 4 && strncmp(s, "arn:", 4) == 0 ? NULL : memchr(s, ':', n);
	if (colon && (rc = parse_port(colon + 1, (size_t)(end - colon) - 1, &u->port, err)) < 0)
		return rc;
	return decode(s, colon ? (size_t)(colon - s) : n, &u->host, err);
}

static int
parse_file(const char *rest, struct url *u, struct ls_err *err)
{
	size_t n = strcspn(rest, "?");

	if (asprintf(&u->path, "%s%.*s", *rest == '/' ? "" : "/", (int)n, rest) < 0) {
		u->path = NULL;
		return no_memory(err);
	}
	u->host = strdup("");
	if (rest[n])
		u->query = strdup(rest + n + 1);
	return u->host && (u->query || !rest[n]) ? 0 : no_memory(err);
}

/* What comes after "scheme://". */
static int
parse_rest(const char *rest, struct url *u, struct ls_err *err)
{
	size_t n = strcspn(rest, "/?"), path;
	const char *at = memrchr(rest, '@', n);
	ls_autofree char *decoded = NULL;
	int rc;

	for (const char *p = rest; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '#')
			return ls_err_set(err, -EINVAL,
					  "a blank, '#' or control byte: write %%20, %%23, ...");
	if (at && (rc = parse_userinfo(rest, (size_t)(at - rest), u, err)) < 0)
		return rc;
	at = at ? at + 1 : rest;
	if ((rc = parse_host(at, n - (size_t)(at - rest), u, err)) < 0)
		return rc;
	path = strcspn(rest + n, "?");
	if ((rc = decode(rest + n, path, &decoded, err)) < 0)
		return rc;
	u->path = strndup(rest + n, path);
	if (rest[n + path])
		u->query = strdup(rest + n + path + 1);
	return u->path && (u->query || !rest[n + path]) ? 0 : no_memory(err);
}

int
url_parse(const char *s, struct url *ret, struct ls_err *err)
{
	LS_AUTO(url_done) struct url u = {0};
	const char *rest = strstr(s, "://");
	char shown[URL_SHOWN_MAX];
	int rc;

	url_redact(s, shown);
	if (!url_has_scheme(s))
		return ls_err_set(err, -EINVAL, "replica url scheme required: %s", shown);
	if (strlen(s) > URL_MAX)
		return ls_err_set(err, -EINVAL, "replica url '%s': longer than %d bytes", shown,
				  URL_MAX);
	u.scheme = strndup(s, (size_t)(rest - s));
	if (!u.scheme)
		return no_memory(err);
	for (char *p = u.scheme; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	rc = strcmp(u.scheme, "file") == 0 ? parse_file(rest + 3, &u, err)
					   : parse_rest(rest + 3, &u, err);
	if (rc < 0)
		return ls_err_wrap(err, rc, "replica url '%s'", shown);
	*ret = u;
	u = (struct url){0};
	return 0;
}

void
url_done(struct url *u)
{
	free(u->scheme);
	free(u->user);
	if (u->password)
		explicit_bzero(u->password, strlen(u->password));
	free(u->password);
	free(u->host);
	free(u->path);
	free(u->query);
	*u = (struct url){0};
}

int
url_param(const struct url *u, const char *name, char **ret, struct ls_err *err)
{
	const char *p = u->query;
	size_t len = strlen(name);

	*ret = NULL;
	while (p && *p) {
		size_t n = strcspn(p, "&");

		if (n >= len && strncmp(p, name, len) == 0 && (n == len || p[len] == '=')) {
			size_t skip = n == len ? len : len + 1;

			return decode(p + skip, n - skip, ret, err);
		}
		p += n + (p[n] == '&');
	}
	return 0;
}

/* Appends n bytes of s as far as there is room. */
static size_t
put(char *out, size_t at, const char *s, size_t n)
{
	for (size_t i = 0; i < n && at < URL_SHOWN_MAX - 1; i++)
		out[at++] = iscntrl((unsigned char)s[i]) ? '?' : s[i];
	return at;
}

static size_t
put_query(char *out, size_t at, const char *p)
{
	while (*p) {
		size_t n = strcspn(p, "&"), name = strcspn(p, "=&");

		/* A parameter without '=' may be the secret itself. */
		if (name < n)
			at = put(out, at, p, name + 1);
		at = put(out, at, "***", 3);
		p += n;
		if (*p)
			at = put(out, at, p++, 1);
	}
	return at;
}

const char *
url_redact(const char *s, char out[URL_SHOWN_MAX])
{
	const char *rest = strstr(s, "://"), *at, *query;
	size_t n = 0, authority;

	rest = rest ? rest + 3 : s;
	/* The last '@' before the query: a password may hold any byte, '/' too. */
	query = rest + strcspn(rest, "?");
	authority = (size_t)(query - rest);
	at = memrchr(rest, '@', authority);
	if (at && rest > s && strncmp(s, "file:", 5) == 0)
		at = NULL;
	n = put(out, 0, s, (size_t)(rest - s));
	if (at) {
		n = put(out, n, "***", 3);
		rest = at;
	}
	n = put(out, n, rest, (size_t)(query - rest));
	if (*query) {
		n = put(out, n, "?", 1);
		n = put_query(out, n, query + 1);
	}
	out[n] = '\0';
	return out;
}
