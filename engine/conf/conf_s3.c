/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_s3.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/timex.h"
#include "engine/store/s3_place.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { KEY_FILE_MAX = 4096, TIMEOUT_MAX_MS = 3600 * 1000 };

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "configuration: out of memory");
}

static bool
given(const char *s)
{
	return s && *s;
}

void
conf_s3_raw_done(struct conf_s3_raw *r)
{
	char *plain[] = {r->access_key,	    r->profile,	      r->region,       r->bucket,
			 r->endpoint,	    r->storage_class, r->tags,	       r->sse,
			 r->sse_kms_key_id, r->sse_algorithm, r->sse_key_path, r->ca_file,
			 r->client_cert,    r->client_key};

	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		free(plain[i]);
	secret_wipe(r->secret_key);
	secret_wipe(r->session_token);
	secret_wipe(r->sse_key);
	*r = (struct conf_s3_raw){0};
}

static int
fill_secret(struct secret *at, const char *value, struct ls_err *err)
{
	return at->text || !given(value) ? 0 : secret_set(at, value, strlen(value), err);
}

static void
choose(enum s3_choice *at, int value)
{
	if (*at == S3_AUTO)
		*at = (enum s3_choice)value;
}

/* ---- from the configuration ---- */

/* Both keys of a pair come from the same place. */
static int
fill_keys(const struct conf_s3_raw *raw, struct s3_config *c, struct ls_err *err)
{
	int rc;

	if (given(c->access_key) || (!given(raw->access_key) && !given(raw->secret_key)))
		return 0;
	if (!given(raw->access_key) || !given(raw->secret_key))
		return ls_err_set(err, -EINVAL,
				  "access-key-id and secret-access-key must be given together");
	if ((rc = s3_config_fill(&c->access_key, raw->access_key, err)) < 0 ||
	    (rc = fill_secret(&c->secret_key, raw->secret_key, err)) < 0)
		return rc;
	return fill_secret(&c->session_token, raw->session_token, err);
}

static int
fill_encryption(const struct conf_s3_raw *raw, struct s3_config *c, struct ls_err *err)
{
	char *text = NULL;
	size_t n = 0;
	int rc = 0;

	if (given(raw->sse_algorithm) && strcasecmp(raw->sse_algorithm, "AES256") != 0)
		return ls_err_set(err, -EINVAL, "sse-customer-algorithm must be AES256");
	if (given(raw->sse_key_path) && !c->sse_customer_key.text) {
		if ((rc = io_read_file(raw->sse_key_path, KEY_FILE_MAX, &text, &n, err)) < 0)
			return ls_err_wrap(err, rc, "sse-customer-key-path");
		text[strcspn(text, " \t\r\n")] = '\0';
		secret_take(&c->sse_customer_key, &text);
	}
	if ((rc = fill_secret(&c->sse_customer_key, raw->sse_key, err)) < 0 ||
	    (rc = s3_config_fill(&c->sse, raw->sse, err)) < 0)
		return rc;
	return s3_config_fill(&c->sse_kms_key_id, raw->sse_kms_key_id, err);
}

static int
fill_from_raw(const struct conf_s3_raw *raw, struct s3_config *c, struct ls_err *err)
{
	ls_autofree char *endpoint = NULL;
	int rc;

	if (!raw)
		return 0;
	if (given(raw->endpoint) &&
	    (rc = s3_place_endpoint(raw->endpoint, false, &endpoint, err)) < 0)
		return rc;
	if ((rc = fill_keys(raw, c, err)) < 0 ||
	    (rc = s3_config_fill(&c->profile, raw->profile, err)) < 0 ||
	    (rc = s3_config_fill(&c->region, raw->region, err)) < 0 ||
	    (rc = s3_config_fill(&c->bucket, raw->bucket, err)) < 0 ||
	    (rc = s3_config_fill(&c->endpoint, endpoint, err)) < 0 ||
	    (rc = s3_config_fill(&c->storage_class, raw->storage_class, err)) < 0 ||
	    (rc = s3_config_fill(&c->tags, raw->tags, err)) < 0 ||
	    (rc = s3_config_fill(&c->ca_file, raw->ca_file, err)) < 0 ||
	    (rc = s3_config_fill(&c->client_cert, raw->client_cert, err)) < 0 ||
	    (rc = s3_config_fill(&c->client_key, raw->client_key, err)) < 0)
		return rc;
	choose(&c->path_style, raw->path_style);
	choose(&c->sign_payload, raw->sign_payload);
	choose(&c->content_md5, raw->content_md5);
	c->skip_verify = c->skip_verify || raw->skip_verify == S3_YES;
	if (!c->stall_ms && raw->timeout.node)
		c->stall_ms = raw->timeout.ms < TIMEOUT_MAX_MS ? (unsigned)raw->timeout.ms
							       : TIMEOUT_MAX_MS;
	return fill_encryption(raw, c, err);
}

