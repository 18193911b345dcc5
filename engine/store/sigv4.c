/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/sigv4.h"

#include "engine/store/digest.h"

#include <stdio.h>
#include <string.h>

enum { CANONICAL_MAX = 64 << 10, SCOPE_MAX = 160, SECRET_MAX = 512 };

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "signing: out of memory");
}

static bool
unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~", c));
}

int
sigv4_encode(struct ls_buf *b, const char *text, bool slash, struct ls_err *err)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		int rc = unreserved(*p) || (slash && *p == '/') ? ls_buf_append(b, p, 1)
								: ls_buf_printf(b, "%%%02X", *p);

		if (rc < 0)
			return no_memory(err);
	}
	return 0;
}

/* Names are plain words, so that their order is that of their encoded form. */
static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct sigv4_pair *)a)->name, ((const struct sigv4_pair *)b)->name);
}

int
sigv4_query(struct sigv4_pair *v, size_t n, struct ls_buf *ret, struct ls_err *err)
{
	int rc = 0;

	qsort(v, n, sizeof *v, by_name);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (i && ls_buf_append(ret, "&", 1) < 0)
			return no_memory(err);
		if ((rc = sigv4_encode(ret, v[i].name, false, err)) == 0)
			rc = ls_buf_append(ret, "=", 1) < 0
				     ? no_memory(err)
				     : sigv4_encode(ret, v[i].value, false, err);
	}
	return rc;
}

void
sigv4_date(time_t t, char out[SIGV4_DATE_LEN + 1])
{
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, SIGV4_DATE_LEN + 1, "%Y%m%dT%H%M%SZ", &tm);
}

static int
signed_names(const struct sigv4_request *q, struct ls_buf *b)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < q->nheaders; i++)
		rc = ls_buf_printf(b, "%s%s", i ? ";" : "", q->headers[i].name);
	return rc;
}

static int
canonical(const struct sigv4_request *q, struct ls_buf *b)
{
	int rc = ls_buf_printf(b, "%s\n%s\n%s\n", q->method, q->path, q->query);

	for (size_t i = 0; rc == 0 && i < q->nheaders; i++)
		rc = ls_buf_printf(b, "%s:%s\n", q->headers[i].name, q->headers[i].value);
	if (rc < 0 || (rc = ls_buf_append(b, "\n", 1)) < 0 || (rc = signed_names(q, b)) < 0)
		return rc;
	return ls_buf_printf(b, "\n%s", q->payload);
}

/* The key of the day: a chain of HMACs over the parts of the scope. */
static int
signing_key(const struct sigv4_request *q, const char *day, const char *secret_key,
	    uint8_t out[DIGEST_SHA256_LEN], struct ls_err *err)
{
	const char *parts[] = {day, q->region, q->service, "aws4_request"};
	char first[SECRET_MAX];
	int n = snprintf(first, sizeof first, "AWS4%s", secret_key), rc = 0;
	const void *key = first;
	size_t key_n = (size_t)n;

	if (key_n >= sizeof first)
		rc = ls_err_set(err, -EINVAL, "the secret access key is too long");
	for (size_t i = 0; rc == 0 && i < sizeof parts / sizeof *parts; i++) {
		rc = digest_hmac(key, key_n, parts[i], strlen(parts[i]), out, err);
		key = out;
		key_n = DIGEST_SHA256_LEN;
	}
	explicit_bzero(first, sizeof first);
	return rc;
}

static int
sign_text(const struct sigv4_request *q, const char *scope, const char *date, const char *day,
	  const char *secret_key, char out[DIGEST_SHA256_HEX + 1], struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf b;
	uint8_t sum[DIGEST_SHA256_LEN], key[DIGEST_SHA256_LEN];
	char hex[DIGEST_SHA256_HEX + 1];
	int rc;

	ls_buf_init(&b, CANONICAL_MAX);
	if (canonical(q, &b) < 0)
		return no_memory(err);
	if ((rc = digest_mem(DIGEST_SHA256, b.p, b.len, sum, err)) < 0)
		return rc;
	digest_hex(sum, sizeof sum, hex);
	b.len = 0;
	if (ls_buf_printf(&b, "AWS4-HMAC-SHA256\n%s\n%s\n%s", date, scope, hex) < 0)
		return no_memory(err);
	if ((rc = signing_key(q, day, secret_key, key, err)) == 0)
		rc = digest_hmac(key, sizeof key, b.p, b.len, sum, err);
	explicit_bzero(key, sizeof key);
	digest_hex(sum, sizeof sum, out);
	return rc;
}

int
sigv4_sign(const struct sigv4_request *q, const char *access_key, const char *secret_key,
	   char out[SIGV4_AUTH_MAX], struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf b;
	char date[SIGV4_DATE_LEN + 1], day[9], scope[SCOPE_MAX], signature[DIGEST_SHA256_HEX + 1];
	int rc;

	ls_buf_init(&b, SIGV4_AUTH_MAX - 1);
	sigv4_date(q->time, date);
	snprintf(day, sizeof day, "%.8s", date);
	snprintf(scope, sizeof scope, "%s/%s/%s/aws4_request", day, q->region, q->service);
	if ((rc = sign_text(q, scope, date, day, secret_key, signature, err)) < 0)
		return rc;
	if (ls_buf_printf(&b, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=", access_key,
			  scope) < 0 ||
	    signed_names(q, &b) < 0 || ls_buf_printf(&b, ", Signature=%s", signature) < 0)
		return no_memory(err);
	memcpy(out, b.p, b.len);
	out[b.len] = '\0';
	return 0;
}
