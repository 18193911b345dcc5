/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/s3_parts.h"

#include "engine/base/clock.h"
#include "engine/base/job.h"
#include "engine/store/s3_list.h"
#include "engine/store/s3_put.h"
#include "engine/store/xml.h"

#include <stdio.h>
#include <string.h>

enum { ID_MAX = 1024, TRIES = 5, BASE_MS = 100, MAX_MS = 5000, BODY_MAX = 4 << 20 };

struct parts {
	struct store_s3 *s;
	const struct store_call *call;
	const char *key;
	const struct store_source *src;
	uint64_t part_size;
	unsigned n;
	char id[ID_MAX];
	char (*etags)[STORE_ETAG_MAX];
};

/* Bytes of the source from off on. */
struct window {
	const struct store_source *src;
	uint64_t off;
};

uint64_t
s3_parts_size(const struct s3_config *c, uint64_t object_size)
{
	uint64_t want = c->part_size ? c->part_size : S3_PART_MIN,
		 least = (object_size + S3_PARTS_MAX - 1) / S3_PARTS_MAX;

	return want > least ? want : least;
}

static int
read_window(void *arg, uint64_t off, void *p, size_t n, struct ls_err *err)
{
	const struct window *w = arg;

	return w->src->read(w->src->arg, w->off + off, p, n, err);
}

static int
take_id(void *arg, const char *path, const char *text, struct ls_err *err)
{
	struct parts *p = arg;

	(void)err;
	if (strcmp(path, "InitiateMultipartUploadResult/UploadId") == 0)
		snprintf(p->id, sizeof p->id, "%s", text);
	return 0;
}

static int
begin_upload(struct parts *p, const struct s3_request *q, struct ls_err *err)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	int rc;

	if ((rc = s3_call(p->s, p->call, q, &a, err)) < 0 ||
	    (rc = xml_read(a.http.text.p, a.http.text.len, take_id, p, err)) < 0)
		return rc;
	return p->id[0] ? 0 : ls_err_set(err, -EBADMSG, "the server gave no upload id");
}

static int
put_part(struct parts *p, unsigned i, struct ls_err *err)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	struct window w = {p->src, i * p->part_size};
	uint64_t left = p->src->size - w.off;
	struct store_source body = {
		.size = left < p->part_size ? left : p->part_size, .read = read_window, .arg = &w};
	struct s3_request q = {.method = "PUT", .key = p->key, .body = &body};
	char number[16], md5[DIGEST_MD5_BASE64];
	size_t n;
	const char *etag;
	int rc;

	snprintf(number, sizeof number, "%u", i + 1);
	s3_call_param(&q, "partNumber", number);
	s3_call_param(&q, "uploadId", p->id);
	s3_put_customer_key(p->s, &q, md5);
	if ((rc = s3_call(p->s, p->call, &q, &a, err)) < 0)
		return rc;
	if (!(etag = http_header(&a.http, "etag", &n)) || n >= STORE_ETAG_MAX)
		return ls_err_set(err, -EBADMSG, "the server gave no etag for a part");
	snprintf(p->etags[i], STORE_ETAG_MAX, "%.*s", (int)n, etag);
	return 0;
}

/* A part that fails is sent again here: else all the others would be sent again too. */
static int
put_part_surely(struct parts *p, unsigned i, struct ls_err *err)
{
	struct backoff b = {0};
	struct ls_err local;
	int rc = 0;

	for (int try = 0; try < TRIES; try++) {
		if ((rc = put_part(p, i, &local)) == 0 || !local.retry)
			break;
		if (stop_sleep(p->call ? p->call->stop : NULL,
			       backoff_next_ms(&b, BASE_MS, MAX_MS)) < 0)
			return ls_err_set(err, -ECANCELED, "stopped");
	}
	*err = local;
	return rc;
}

static int
put_one(void *arg, size_t i, struct ls_err *err)
{
	return put_part_surely(arg, (unsigned)i, err);
}

