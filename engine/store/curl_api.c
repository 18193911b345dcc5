/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/curl_api.h"

#include "engine/store/dynlib.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static struct curl_api api;
static bool loaded;
static char reason[256];

static void
load(void)
{
	static const struct dynlib_symbol symbols[] = {
		{"curl_easy_init", &api.easy_init},
		{"curl_easy_setopt", &api.easy_setopt},
		{"curl_easy_perform", &api.easy_perform},
		{"curl_easy_getinfo", &api.easy_getinfo},
		{"curl_easy_strerror", &api.easy_strerror},
		{"curl_easy_cleanup", &api.easy_cleanup},
		{"curl_easy_reset", &api.easy_reset},
		{"curl_slist_append", &api.slist_append},
		{"curl_slist_free_all", &api.slist_free_all},
		{"curl_multi_init", &api.multi_init},
		{"curl_multi_setopt", &api.multi_setopt},
		{"curl_multi_add_handle", &api.multi_add_handle},
		{"curl_multi_remove_handle", &api.multi_remove_handle},
		{"curl_multi_perform", &api.multi_perform},
		{"curl_multi_poll", &api.multi_poll},
		{"curl_multi_info_read", &api.multi_info_read},
		{"curl_multi_cleanup", &api.multi_cleanup},
	};

	loaded = dynlib_load("libcurl.so.4", symbols, sizeof symbols / sizeof *symbols);
	if (!loaded) {
		const char *text = dlerror();

		snprintf(reason, sizeof reason, "%s", text ? text : "unknown");
	}
}

const struct curl_api *
curl_api_get(struct ls_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	if (loaded)
		return &api;
	ls_err_set(err, -ENOENT, "libcurl cannot be loaded (Debian: apt install libcurl4): %s",
		   reason);
	return NULL;
}
