/* SPDX-License-Identifier: Apache-2.0 */
/* source: what a positional argument of restore, ltx and others names: a replica URL, or a database
 * of the configuration. Threads: single. */
#ifndef TOOLS_SOURCE_H
#define TOOLS_SOURCE_H

#include "engine/conf/conf.h"
#include "engine/replica/catalog.h"
#include "engine/replica/rank.h"

struct source_args {
	const char *config; /* -config */
	bool no_expand_env;
	const char *what;    /* the argument */
	const char *replica; /* -replica; NULL: the best one that answers */
	bool log_stdout;     /* where the configuration does not say */
};

struct source {
	struct conf conf;
	struct conf_replica from_url;
	const struct conf_replica *replica; /* the one to be read */
	struct rank *ranks;		    /* all that may be read instead, that one first */
	size_t nranks;
	const struct conf_db *db; /* NULL for a URL */
};

/* Opens it and sets up logging. *ret_hint: on failure what to try, if there is something. */
LS_MUST_USE int source_open(const struct source_args *args, struct source *ret,
			    const char **ret_hint, struct ls_err *err);
void source_close(struct source *s);

/* n replicas in the order in which they are to be read (rank.h); their stores are closed again. */
void source_rank(const struct conf_replica *v, size_t n, struct rank *ret);

/* The configuration with the members of its directories; logging to standard error is set up. */
LS_MUST_USE int
source_load(const char *config, bool no_expand_env, struct conf *ret, struct ls_err *err);

/* All files of a replica; points: those in packs, too, and exact times. A root that is provably
 * missing is an empty replica, with a warning on standard error. */
LS_MUST_USE int source_catalog(const struct conf_replica *conf, bool points, struct catalog *ret,
			       struct ls_err *err);

/* Sets up logging: level (-log-level), else $LOG_LEVEL, else the configuration, which may be NULL;
 * to_stderr wins. Logs the warnings of the configuration. */
void source_setup_log(const struct conf *conf, bool to_stderr, const char *level);

/* The token that SIGINT and SIGTERM fire, and SIGHUP unless it was ignored at start (nohup); a
 * second signal fires the other one, if it is not NULL. Both are initialised here. */
LS_MUST_USE int source_catch_signals(struct stop *first, struct stop *second, struct ls_err *err);

#endif
