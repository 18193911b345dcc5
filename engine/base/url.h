/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url: a replica URL <-> its parts: scheme://[user[:password]@][host][:port][/path][?query].
 *
 * Strict: no control bytes, blanks, '#' or broken percent-escapes outside of "file" URLs, whose
 * path is the name of a directory byte for byte: after "file://" everything up to '?' is the path,
 * with a '/' in front if it has none (spec/contract.md 3.1).
 * Threads: immutable after url_parse().
 */
#ifndef ENGINE_BASE_URL_H
#define ENGINE_BASE_URL_H

#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { URL_MAX = 8192, URL_SHOWN_MAX = 200 };

struct url {
	char *scheme;	/* lower case */
	char *user;	/* decoded; NULL: none */
	char *password; /* decoded; NULL: none. Never in a message. */
	char *host;	/* without the brackets of an IPv6 address; "" if there is none */
	uint16_t port;	/* 0: none */
	char *path;	/* as written; "" or with a leading '/' */
	char *query;	/* as written, without '?'; NULL: none. Never in a message. */
};

/* Whether s begins with word characters and "://". */
bool url_has_scheme(const char *s);

/* -EINVAL; the text shows the URL redacted. Release *ret with url_done(). */
LS_MUST_USE int url_parse(const char *s, struct url *ret, struct ls_err *err);
void url_done(struct url *u);

/* Decodes percent-escapes; -EINVAL: broken, or a NUL. Caller frees *ret. */
LS_MUST_USE int url_decode(const char *s, char **ret, struct ls_err *err);

/* The decoded value of a query parameter; *ret is NULL if it is not there. Caller frees *ret. */
LS_MUST_USE int url_param(const struct url *u, const char *name, char **ret, struct ls_err *err);

/*
 * For messages: user information and query values become "***", control bytes '?', and it is cut to
 * fit. Takes any text, well formed or not. Returns out.
 */
const char *url_redact(const char *s, char out[URL_SHOWN_MAX]);

#endif