/* ---- from the URL ---- */

/* The value of the first of two names. */
static int
param(const struct url *u, const char *name, const char *alias, char **ret, struct ls_err *err)
{
	int rc = url_param(u, name, ret, err);

	return rc < 0 || *ret || !alias ? rc : url_param(u, alias, ret, err);
}

static int
choice_param(const struct url *u, const char *name, const char *alias, enum s3_choice *at,
	     struct ls_err *err)
{
	ls_autofree char *v = NULL;
	int rc = param(u, name, alias, &v, err);

	if (rc == 0 && v && *at == S3_AUTO)
		*at = strcasecmp(v, "true") == 0 || strcmp(v, "1") == 0 ||
				      strcasecmp(v, "t") == 0 || strcasecmp(v, "yes") == 0
			      ? S3_YES
			      : S3_NO;
	return rc;
}

static int
text_param(const struct url *u, const char *name, const char *alias, char **at, struct ls_err *err)
{
	ls_autofree char *v = NULL;
	int rc = param(u, name, alias, &v, err);

	return rc < 0 ? rc : s3_config_fill(at, v, err);
}

static int
number_param(const struct url *u, const char *name, const char *alias, uint64_t *at,
	     struct ls_err *err)
{
	ls_autofree char *v = NULL;
	unsigned long long n;
	char *end;
	int rc = param(u, name, alias, &v, err);

	if (rc < 0 || !v || *at)
		return rc;
	errno = 0;
	n = strtoull(v, &end, 10);
	if (errno || *end || end == v || *v == '-' || n == 0)
		return ls_err_set(err, -EINVAL,
				  "invalid value for query parameter %s: '%.40s' is no positive "
				  "number of bytes or requests",
				  name, v);
	*at = n;
	return 0;
}

static int
secret_param(const struct url *u, const char *name, const char *alias, struct secret *at,
	     struct ls_err *err)
{
	char *v = NULL;
	int rc = param(u, name, alias, &v, err);

	if (rc == 0)
		rc = fill_secret(at, v, err);
	secret_wipe(v);
	return rc;
}

static int
timeout_param(const struct url *u, unsigned *at, struct ls_err *err)
{
	ls_autofree char *v = NULL;
	int64_t ns = 0, ms;
	int rc = url_param(u, "timeout", &v, err);

	if (rc < 0 || !v || *at)
		return rc;
	if ((rc = timex_duration(v, &ns, err)) < 0 || ns <= 0)
		return ls_err_set(err, -EINVAL,
				  "invalid value for query parameter timeout: '%.40s' is no "
				  "duration such as 30s",
				  v);
	ms = ns / 1000000;
	*at = ms > TIMEOUT_MAX_MS ? TIMEOUT_MAX_MS : ms ? (unsigned)ms : 1;
	return 0;
}

static int
fill_from_query(const struct url *u, struct s3_config *c, struct ls_err *err)
{
	ls_autofree char *endpoint = NULL, *full = NULL;
	enum s3_choice skip = S3_AUTO;
	uint64_t concurrency = c->concurrency;
	int rc;

	if ((rc = url_param(u, "endpoint", &endpoint, err)) < 0 ||
	    (given(endpoint) && (rc = s3_place_endpoint(endpoint, true, &full, err)) < 0) ||
	    (rc = s3_config_fill(&c->endpoint, full, err)) < 0 ||
	    (rc = text_param(u, "region", NULL, &c->region, err)) < 0 ||
	    (rc = text_param(u, "profile", NULL, &c->profile, err)) < 0 ||
	    (rc = text_param(u, "storageClass", "storage-class", &c->storage_class, err)) < 0 ||
	    (rc = text_param(u, "sseKmsKeyId", "sse-kms-key-id", &c->sse_kms_key_id, err)) < 0 ||
	    (rc = text_param(u, "caFile", "ca-file", &c->ca_file, err)) < 0 ||
	    (rc = secret_param(u, "sseCustomerKey", "sse-customer-key", &c->sse_customer_key,
			       err)) < 0 ||
	    (rc = choice_param(u, "forcePathStyle", "force-path-style", &c->path_style, err)) < 0 ||
	    (rc = choice_param(u, "skipVerify", "skip-verify", &skip, err)) < 0 ||
	    (rc = choice_param(u, "signPayload", "sign-payload", &c->sign_payload, err)) < 0 ||
	    (rc = choice_param(u, "requireContentMD5", "require-content-md5", &c->content_md5,
			       err)) < 0 ||
	    (rc = timeout_param(u, &c->stall_ms, err)) < 0 ||
	    (rc = number_param(u, "partSize", "part-size", &c->part_size, err)) < 0 ||
	    (rc = number_param(u, "concurrency", NULL, &concurrency, err)) < 0)
		return rc;
	c->concurrency = concurrency < UINT32_MAX ? (unsigned)concurrency : UINT32_MAX;
	c->skip_verify = c->skip_verify || skip == S3_YES;
	return 0;
}

