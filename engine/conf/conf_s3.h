/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_s3: what the configuration and a URL say about a bucket -> struct s3_config.
 *
 * Keys of a replica win over the parameters of its URL, and these over the keys at the top.
 * Source: spec/contract.md 2.7, 3.1-3.3. Threads: single.
 */
#ifndef ENGINE_CONF_CONF_S3_H
#define ENGINE_CONF_CONF_S3_H

#include "engine/base/url.h"
#include "engine/conf/conf_yaml.h"
#include "engine/store/s3_config.h"

struct conf_s3_raw {
	char *access_key, *secret_key, *session_token, *profile;
	char *region, *bucket, *endpoint, *storage_class, *tags;
	char *sse, *sse_kms_key_id, *sse_algorithm, *sse_key, *sse_key_path;
	char *ca_file, *client_cert, *client_key;
	int path_style, sign_payload, content_md5, skip_verify; /* CONF_MAYBE */
	uint64_t part_size;					/* of the replica only */
	int64_t concurrency;					/* of the replica only */
	struct conf_duration timeout;				/* without anything that moves */
};

void conf_s3_raw_done(struct conf_s3_raw *r);

#define CONF_S3_KEYS(type, m)                                                                      \
	{"access-key-id", CONF_STRING, offsetof(type, m.access_key)},                              \
		{"secret-access-key", CONF_STRING, offsetof(type, m.secret_key)},                  \
		{"session-token", CONF_STRING, offsetof(type, m.session_token)},                   \
		{"profile", CONF_STRING, offsetof(type, m.profile)},                               \
		{"region", CONF_STRING, offsetof(type, m.region)},                                 \
		{"bucket", CONF_STRING, offsetof(type, m.bucket)},                                 \
		{"endpoint", CONF_STRING, offsetof(type, m.endpoint)},                             \
		{"storage-class", CONF_STRING, offsetof(type, m.storage_class)},                   \
		{"tags", CONF_STRING, offsetof(type, m.tags)},                                     \
		{"sse", CONF_STRING, offsetof(type, m.sse)},                                       \
		{"sse-kms-key-id", CONF_STRING, offsetof(type, m.sse_kms_key_id)},                 \
		{"sse-customer-algorithm", CONF_STRING, offsetof(type, m.sse_algorithm)},          \
		{"sse-customer-key", CONF_STRING, offsetof(type, m.sse_key)},                      \
		{"sse-customer-key-path", CONF_STRING, offsetof(type, m.sse_key_path)},            \
		{"ca-file", CONF_STRING, offsetof(type, m.ca_file)},                               \
		{"client-cert", CONF_STRING, offsetof(type, m.client_cert)},                       \
		{"client-key", CONF_STRING, offsetof(type, m.client_key)},                         \
		{"force-path-style", CONF_MAYBE, offsetof(type, m.path_style)},                    \
		{"sign-payload", CONF_MAYBE, offsetof(type, m.sign_payload)},                      \
		{"require-content-md5", CONF_MAYBE, offsetof(type, m.content_md5)},                \
		{"skip-verify", CONF_MAYBE, offsetof(type, m.skip_verify)},                        \
		{"part-size", CONF_SIZE, offsetof(type, m.part_size)},                             \
		{"timeout", CONF_DURATION, offsetof(type, m.timeout)},                             \
	{                                                                                          \
		"concurrency", CONF_INT, offsetof(type, m.concurrency)                             \
	}

/* raw, defaults and u (the parsed URL) may be NULL; path: that of the configuration, or NULL. The
 * caller frees *ret with s3_config_done(). -EINVAL. */
LS_MUST_USE int
conf_s3_build(const struct conf_s3_raw *raw, const struct conf_s3_raw *defaults,
	      const struct url *u, const char *path, struct s3_config *ret, struct ls_err *err);
/* "s3://BUCKET/PATH[?endpoint=...]", without anything secret; caller frees; NULL: out of memory. */
char *conf_s3_url(const struct s3_config *c);

#endif
