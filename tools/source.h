/* SPDX-License-Identifier: Apache-2.0 */
/* source: what a positional argument of restore and ltx names: a replica URL, or a database of the
 * configuration. */
#ifndef TOOLS_SOURCE_H
#define TOOLS_SOURCE_H

#include "engine/conf/conf.h"

struct source_args {
	const char *config; /* -config */
	bool no_expand_env;
	const char *what; /* the argument */
};

struct source {
	struct conf conf;
	struct conf_replica from_url;
	const struct conf_replica *replica;
	const struct conf_db *db; /* NULL for a URL */
};

LS_MUST_USE int source_open(const struct source_args *args, struct source *ret, struct ls_err *err);
void source_close(struct source *s);

/* Sets up logging by the configuration; to_stderr wins. */
void source_setup_log(const struct conf *conf, bool to_stderr, const char *level);

#endif
