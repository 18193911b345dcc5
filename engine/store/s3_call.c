/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/s3_call.h"

#include "engine/base/clock.h"
#include "engine/store/digest.h"
#include "engine/store/s3_error.h"

#include <stdio.h>
#include <string.h>

enum {
	TEXT_MAX = 16 << 10,
	MENDS_MAX = 3,
	REGION_MAX = 64,
	ALL_HEADERS_MAX = S3_HEADERS_MAX + 6,
	SKEW_S = 60,
};

/* What one attempt is made of. */
struct attempt {
	char *url, *where, *path, *query, *region;
	struct aws_key key;
	char date[SIGV4_DATE_LEN + 1], payload[DIGEST_SHA256_HEX + 1], auth[SIGV4_AUTH_MAX];
	char md5[DIGEST_MD5_BASE64];
	char *host;
	time_t now;
	struct sigv4_pair headers[ALL_HEADERS_MAX]; /* all but Authorization */
	size_t nheaders;
};

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "s3: out of memory");
}

void
s3_call_header(struct s3_request *q, const char *name, const char *value)
{
	q->headers[q->nheaders++] = (struct sigv4_pair){name, value};
}

void
s3_call_param(struct s3_request *q, const char *name, const char *value)
{
	q->query[q->nquery++] = (struct sigv4_pair){name, value};
}

unsigned
s3_call_flags(struct store_s3 *s)
{
	LS_AUTOLOCK(&s->lock);

	return s->place.flags | (atomic_load(&s->no_condition) ? S3_NO_CONDITION : 0);
}

static void
attempt_done(struct attempt *a)
{
	free(a->url);
	free(a->where);
	free(a->path);
	free(a->query);
	free(a->region);
	free(a->host);
	aws_creds_key_done(&a->key);
	explicit_bzero(a->auth, sizeof a->auth);
}

/* "s3://bucket/key" for messages. */
static char *
name_object(const struct store_s3 *s, const struct s3_request *q)
{
	return ls_buf_format("s3://%.80s%s%.200s", s->config.bucket, q->key ? "/" : "",
			     q->key ? q->key : "");
}

/* Appends what the path of the request is. */
static int
add_path(const struct store_s3 *s, const struct s3_request *q, struct ls_buf *b, struct ls_err *err)
{
	bool slash = q->key || !*s->place.base;

	if (ls_buf_printf(b, "%s%s", s->place.base, slash ? "/" : "") < 0)
		return no_memory(err);
	return q->key ? sigv4_encode(b, q->key, true, err) : 0;
}

static int
make_url(const struct store_s3 *s, const struct s3_request *q, struct attempt *a,
	 struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf path, query;
	struct sigv4_pair sorted[S3_QUERY_MAX];
	int rc;

	ls_buf_init(&path, TEXT_MAX);
	ls_buf_init(&query, TEXT_MAX);
	memcpy(sorted, q->query, sizeof sorted);
	if ((rc = add_path(s, q, &path, err)) < 0 ||
	    (rc = sigv4_query(sorted, q->nquery, &query, err)) < 0)
		return rc;
	if (!ls_buf_cstr(&path) || !ls_buf_cstr(&query))
		return no_memory(err);
	a->path = strdup(ls_buf_cstr(&path));
	a->query = strdup(ls_buf_cstr(&query));
	a->url = ls_buf_format("%s%s%s%s", s->place.origin, ls_buf_cstr(&path),
			       query.len ? "?" : "", ls_buf_cstr(&query));
	return a->path && a->query && a->url ? 0 : no_memory(err);
}

/* What is the same for all requests to this bucket, as it is now. */
static int
look_up(struct store_s3 *s, const struct s3_request *q, struct attempt *a, struct ls_err *err)
{
	LS_AUTOLOCK(&s->lock);
	int rc = make_url(s, q, a, err);

	if (rc < 0)
		return rc;
	a->now = (time_t)(clock_wall_ms() / 1000 + s->clock_ahead_s);
	a->region = strdup(s->place.region);
	a->host = strdup(s->place.host);
	a->where = name_object(s, q);
	return a->region && a->host && a->where ? 0 : no_memory(err);
}

static int
payload_hash(struct store_s3 *s, const struct s3_request *q, struct attempt *a, struct ls_err *err)
{
	struct store_source none = store_source_mem("", 0);
	const struct store_source *body = q->body ? q->body : &none;
	uint8_t sum[DIGEST_SHA256_LEN];
	int rc;

	if (q->body && !(s3_call_flags(s) & S3_SIGN_PAYLOAD)) {
		snprintf(a->payload, sizeof a->payload, "UNSIGNED-PAYLOAD");
		return 0;
	}
	if ((rc = digest_source(DIGEST_SHA256, body, 0, body->size, sum, err)) == 0)
		digest_hex(sum, sizeof sum, a->payload);
	return rc;
}

