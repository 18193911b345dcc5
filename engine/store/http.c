/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/http.h"

#include "engine/base/clock.h"
#include "engine/store/curl_api.h"
#include "engine/store/http_pool.h"
#include "engine/store/http_silence.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	HEADERS_MAX = 64 << 10,
	POLL_MS = 1000,
	LEASE_POLL_MS = 100,
	CONNECTION_AGE_S = 90,
	RECEIVE_BUFFER = 256 << 10,
	SEND_BUFFER = 512 << 10,
	ERROR_TEXT_MAX = 300,
	SILENT_MS = 5000, /* without a sign of life */
	WAITED_MS = 1000, /* less says nothing of the server */
};

struct exchange {
	const struct curl_api *api;
	const struct http_request *q;
	struct http_answer *a;
	CURL *easy;
	const char *origin;
	uint64_t sent, skipped;
	uint64_t alive_ms; /* when something moved last */
	bool answered;	   /* a part of an answer has come */
	bool full;	   /* buf holds all it can, the rest is not wanted */
	bool failed;	   /* err of the callback is set */
	struct ls_err err; /* what a callback failed with */
	char text[CURL_ERROR_SIZE];
};

/* ---- callbacks ---- */

int
http_keep_header(struct http_answer *a, const char *p, size_t len)
{
	struct ls_buf *h = &a->headers;
	size_t colon = 0;

	if (len >= 5 && strncmp(p, "HTTP/", 5) == 0) { /* a new answer, after 100 Continue too */
		h->len = 0;
		return 0;
	}
	while (colon < len && p[colon] != ':')
		colon++;
	if (colon == len)
		return 0;
	if (ls_buf_append(h, p, len) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < colon; i++)
		h->p[h->len - len + i] = (uint8_t)tolower(h->p[h->len - len + i]);
	while (h->len && strchr("\r\n \t", h->p[h->len - 1]) && h->p[h->len - 1])
		h->len--;
	return ls_buf_append(h, "\n", 1) < 0 ? -ENOMEM : 0;
}

static size_t
take_header(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;

	x->answered = true;
	x->alive_ms = clock_mono_ms();
	return http_keep_header(x->a, p, size * n) < 0 ? 0 : size * n;
}

static size_t
take_into_buf(struct exchange *x, long status, const char *p, size_t len)
{
	const struct http_request *q = x->q;
	size_t n = len;

	if (status == 200 && x->skipped < q->skip) {
		size_t skip = q->skip - x->skipped < n ? (size_t)(q->skip - x->skipped) : n;

		x->skipped += skip;
		p += skip;
		n -= skip;
	}
	if (n > q->cap - x->a->n) {
		n = q->cap - x->a->n;
		x->full = true;
	}
	memcpy((char *)q->buf + x->a->n, p, n);
	x->a->n += n;
	return x->full ? 0 : len;
}

static size_t
take_body(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	long status = 0;

	x->alive_ms = clock_mono_ms();
	x->api->easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	if (x->q->buf && status / 100 == 2)
		return take_into_buf(x, status, p, size * n);
	if (ls_buf_append(&x->a->text, p, size * n) == 0)
		return size * n;
	ls_err_set(&x->err, -EBADMSG, "an answer of more than %d MiB", HTTP_TEXT_MAX >> 20);
	x->failed = true;
	return 0;
}

static size_t
give_body(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	const struct store_source *body = x->q->body;
	uint64_t left = body->size - x->sent;
	size_t len = size * n < left ? size * n : (size_t)left;

	if (len && body->read(body->arg, x->sent, p, len, &x->err) < 0) {
		x->failed = true;
		return CURL_READFUNC_ABORT;
	}
	x->sent += len;
	x->alive_ms = clock_mono_ms();
	return len;
}

static int
seek_body(void *arg, curl_off_t off, int origin)
{
	struct exchange *x = arg;

	if (origin != SEEK_SET || off < 0 || (uint64_t)off > x->q->body->size)
		return CURL_SEEKFUNC_FAIL;
	x->sent = (uint64_t)off;
	return CURL_SEEKFUNC_OK;
}

/* No child that is started meanwhile inherits it. */
static int
close_on_exec(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg;
	(void)purpose;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? CURL_SOCKOPT_ERROR : CURL_SOCKOPT_OK;
}

/* ---- one request ---- */

static bool
given(const char *s)
{
	return s && *s;
}

