/* SPDX-License-Identifier: Apache-2.0 */
/* The security token service: a role's credentials for a token or for other credentials. */
#include "config.h"

#include "engine/store/aws_remote.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/timex.h"
#include "engine/store/digest.h"
#include "engine/store/http.h"
#include "engine/store/sigv4.h"
#include "engine/store/xml.h"

#include <stdio.h>
#include <string.h>

enum { TOKEN_MAX = 64 << 10, FORM_MAX = 256 << 10, PAIRS_MAX = 8 };

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "credentials: out of memory");
}

struct answer {
	char *access, *secret, *token;
	int64_t expires_ms;
	char code[64], message[160];
};

static void
answer_done(struct answer *a)
{
	free(a->access);
	secret_wipe(a->secret);
	secret_wipe(a->token);
}

static int
keep(char **at, const char *text, struct ls_err *err)
{
	secret_wipe(*at);
	return (*at = strdup(text)) ? 0 : no_memory(err);
}

static int
take(void *arg, const char *path, const char *text, struct ls_err *err)
{
	struct answer *a = arg;
	const char *leaf = strrchr(path, '/');

	if (!leaf)
		return 0;
	if (strcmp(leaf, "/AccessKeyId") == 0)
		return keep(&a->access, text, err);
	if (strcmp(leaf, "/SecretAccessKey") == 0)
		return keep(&a->secret, text, err);
	if (strcmp(leaf, "/SessionToken") == 0)
		return keep(&a->token, text, err);
	if (strcmp(leaf, "/Expiration") == 0)
		return timex_parse(text, 0, &a->expires_ms, err);
	if (strcmp(leaf, "/Code") == 0)
		snprintf(a->code, sizeof a->code, "%s", text);
	else if (strcmp(leaf, "/Message") == 0)
		snprintf(a->message, sizeof a->message, "%s", text);
	return 0;
}

static int
read_answer(const struct http_answer *h, const char *what, struct aws_key *ret, struct ls_err *err)
{
	LS_AUTO(answer_done) struct answer a = {0};
	int rc = xml_read(h->text.p, h->text.len, take, &a, err);

	if (h->status != 200)
		return ls_err_set(err, h->status / 100 == 5 ? -EAGAIN : -EACCES,
				  "%s: HTTP status %d %s: %s", what, h->status, a.code, a.message);
	if (rc < 0)
		return ls_err_wrap(err, rc, "%s", what);
	if (!a.access || !a.secret)
		return ls_err_set(err, -EACCES, "%s: the answer has no credentials in it", what);
	rc = aws_creds_key_set(ret, a.access, a.secret, a.token, err);
	ret->expires_ms = a.expires_ms;
	return rc;
}

