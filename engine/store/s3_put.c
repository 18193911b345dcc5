/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/s3_put.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/timex.h"
#include "engine/store/digest.h"
#include "engine/store/s3_list.h"
#include "engine/store/s3_parts.h"
#include "engine/store/xml.h"

#include <stdio.h>
#include <string.h>

enum { TAIL = 16, KEY_RAW = 32, OLD_MS = 24 * 3600 * 1000, ID_MAX = 1024 };

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "s3: out of memory");
}

static bool
given(const char *s)
{
	return s && *s;
}

void
s3_put_customer_key(const struct store_s3 *s, struct s3_request *q, char text[DIGEST_MD5_BASE64])
{
	uint8_t key[KEY_RAW], md5[DIGEST_MD5_LEN];
	size_t n = 0;

	if (!s->config.sse_customer_key.text ||
	    digest_unbase64(s->config.sse_customer_key.text, key, sizeof key, &n) < 0 ||
	    digest_mem(DIGEST_MD5, key, n, md5, NULL) < 0)
		return;
	explicit_bzero(key, sizeof key);
	digest_base64(md5, sizeof md5, text);
	s3_call_header(q, "x-amz-server-side-encryption-customer-algorithm", "AES256");
	s3_call_header(q, "x-amz-server-side-encryption-customer-key",
		       s->config.sse_customer_key.text);
	s3_call_header(q, "x-amz-server-side-encryption-customer-key-md5", text);
}

struct put_texts {
	char time[TIMEX_LEN], md5[DIGEST_MD5_BASE64];
};

static void
add_headers(const struct store_s3 *s, const struct store_put *p, struct s3_request *q,
	    struct put_texts *t)
{
	const struct s3_config *c = &s->config;

	timex_format_ms(p->time_ms, t->time);
	s3_call_header(q, "x-amz-meta-litestream-timestamp", t->time);
	s3_call_header(q, "content-type", "application/octet-stream");
	if (given(c->storage_class))
		s3_call_header(q, "x-amz-storage-class", c->storage_class);
	if (given(c->tags))
		s3_call_header(q, "x-amz-tagging", c->tags);
	if (given(c->sse_kms_key_id)) {
		s3_call_header(q, "x-amz-server-side-encryption", "aws:kms");
		s3_call_header(q, "x-amz-server-side-encryption-aws-kms-key-id", c->sse_kms_key_id);
	} else if (given(c->sse))
		s3_call_header(q, "x-amz-server-side-encryption", c->sse);
	s3_put_customer_key(s, q, t->md5);
}

/* ---- an object that is there already ---- */

/* Whether it holds the bytes of src: size, and the last ones, which are checksums in an LTX file.
 */
static int
is_same(struct store_s3 *s, const struct store_call *call, const char *key,
	const struct store_source *src, struct store_meta *meta, bool *ret, struct ls_err *err)
{
	size_t n = src->size < TAIL ? (size_t)src->size : TAIL, got = 0;
	struct store_get g = {.key = key, .off = src->size - n, .len = n};
	char ours[TAIL], theirs[TAIL];
	int rc = store_head(&s->base, call, key, meta, err);

	*ret = false;
	if (rc < 0 || meta->size != src->size)
		return rc;
	if (n && ((rc = store_get(&s->base, call, &g, theirs, &got, NULL, err)) < 0 ||
		  (rc = src->read(src->arg, g.off, ours, n, err)) < 0))
		return rc;
	*ret = got == n && memcmp(ours, theirs, n) == 0;
	return 0;
}

/* -ENOENT: it is not there; 0: it is, with the same bytes. */
static int
meet(struct store_s3 *s, const struct store_call *call, const struct store_put *p,
     const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	struct store_meta meta = {0};
	bool same;
	int rc = is_same(s, call, p->key, src, &meta, &same, err);

	if (rc < 0)
		return rc;
	if (!same)
		return ls_err_set(err, -EEXIST, "s3://%.80s/%.120s exists with other content",
				  s->config.bucket, p->key);
	if (ret_meta)
		*ret_meta = meta;
	return 0;
}

/* ---- writing ---- */

static int
put_whole(struct store_s3 *s, const struct store_call *call, struct s3_request *q,
	  const struct store_source *src, struct store_meta *ret, struct ls_err *err)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	char etag[STORE_ETAG_MAX];
	int rc;

	q->method = "PUT";
	q->body = src;
	if ((rc = s3_call(s, call, q, &a, err)) < 0)
		return rc;
	s3_list_etag(http_header_text(&a.http, "etag", etag, sizeof etag), ret->etag);
	return 0;
}

static int
put_parts(struct store_s3 *s, const struct store_call *call, struct s3_request *q,
	  const struct s3_request *condition, const struct store_source *src, struct ls_err *err)
{
	q->method = "POST";
	s3_call_param(q, "uploads", "");
	return s3_parts_put(s, call, q, condition, src, err);
}

static bool
in_parts(const struct store_s3 *s, const struct store_source *src)
{
	return src->size > s3_parts_size(&s->config, src->size);
}

static int
put(struct store_s3 *s, const struct store_call *call, const struct store_put *p,
    const struct store_source *src, bool condition, struct store_meta *ret, struct ls_err *err)
{
	ls_autofree char *full = s3_list_full_key(s, p->key);
	struct s3_request q = {.key = full}, finish = {.key = full};
	struct put_texts texts;
	bool parts = in_parts(s, src);

	if (!full)
		return no_memory(err);
	add_headers(s, p, &q, &texts);
	if (condition)
		s3_call_header(parts ? &finish : &q, "if-none-match", "*");
	ret->size = src->size;
	ret->time_ms = p->time_ms;
	ret->time_exact = true;
	return parts ? put_parts(s, call, &q, &finish, src, err)
		     : put_whole(s, call, &q, src, ret, err);
}

