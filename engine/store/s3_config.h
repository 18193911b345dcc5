/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_config: what a user says about a bucket (spec/contract.md 2.7, 3.2). Threads: single.
 */
#ifndef ENGINE_STORE_S3_CONFIG_H
#define ENGINE_STORE_S3_CONFIG_H

#include "engine/base/secret.h"

#include <stdint.h>

enum { S3_PART_MIN = 5 << 20 };

/* "auto" is what the endpoint's provider wants (s3_place.h). */
enum s3_choice { S3_AUTO, S3_NO, S3_YES };

/* All strings are owned; NULL or "": not given. */
struct s3_config {
	char *bucket; /* or the ARN of an access point */
	char *path;   /* before "/" and the key, byte for byte: "" gives keys that begin with '/' */
	char *region;
	char *endpoint; /* URL with its scheme; NULL: Amazon's */
	enum s3_choice path_style, sign_payload, content_md5;
	bool skip_verify;
	char *ca_file, *client_cert, *client_key;
	char *access_key;
	struct secret secret_key, session_token;
	char *profile; /* of the shared files of the AWS tools; NULL: $AWS_PROFILE */
	char *storage_class;
	char *tags; /* "k=v&k2=v2", percent-encoded */
	char *sse;  /* "AES256", "aws:kms" or NULL */
	char *sse_kms_key_id;
	struct secret sse_customer_key; /* base64 of 32 bytes */
	uint64_t part_size;		/* 0: S3_PART_MIN; grows with the object */
	unsigned concurrency;		/* parts of one object at a time; 0: the provider's */
	unsigned stall_ms, connect_ms;	/* 0: http.h's */
};

LS_MUST_USE int
s3_config_copy(const struct s3_config *c, struct s3_config *ret, struct ls_err *err);
/* A copy of value in one of the strings, unless that is given already. */
LS_MUST_USE int s3_config_fill(char **at, const char *value, struct ls_err *err);
void s3_config_done(struct s3_config *c);
/* What can be said without asking a server. -EINVAL. */
LS_MUST_USE int s3_config_check(const struct s3_config *c, struct ls_err *err);

#endif
