/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/s3_config.h"

#include "engine/store/digest.h"

#include <stddef.h>
#include <string.h>

enum { CUSTOMER_KEY_LEN = 32 };

static const size_t texts[] = {
	offsetof(struct s3_config, bucket),	    offsetof(struct s3_config, path),
	offsetof(struct s3_config, region),	    offsetof(struct s3_config, endpoint),
	offsetof(struct s3_config, ca_file),	    offsetof(struct s3_config, client_cert),
	offsetof(struct s3_config, client_key),	    offsetof(struct s3_config, access_key),
	offsetof(struct s3_config, profile),	    offsetof(struct s3_config, storage_class),
	offsetof(struct s3_config, tags),	    offsetof(struct s3_config, sse),
	offsetof(struct s3_config, sse_kms_key_id),
};

static const size_t secrets[] = {
	offsetof(struct s3_config, secret_key),
	offsetof(struct s3_config, session_token),
	offsetof(struct s3_config, sse_customer_key),
};

static char **
text_at(struct s3_config *c, size_t i)
{
	return (char **)(void *)((char *)c + texts[i]);
}

static struct secret *
secret_at(struct s3_config *c, size_t i)
{
	return (struct secret *)(void *)((char *)c + secrets[i]);
}

int
s3_config_copy(const struct s3_config *c, struct s3_config *ret, struct ls_err *err)
{
	struct s3_config n = *c;
	int rc = 0;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (*text_at(&n, i) && !(*text_at(&n, i) = strdup(*text_at(&n, i))))
			rc = ls_err_set(err, -ENOMEM, "s3: out of memory");
	for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
		struct secret *s = secret_at(&n, i);

		if (s->text && !(s->text = strdup(s->text)))
			rc = ls_err_set(err, -ENOMEM, "s3: out of memory");
	}
	if (rc < 0) {
		s3_config_done(&n);
		return rc;
	}
	*ret = n;
	return 0;
}

void
s3_config_done(struct s3_config *c)
{
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		free(*text_at(c, i));
	for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
		secret_done(secret_at(c, i));
	*c = (struct s3_config){0};
}

static bool
given(const char *s)
{
	return s && *s;
}

int
s3_config_fill(char **at, const char *value, struct ls_err *err)
{
	if (given(*at) || !given(value))
		return 0;
	free(*at);
	return (*at = strdup(value)) ? 0 : ls_err_set(err, -ENOMEM, "s3: out of memory");
}

static bool
is_near(const char *endpoint)
{
	static const char *const near[] = {"127.", "localhost", "[::1]", "10.", "192.168."};
	const char *host = strstr(endpoint, "://");

	for (size_t i = 0; host && i < sizeof near / sizeof *near; i++)
		if (strncmp(host + 3, near[i], strlen(near[i])) == 0)
			return true;
	return false;
}

static int
check_customer_key(const struct s3_config *c, struct ls_err *err)
{
	uint8_t key[CUSTOMER_KEY_LEN + 1];
	size_t n = 0;
	int rc = digest_unbase64(c->sse_customer_key.text, key, sizeof key, &n);

	explicit_bzero(key, sizeof key);
	if (rc < 0 || n != CUSTOMER_KEY_LEN)
		return ls_err_set(err, -EINVAL,
				  "sse-customer-key must be the base64 form of 32 bytes: make one "
				  "with 'openssl rand -base64 32'");
	if (given(c->sse) || given(c->sse_kms_key_id))
		return ls_err_set(err, -EINVAL,
				  "sse-customer-key cannot be combined with sse-kms-key-id: give "
				  "one of them");
	if (given(c->endpoint) && strncmp(c->endpoint, "http:", 5) == 0 && !is_near(c->endpoint))
		return ls_err_set(err, -EINVAL,
				  "sse-customer-key needs an https endpoint: it is sent to the "
				  "server with every request");
	return 0;
}

int
s3_config_check(const struct s3_config *c, struct ls_err *err)
{
	if (!given(c->bucket))
		return ls_err_set(err, -EINVAL, "bucket required for s3 replica");
	if (c->part_size && c->part_size < S3_PART_MIN)
		return ls_err_set(err, -EINVAL,
				  "part-size must be at least 5MiB (5242880 bytes), it is %llu: "
				  "object storage refuses smaller parts",
				  (unsigned long long)c->part_size);
	if (given(c->access_key) != given(c->secret_key.text))
		return ls_err_set(err, -EINVAL,
				  "access-key-id and secret-access-key must be given together");
	return c->sse_customer_key.text ? check_customer_key(c, err) : 0;
}