/* "/a//b/../c/" -> "a/c"; nothing at all -> ".", as the released program has it. In place. */
static void
clean_path(char *path)
{
	char *out = path, *p = path;

	if (!*path)
		return;
	while (*p) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (n && (n != 1 || *p != '.')) {
			if (out > path)
				*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n + (p[n] == '/');
	}
	*out = '\0';
}

/* An ARN holds one '/', so that a part of it looks like a path. */
static int
split_arn(const struct url *u, char *path, struct s3_config *c, struct ls_err *err)
{
	size_t n = strcspn(path, "/");
	ls_autofree char *arn = ls_buf_format("%s/%.*s", u->host, (int)n, path);

	memmove(path, path + n + (path[n] == '/'), strlen(path + n + (path[n] == '/')) + 1);
	return arn ? s3_config_fill(&c->bucket, arn, err) : no_memory(err);
}

static int
fill_from_url(const struct url *u, struct s3_config *c, struct ls_err *err)
{
	ls_autofree char *path = NULL;
	int rc = url_decode(u->path, &path, err);

	if (rc < 0)
		return rc;
	clean_path(path);
	if (strncmp(u->host, "arn:", 4) == 0)
		rc = split_arn(u, path, c, err);
	else if ((rc = fill_from_query(u, c, err)) == 0)
		rc = s3_place_from_host(u->host, u->port, c, err);
	if (rc < 0)
		return rc;
	free(c->path);
	c->path = strdup(*u->path ? path : ".");
	return c->path ? 0 : no_memory(err);
}

/* ---- all of it ---- */

static int
build(const struct conf_s3_raw *raw, const struct conf_s3_raw *defaults, const struct url *u,
      const char *path, struct s3_config *c, struct ls_err *err)
{
	const char *env = getenv("LITESTREAM_S3_ENDPOINT");
	ls_autofree char *endpoint = NULL;
	int rc;

	if (raw) {
		c->part_size = raw->part_size;
		c->concurrency = raw->concurrency > 0 && raw->concurrency < UINT32_MAX
					 ? (unsigned)raw->concurrency
					 : 0;
	}
	if (u && raw && given(raw->bucket))
		return ls_err_set(err, -EINVAL, "cannot specify url & bucket for s3 replica");
	if ((rc = fill_from_raw(raw, c, err)) < 0 || (u && (rc = fill_from_url(u, c, err)) < 0) ||
	    (rc = fill_from_raw(defaults, c, err)) < 0 ||
	    (!u && (rc = s3_config_fill(&c->path, path, err)) < 0))
		return rc;
	if (given(env) && ((rc = s3_place_endpoint(env, true, &endpoint, err)) < 0 ||
			   (rc = s3_config_fill(&c->endpoint, endpoint, err)) < 0))
		return rc;
	return s3_config_check(c, err);
}

int
conf_s3_build(const struct conf_s3_raw *raw, const struct conf_s3_raw *defaults,
	      const struct url *u, const char *path, struct s3_config *ret, struct ls_err *err)
{
	struct s3_config c = {0};
	struct s3_place place;
	int rc = build(raw, defaults, u, path, &c, err);

	/* What has no place is an error of the configuration, not of the first request. */
	if (rc == 0 && (rc = s3_place_find(&c, &place, err)) == 0)
		s3_place_done(&place);
	if (rc < 0)
		s3_config_done(&c);
	else
		*ret = c;
	return rc;
}

char *
conf_s3_url(const struct s3_config *c)
{
	const char *path = c->path ? c->path : "";
	bool dot = strcmp(path, ".") == 0, custom = given(c->endpoint);

	return ls_buf_format("s3://%s%s%s%s%s", c->bucket, dot ? "" : "/", dot ? "" : path,
			     custom ? "?endpoint=" : "", custom ? c->endpoint : "");
}
