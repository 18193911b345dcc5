/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_pool: handles of libcurl with the connections that they keep. One is used by one request at
 * a time; the one that spoke with the same host last is preferred. Threads: locked.
 */
#ifndef ENGINE_STORE_HTTP_POOL_H
#define ENGINE_STORE_HTTP_POOL_H

#include "engine/base/err.h"

#include <stdint.h>

struct http_handle {
	void *easy, *multi; /* CURL *, CURLM * */
	struct http_handle *next;
	uint64_t used_ms;
	char origin[280]; /* scheme://host:port of its last request, cut */
};

LS_MUST_USE int http_pool_take(const char *url, struct http_handle **ret, struct ls_err *err);
void http_pool_give(struct http_handle *h);

#endif
