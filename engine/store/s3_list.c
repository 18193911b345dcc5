/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/s3_list.h"

#include "engine/base/timex.h"
#include "engine/store/digest.h"
#include "engine/store/xml.h"

#include <stdio.h>
#include <string.h>

enum { TOKEN_MAX = 2048, DELETE_MAX = 1000, BODY_MAX = 8 << 20 };

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "s3: out of memory");
}

char *
s3_list_full_key(const struct store_s3 *s, const char *key)
{
	return ls_buf_format("%s/%s", s->config.path ? s->config.path : "", key);
}

bool
s3_list_time(const char *text, int64_t *ret)
{
	*ret = 0;
	return timex_is_rfc3339(text) && timex_parse(text, 0, ret, NULL) == 0;
}

void
s3_list_etag(const char *text, char out[STORE_ETAG_MAX])
{
	size_t n = strlen(text);

	if (n >= 2 && *text == '"' && text[n - 1] == '"') {
		text++;
		n -= 2;
	}
	snprintf(out, STORE_ETAG_MAX, "%.*s", (int)n, text);
}

/* ---- listing ---- */

struct page {
	const char *path; /* of the store, without the slash behind it */
	size_t npath;
	store_entry_fn *fn;
	void *arg;
	bool truncated, callers; /* callers: the error is of fn */
	char token[TOKEN_MAX];
	char key[STORE_KEY_MAX * 2 + 2], last[STORE_KEY_MAX * 2 + 2];
	struct store_meta meta;
};

static int
take_object(struct page *p, struct ls_err *err)
{
	const char *key = p->key + p->npath + 1;
	struct store_entry e = {.key = key, .meta = p->meta};
	int rc;

	/* A server that goes back or repeats would have us list for ever. */
	if (*p->last && strcmp(p->key, p->last) <= 0)
		return ls_err_set(err, -EBADMSG, "the listing is not in order at '%.80s'", p->key);
	snprintf(p->last, sizeof p->last, "%s", p->key);
	if (strlen(p->key) <= p->npath + 1 || memcmp(p->key, p->path, p->npath) != 0 ||
	    p->key[p->npath] != '/' || !store_key_ok(key))
		return 0;
	rc = p->fn(p->arg, &e, err);
	p->callers = rc < 0;
	return rc;
}

static int
take(void *arg, const char *path, const char *text, struct ls_err *err)
{
	struct page *p = arg;
	int n = 0;

	if (strcmp(path, "ListBucketResult/Contents/Key") == 0) {
		p->meta = (struct store_meta){0};
		n = snprintf(p->key, sizeof p->key, "%s", text);
	} else if (strcmp(path, "ListBucketResult/Contents/Size") == 0) {
		char *end;

		errno = 0;
		p->meta.size = strtoull(text, &end, 10);
		if (errno || *end || end == text || *text == '-')
			return ls_err_set(err, -EBADMSG, "'%.40s' is no size", text);
	} else if (strcmp(path, "ListBucketResult/Contents/LastModified") == 0)
		s3_list_time(text, &p->meta.time_ms);
	else if (strcmp(path, "ListBucketResult/Contents/ETag") == 0)
		s3_list_etag(text, p->meta.etag);
	else if (strcmp(path, "ListBucketResult/Contents") == 0)
		return (size_t)strlen(p->key) < sizeof p->key - 1 ? take_object(p, err) : 0;
	else if (strcmp(path, "ListBucketResult/IsTruncated") == 0)
		p->truncated = strcmp(text, "true") == 0;
	else if (strcmp(path, "ListBucketResult/NextContinuationToken") == 0)
		n = snprintf(p->token, sizeof p->token, "%s", text) >= TOKEN_MAX ? -1 : 0;
	return n < 0 ? ls_err_set(err, -EBADMSG, "a continuation token that is too long") : 0;
}

static int
read_page(struct page *p, const void *xml, size_t n, struct ls_err *err)
{
	int rc;

	p->truncated = false;
	p->token[0] = '\0';
	if ((rc = xml_read(xml, n, take, p, err)) < 0)
		return rc;
	if (p->truncated && !p->token[0])
		return ls_err_set(err, -EBADMSG, "a page of the listing does not say how to go on");
	return 0;
}

static struct page *
page_new(const char *path, store_entry_fn *fn, void *arg)
{
	struct page *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->path = path ? path : "";
	p->npath = strlen(p->path);
	p->fn = fn;
	p->arg = arg;
	return p;
}

int
s3_list_read_page(const void *xml, size_t n, const char *path, store_entry_fn *fn, void *arg,
		  struct ls_err *err)
{
	ls_autofree struct page *p = page_new(path, fn, arg);

	return p ? read_page(p, xml, n, err) : no_memory(err);
}

static int
one_page(struct store_s3 *s, const struct store_call *call, const char *prefix, const char *after,
	 struct page *p, struct ls_err *err)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	struct s3_request q = {.method = "GET"};
	char token[TOKEN_MAX];
	int rc;

	memcpy(token, p->token, sizeof token);
	s3_call_param(&q, "list-type", "2");
	s3_call_param(&q, "max-keys", "1000");
	s3_call_param(&q, "prefix", prefix);
	if (*token)
		s3_call_param(&q, "continuation-token", token);
	else if (after)
		s3_call_param(&q, "start-after", after);
	if ((rc = s3_call(s, call, &q, &a, err)) < 0)
		return rc;
	return read_page(p, a.http.text.p, a.http.text.len, err);
}

