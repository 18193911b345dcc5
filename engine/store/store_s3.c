/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/store_s3.h"

#include "engine/base/log.h"
#include "engine/store/digest.h"
#include "engine/store/s3_list.h"
#include "engine/store/s3_put.h"

#include <stdio.h>
#include <string.h>

enum { PARALLEL = 32, RANGE_MAX = 64, QUOTED_ETAG_MAX = STORE_ETAG_MAX + 3 };

static struct store_s3 *
self(struct store *st)
{
	return (struct store_s3 *)st;
}

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "s3: out of memory");
}

/* ---- reading ---- */

static void
set_etag(const struct http_answer *a, struct store_meta *m)
{
	char text[STORE_ETAG_MAX];

	s3_list_etag(http_header_text(a, "etag", text, sizeof text), m->etag);
}

static void
set_time(const struct http_answer *a, struct store_meta *m)
{
	char text[64];
	struct tm tm = {0};

	http_header_text(a, "x-amz-meta-litestream-timestamp", text, sizeof text);
	m->time_exact = *text && s3_list_time(text, &m->time_ms);
	http_header_text(a, "last-modified", text, sizeof text);
	if (!m->time_exact && strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		m->time_ms = (int64_t)timegm(&tm) * 1000;
}

static uint64_t
number_after(const char *text, char mark)
{
	const char *p = strrchr(text, mark);

	return p ? strtoull(p + 1, NULL, 10) : 0;
}

/* The size of the whole object is behind the slash of "bytes 0-99/12345". */
void
store_s3_read_meta(const struct http_answer *a, struct store_meta *m)
{
	char text[64];

	*m = (struct store_meta){0};
	set_etag(a, m);
	set_time(a, m);
	if (a->status == 206)
		m->size =
			number_after(http_header_text(a, "content-range", text, sizeof text), '/');
	else
		m->size = strtoull(http_header_text(a, "content-length", text, sizeof text), NULL,
				   10);
}

/* The server must have sent what was asked for, of the object that was asked for. */
static int
check_part(const struct store_get *g, const struct http_answer *a, const struct store_meta *m,
	   struct ls_err *err)
{
	char text[64], *end;
	uint64_t first;

	if (g->etag && *g->etag && *m->etag && strcmp(g->etag, m->etag) != 0)
		return ls_err_set(err, -ESTALE, "%.120s is another object now", g->key);
	if (a->status != 206)
		return 0;
	http_header_text(a, "content-range", text, sizeof text);
	first = strncmp(text, "bytes ", 6) == 0 ? strtoull(text + 6, &end, 10) : UINT64_MAX;
	if (first != g->off || *end != '-')
		return ls_err_set(err, -EBADMSG, "%.120s: the server sent another range: '%s'",
				  g->key, text);
	return 0;
}

static int
s3_get(struct store *st, const struct store_call *call, const struct store_get *g, void *buf,
       size_t *ret_n, struct store_meta *ret_meta, struct ls_err *err)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	ls_autofree char *full = s3_list_full_key(self(st), g->key);
	struct s3_request q = {
		.method = "GET", .key = full, .buf = buf, .cap = g->len, .skip = g->off};
	char range[RANGE_MAX], quoted[QUOTED_ETAG_MAX], md5[DIGEST_MD5_BASE64];
	struct store_meta m;
	int rc, checked;

	*ret_n = 0;
	if (!full)
		return no_memory(err);
	if (g->len == 0) /* no range says so */
		return store_head(st, call, g->key, ret_meta ? ret_meta : &m, err);
	snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)g->off,
		 (unsigned long long)(g->off + g->len - 1));
	s3_call_header(&q, "range", range);
	if (g->etag && *g->etag) {
		snprintf(quoted, sizeof quoted, "\"%s\"", g->etag);
		s3_call_header(&q, "if-match", quoted);
	}
	s3_put_customer_key(self(st), &q, md5);
	rc = s3_call(self(st), call, &q, &a, err);
	if (a.http.status == 416)
		return 0;
	if (a.http.status / 100 != 2)
		return rc;
	store_s3_read_meta(&a.http, &m);
	if ((checked = check_part(g, &a.http, &m, err)) < 0)
		return checked;
	*ret_n = a.http.n;
	if (ret_meta)
		*ret_meta = m;
	return rc;
}

static int
s3_head(struct store *st, const struct store_call *call, const char *key, struct store_meta *ret,
	struct ls_err *err)
{
	LS_AUTO(s3_call_done) struct s3_answer a = {0};
	ls_autofree char *full = s3_list_full_key(self(st), key);
	struct s3_request q = {.method = "HEAD", .key = full};
	char md5[DIGEST_MD5_BASE64];
	int rc;

