/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/log.h"
#include "engine/sync/fleet.h"
#include "tools/cmd.h"
#include "tools/opt.h"
#include "tools/source.h"

#include <signal.h>
#include <string.h>

const char cmd_replicate_usage[] =
	"The replicate command monitors databases and replicates every commit.\n\n"
	"Usage:\n\n\tlitestream replicate [arguments]\n"
	"\tlitestream replicate [arguments] DB_PATH REPLICA_URL\n\n"
	"Arguments:\n\n"
	"\t-config PATH\n\t    Specifies the configuration file. Defaults to "
	"/etc/litestream.yml\n\n"
	"\t-no-expand-env\n\t    Disables environment variable expansion in configuration file.\n\n"
	"\t-once\n\t    Captures everything once; it is durable in the replica on return.\n\n"
	"\t-log-level LEVEL\n\t    trace, debug, info, warn or error.\n\n"
	"Examples:\n\n\t$ litestream replicate /var/lib/app.db file:///backup/app\n"
	"\t$ litestream replicate -config /etc/litestream.yml\n";

static struct stop stop, abort_now;

static void
on_signal(int sig)
{
	(void)sig;
	stop_fire(stop_fired(&stop) ? &abort_now : &stop);
}

static int
catch_signals(struct ls_err *err)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	int rc;

	if ((rc = stop_init(&stop, err)) < 0 || (rc = stop_init(&abort_now, err)) < 0)
		return rc;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	return 0;
}

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
		return ls_err_set(
			err, -EINVAL,
			"multiple replicas on a single database are not supported by this "
			"build");
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
	if (rc == 0 && a->once)
		log_write(LOG_INFO, "one-shot replication complete");
	else if (rc == 0)
		log_write(LOG_INFO, "litestream shut down");
	return rc;
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
	int first = opt_parse(opts, argc, argv, err), rc;
	struct conf conf;

	(void)c;
	if (first < 0)
		return CMD_USAGE;
	if ((rc = check_words(&a, argc - first, argv + first, err)) < 0 ||
	    (rc = catch_signals(err)) < 0)
		return rc;
	if (argc - first == 2)
		rc = conf_from_args(argv[first], argv[first + 1], &conf, err);
	else
		rc = conf_load(a.config, !a.no_expand_env, &conf, err);
	if (rc < 0)
		return rc;
	rc = run(&a, &conf, err);
	conf_done(&conf);
	return rc;
}