/* The host of the service, as scheme://host, and the path. */
static char *
service(const char *region)
{
	const char *names[] = {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *v = getenv(names[i]);

		if (v && *v)
			return ls_buf_format("%.*s", (int)(strlen(v) - ls_buf_ends_with(v, "/")),
					     v);
	}
	return ls_buf_format("https://sts.%s.amazonaws.com%s", region,
			     strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

/* Lines of the signature; key NULL: unsigned. */
struct signature {
	char date[64], auth[SIGV4_AUTH_MAX + 20];
	char *token;
};

static int
sign(const char *origin, const struct store_source *form, const struct aws_key *key,
     const char *region, struct signature *ret, struct ls_err *err)
{
	char date[SIGV4_DATE_LEN + 1], payload[DIGEST_SHA256_HEX + 1], auth[SIGV4_AUTH_MAX];
	uint8_t sum[DIGEST_SHA256_LEN];
	struct sigv4_pair headers[3] = {{"host", strstr(origin, "://") + 3}, {"x-amz-date", date}};
	struct sigv4_request q = {.method = "POST",
				  .path = "/",
				  .query = "",
				  .headers = headers,
				  .nheaders = 2,
				  .payload = payload,
				  .region = region,
				  .service = "sts",
				  .time = (time_t)(clock_wall_ms() / 1000)};
	int rc;

	sigv4_date(q.time, date);
	if (key->token.text)
		headers[q.nheaders++] =
			(struct sigv4_pair){"x-amz-security-token", key->token.text};
	if ((rc = digest_source(DIGEST_SHA256, form, 0, form->size, sum, err)) < 0)
		return rc;
	digest_hex(sum, sizeof sum, payload);
	if ((rc = sigv4_sign(&q, key->access, key->secret.text, auth, err)) < 0)
		return rc;
	snprintf(ret->date, sizeof ret->date, "x-amz-date: %s", date);
	snprintf(ret->auth, sizeof ret->auth, "Authorization: %s", auth);
	if (key->token.text &&
	    !(ret->token = ls_buf_format("x-amz-security-token: %s", key->token.text)))
		return no_memory(err);
	return 0;
}

static int
ask(struct sigv4_pair *pairs, size_t n, const struct aws_key *key, const char *region,
    const struct store_call *call, const char *what, struct aws_key *ret, struct ls_err *err)
{
	LS_AUTO(http_answer_done) struct http_answer a = {0};
	LS_AUTO(ls_buf_done) struct ls_buf form;
	ls_autofree char *origin = service(region), *url = NULL;
	struct signature s = {.token = NULL};
	const char *lines[4] = {"content-type: application/x-www-form-urlencoded"};
	struct store_source body;
	struct http_request q = {
		.method = "POST", .headers = lines, .nheaders = 1, .body = &body, .call = call};
	int rc;

	ls_buf_init(&form, FORM_MAX);
	if (!origin || !strstr(origin, "://") || !(url = ls_buf_format("%s/", origin)))
		return no_memory(err);
	q.url = url;
	if ((rc = sigv4_query(pairs, n, &form, err)) < 0)
		return rc;
	body = store_source_mem(form.p, form.len);
	if (key) {
		rc = sign(origin, &body, key, region, &s, err);
		lines[q.nheaders++] = s.date;
		lines[q.nheaders++] = s.auth;
		if (s.token)
			lines[q.nheaders++] = s.token;
	}
	if (rc == 0 && (rc = http_do(&q, &a, err)) == 0)
		rc = read_answer(&a, what, ret, err);
	explicit_bzero(form.p, form.len);
	secret_wipe(s.token);
	return rc;
}

static void
begin(struct sigv4_pair *v, size_t *n, const char *action, const struct aws_role *role)
{
	v[(*n)++] = (struct sigv4_pair){"Action", action};
	v[(*n)++] = (struct sigv4_pair){"Version", "2011-06-15"};
	v[(*n)++] = (struct sigv4_pair){"RoleArn", role->arn};
	v[(*n)++] = (struct sigv4_pair){"RoleSessionName",
					role->session_name ? role->session_name : "litestream"};
}

int
aws_remote_web_identity(const struct aws_role *role, const char *token_file, const char *region,
			const struct store_call *call, struct aws_key *ret, struct ls_err *err)
{
	struct sigv4_pair v[PAIRS_MAX];
	size_t n = 0, len = 0;
	char *token = NULL;
	int rc = io_read_file(token_file, TOKEN_MAX, &token, &len, err);

	if (rc < 0)
		return ls_err_wrap(err, rc == -ENOENT ? -EACCES : rc,
				   "the token of AWS_WEB_IDENTITY_TOKEN_FILE");
	token[strcspn(token, " \t\r\n")] = '\0';
	begin(v, &n, "AssumeRoleWithWebIdentity", role);
	v[n++] = (struct sigv4_pair){"WebIdentityToken", token};
	rc = ask(v, n, NULL, region, call, "web identity", ret, err);
	secret_wipe(token);
	return rc;
}

int
aws_remote_assume_role(const struct aws_role *role, const struct aws_key *key, const char *region,
		       const struct store_call *call, struct aws_key *ret, struct ls_err *err)
{
	struct sigv4_pair v[PAIRS_MAX];
	size_t n = 0;

	begin(v, &n, "AssumeRole", role);
	if (role->external_id)
		v[n++] = (struct sigv4_pair){"ExternalId", role->external_id};
	return ask(v, n, key, region, call, "assuming a role", ret, err);
}