int
s3_list_objects(struct store_s3 *s, const struct store_call *call, const char *prefix,
		const char *after, store_entry_fn *fn, void *arg, struct ls_err *err)
{
	ls_autofree char *full = s3_list_full_key(s, prefix);
	ls_autofree char *start = after ? s3_list_full_key(s, after) : NULL;
	ls_autofree struct page *p = page_new(s->config.path, fn, arg);
	int rc;

	if (!full || (after && !start) || !p)
		return no_memory(err);
	do {
		rc = one_page(s, call, full, start, p, err);
	} while (rc == 0 && p->truncated);
	return rc < 0 && !p->callers && rc != -ECANCELED
		       ? ls_err_wrap(err, rc, "listing s3://%.80s/%.80s", s->config.bucket, full)
		       : rc;
}

/* ---- deletion ---- */

struct refusals {
	const struct store_s3 *s;
	char key[STORE_KEY_MAX], code[S3_CODE_MAX];
	int rc;
	struct ls_err *err;
};

static int
take_refusal(void *arg, const char *path, const char *text, struct ls_err *err)
{
	struct refusals *r = arg;

	(void)err;
	if (strcmp(path, "DeleteResult/Error/Key") == 0)
		snprintf(r->key, sizeof r->key, "%s", text);
	else if (strcmp(path, "DeleteResult/Error/Code") == 0)
		snprintf(r->code, sizeof r->code, "%s", text);
	else if (strcmp(path, "DeleteResult/Error") == 0 && r->rc == 0 &&
		 strcmp(r->code, "NoSuchKey") != 0) {
		bool denied = strcmp(r->code, "AccessDenied") == 0;

		r->rc = ls_err_set(r->err, denied ? -EACCES : -EAGAIN,
				   "s3://%.80s/%.120s cannot be deleted: %s%s", r->s->config.bucket,
				   r->key, r->code,
				   denied ? ": allow s3:DeleteObject, or it is locked" : "");
	}
	return 0;
}

static int
xml_escape(struct ls_buf *b, const char *text)
{
	int rc = 0;

	for (; rc == 0 && *text; text++)
		rc = strchr("<>&\"'", *text) ? ls_buf_printf(b, "&#%d;", *text)
					     : ls_buf_append(b, text, 1);
	return rc;
}

static int
delete_body(struct store_s3 *s, const char *const *keys, size_t n, struct ls_buf *b)
{
	int rc = ls_buf_printf(b, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");

	for (size_t i = 0; rc == 0 && i < n; i++) {
		ls_autofree char *full = s3_list_full_key(s, keys[i]);

		if (!full)
			return -ENOMEM;
		if ((rc = ls_buf_printf(b, "<Object><Key>")) == 0 &&
		    (rc = xml_escape(b, full)) == 0)
			rc = ls_buf_printf(b, "</Key></Object>");
	}
	return rc < 0 ? rc : ls_buf_printf(b, "<Quiet>true</Quiet></Delete>");
}

static int
delete_many(struct store_s3 *s, const struct store_call *call, const char *const *keys, size_t n,
	    struct ls_err *err)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	LS_AUTO(ls_buf_done) struct ls_buf body;
	struct s3_request q = {.method = "POST"};
	struct refusals r = {.s = s, .err = err};
	struct store_source src;
	uint8_t md5[DIGEST_MD5_LEN];
	char md5_text[DIGEST_MD5_BASE64];
	int rc;

	ls_buf_init(&body, BODY_MAX);
	if (delete_body(s, keys, n, &body) < 0)
		return no_memory(err);
	src = store_source_mem(body.p, body.len);
	q.body = &src;
	s3_call_param(&q, "delete", "");
	s3_call_header(&q, "content-type", "application/xml");
	if (!(s3_call_flags(s) & S3_NO_MD5)) {
		if ((rc = digest_mem(DIGEST_MD5, body.p, body.len, md5, err)) < 0)
			return rc;
		digest_base64(md5, sizeof md5, md5_text);
		s3_call_header(&q, "content-md5", md5_text);
	}
	if ((rc = s3_call(s, call, &q, &a, err)) == 0 && a.http.text.len)
		rc = xml_read(a.http.text.p, a.http.text.len, take_refusal, &r, err);
	return rc < 0 ? rc : r.rc;
}

static int
delete_one(struct store_s3 *s, const struct store_call *call, const char *key, struct ls_err *err)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	ls_autofree char *full = s3_list_full_key(s, key);
	struct s3_request q = {.method = "DELETE", .key = full};
	int rc;

	if (!full)
		return no_memory(err);
	rc = s3_call(s, call, &q, &a, err);
	return rc == -ENOENT ? 0 : rc;
}

int
s3_list_delete(struct store_s3 *s, const struct store_call *call, const char *const *keys, size_t n,
	       struct ls_err *err)
{
	bool single = s3_call_flags(s) & S3_SINGLE_DELETE;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n;) {
		size_t many = single ? 1 : n - i < DELETE_MAX ? n - i : DELETE_MAX;

		rc = many == 1 ? delete_one(s, call, keys[i], err)
			       : delete_many(s, call, keys + i, many, err);
		i += many;
	}
	return rc;
}