static void
set_tls(struct exchange *x)
{
	const struct curl_api *api = x->api;
	const struct http_tls *t = x->q->tls;

	if (!t)
		return;
	if (given(t->ca_file))
		api->easy_setopt(x->easy, CURLOPT_CAINFO, t->ca_file);
	if (given(t->client_cert))
		api->easy_setopt(x->easy, CURLOPT_SSLCERT, t->client_cert);
	if (given(t->client_key))
		api->easy_setopt(x->easy, CURLOPT_SSLKEY, t->client_key);
	if (t->skip_verify) {
		api->easy_setopt(x->easy, CURLOPT_SSL_VERIFYPEER, 0L);
		api->easy_setopt(x->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void
set_times(struct exchange *x)
{
	const struct http_request *q = x->q;
	unsigned stall_ms = q->stall_ms ? q->stall_ms : HTTP_STALL_MS;
	unsigned connect_ms = q->connect_ms ? q->connect_ms : HTTP_CONNECT_MS;
	unsigned patience_ms = q->call ? q->call->patience_ms : 0;

	if (patience_ms && patience_ms < stall_ms)
		stall_ms = patience_ms;
	if (patience_ms && patience_ms < connect_ms)
		connect_ms = patience_ms;
	x->api->easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	x->api->easy_setopt(x->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	x->api->easy_setopt(x->easy, CURLOPT_LOW_SPEED_TIME, (long)((stall_ms + 999) / 1000));
	x->api->easy_setopt(x->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	x->api->easy_setopt(x->easy, CURLOPT_MAXAGE_CONN, (long)CONNECTION_AGE_S);
}

static void
set_body(struct exchange *x)
{
	const struct curl_api *api = x->api;

	if (strcmp(x->q->method, "HEAD") == 0)
		api->easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
	else if (x->q->body) {
		api->easy_setopt(x->easy, CURLOPT_UPLOAD, 1L);
		api->easy_setopt(x->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->q->body->size);
		api->easy_setopt(x->easy, CURLOPT_READFUNCTION, give_body);
		api->easy_setopt(x->easy, CURLOPT_READDATA, x);
		api->easy_setopt(x->easy, CURLOPT_SEEKFUNCTION, seek_body);
		api->easy_setopt(x->easy, CURLOPT_SEEKDATA, x);
		api->easy_setopt(x->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BUFFER);
	}
	api->easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, x->q->method);
	api->easy_setopt(x->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
	api->easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, take_header);
	api->easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
	api->easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, take_body);
	api->easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
}

static bool
is_loopback(const char *url)
{
	const char *host = strstr(url, "://");

	return host && (strncmp(host + 3, "127.", 4) == 0 || strncmp(host + 3, "[::1]", 5) == 0 ||
			strncmp(host + 3, "localhost", 9) == 0);
}

static void
set_all(struct exchange *x, const struct curl_slist *headers)
{
	const struct curl_api *api = x->api;

	api->easy_setopt(x->easy, CURLOPT_URL, x->q->url);
	api->easy_setopt(x->easy, CURLOPT_PATH_AS_IS, 1L);
	api->easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	api->easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
	api->easy_setopt(x->easy, CURLOPT_HTTPHEADER, headers);
	api->easy_setopt(x->easy, CURLOPT_USERAGENT, "litestream-c/" PACKAGE_VERSION);
	api->easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->text);
	api->easy_setopt(x->easy, CURLOPT_SOCKOPTFUNCTION, close_on_exec);
	if (x->q->no_proxy || is_loopback(x->q->url))
		api->easy_setopt(x->easy, CURLOPT_NOPROXY, "*");
	set_tls(x);
	set_times(x);
	set_body(x);
}

static bool
is_patient(const struct exchange *x)
{
	return !x->q->call || !x->q->call->patience_ms;
}

static int
wait_some(struct exchange *x, CURLM *multi, struct ls_err *err)
{
	const struct store_call *call = x->q->call;
	struct curl_waitfd stop = {.fd = call ? stop_fd(call->stop) : -1,
				   .events = CURL_WAIT_POLLIN};
	uint64_t now = clock_mono_ms(), ms = POLL_MS;

	if (call && call->deadline_ms && call->deadline_ms < now + ms)
		ms = call->deadline_ms > now ? call->deadline_ms - now : 0;
	if (call && call->until_ms)
		ms = ms < LEASE_POLL_MS ? ms : LEASE_POLL_MS;
	if (!x->answered && now >= x->alive_ms + SILENT_MS)
		(void)http_silence_wait(x->origin, x->alive_ms, is_patient(x));
	x->api->multi_poll(multi, &stop, stop.fd >= 0, (int)ms, NULL);
	return store_call_check(call, err);
}

/* Until it has ended. *ret: how, in libcurl's terms. */
static int
run(struct exchange *x, CURLM *multi, CURLcode *ret, struct ls_err *err)
{
	for (;;) {
		CURLMsg *m;
		int running = 0, left, rc;

		if (x->api->multi_perform(multi, &running) != CURLM_OK)
			return ls_err_set(err, -EIO, "libcurl failed");
		while ((m = x->api->multi_info_read(multi, &left)))
			if (m->msg == CURLMSG_DONE) {
				*ret = m->data.result;
				return 0;
			}
		if (!running)
			return ls_err_set(err, -EIO, "libcurl lost the request");
		if ((rc = wait_some(x, multi, err)) < 0)
			return rc;
	}
}

static const char *
certificate_advice(CURLcode c)
{
	return c == CURLE_PEER_FAILED_VERIFICATION
		       ? ": set ca-file (or AWS_CA_BUNDLE) to the authority that signed it"
		       : "";
}

static int
curl_error(struct exchange *x, CURLcode c, struct ls_err *err)
{
	const char *text = x->text[0] ? x->text : x->api->easy_strerror(c);

	switch (c) {
	case CURLE_OPERATION_TIMEDOUT:
		return ls_err_set(err, -ETIMEDOUT, "%.*s", ERROR_TEXT_MAX, text);
	case CURLE_OUT_OF_MEMORY:
		return ls_err_set(err, -ENOMEM, "out of memory");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
		return ls_err_set(err, -EACCES, "%.*s%s", ERROR_TEXT_MAX, text,
				  certificate_advice(c));
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_SSL_CACERT_BADFILE:
		return ls_err_set(err, -EINVAL, "%.*s", ERROR_TEXT_MAX, text);
	default:
		return ls_err_set(err, -EAGAIN, "%.*s", ERROR_TEXT_MAX, text);
	}
}

static int
finish(struct exchange *x, CURLcode c, struct ls_err *err)
{
	long status = 0;

	x->api->easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	x->a->status = (int)status;
	if (c == CURLE_OK || x->full)
		return 0;
	if (x->failed) {
		if (err)
			*err = x->err;
		return x->err.code;
	}
	return curl_error(x, c, err);
}

static int
exchange(struct exchange *x, struct http_handle *h, struct ls_err *err)
{
	struct curl_slist *list = NULL;
	CURLcode c = CURLE_OK;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < x->q->nheaders; i++) {
		struct curl_slist *more = x->api->slist_append(list, x->q->headers[i]);

		if (more)
			list = more;
		else
			rc = ls_err_set(err, -ENOMEM, "out of memory");
	}
	if (rc == 0) {
		set_all(x, list);
		x->api->multi_add_handle(h->multi, x->easy);
		rc = run(x, h->multi, &c, err);
		if (rc == 0)
			rc = finish(x, c, err);
		x->api->multi_remove_handle(h->multi, x->easy);
		x->api->easy_reset(x->easy);
	}
	x->api->slist_free_all(list);
	return rc;
}

/* Unless the server is known to be silent, and that is not waited for. */
static int
ask(struct exchange *x, struct http_handle *h, struct ls_err *err)
{
	bool use = true;
	int rc;

	x->origin = h->origin;
	x->alive_ms = clock_mono_ms();
	if (!http_silence_enter(h->origin, is_patient(x))) {
		rc = ls_err_set(err, -ETIMEDOUT, "%s does not answer", h->origin);
		use = false; /* that would be waiting, too */
	} else {
		rc = exchange(x, h, err);
		if (x->answered)
			http_silence_end(h->origin);
		else if (rc == -ETIMEDOUT && clock_mono_ms() >= x->alive_ms + WAITED_MS)
			use = http_silence_wait(h->origin, x->alive_ms, is_patient(x));
	}
	if (!use && err)
		err->retry = false;
	return rc;
}

int
http_do(const struct http_request *q, struct http_answer *ret, struct ls_err *err)
{
	struct exchange x = {.q = q, .a = ret};
	struct http_handle *h;
	int rc;

	*ret = (struct http_answer){0};
	ls_buf_init(&ret->text, HTTP_TEXT_MAX);
	ls_buf_init(&ret->headers, HEADERS_MAX);
	if ((rc = http_pool_take(q->url, &h, err)) < 0)
		return rc;
	x.api = curl_api_get(NULL);
	x.easy = h->easy;
	rc = ask(&x, h, err);
	http_pool_give(h);
	return rc;
}

void
http_answer_done(struct http_answer *a)
{
	ls_buf_done(&a->text);
	ls_buf_done(&a->headers);
}

/* ---- headers of an answer ---- */

const char *
http_header(const struct http_answer *a, const char *name, size_t *ret_n)
{
	const char *p = a->headers.p ? (const char *)a->headers.p : "";
	const char *end = p + a->headers.len;
	size_t n = strlen(name);

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		if ((size_t)(eol - p) > n && memcmp(p, name, n) == 0 && p[n] == ':') {
			for (p += n + 1; p < eol && (*p == ' ' || *p == '\t'); p++)
				;
			*ret_n = (size_t)(eol - p);
			return p;
		}
		p = eol + 1;
	}
	return NULL;
}

const char *
http_header_text(const struct http_answer *a, const char *name, char *out, size_t cap)
{
	size_t n = 0;
	const char *p = http_header(a, name, &n);

	snprintf(out, cap, "%.*s", (int)(p ? n : 0), p ? p : "");
	return out;
}
