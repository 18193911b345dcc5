/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/s3_error.h"

#include "engine/store/xml.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_MAX = 200 };

struct error_text {
	struct s3_answer *a;
	char *region;
	size_t cap;
	char message[MESSAGE_MAX];
};

/* Error/Code, also in an answer of STS: ErrorResponse/Error/Code. */
static int
take(void *arg, const char *path, const char *text, struct ls_err *err)
{
	struct error_text *t = arg;
	const char *leaf = strrchr(path, '/');

	(void)err;
	if (!leaf)
		return 0;
	if (strcmp(leaf, "/Code") == 0)
		snprintf(t->a->code, sizeof t->a->code, "%s", text);
	else if (strcmp(leaf, "/Region") == 0 && t->region)
		snprintf(t->region, t->cap, "%s", text);
	else if (strcmp(leaf, "/Message") == 0)
		snprintf(t->message, sizeof t->message, "%s", text);
	return 0;
}

static void
read_body(struct s3_answer *a, struct error_text *t)
{
	t->a = a;
	/* A body that is no XML tells nothing: the status does. */
	(void)!xml_read(a->http.text.p, a->http.text.len, take, t, NULL);
	for (char *p = a->code; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	for (char *p = t->message; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

void
s3_error_read(struct s3_answer *a, char *region, size_t cap)
{
	struct error_text t = {.region = region, .cap = cap};

	if (cap)
		region[0] = '\0';
	read_body(a, &t);
	if (cap && !region[0])
		http_header_text(&a->http, "x-amz-bucket-region", region, cap);
}

static bool
one_of(const char *code, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(code, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

#define ONE_OF(code, list) one_of(code, list, sizeof(list) / sizeof(list)[0])

static bool
try_later(int status, const char *code)
{
	static const char *const codes[] = {
		"RequestTimeout",
		"SlowDown",
		"Throttling",
		"TooManyRequests",
		"RequestLimitExceeded",
		"BandwidthLimitExceeded",
		"InternalError",
		"ServiceUnavailable",
		"PriorRequestNotComplete",
		"RequestCanceled",
		"OperationAborted",
		"ConditionalRequestConflict",
		"ExpiredToken",
		"RequestTimeTooSkewed",
	};

	return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
	       status == 504 || ONE_OF(code, codes);
}

/* What a permission that is missing is called. */
static const char *
permission(const struct s3_request *q)
{
	bool listing = !q->key && strcmp(q->method, "GET") == 0;

	return listing					? "s3:ListBucket"
	       : !q->key || *q->method == 'D'		? "s3:DeleteObject"
	       : *q->method == 'G' || *q->method == 'H' ? "s3:GetObject (or s3:ListBucket, without "
							  "which a missing object looks forbidden)"
							: "s3:PutObject";
}

static int
denied(const struct s3_answer *a, const struct s3_request *q, const char *where, const char *said,
       struct ls_err *err)
{
	static const char *const keys[] = {"InvalidAccessKeyId", "SignatureDoesNotMatch",
					   "InvalidToken", "ExpiredToken", "AuthFailure"};
	static const char *const skew[] = {"RequestTimeTooSkewed"};

	if (ONE_OF(a->code, keys))
		return ls_err_set(err, -EACCES,
				  "%s: the server does not accept the credentials (%s): check the "
				  "access key, the secret key and the session token",
				  where, a->code);
	if (ONE_OF(a->code, skew))
		return ls_err_set(err, -EACCES,
				  "%s: the clock of this host differs too much from the server's: "
				  "set it (timedatectl set-ntp true)",
				  where);
	return ls_err_set(err, -EACCES, "%s: access denied: allow %s, or check the credentials%s%s",
			  where, permission(q), *said ? ": " : "", said);
}

static int
later(const struct s3_answer *a, const char *where, const char *said, struct ls_err *err)
{
	ls_err_set(err, -EAGAIN, "%s: HTTP status %d%s%s%s%s", where, a->http.status,
		   *a->code ? " " : "", a->code, *said ? ": " : "", said);
	return -EAGAIN;
}

int
s3_error_set(const struct s3_answer *a, const struct s3_request *q, const char *where,
	     const struct s3_place *p, struct ls_err *err)
{
	struct s3_answer copy = *a;
	struct error_text t = {0};
	int status = a->http.status;

	read_body(&copy, &t);
	if (try_later(status, a->code))
		return later(a, where, t.message, err);
	if (strcmp(a->code, "NoSuchBucket") == 0 || (status == 404 && !q->key))
		return ls_err_set(
			err, -EINVAL,
			"%s: there is no such bucket at %s: create it, or correct its name", where,
			p->origin);
	if (status == 404)
		return ls_err_set(err, -ENOENT, "%s: no such object", where);
	if (status == 412)
		return ls_err_set(err, -ESTALE, "%s: the object is another one now", where);
	if (status == 401 || status == 403)
		return denied(a, q, where, t.message, err);
	if (status == 301 || status == 307 || strcmp(a->code, "AuthorizationHeaderMalformed") == 0)
		return ls_err_set(
			err, -EINVAL,
			"%s: the bucket is in another region or at another endpoint (%s): "
			"set region and endpoint",
			where, *t.message ? t.message : a->code);
	if (status == 507 || strcmp(a->code, "QuotaExceeded") == 0)
		return ls_err_set(err, -ENOSPC, "%s: the storage is full: %s", where,
				  *t.message ? t.message : a->code);
	return ls_err_set(err, status == 501 ? -ENOTSUP : -EIO, "%s: %s %s: HTTP status %d%s%s%s%s",
			  where, p->provider, "refused the request", status, *a->code ? " " : "",
			  a->code, *t.message ? ": " : "", t.message);
}
