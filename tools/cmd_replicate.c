/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/conf/conf_dir.h"
#include "engine/sync/fleet.h"
#include "engine/view/restore.h"
#include "tools/child.h"
#include "tools/cmd.h"
#include "tools/control.h"
#include "tools/opt.h"
#include "tools/source.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

const char cmd_replicate_usage[] =
	"The replicate command watches databases and copies every commit to their replicas,\n"
	"until it gets SIGINT, SIGTERM or SIGHUP.\n\n"
	"Usage:\n\n\tlitestream replicate [arguments]\n"
	"\tlitestream replicate [arguments] DB_PATH REPLICA_URL...\n\n"
	"The first form takes databases and replicas from the configuration file.\n\n"
	"Arguments:\n\n" CMD_CONFIG_USAGE "\t-exec COMMAND\n"
	"\t    Runs the command once all databases are watched, passes signals on to it, and\n"
	"\t    ends when it ends, after a last sync. No shell: use sh -c '...' for one.\n\n"
	"\t-restore-if-db-not-exists\n"
	"\t    Restores a database that is missing from its replica before it starts.\n\n"
	"\t-force-snapshot, -enforce-retention\n"
	"\t    With -once: then makes a snapshot; then deletes what has expired.\n\n"
	"\t-once\n"
	"\t    Captures what is committed, and ends when it is safe in the replica.\n\n"
	"\t-log-level LEVEL\n"
	"\t    trace, debug, info, warn or error. Defaults to $LOG_LEVEL, or to the\n"
	"\t    configuration, or to info.\n\n"
	"Examples:\n\n\t$ litestream replicate /var/lib/app.db file:///backup/app\n"
	"\t$ litestream replicate -config /etc/litestream.yml\n"
	"\t$ litestream replicate -restore-if-db-not-exists -exec 'myapp -port 80' \\\n"
	"\t      /var/lib/app.db file:///backup/app\n";

static const char example[] = "litestream replicate /var/lib/app.db file:///backup/app";
static struct stop stop, abort_now;

struct args {
	const char *config, *log_level, *exec;
	bool no_expand_env, once, restore, force_snapshot, enforce_retention;
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
	return 0;
}

/* A replica that was here before and cannot be found is not "no backup" (H86). */
static bool
was_seen(const struct conf_db *db, const struct conf_replica *r)
{
	ls_autofree char *cursor = ls_buf_format("%s/replicas/%s/cursor", db->meta_path, r->name);
	struct stat st;

	return cursor && io_stat(cursor, &st, NULL) == 0;
}

static int
restore_from(const struct conf_db *db, const struct conf_replica *r, uint64_t *ret_txid,
	     struct ls_err *err)
{
	struct restore_opts opts = {.output = db->path};
	struct store_call call = {.stop = &stop};
	struct restore_result result = {0};
	struct store *store = NULL;
	int rc = conf_open_store(r, &store, err);

	if (rc < 0)
		return rc;
	rc = restore_run(store, &call, &opts, &result, err);
	store_close(store);
	*ret_txid = result.txid;
	if (rc == -ENOENT && was_seen(db, r))
		return ls_err_wrap(err, -EIO, "the replica was there before");
	return rc;
}

/* From the best replica, or the next one. -ENOENT: all of them answer, and none has a backup. */
static int
restore_from_any(const struct conf_db *db, uint64_t *ret_txid, struct ls_err *err)
{
	ls_autofree struct rank *ranks = ls_alloc_array(db->nreplicas, sizeof *ranks);
	struct ls_err one;
	int rc = -ENOENT, first = 0;

	if (!ranks)
		return ls_err_set(err, -ENOMEM, "out of memory");
	source_rank(db->replicas, db->nreplicas, ranks);
	for (size_t i = 0; rc < 0 && i < db->nreplicas; i++) {
		rc = restore_from(db, ranks[i].conf, ret_txid, &one);
		if (rc == 0 || rc == -ECANCELED)
			first = rc;
		else if (first == 0 || first == -ENOENT)
			first = rc;
		if (err && first == rc)
			*err = one;
		if (rc == -ECANCELED)
			break;
	}
	return first;
}

static int
restore_missing(const struct conf_db *db, struct ls_err *err)
{
	uint64_t txid = 0;
	struct stat st;
	int rc;

	if (io_stat(db->path, &st, NULL) == 0) {
		log_write(LOG_INFO, "database exists, skipping restore", LOG_STR("db", db->path));
		return 0;
	}
	log_write(LOG_INFO, "attempting restore before replication", LOG_STR("db", db->path));
	rc = restore_from_any(db, &txid, err);
	if (rc == -ENOENT) {
		log_write(LOG_INFO, "no backup found, starting fresh", LOG_STR("db", db->path));
		return 0;
	}
	if (rc < 0)
		return ls_err_wrap(err, rc, "restore failed: '%s'", db->path);
	log_write(LOG_INFO, "restore completed", LOG_STR("db", db->path), LOG_TXID("txid", txid));
	return 0;
}