static int
put_all(struct parts *p, struct ls_err *err)
{
	unsigned at_once;

	pthread_mutex_lock(&p->s->lock);
	at_once = p->s->place.concurrency;
	pthread_mutex_unlock(&p->s->lock);
	return job_each(p->n, at_once, put_one, p, err);
}

struct finished {
	bool failed;
	char code[S3_CODE_MAX];
};

/* The status is 200 before the parts are joined: the body tells whether they were. */
static int
take_result(void *arg, const char *path, const char *text, struct ls_err *err)
{
	struct finished *f = arg;

	(void)err;
	if (strcmp(path, "Error") == 0)
		f->failed = true;
	else if (strcmp(path, "Error/Code") == 0)
		snprintf(f->code, sizeof f->code, "%s", text);
	return 0;
}

static int
finish_body(const struct parts *p, struct ls_buf *b)
{
	int rc = ls_buf_printf(b, "<CompleteMultipartUpload "
				  "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");

	for (unsigned i = 0; rc == 0 && i < p->n; i++) {
		rc = ls_buf_printf(b, "<Part><PartNumber>%u</PartNumber><ETag>", i + 1);
		for (const char *c = p->etags[i]; rc == 0 && *c; c++)
			rc = strchr("<>&\"", *c) ? ls_buf_printf(b, "&#%d;", *c)
						 : ls_buf_append(b, c, 1);
		if (rc == 0)
			rc = ls_buf_printf(b, "</ETag></Part>");
	}
	return rc < 0 ? rc : ls_buf_printf(b, "</CompleteMultipartUpload>");
}

static int
finish_upload(struct parts *p, const struct s3_request *like, struct ls_err *err)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	LS_AUTO(ls_buf_done) struct ls_buf body;
	struct s3_request q = *like;
	struct finished f = {0};
	struct store_source src;
	int rc;

	ls_buf_init(&body, BODY_MAX);
	if (finish_body(p, &body) < 0)
		return ls_err_set(err, -ENOMEM, "s3: out of memory");
	src = store_source_mem(body.p, body.len);
	q.method = "POST";
	q.body = &src;
	s3_call_param(&q, "uploadId", p->id);
	s3_call_header(&q, "content-type", "application/xml");
	if ((rc = s3_call(p->s, p->call, &q, &a, err)) < 0)
		return rc;
	if (a.http.text.len &&
	    (rc = xml_read(a.http.text.p, a.http.text.len, take_result, &f, err)) < 0)
		return rc;
	if (f.failed)
		return ls_err_set(err,
				  strcmp(f.code, "PreconditionFailed") == 0 ? -ESTALE : -EAGAIN,
				  "s3://%.80s/%.120s: its parts were not joined: %s",
				  p->s->config.bucket, p->key, f.code);
	return 0;
}

/* Also when the caller is being stopped: parts that stay are paid for. */
static void
abort_upload(struct parts *p)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	struct s3_request q = {.method = "DELETE", .key = p->key};
	struct store_call call = {.deadline_ms = clock_mono_ms() + MAX_MS};

	s3_call_param(&q, "uploadId", p->id);
	(void)!s3_call(p->s, &call, &q, &a, NULL);
}

int
s3_parts_put(struct store_s3 *s, const struct store_call *call, const struct s3_request *begin,
	     const struct s3_request *finish, const struct store_source *src, struct ls_err *err)
{
	struct parts p = {.s = s,
			  .call = call,
			  .key = begin->key,
			  .src = src,
			  .part_size = s3_parts_size(&s->config, src->size)};
	int rc;

	p.n = (unsigned)((src->size + p.part_size - 1) / p.part_size);
	if (!(p.etags = ls_alloc_array(p.n, sizeof *p.etags)))
		return ls_err_set(err, -ENOMEM, "s3: out of memory");
	if ((rc = begin_upload(&p, begin, err)) == 0) {
		if ((rc = put_all(&p, err)) == 0)
			rc = finish_upload(&p, finish, err);
		if (rc < 0)
			abort_upload(&p);
	}
	free(p.etags);
	return rc;
}
