/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl_api: libcurl, loaded when it is first needed.
 *
 * libcurl brings TLS, Kerberos, LDAP and more: 5 MB of memory in each process that links it, also
 * in a daemon whose replicas are directories. Declarations and constants are those of
 * <curl/curl.h>. Threads: any; the first call loads, the others wait for it.
 */
#ifndef ENGINE_STORE_CURL_API_H
#define ENGINE_STORE_CURL_API_H

#include "engine/base/err.h"

#include <curl/curl.h>

struct curl_api {
	CURL *(*easy_init)(void);
	CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
	CURLcode (*easy_perform)(CURL *curl);
	CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
	const char *(*easy_strerror)(CURLcode code);
	void (*easy_cleanup)(CURL *curl);
	void (*easy_reset)(CURL *curl);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
	CURLM *(*multi_init)(void);
	CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
	CURLMcode (*multi_add_handle)(CURLM *multi, CURL *curl);
	CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *curl);
	CURLMcode (*multi_perform)(CURLM *multi, int *running);
	CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *extra, unsigned n, int timeout_ms,
				int *ready);
	CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
	CURLMcode (*multi_cleanup)(CURLM *multi);
};

/* NULL: it is not installed, the text says what to install. */
const struct curl_api *curl_api_get(struct ls_err *err);

#endif