static bool
writes_object(const struct s3_request *q)
{
	return q->body && q->key && strcmp(q->method, "PUT") == 0;
}

static int
body_md5(struct store_s3 *s, const struct s3_request *q, struct attempt *a, struct ls_err *err)
{
	uint8_t sum[DIGEST_MD5_LEN];
	int rc;

	if (!writes_object(q) || !atomic_load(&s->put_md5))
		return 0;
	if ((rc = digest_source(DIGEST_MD5, q->body, 0, q->body->size, sum, err)) == 0)
		digest_base64(sum, sizeof sum, a->md5);
	return rc;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct sigv4_pair *)a)->name, ((const struct sigv4_pair *)b)->name);
}

static void
add(struct attempt *a, const char *name, const char *value)
{
	a->headers[a->nheaders++] = (struct sigv4_pair){name, value};
}

static bool
is_signed(const struct sigv4_pair *h)
{
	return strcmp(h->name, "host") == 0 || strncmp(h->name, "x-amz-", 6) == 0;
}

static int
sign(struct store_s3 *s, const struct s3_request *q, struct attempt *a, struct ls_err *err)
{
	struct sigv4_pair list[ALL_HEADERS_MAX];
	struct sigv4_request r = {.method = q->method,
				  .path = a->path,
				  .query = a->query,
				  .headers = list,
				  .payload = a->payload,
				  .region = a->region,
				  .service = "s3",
				  .time = a->now};

	sigv4_date(a->now, a->date);
	add(a, "host", a->host);
	add(a, "x-amz-date", a->date);
	add(a, "x-amz-content-sha256", a->payload);
	if (a->key.token.text)
		add(a, "x-amz-security-token", a->key.token.text);
	if (*a->md5)
		add(a, "content-md5", a->md5);
	if (s3_call_flags(s) & S3_TIGRIS)
		add(a, "x-tigris-consistent", "true");
	for (size_t i = 0; i < q->nheaders; i++)
		add(a, q->headers[i].name, q->headers[i].value);
	qsort(a->headers, a->nheaders, sizeof *a->headers, by_name);
	for (size_t i = 0; i < a->nheaders; i++)
		if (is_signed(&a->headers[i]))
			list[r.nheaders++] = a->headers[i];
	return sigv4_sign(&r, a->key.access, a->key.secret.text, a->auth, err);
}

static int
send_it(struct store_s3 *s, const struct store_call *call, const struct s3_request *q,
	struct attempt *a, struct http_answer *ret, struct ls_err *err)
{
	struct http_tls tls = {.ca_file = s->ca_file,
			       .client_cert = s->config.client_cert,
			       .client_key = s->config.client_key,
			       .skip_verify = s->config.skip_verify};
	const char *lines[ALL_HEADERS_MAX + 1];
	struct http_request h = {.method = q->method,
				 .url = a->url,
				 .headers = lines,
				 .body = q->body,
				 .tls = &tls,
				 .call = call,
				 .connect_ms = s->config.connect_ms,
				 .stall_ms = s->config.stall_ms,
				 .buf = q->buf,
				 .cap = q->cap,
				 .skip = q->skip};
	char *made[ALL_HEADERS_MAX + 1];
	int rc = 0;

	for (size_t i = 0; i < a->nheaders; i++)
		if (strcmp(a->headers[i].name, "host") != 0)
			lines[h.nheaders] = made[h.nheaders] =
				ls_buf_format("%s: %s", a->headers[i].name, a->headers[i].value),
			h.nheaders++;
	lines[h.nheaders] = made[h.nheaders] = ls_buf_format("Authorization: %s", a->auth);
	h.nheaders++;
	for (size_t i = 0; i < h.nheaders; i++)
		if (!made[i])
			rc = no_memory(err);
	if (rc == 0)
		rc = http_do(&h, ret, err);
	for (size_t i = 0; i < h.nheaders; i++)
		secret_wipe(made[i]);
	return rc;
}

/* ---- what a second try can mend ---- */

static bool
mend_region(struct store_s3 *s, const struct attempt *a, const char *region)
{
	LS_AUTOLOCK(&s->lock);

	if (!*region || strcmp(region, a->region) == 0 || (s->config.region && *s->config.region))
		return false;
	return strcmp(s->place.region, region) == 0 ||
	       s3_place_move(&s->config, region, &s->place, NULL) == 0;
}