/* A daemon without its socket is better than none. */
static struct control *
start_control(const struct conf *conf, struct fleet *fleet)
{
	const char *path = conf->socket_path ? conf->socket_path : CONF_SOCKET_PATH;
	struct control *c = NULL;
	struct ls_err err;

	if (!conf->socket)
		return NULL;
	if (control_start(path, conf->socket_mode, fleet, &c, &err) < 0)
		log_write(LOG_WARN, "failed to start control server", LOG_STR("error", err.msg));
	else
		log_write(LOG_INFO, "control socket listening", LOG_STR("path", path));
	return c;
}

static int
start_child(void *arg, struct ls_err *err)
{
	return child_start(arg, err);
}

/* Only the host that has the lease knows the newest state, and may run the application. */
static int
prepare(const struct args *a, const struct conf *conf, const struct fleet_opts *opts,
	struct fleet *fleet, struct ls_err *err)
{
	bool restores = a->restore;
	int rc = 0;

	for (size_t i = 0; i < conf->ndbs; i++)
		restores |= conf->dbs[i].restore_if_missing;
	if (restores || opts->armed || opts->once)
		rc = fleet_stand_by(fleet, err);
	for (size_t i = 0; rc == 0 && i < conf->ndbs; i++)
		if (a->restore || conf->dbs[i].restore_if_missing)
			rc = restore_missing(&conf->dbs[i], err);
	return rc;
}

static int
replicate(const struct args *a, const struct conf *conf, struct fleet_opts *opts,
	  struct ls_err *err)
{
	struct control *control;
	struct fleet *fleet = NULL;
	int rc;

	if ((rc = fleet_new(conf, opts, &fleet, err)) < 0)
		return rc;
	rc = prepare(a, conf, opts, fleet, err);
	if (rc == 0) {
		control = start_control(conf, fleet);
		rc = fleet_run(fleet, err);
		control_stop(control);
	}
	fleet_free(fleet);
	return rc > 0 ? 0 : rc;
}

/* The application must not go on beside that of the host which has the lease now. */
static void
end_child(void *arg)
{
	(void)arg;
	kill(getpid(), SIGTERM);
}

/* The result of the child counts only if the databases are safe. */
static int
replicate_around(const struct args *a, const struct conf *conf, const char *command,
		 struct fleet_opts *opts, struct ls_err *err)
{
	struct ls_err ended = {0};
	struct child child;
	int rc = child_prepare(command, &stop, &child, err), child_rc;

	if (rc < 0)
		return rc;
	opts->armed = start_child;
	opts->armed_arg = &child;
	opts->stay = true;
	opts->lost = end_child;
	rc = replicate(a, conf, opts, err);
	child_rc = child_wait(&child, &ended);
	child_done(&child);
	if (rc < 0)
		return rc;
	if (child_rc < 0 && err)
		*err = ended;
	return child_rc;
}

static int
run(const struct args *a, struct conf *conf, struct ls_err *err)
{
	struct fleet_opts opts = {.once = a->once,
				  .force_snapshot = a->force_snapshot,
				  .enforce_retention = a->enforce_retention,
				  .stop = &stop,
				  .abort = &abort_now};
	const char *command = a->exec && *a->exec ? a->exec : conf->exec;
	int rc;

	if (command && *command && a->once)
		return ls_err_set(err, -EINVAL, "cannot specify -once flag with -exec");
	if (!a->once && (a->force_snapshot || a->enforce_retention))
		return ls_err_set(err, -EINVAL, "cannot specify %s flag without -once",
				  a->force_snapshot ? "-force-snapshot" : "-enforce-retention");
	if (a->log_level && *a->log_level)
		setenv("LOG_LEVEL", a->log_level, 1); /* for the child */
	source_setup_log(conf, false, a->log_level);
	log_write(LOG_INFO, "litestream", LOG_STR("version", PACKAGE_VERSION));
	if ((rc = conf_dir_expand(conf, true, err)) < 0)
		return rc;
	rc = command && *command ? replicate_around(a, conf, command, &opts, err)
				 : replicate(a, conf, &opts, err);
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
				   {"exec", OPT_STRING, &a.exec},
				   {"force-snapshot", OPT_BOOL, &a.force_snapshot},
				   {"enforce-retention", OPT_BOOL, &a.enforce_retention},
				   {"restore-if-db-not-exists", OPT_BOOL, &a.restore},
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
	if (argc - first >= 2)
		rc = conf_from_args(argv[first], (const char *const *)argv + first + 1,
				    (size_t)(argc - first - 1), &conf, err);
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
