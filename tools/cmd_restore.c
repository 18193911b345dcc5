/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/base/timex.h"
#include "engine/view/restore.h"
#include "tools/cmd.h"
#include "tools/opt.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/source.h"

#include <signal.h>

const char cmd_restore_usage[] =
	"The restore command recovers a database from a replica.\n\n"
	"Usage:\n\n\tlitestream restore [arguments] DB_PATH\n"
	"\tlitestream restore [arguments] REPLICA_URL\n\n"
	"Arguments:\n\n"
	"\t-config PATH\n\t    Specifies the configuration file. Defaults to "
	"/etc/litestream.yml\n\n"
	"\t-no-expand-env\n\t    Disables environment variable expansion in configuration file.\n\n"
	"\t-o PATH\n\t    Output path of the restored database. Defaults to the original DB path;\n"
	"\t    required with a replica URL.\n\n"
	"\t-txid TXID\n\t    Restores up to and including this transaction (hexadecimal).\n\n"
	"\t-timestamp TIME\n\t    Restores the last state before this time: 2000-01-01T00:00:00Z, "
	"a\n"
	"\t    date, '2h ago', 'yesterday 14:00'. Defaults to the latest state.\n\n"
	"\t-if-db-not-exists\n\t    Returns 0 if the output exists already.\n\n"
	"\t-if-replica-exists\n\t    Returns 0 if there is no backup.\n\n"
	"\t-force\n\t    Replaces an existing output and its -wal, -shm and -journal files.\n\n"
	"\t-parallelism NUM\n\t    Number of threads. Defaults to the number of cores.\n\n"
	"\t-json\n\t    Prints the result as JSON, logs to standard error.\n\n"
	"Examples:\n\n\t$ litestream restore -o /tmp/app.db file:///backup/app\n"
	"\t$ litestream restore -o /tmp/app.db -timestamp '2h ago' file:///backup/app\n"
	"\t$ litestream restore -config /etc/litestream.yml /var/lib/app.db\n";

struct args {
	struct source_args source;
	const char *output, *timestamp;
	uint64_t txid;
	int64_t parallelism;
	bool if_db_not_exists, if_replica_exists, force, json;
};

static struct stop stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop_fire(&stop);
}

static void
show(void *arg, const struct restore_progress *p)
{
	progress_show(arg, p->done, p->total);
}

static int
print_result(const struct args *a, const struct source *s, const struct restore_result *r,
	     uint64_t ms, struct ls_err *err)
{
	char txid[LTX_TXID_LEN + 1];

	if (!a->json)
		return 0;
	ltx_txid_format(r->txid, txid);
	return print_json(json_pack("{s:s, s:s, s:s, s:I, s:s}", "db_path", a->output, "replica",
				    s->replica->type, "txid", txid, "duration_ms", (json_int_t)ms,
				    "integrity_check", "none"),
			  err);
}

static int
restore(struct args *a, const struct source *s, const struct plan_target *target,
	struct ls_err *err)
{
	struct restore_opts opts = {.output = a->output,
				    .target = *target,
				    .force = a->force,
				    .parallelism = (unsigned)a->parallelism,
				    .progress = show};
	struct store_call call = {.stop = &stop};
	uint64_t start = clock_mono_ms();
	struct restore_result result;
	struct store *store = NULL;
	struct progress progress;
	int rc;

	if ((rc = conf_open_store(s->replica, &store, err)) < 0)
		return rc;
	progress_init(&progress);
	opts.progress_arg = &progress;
	rc = restore_run(store, &call, &opts, &result, err);
	progress_done(&progress);
	store_close(store);
	if (rc == -ENOENT && a->if_replica_exists) {
		log_write(LOG_INFO, "no matching backups found");
		return 0;
	}
	if (rc == -ECANCELED)
		return ls_err_set(err, rc, "interrupted, nothing was restored");
	return rc < 0 ? rc : print_result(a, s, &result, clock_mono_ms() - start, err);
}

static int
choose_target(const struct args *a, struct plan_target *ret, struct ls_err *err)
{
	*ret = (struct plan_target){.txid = a->txid};
	if (!a->timestamp)
		return 0;
	if (a->txid)
		return ls_err_set(err, -EINVAL, "cannot specify index & timestamp to restore");
	ret->by_time = true;
	if (timex_parse(a->timestamp, clock_wall_ms(), &ret->time_ms, err) < 0)
		return ls_err_wrap(err, -EINVAL,
				   "invalid -timestamp, must specify in ISO 8601 format (e.g. "
				   "2000-01-01T00:00:00Z)");
	return 0;
}

static int
run(struct cmd_context *c, struct args *a, struct ls_err *err)
{
	struct plan_target target;
	struct source source;
	struct stat st;
	int rc;

	if ((rc = choose_target(a, &target, err)) < 0)
		return rc;
	if (conf_is_url(a->source.what) && !a->output) {
		c->hint = "litestream restore -o /tmp/app.db file:///backup/app";
		return ls_err_set(err, -EINVAL, "-o is required when restoring from a replica URL");
	}
	if ((rc = source_open(&a->source, &source, err)) < 0)
		return rc;
	source_setup_log(source.db ? &source.conf : NULL, a->json, NULL);
	if (!a->output)
		a->output = source.db->path;
	if (a->if_db_not_exists && io_stat(a->output, &st, NULL) == 0)
		log_write(LOG_INFO, "database already exists, skipping");
	else
		rc = restore(a, &source, &target, err);
	source_close(&source);
	return rc;
}

int
cmd_restore(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	struct args a = {0};
	const struct opt opts[] = {{"config", OPT_STRING, &a.source.config},
				   {"no-expand-env", OPT_BOOL, &a.source.no_expand_env},
				   {"o", OPT_STRING, &a.output},
				   {"txid", OPT_TXID, &a.txid},
				   {"timestamp", OPT_STRING, &a.timestamp},
				   {"if-db-not-exists", OPT_BOOL, &a.if_db_not_exists},
				   {"if-replica-exists", OPT_BOOL, &a.if_replica_exists},
				   {"force", OPT_BOOL, &a.force},
				   {"json", OPT_BOOL, &a.json},
				   {"parallelism", OPT_INT, &a.parallelism},
				   {"dry-run", OPT_LATER, NULL},
				   {"f", OPT_LATER, NULL},
				   {"follow-interval", OPT_LATER, NULL},
				   {"integrity-check", OPT_LATER, NULL},
				   {"replica", OPT_LATER, NULL},
				   {"generation", OPT_LATER, NULL},
				   {"index", OPT_LATER, NULL},
				   {0}};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	int first = opt_parse(opts, argc, argv, err), rc;

	if (first < 0)
		return CMD_USAGE;
	if (first == argc) {
		c->hint = "litestream restore -o /tmp/app.db file:///backup/app";
		return ls_err_set(err, -EINVAL, "database path or replica URL required");
	}
	if (argc - first > 1)
		return ls_err_set(err, -EINVAL, "too many arguments");
	if (a.parallelism < 0 || a.parallelism > 1024)
		a.parallelism = 0;
	a.source.what = argv[first];
	if ((rc = stop_init(&stop, err)) < 0)
		return rc;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	return run(c, &a, err);
}
