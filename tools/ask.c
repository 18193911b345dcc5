/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/ask.h"

#include "engine/base/buf.h"
#include "engine/store/curl_api.h"

enum { ANSWER_MAX = 16 << 20, GRACE_MS = 2000 };

struct question {
	const char *socket, *verb;
	int64_t timeout_s;
};

static size_t
take(char *p, size_t size, size_t n, void *arg)
{
	return ls_buf_append(arg, p, size * n) < 0 ? 0 : size * n;
}

static int
perform(CURL *curl, const struct question *q, json_t **ret, struct ls_err *err)
{
	const struct curl_api *api = curl_api_get(NULL);
	LS_AUTO(ls_buf_done) struct ls_buf answer;
	json_t *value;
	CURLcode rc;
	long status = 0;

	ls_buf_init(&answer, ANSWER_MAX);
	api->easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	api->easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	rc = api->easy_perform(curl);
	if (rc == CURLE_COULDNT_CONNECT)
		return ls_err_set(err, -ENOENT,
				  "failed to connect to control socket: %s: is a daemon running "
				  "with 'socket: enabled: true'?",
				  q->socket);
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return ls_err_set(err, -ETIMEDOUT, "%s failed: no answer within %d s", q->verb,
				  (int)q->timeout_s);
	if (rc != CURLE_OK)
		return ls_err_set(err, -EIO, "%s failed: %s", q->verb, api->easy_strerror(rc));
	api->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	value = json_loadb((char *)answer.p, answer.len, 0, NULL);
	if (status == 200 && json_is_object(value)) {
		*ret = value;
		return 0;
	}
	if (json_string_value(json_object_get(value, "error")))
		ls_err_set(err, -EIO, "%s failed: %s", q->verb,
			   json_string_value(json_object_get(value, "error")));
	else
		ls_err_set(err, -EIO, "%s failed: HTTP status %ld", q->verb, status);
	json_decref(value);
	return -EIO;
}

int
ask_daemon(const char *socket, int64_t timeout_s, const char *verb, const char *body, json_t **ret,
	   struct ls_err *err)
{
	const struct question question = {socket, verb, timeout_s}, *q = &question;
	ls_autofree char *url = ls_buf_format("http://localhost/%s", verb);
	const struct curl_api *api = curl_api_get(err);
	CURL *curl = api ? api->easy_init() : NULL;
	int rc;

	if (!api)
		return err->code;
	if (!curl || !url) {
		api->easy_cleanup(curl);
		return ls_err_set(err, -ENOMEM, "out of memory");
	}
	api->easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, q->socket);
	api->easy_setopt(curl, CURLOPT_URL, url);
	api->easy_setopt(curl, CURLOPT_PROXY, "");
	api->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* The daemon answers in time, and says more than a broken connection does. */
	api->easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(q->timeout_s * 1000 + GRACE_MS));
	if (body)
		api->easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	rc = perform(curl, q, ret, err);
	api->easy_cleanup(curl);
	return rc;
}