static bool
mend_clock(struct store_s3 *s, const struct s3_answer *r, const struct attempt *a)
{
	char text[64];
	struct tm tm = {0};
	int64_t there;

	http_header_text(&r->http, "date", text, sizeof text);
	if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return false;
	there = timegm(&tm);
	if (llabs(there - (int64_t)a->now) < SKEW_S)
		return false;
	LS_AUTOLOCK(&s->lock);
	s->clock_ahead_s = there - clock_wall_ms() / 1000;
	return true;
}

/* "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock
 * parameters" */
static bool
mend_md5(struct store_s3 *s, const struct attempt *a)
{
	if (*a->md5 || s3_call_flags(s) & S3_NO_MD5)
		return false;
	atomic_store(&s->put_md5, true);
	return true;
}

static bool
mend(struct store_s3 *s, const struct s3_request *q, const struct s3_answer *r,
     const struct attempt *a, const char *region)
{
	int status = r->http.status;

	if (status == 400 && strcmp(r->code, "InvalidRequest") == 0 && writes_object(q))
		return mend_md5(s, a);
	if (status == 301 || status == 307 || (status == 400 && *region) ||
	    (status == 403 && *region && strcmp(r->code, "AccessDenied") != 0))
		return mend_region(s, a, region);
	if (strcmp(r->code, "RequestTimeTooSkewed") == 0)
		return mend_clock(s, r, a);
	if (strcmp(r->code, "ExpiredToken") == 0 || strcmp(r->code, "InvalidToken") == 0 ||
	    strcmp(r->code, "TokenRefreshRequired") == 0)
		return aws_creds_expired(s->creds, &a->key);
	return false;
}

/* A request that has gone out, whatever became of it. */
static void
count(const struct store_s3 *s, const struct s3_request *q, const struct http_answer *a)
{
	struct store_counts *c = s->counts;
	bool deletes = *q->method == 'D' || (q->nquery && strcmp(q->query[0].name, "delete") == 0);

	if (!c)
		return;
	atomic_fetch_add(deletes	     ? &c->dels
			 : *q->method == 'P' ? &c->puts
			 : *q->method == 'H' ? &c->heads
			 : q->key	     ? &c->gets
					     : &c->lists,
			 1);
	if (*q->method == 'P' && q->body && q->key)
		atomic_fetch_add(&c->bytes_written, q->body->size);
	if (*q->method == 'G')
		atomic_fetch_add(&c->bytes_read, a->n + a->text.len);
}

/* *ret_again: something was mended, try again. */
static int
try(struct store_s3 *s, const struct store_call *call, const struct s3_request *q,
    struct s3_answer *ret, bool *ret_again, struct ls_err *err)
{
	LS_AUTO(attempt_done) struct attempt a = {0};
	char region[REGION_MAX] = "";
	int rc;

	if ((rc = look_up(s, q, &a, err)) < 0 ||
	    (rc = aws_creds_get(s->creds, call, &a.key, err)) < 0 ||
	    (rc = payload_hash(s, q, &a, err)) < 0 || (rc = body_md5(s, q, &a, err)) < 0 ||
	    (rc = sign(s, q, &a, err)) < 0 || (rc = store_call_check(call, err)) < 0)
		return rc;
	rc = send_it(s, call, q, &a, &ret->http, err);
	count(s, q, &ret->http);
	if (rc < 0)
		return ls_err_wrap(err, rc, "%s", a.where);
	if (ret->http.status / 100 == 2)
		return 0;
	s3_error_read(ret, region, sizeof region);
	if ((*ret_again = mend(s, q, ret, &a, region)))
		return -EAGAIN;
	LS_AUTOLOCK(&s->lock);
	return s3_error_set(ret, q, a.where, &s->place, err);
}

int
s3_call(struct store_s3 *s, const struct store_call *call, const struct s3_request *q,
	struct s3_answer *ret, struct ls_err *err)
{
	bool again = true;
	int rc = 0;

	*ret = (struct s3_answer){0};
	for (int i = 0; again && i <= MENDS_MAX; i++) {
		s3_call_done(ret);
		again = false;
		rc = try(s, call, q, ret, &again, err);
	}
	return again ? ls_err_set(err, -EIO,
				  "s3://%.80s: the server contradicts itself on region, "
				  "clock or credentials",
				  s->config.bucket)
		     : rc;
}

void
s3_call_done(struct s3_answer *a)
{
	http_answer_done(&a->http);
	*a = (struct s3_answer){0};
}