/* ---- under a condition ---- */

enum { QUOTED_MAX = STORE_ETAG_MAX + 3 };

static int
put_matching(struct store_s3 *s, const struct store_call *call, const struct store_put *p,
	     const struct store_source *src, bool plain, struct store_meta *ret, struct ls_err *err)
{
	ls_autofree char *full = s3_list_full_key(s, p->key);
	struct s3_request q = {.key = full};
	struct put_texts texts;
	char etag[QUOTED_MAX];
	int rc;

	if (!full)
		return no_memory(err);
	snprintf(etag, sizeof etag, plain ? "%s" : "\"%s\"", p->if_match);
	add_headers(s, p, &q, &texts);
	if (*p->if_match)
		s3_call_header(&q, "if-match", etag);
	else
		s3_call_header(&q, "if-none-match", "*");
	*ret = (struct store_meta){.size = src->size, .time_ms = p->time_ms, .time_exact = true};
	rc = put_whole(s, call, &q, src, ret, err);
	return rc == -ENOENT ? ls_err_wrap(err, -ESTALE, "it is gone") : rc;
}

/* RGW 16 compares an etag only if it comes without its quotes; the others want them. */
static int
put_if(struct store_s3 *s, const struct store_call *call, const struct store_put *p,
       const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	bool plain = atomic_load(&s->plain_etags);
	struct store_meta meta;
	int rc;

	if (s3_call_flags(s) & S3_NO_CONDITION)
		return ls_err_set(err, -ENOTSUP,
				  "s3://%.80s: this provider has no conditional writes",
				  s->config.bucket);
	rc = put_matching(s, call, p, src, plain, &meta, err);
	if (rc == -ESTALE && *p->if_match && !plain) {
		rc = put_matching(s, call, p, src, true, &meta, err);
		if (rc == 0)
			atomic_store(&s->plain_etags, true);
	}
	if (rc == -ESTALE && !*p->if_match)
		return ls_err_wrap(err, -EEXIST, "create");
	if (rc == 0 && ret_meta)
		*ret_meta = meta;
	return rc;
}

/* Looks first where the server cannot be asked to. */
static int
put_plain(struct store_s3 *s, const struct store_call *call, const struct store_put *p,
	  const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	bool condition = p->create_only && !(s3_call_flags(s) & S3_NO_CONDITION);
	/* Not all that have conditions have them for parts: Ceph ignores it there. */
	bool ask = p->create_only && (!condition || in_parts(s, src));
	struct store_meta meta = {0};
	int rc;

	if (ask && (rc = meet(s, call, p, src, ret_meta, err)) != -ENOENT)
		return rc;
	rc = put(s, call, p, src, condition, &meta, err);
	if (rc == -ESTALE && condition)
		return meet(s, call, p, src, ret_meta, err);
	if (rc == 0 && ret_meta)
		*ret_meta = meta;
	return rc;
}

int
s3_put_object(struct store_s3 *s, const struct store_call *call, const struct store_put *p,
	      const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	bool condition = p->create_only && !(s3_call_flags(s) & S3_NO_CONDITION);
	int rc;

	if (p->if_match)
		return put_if(s, call, p, src, ret_meta, err);
	rc = put_plain(s, call, p, src, ret_meta, err);
	/* A server that is not in the table, and has no conditions. */
	if (rc == -ENOTSUP && condition) {
		atomic_store(&s->no_condition, true);
		rc = put_plain(s, call, p, src, ret_meta, err);
	}
	return rc;
}

/* ---- what uploads left that were cut off ---- */

struct leftovers {
	struct store_s3 *s;
	const struct store_call *call;
	char key[STORE_KEY_MAX], id[ID_MAX];
	int64_t time_ms;
};

static void
abort_one(const struct leftovers *l)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	struct s3_request q = {.method = "DELETE", .key = l->key};
	struct ls_err err;

	s3_call_param(&q, "uploadId", l->id);
	if (s3_call(l->s, l->call, &q, &a, &err) < 0)
		log_write(LOG_DEBUG, "unfinished upload not removed", LOG_STR("error", err.msg));
}

static int
take_leftover(void *arg, const char *path, const char *text, struct ls_err *err)
{
	struct leftovers *l = arg;

	(void)err;
	if (strcmp(path, "ListMultipartUploadsResult/Upload/Key") == 0)
		snprintf(l->key, sizeof l->key, "%s", text);
	else if (strcmp(path, "ListMultipartUploadsResult/Upload/UploadId") == 0)
		snprintf(l->id, sizeof l->id, "%s", text);
	else if (strcmp(path, "ListMultipartUploadsResult/Upload/Initiated") == 0)
		s3_list_time(text, &l->time_ms);
	else if (strcmp(path, "ListMultipartUploadsResult/Upload") == 0 && l->time_ms &&
		 l->time_ms < clock_wall_ms() - OLD_MS)
		abort_one(l);
	return 0;
}

void
s3_put_abort_old(struct store_s3 *s, const struct store_call *call)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	ls_autofree char *prefix = s3_list_full_key(s, "");
	ls_autofree struct leftovers *l = calloc(1, sizeof *l);
	struct s3_request q = {.method = "GET"};
	struct ls_err err;
	int rc;

	if (!prefix || !l)
		return;
	*l = (struct leftovers){.s = s, .call = call};
	s3_call_param(&q, "uploads", "");
	s3_call_param(&q, "prefix", prefix);
	if ((rc = s3_call(s, call, &q, &a, &err)) == 0)
		rc = xml_read(a.http.text.p, a.http.text.len, take_leftover, l, &err);
	if (rc < 0)
		log_write(LOG_DEBUG, "unfinished uploads not listed", LOG_STR("error", err.msg));
}
