/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/http_pool.h"

#include "engine/base/clock.h"
#include "engine/store/curl_api.h"

#include <stdio.h>
#include <string.h>

enum { IDLE_MS = 90000, HANDLE_CONNECTIONS = 2 };

static struct {
	pthread_mutex_t lock;
	struct http_handle *idle; /* the last used first */
} pool = {PTHREAD_MUTEX_INITIALIZER, NULL};

static void
destroy(struct http_handle *h)
{
	const struct curl_api *api = curl_api_get(NULL);

	while (h) {
		struct http_handle *next = h->next;

		api->easy_cleanup(h->easy);
		api->multi_cleanup(h->multi);
		free(h);
		h = next;
	}
}

static int
create(struct http_handle **ret, struct ls_err *err)
{
	const struct curl_api *api = curl_api_get(err);
	struct http_handle *h;

	if (!api)
		return err ? err->code : -ENOENT;
	if (!(h = calloc(1, sizeof *h)))
		return ls_err_set(err, -ENOMEM, "out of memory");
	h->easy = api->easy_init();
	h->multi = api->multi_init();
	if (!h->easy || !h->multi) {
		if (h->easy)
			api->easy_cleanup(h->easy);
		if (h->multi)
			api->multi_cleanup(h->multi);
		free(h);
		return ls_err_set(err, -ENOMEM, "out of memory");
	}
	api->multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)HANDLE_CONNECTIONS);
	*ret = h;
	return 0;
}

static void
set_origin(const char *url, char *out, size_t cap)
{
	const char *host = strstr(url, "://");
	size_t n = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?") : strlen(url);

	snprintf(out, cap, "%.*s", (int)n, url);
}

int
http_pool_take(const char *url, struct http_handle **ret, struct ls_err *err)
{
	char origin[sizeof(*ret)->origin];
	struct http_handle **at, *h = NULL;
	int rc = 0;

	set_origin(url, origin, sizeof origin);
	pthread_mutex_lock(&pool.lock);
	for (at = &pool.idle; *at && strcmp((*at)->origin, origin) != 0;)
		at = &(*at)->next;
	if (*at) {
		h = *at;
		*at = h->next;
	}
	pthread_mutex_unlock(&pool.lock);
	if (!h && (rc = create(&h, err)) < 0)
		return rc;
	h->next = NULL;
	memcpy(h->origin, origin, sizeof origin);
	*ret = h;
	return 0;
}

void
http_pool_give(struct http_handle *h)
{
	struct http_handle **at, *old;

	h->used_ms = clock_mono_ms();
	pthread_mutex_lock(&pool.lock);
	h->next = pool.idle;
	pool.idle = h;
	for (at = &pool.idle; *at && (*at)->used_ms + IDLE_MS > h->used_ms;)
		at = &(*at)->next;
	old = *at; /* it and all behind it */
	*at = NULL;
	pthread_mutex_unlock(&pool.lock);
	destroy(old);
}
