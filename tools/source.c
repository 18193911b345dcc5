/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/source.h"

#include "engine/base/log.h"

#include <stdio.h>

void
source_setup_log(const struct conf *conf, bool to_stderr, const char *level)
{
	const char *env = getenv("LOG_LEVEL");
	struct log_config c = {
		.level = conf ? (enum log_level)conf->log_level : LOG_INFO,
		.type = conf ? (enum log_type)conf->log_type : LOG_TEXT,
		.fd = to_stderr || (conf && conf->log_stderr) ? 2 : 1,
	};

	if (level && *level)
		c.level = log_level_parse(level);
	else if (env && *env)
		c.level = log_level_parse(env);
	log_setup(&c);
	for (size_t i = 0; conf && i < conf->nwarnings; i++)
		log_write(LOG_WARN, "configuration", LOG_STR("warning", conf->warnings[i]));
}

int
source_open(const struct source_args *args, struct source *ret, struct ls_err *err)
{
	bool config = args->config && *args->config;
	int rc;

	*ret = (struct source){0};
	if (conf_is_url(args->what)) {
		if (config)
			return ls_err_set(err, -EINVAL,
					  "cannot specify a replica URL and the -config flag");
		if ((rc = conf_replica_from_url(args->what, &ret->from_url, err)) < 0)
			return rc;
		ret->replica = &ret->from_url;
		return 0;
	}
	if ((rc = conf_load(args->config, !args->no_expand_env, &ret->conf, err)) < 0)
		return rc;
	ret->db = conf_find(&ret->conf, args->what);
	if (!ret->db) {
		source_close(ret);
		return ls_err_set(err, -ENOENT, "database not found in config: %s", args->what);
	}
	ret->replica = &ret->db->replicas[0];
	return 0;
}

void
source_close(struct source *s)
{
	conf_done(&s->conf);
	conf_replica_done(&s->from_url);
}