	if (!full)
		return no_memory(err);
	s3_put_customer_key(self(st), &q, md5);
	if ((rc = s3_call(self(st), call, &q, &a, err)) == 0)
		store_s3_read_meta(&a.http, ret);
	return rc;
}

static int
s3_list(struct store *st, const struct store_call *call, const char *prefix, const char *after,
	store_entry_fn *fn, void *arg, struct ls_err *err)
{
	return s3_list_objects(self(st), call, prefix, after, fn, arg, err);
}

/* ---- writing ---- */

static int
s3_put(struct store *st, const struct store_call *call, const struct store_put *p,
       const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err)
{
	return s3_put_object(self(st), call, p, src, ret_meta, err);
}

static int
s3_del(struct store *st, const struct store_call *call, const char *const *keys, size_t n,
       struct ls_err *err)
{
	return s3_list_delete(self(st), call, keys, n, err);
}

/* ---- the store ---- */

static int
s3_root(struct store *st, const struct store_call *call, bool create, char identity[STORE_ETAG_MAX],
	bool *ret_parent_ok, struct ls_err *err)
{
	struct store_s3 *s = self(st);
	ls_autofree char *name = NULL;
	uint8_t sum[DIGEST_SHA256_LEN];
	char hex[DIGEST_SHA256_HEX + 1];
	int rc;

	if (create)
		s3_put_abort_old(s, call);
	name = ls_buf_format("%s|%s|%s", s->config.endpoint ? s->config.endpoint : "",
			     s->config.bucket, s->config.path ? s->config.path : "");
	if (!name)
		return no_memory(err);
	if ((rc = digest_mem(DIGEST_SHA256, name, strlen(name), sum, err)) < 0)
		return rc;
	digest_hex(sum, sizeof sum, hex);
	snprintf(identity, STORE_ETAG_MAX, "s3:%.40s", hex);
	*ret_parent_ok = true;
	return 0;
}

static void
s3_close(struct store *st)
{
	struct store_s3 *s = self(st);

	aws_creds_close(s->creds);
	s3_place_done(&s->place);
	s3_config_done(&s->config);
	free(s->ca_file);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct store_ops ops = {
	.scheme = "s3",
	.parallel = PARALLEL,
	.get = s3_get,
	.put = s3_put,
	.list = s3_list,
	.head = s3_head,
	.del = s3_del,
	.root = s3_root,
	.close = s3_close,
};

/* Of the configuration, else of the environment as the AWS tools and the Go program read it. */
static int
choose_ca_file(struct store_s3 *s, struct ls_err *err)
{
	const char *from[] = {s->config.ca_file, getenv("AWS_CA_BUNDLE"), getenv("SSL_CERT_FILE")};

	for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
		if (!from[i] || !*from[i])
			continue;
		if (access(from[i], R_OK) < 0)
			return ls_err_sys(err, errno, "the file of certificate authorities %s",
					  from[i]);
		return (s->ca_file = strdup(from[i])) ? 0 : no_memory(err);
	}
	return 0;
}

static void
warn_of_versions(const char *provider)
{
	static atomic_bool warned;

	if (!atomic_exchange(&warned, true))
		log_write(LOG_WARN,
			  "what is deleted stays as a hidden version that is paid for: set the "
			  "bucket's lifecycle to keep only the last version",
			  LOG_STR("provider", provider));
}

static int
fill(struct store_s3 *s, const struct s3_config *c, struct ls_err *err)
{
	int rc;

	if ((rc = s3_config_check(c, err)) < 0 || (rc = s3_config_copy(c, &s->config, err)) < 0 ||
	    (rc = s3_place_find(c, &s->place, err)) < 0 || (rc = choose_ca_file(s, err)) < 0)
		return rc;
	if (c->skip_verify && s->place.tls)
		log_write(LOG_WARN,
			  "certificates are not verified: whoever is between this host and the "
			  "storage can read and change what is sent",
			  LOG_STR("endpoint", s->place.origin));
	if (s->place.flags & S3_HIDES_DELETED)
		warn_of_versions(s->place.provider);
	return aws_creds_open(&s->config, s->place.region, &s->creds, err);
}

int
store_s3_open(const struct store_config *cfg, struct store **ret, struct ls_err *err)
{
	struct store_s3 *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return no_memory(err);
	s->base.ops = &ops;
	s->counts = cfg->counts;
	pthread_mutex_init(&s->lock, NULL);
	if (!cfg->s3)
		rc = ls_err_set(err, -EINVAL, "bucket required for s3 replica");
	else
		rc = fill(s, cfg->s3, err);
	if (rc < 0) {
		s3_close(&s->base);
		return rc;
	}
	secret_guard_process();
	*ret = &s->base;
	return 0;
}
