/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/source.h"

#include "engine/base/log.h"
#include "engine/base/stop.h"
#include "engine/conf/conf_dir.h"
#include "engine/replica/unpack.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct stop *on_first, *on_second;

void
source_setup_log(const struct conf *conf, bool to_stderr, const char *level)
{
	const char *env = getenv("LOG_LEVEL");
	struct log_config c = {
		.level = conf ? (enum log_level)conf->log_level : LOG_INFO,
		.type = conf ? (enum log_type)conf->log_type : LOG_TEXT,
		.fd = to_stderr || (conf && conf->log_stderr) ? 2 : 1,
	};

	if (!level || !*level)
		level = env && *env ? env : NULL;
	if (level)
		c.level = log_level_parse(level);
	log_setup(&c);
	if (level && c.level == LOG_INFO && strcasecmp(level, "info") != 0)
		log_write(LOG_WARN, "unknown log level, using info", LOG_STR("got", level));
	for (size_t i = 0; conf && i < conf->nwarnings; i++)
		log_write(LOG_WARN, "configuration", LOG_STR("warning", conf->warnings[i]));
}

static void
on_signal(int sig)
{
	if (!stop_fired(on_first))
		stop_fire_signal(on_first, sig);
	else if (on_second)
		stop_fire(on_second);
}

int
source_catch_signals(struct stop *first, struct stop *second, struct ls_err *err)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
	int rc;

	if ((rc = stop_init(first, err)) < 0 || (second && (rc = stop_init(second, err)) < 0))
		return rc;
	on_first = first;
	on_second = second;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	if (sigaction(SIGHUP, NULL, &old) < 0 || old.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &sa, NULL);
	return 0;
}

int
source_load(const char *config, bool no_expand_env, struct conf *ret, struct ls_err *err)
{
	int rc = conf_load(config, !no_expand_env, ret, err);

	if (rc < 0)
		return rc;
	source_setup_log(ret, true, NULL);
	if ((rc = conf_dir_expand(ret, false, err)) < 0)
		conf_done(ret);
	return rc;
}

static int
name_replica(const struct conf_db *db, const char *name, struct source *s, struct ls_err *err)
{
	s->replica = conf_find_replica(db, name);
	return s->replica ? 0
			  : ls_err_set(err, -EINVAL, "replica \"%s\" not found for database \"%s\"",
				       name, db->path);
}

void
source_rank(const struct conf_replica *v, size_t n, struct rank *ret)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct rank){.conf = &v[i]};
		if (n > 1)
			ret[i].err.code = conf_open_store(&v[i], &ret[i].store, &ret[i].err);
	}
	rank_replicas(ret, n, NULL);
	for (size_t i = 0; i < n; i++) {
		store_close(ret[i].store);
		ret[i].store = NULL;
	}
}

/* The replica that is named, or the best one. */
static int
choose(const struct conf_replica *v, size_t n, struct source *s, struct ls_err *err)
{
	s->ranks = ls_alloc_array(n, sizeof *s->ranks);
	if (!s->ranks)
		return ls_err_set(err, -ENOMEM, "out of memory");
	s->nranks = n;
	source_rank(v, n, s->ranks);
	s->replica = s->ranks[0].conf;
	return 0;
}

/* Of several replicas, which one is read, and why others are not. */
static void
tell_choice(const struct source *s)
{
	for (size_t i = 0; s->nranks > 1 && i < s->nranks; i++)
		if (s->ranks[i].err.code)
			log_write(LOG_WARN, "a replica does not answer",
				  LOG_STR("replica", s->ranks[i].conf->name),
				  LOG_STR("error", s->ranks[i].err.msg));
	if (s->nranks > 1)
		log_write(LOG_INFO, "reading replica", LOG_STR("replica", s->replica->name),
			  LOG_STR("url", s->replica->url), LOG_TXID("txid", s->ranks[0].txid));
}

static int
find(const struct source_args *args, struct source *ret, const char **ret_hint, struct ls_err *err)
{
	bool config = args->config && *args->config;
	int rc;

	*ret = (struct source){0};
	if (conf_is_url(args->what)) {
		if (config)
			return ls_err_set(err, -EINVAL,
					  "cannot specify a replica URL and the -config flag");
		if (args->replica && *args->replica)
			return ls_err_set(err, -EINVAL,
					  "cannot specify a replica URL and the -replica flag");
		rc = conf_replica_from_url(args->what, &ret->from_url, err);
		return rc < 0 ? rc : choose(&ret->from_url, 1, ret, err);
	}
	if ((rc = conf_load(args->config, !args->no_expand_env, &ret->conf, err)) < 0) {
		if (rc == -ENOENT)
			*ret_hint = "-config PATH, or a replica URL such as file:///backup/app";
		return rc;
	}
	if ((rc = conf_get(&ret->conf, args->what, &ret->db, err)) < 0) {
		*ret_hint = "litestream databases";
		return rc;
	}
	if (args->replica && *args->replica &&
	    (rc = name_replica(ret->db, args->replica, ret, err)) < 0)
		return rc;
	return ret->replica ? choose(ret->replica, 1, ret, err)
			    : choose(ret->db->replicas, ret->db->nreplicas, ret, err);
}

int
source_open(const struct source_args *args, struct source *ret, const char **ret_hint,
	    struct ls_err *err)
{
	int rc = find(args, ret, ret_hint, err);

	if (rc < 0) {
		source_close(ret);
		return rc;
	}
	source_setup_log(ret->db ? &ret->conf : NULL, !args->log_stdout, NULL);
	tell_choice(ret);
	return 0;
}

void
source_close(struct source *s)
{
	conf_done(&s->conf);
	conf_replica_done(&s->from_url);
	free(s->ranks);
	*s = (struct source){0};
}

static int
load(struct store *store, bool points, struct catalog *ret, struct ls_err *err)
{
	char identity[STORE_ETAG_MAX];
	bool parent_ok = false;
	struct replica r;
	int rc = store_root(store, NULL, false, identity, &parent_ok, err);

	if (rc == -ENOENT && parent_ok) {
		fprintf(stderr, "Warning: %s\n", err->msg);
		return 0;
	}
	if (rc < 0)
		return rc;
	replica_init(&r, store);
	return points ? unpack_load(&r, NULL, ret, err) : catalog_load(&r, NULL, ret, err);
}

int
source_catalog(const struct conf_replica *conf, bool points, struct catalog *ret,
	       struct ls_err *err)
{
	struct store *store = NULL;
	int rc = conf_open_store(conf, &store, err);

	if (rc < 0)
		return rc;
	rc = load(store, points, ret, err);
	store_close(store);
	return rc;
}
