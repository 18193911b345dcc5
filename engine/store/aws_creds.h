/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_creds: who signs. The first of these that has credentials (spec/contract.md 3.4):
 *
 *   1  the configuration of the replica
 *   2  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   3  LITESTREAM_ACCESS_KEY_ID, LITESTREAM_SECRET_ACCESS_KEY
 *   4  web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN
 *   5  the shared files ~/.aws/credentials and ~/.aws/config, with profiles, roles and
 *      credential_process
 *   6  the container's endpoint, then the instance's (IMDSv2)
 *
 * Those that run out are fetched again five minutes before; while that fails the old ones are used.
 * All stores of a process that take them from the same source share them.
 * Threads: locked.
 */
#ifndef ENGINE_STORE_AWS_CREDS_H
#define ENGINE_STORE_AWS_CREDS_H

#include "engine/store/s3_config.h"
#include "engine/store/store.h"

struct aws_key {
	char *access;
	struct secret secret, token; /* token: NULL text if there is none */
	int64_t expires_ms;	     /* wall clock; 0: never */
};

struct aws_creds;

LS_MUST_USE int aws_creds_open(const struct s3_config *c, const char *region,
			       struct aws_creds **ret, struct ls_err *err);
void aws_creds_close(struct aws_creds *c);

/* A copy of those in force. -EACCES: there are none, with what was tried. */
LS_MUST_USE int aws_creds_get(struct aws_creds *c, const struct store_call *call,
			      struct aws_key *ret, struct ls_err *err);
/* The server says that these have expired: they are fetched again at the next call, if they can
 * be (true). */
bool aws_creds_expired(struct aws_creds *c, const struct aws_key *used);

void aws_creds_key_done(struct aws_key *k);
LS_MUST_USE int aws_creds_key_set(struct aws_key *k, const char *access, const char *secret,
				  const char *token, struct ls_err *err);

#endif
