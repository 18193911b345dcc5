/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4: AWS Signature Version 4 of one HTTP request. Pure functions: the time is given.
 *
 * What is signed is the request as it is sent: path and query percent-encoded once, the query
 * sorted, "host" and every "x-amz-*" header. Names of headers are in lower case and sorted by the
 * caller. Source: spec/storage.md A2.3. Threads: any.
 */
#ifndef ENGINE_STORE_SIGV4_H
#define ENGINE_STORE_SIGV4_H

#include "engine/base/buf.h"

#include <time.h>

enum { SIGV4_DATE_LEN = 16 /* 20260131T235959Z */, SIGV4_AUTH_MAX = 1024 };

struct sigv4_pair {
	const char *name, *value;
};

struct sigv4_request {
	const char *method;
	const char *path;  /* encoded, begins with '/' */
	const char *query; /* as sigv4_query() makes it; "" */
	const struct sigv4_pair *headers;
	size_t nheaders;
	const char *payload; /* hex SHA-256 of the body, or "UNSIGNED-PAYLOAD" */
	const char *region, *service;
	time_t time;
};

/* Adds text to b with every byte escaped but letters, digits, "-._~" and, if slash, '/'. */
LS_MUST_USE int sigv4_encode(struct ls_buf *b, const char *text, bool slash, struct ls_err *err);
/* "name=value&..." of n pairs, encoded, sorted by encoded name; sorts v. */
LS_MUST_USE int sigv4_query(struct sigv4_pair *v, size_t n, struct ls_buf *ret, struct ls_err *err);

void sigv4_date(time_t t, char out[SIGV4_DATE_LEN + 1]);
/* The value of the Authorization header. */
LS_MUST_USE int sigv4_sign(const struct sigv4_request *q, const char *access_key,
			   const char *secret_key, char out[SIGV4_AUTH_MAX], struct ls_err *err);

#endif
