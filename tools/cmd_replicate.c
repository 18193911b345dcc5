/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/log.h"
#include "engine/sync/fleet.h"
#include "tools/cmd.h"
#include "tools/opt.h"
#include "tools/source.h"

const char cmd_replicate_usage[] =
	"The replicate command watches databases and copies every commit to their replicas,\n"
	"until it gets SIGINT, SIGTERM or SIGHUP.\n\n"
	"Usage:\n\n\tlitestream replicate [arguments]\n"
	"\tlitestream replicate [arguments] DB_PATH REPLICA_URL\n\n"
	"The first form takes databases and replicas from the configuration file.\n\n"
	"Arguments:\n\n" CMD_CONFIG_USAGE "\t-once\n"
	"\t    Captures what is committed, and ends when it is safe in the replica.\n\n"
	"\t-log-level LEVEL\n"
	"\t    trace, debug, info, warn or error. Defaults to $LOG_LEVEL, or to the\n"
	"\t    configuration, or to info.\n\n"
	"Examples:\n\n\t$ litestream replicate /var/lib/app.db file:///backup/app\n"
	"\t$ litestream replicate -config /etc/litestream.yml\n";

static const char example[] = "litestream replicate /var/lib/app.db file:///backup/app";
static struct stop stop, abort_now;

struct args {
	const char *config, *log_level;
	bool no_expand_env, once;
};

static int
check_words(const struct args *a, int n, char **words, struct ls_err *err)
{
	if (n == 1)
		return ls_err_set(err, -EINVAL, "must specify at least one replica URL for DB");
	if (n && a->config && *a->config)
		return ls_err_set(err, -EINVAL,
				  "cannot specify a replica URL and the -config flag");
	for (int i = 0; i < n; i++)
		if (words[i][0] == '-')
			return ls_err_set(err, -EINVAL,
					  "flag \"%.40s\" must be positioned before DB_PATH and "
					  "REPLICA_URL arguments",
					  words[i]);
	if (n > 2)
		return ls_err_set(err, -EINVAL,
				  "multiple replicas on a single database are not supported yet by "
				  "this build");
	return 0;
}

static int
run(const struct args *a, const struct conf *conf, struct ls_err *err)
{
	struct fleet_opts opts = {.once = a->once, .stop = &stop, .abort = &abort_now};
	int rc;

	source_setup_log(conf, false, a->log_level);
	log_write(LOG_INFO, "litestream", LOG_STR("version", PACKAGE_VERSION));
	rc = fleet_run(conf, &opts, err);
	if (rc < 0)
		return rc;
	if (a->once) {
		log_write(LOG_INFO, "one-shot replication complete");
		log_write(LOG_INFO, "replication complete, litestream shutting down");
	}
	log_write(LOG_INFO, "litestream shut down");
	return 0;
}

int
cmd_replicate(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	struct args a = {0};
	const struct opt opts[] = {{"config", OPT_STRING, &a.config},
				   {"no-expand-env", OPT_BOOL, &a.no_expand_env},
				   {"once", OPT_BOOL, &a.once},
				   {"log-level", OPT_STRING, &a.log_level},
				   {"exec", OPT_LATER, NULL},
				   {"force-snapshot", OPT_LATER, NULL},
				   {"enforce-retention", OPT_LATER, NULL},
				   {"restore-if-db-not-exists", OPT_LATER, NULL},
				   {0}};
	int first, rc = opt_parse(opts, argc, argv, &first, err);
	struct conf conf;

	if (rc != 0)
		return rc;
	if (argc - first == 1)
		c->hint = example;
	if ((rc = check_words(&a, argc - first, argv + first, err)) < 0 ||
	    (rc = source_catch_signals(&stop, &abort_now, err)) < 0)
		return rc;
	if (argc - first == 2)
		rc = conf_from_args(argv[first], argv[first + 1], &conf, err);
	else
		rc = conf_load(a.config, !a.no_expand_env, &conf, err);
	if (rc == -ENOENT)
		c->hint =
			"litestream replicate /var/lib/app.db file:///backup/app, or -config PATH";
	if (rc < 0)
		return rc;
	rc = run(&a, &conf, err);
	conf_done(&conf);
	return rc;
}
