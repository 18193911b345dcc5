/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_files: the files that the AWS tools share: ~/.aws/credentials ("[name]") and ~/.aws/config
 * ("[profile name]", "[default]"), lines of "key = value", '#' and ';' begin comments.
 * $AWS_SHARED_CREDENTIALS_FILE and $AWS_CONFIG_FILE name others.
 * Threads: immutable after aws_files_read().
 */
#ifndef ENGINE_STORE_AWS_FILES_H
#define ENGINE_STORE_AWS_FILES_H

#include "engine/base/err.h"

#include <stddef.h>

enum { AWS_FILES_MAX = 1 << 20 };

struct aws_files_line {
	char *section, *key, *value; /* section without "profile " */
};

struct aws_files {
	struct aws_files_line *lines;
	size_t n;
};

/* Files that are not there are empty. -EBADMSG: not such a file, naming the line. */
LS_MUST_USE int aws_files_read(struct aws_files *ret, struct ls_err *err);
/* One file's text, for tests and the fuzzer. */
LS_MUST_USE int aws_files_parse(struct aws_files *f, const char *name, const char *text, size_t n,
				struct ls_err *err);
void aws_files_done(struct aws_files *f);

/* NULL: it is not there. The credentials file wins over the configuration. */
const char *aws_files_get(const struct aws_files *f, const char *profile, const char *key);
/* Whether there is such a profile. */
bool aws_files_has(const struct aws_files *f, const char *profile);

#endif
