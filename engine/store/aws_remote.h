/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_remote: credentials that something else hands out: the security token service, the endpoint
 * of a container, the metadata of an instance, a command.
 *
 * Each returns -ENOENT when it does not apply here (nothing is configured, or nobody answers), any
 * other error when it applies and failed. Source: spec/storage.md A2.5. Threads: any.
 */
#ifndef ENGINE_STORE_AWS_REMOTE_H
#define ENGINE_STORE_AWS_REMOTE_H

#include "engine/store/aws_creds.h"

struct aws_role {
	const char *arn, *session_name, *external_id; /* the latter two may be NULL */
};

/* AssumeRoleWithWebIdentity; token_file is read anew each time. */
LS_MUST_USE int
aws_remote_web_identity(const struct aws_role *role, const char *token_file, const char *region,
			const struct store_call *call, struct aws_key *ret, struct ls_err *err);
/* AssumeRole, signed with key. */
LS_MUST_USE int
aws_remote_assume_role(const struct aws_role *role, const struct aws_key *key, const char *region,
		       const struct store_call *call, struct aws_key *ret, struct ls_err *err);
/* $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, $AWS_CONTAINER_CREDENTIALS_FULL_URI */
LS_MUST_USE int
aws_remote_container(const struct store_call *call, struct aws_key *ret, struct ls_err *err);
/* IMDSv2. */
LS_MUST_USE int
aws_remote_instance(const struct store_call *call, struct aws_key *ret, struct ls_err *err);
/* credential_process: run by the shell, JSON on its output. */
LS_MUST_USE int aws_remote_process(const char *command, struct aws_key *ret, struct ls_err *err);

/* The JSON object that all but STS answer with; token_name: "Token" or "SessionToken". */
LS_MUST_USE int aws_remote_parse(const char *text, size_t n, const char *token_name,
				 struct aws_key *ret, struct ls_err *err);

#endif
