/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: one request, one answer, over libcurl. It knows nothing of storage: what a status means is
 * the caller's.
 *
 * Connections are kept and used again by whoever asks the same host next; there are never more than
 * requests at one time. Verification of certificates is on. Proxies come from the environment
 * (http_proxy, https_proxy, no_proxy), never for this host itself. Redirects are not followed.
 * A request ends when it is done, when its token fires or its deadline passes, and when nothing
 * moves for stall_ms; there is no limit on the whole of it.
 *
 * Errors: -EAGAIN (no connection, cut, reset; try again), -ETIMEDOUT, -ECANCELED, -EACCES (the
 * certificate), -EINVAL (the URL, a file of certificates). An answer with any status is success.
 * Threads: any.
 */
#ifndef ENGINE_STORE_HTTP_H
#define ENGINE_STORE_HTTP_H

#include "engine/base/buf.h"
#include "engine/store/store.h"

enum { HTTP_TEXT_MAX = 32 << 20, HTTP_STALL_MS = 60000, HTTP_CONNECT_MS = 10000 };

/* How a server is reached. Strings are borrowed; NULL or "": not given. */
struct http_tls {
	const char *ca_file;		      /* PEM bundle, instead of the system's */
	const char *client_cert, *client_key; /* PEM */
	bool skip_verify;
};

struct http_request {
	const char *method;
	const char *url;	    /* sent byte for byte */
	const char *const *headers; /* "Name: value" */
	size_t nheaders;
	const struct store_source *body; /* NULL: none */
	const struct http_tls *tls;	 /* NULL: defaults */
	const struct store_call *call;
	unsigned connect_ms, stall_ms; /* 0: HTTP_CONNECT_MS, HTTP_STALL_MS */
	bool no_proxy;
	/* Where the body of a 2xx answer goes; NULL: to answer.text, as all others do. An answer
	 * of status 200 begins at byte 0 of the object, so skip bytes are left out of it. */
	void *buf;
	size_t cap;
	uint64_t skip;
};

struct http_answer {
	int status;
	size_t n;	       /* bytes in buf */
	struct ls_buf text;    /* body, at most HTTP_TEXT_MAX */
	struct ls_buf headers; /* "name: value\n", names in lower case, of the last answer */
};

/* ret->text and ret->headers are there also on failure, as far as they came, n too: release with
 * http_answer_done(). */
LS_MUST_USE int http_do(const struct http_request *q, struct http_answer *ret, struct ls_err *err);
void http_answer_done(struct http_answer *a);

/* The value of a header (lower-case name) up to the end of its line, or NULL. */
const char *http_header(const struct http_answer *a, const char *name, size_t *ret_n);
/* The same as text, cut to fit; "" if it is not there. Returns out. */
const char *http_header_text(const struct http_answer *a, const char *name, char *out, size_t cap);

/* One line as it came, with its end: kept for http_header(). Of several answers the last one stays.
 * -ENOMEM: too many. */
LS_MUST_USE int http_keep_header(struct http_answer *a, const char *line, size_t n);

#endif
