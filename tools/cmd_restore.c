/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/base/timex.h"
#include "engine/format/name03.h"
#include "engine/view/restore.h"
#include "tools/cmd.h"
#include "tools/cmd_restore.h"
#include "tools/opt.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/source.h"

#include <ctype.h>
#include <string.h>

const char cmd_restore_usage[] =
	"The restore command rebuilds a database from a replica.\n\n"
	"Usage:\n\n\tlitestream restore [arguments] DB_PATH\n"
	"\tlitestream restore [arguments] -o PATH REPLICA_URL\n\n"
	"The first form looks the database up in the configuration file.\n\n"
	"Arguments:\n\n" CMD_CONFIG_USAGE CMD_REPLICA_USAGE "\t-o PATH\n"
	"\t    Where to write the database. Defaults to DB_PATH.\n\n"
	"\t-txid TXID\n"
	"\t    Restores up to and including this transaction (hexadecimal).\n\n"
	"\t-timestamp TIME\n"
	"\t    Restores the last state before this time: 2000-01-01T00:00:00Z, a date,\n"
	"\t    '2h ago', 'yesterday 14:00'. Defaults to the latest state.\n\n"
	"\t-generation ID, -index HEX\n"
	"\t    Restores from this generation, up to and including this WAL index. For\n"
	"\t    replicas of Litestream 0.3.\n\n"
	"\t-if-db-not-exists\n"
	"\t    Does nothing, successfully, if the output exists.\n\n"
	"\t-if-replica-exists\n"
	"\t    Does nothing, successfully, if there is no backup.\n\n"
	"\t-force\n"
	"\t    Replaces an existing output, and removes its -wal, -shm and -journal files.\n\n"
	"\t-dry-run\n"
	"\t    Prints which files would be fetched, and writes nothing.\n\n"
	"\t-integrity-check MODE\n"
	"\t    none, quick or full: lets SQLite check the database before it gets its name.\n"
	"\t    Defaults to none.\n\n"
	"\t-f\n"
	"\t    Follows the replica: restores, then applies what is new, until it is stopped.\n"
	"\t    Others may read the database meanwhile, but not write.\n\n"
	"\t-follow-interval DURATION\n"
	"\t    How often it looks for news. Defaults to 1s.\n\n"
	"\t-parallelism NUM\n"
	"\t    Number of threads. Defaults to the number of processors, 8 at most.\n\n"
	"\t-json\n"
	"\t    Prints the result as JSON, and the log to standard error.\n\n"
	"Examples:\n\n\t$ litestream restore -o /tmp/app.db file:///backup/app\n"
	"\t$ litestream restore -o /tmp/app.db -timestamp '2h ago' file:///backup/app\n"
	"\t$ litestream restore -if-db-not-exists -if-replica-exists /var/lib/app.db\n";

struct args {
	struct source_args source;
	const char *output, *timestamp, *integrity, *generation, *index_text;
	uint32_t index;
	enum integrity_mode check;
	uint64_t txid;
	int64_t parallelism;
	int64_t interval_ms;
	bool if_db_not_exists, if_replica_exists, force, dry_run, json, follow;
};

enum { FOLLOW_INTERVAL_MS = 1000 };

static struct stop stop;

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
	if (r->txid)
		ltx_txid_format(r->txid, txid);
	else
		*txid = '\0';
	return print_json(json_pack("{s:o, s:s, s:s, s:I, s:s}", "db_path", print_string(a->output),
				    "replica", s->replica->type, "txid", txid, "duration_ms",
				    (json_int_t)ms, "integrity_check", integrity_name(a->check)),
			  err);
}

static int
restore(const struct args *a, const struct source *s, const struct plan_target *target,
	struct store *store, struct ls_err *err)
{
	struct restore_opts opts = {.output = a->output,
				    .target = *target,
				    .generation = a->generation,
				    .by_index = a->index_text != NULL,
				    .index = a->index,
				    .force = a->force,
				    .check = a->check,
				    .parallelism = (unsigned)a->parallelism,
				    .progress = show};
	struct store_call call = {.stop = &stop};
	uint64_t start = clock_mono_ms();
	struct restore_result result;
	struct progress progress;
	int rc;

	progress_init(&progress);
	opts.progress_arg = &progress;
	rc = restore_run(store, &call, &opts, &result, err);
	progress_done(&progress);
	return rc < 0 ? rc : print_result(a, s, &result, clock_mono_ms() - start, err);
}

/* The restore, or its plan, from one replica. */
static int
restore_from(const struct args *a, const struct source *s, const struct plan_target *target,
	     struct ls_err *err)
{
	struct cmd_restore_plan plan = {.replica = s->replica,
					.output = a->output,
					.target = target,
					.generation = a->generation,
					.by_index = a->index_text != NULL,
					.index = a->index,
					.json = a->json};
	struct store_call call = {.stop = &stop};
	struct store *store = NULL;
	int rc;

	if ((rc = conf_open_store(s->replica, &store, err)) < 0)
		return rc;
	rc = a->dry_run ? cmd_restore_plan_print(&plan, store, &call, err)
			: restore(a, s, target, store, err);
	store_close(store);
	return rc;
}

/* Whether another replica may do better. */
static bool
is_of_replica(int rc)
{
	return rc == -ENOENT || rc == -EBADMSG || rc == -ENODATA || rc == -EIO || rc == -EACCES ||
	       rc == -ETIMEDOUT || rc == -ESTALE || rc == -EAGAIN;
}

/* From the best replica, and if that fails in the middle, from the next one. */
static int
restore_or_plan(const struct args *a, struct source *s, const struct plan_target *target,
		struct ls_err *err)
{
	struct ls_err first = {0}, one;
	int rc = 0;

	for (size_t i = 0; i < s->nranks; i++) {
		s->replica = s->ranks[i].conf;
		rc = restore_from(a, s, target, &one);
		/* Without an answer from all of them, it is not true that there is no backup. */
		if (first.code == 0 || first.code == -ENOENT || !is_of_replica(rc))
			first = one;
		if (!is_of_replica(rc))
			break;
		if (i + 1 < s->nranks)
			log_write(LOG_WARN, "restore failed, trying the next replica",
				  LOG_STR("replica", s->replica->name), LOG_STR("error", one.msg),
				  LOG_STR("next", s->ranks[i + 1].conf->name));
	}
	if (rc == 0)
		return 0;
	if (err)
		*err = first;
	rc = first.code;
	if (rc == -ENOENT && a->if_replica_exists) {
		log_write(LOG_INFO, "no matching backups found");
		return 0;
	}
	if (rc == -ENOENT && strcmp(first.msg, "no matching backup files available") == 0)
		return ls_err_set(err, rc,
				  "no matching backup files available in '%s': is it where "
				  "'litestream replicate' writes to?",
				  s->ranks[0].conf->url);
	return rc == -ECANCELED ? ls_err_set(err, rc, "interrupted, nothing was restored") : rc;
}

struct first_state {
	const struct args *args;
	const struct source *source;
	struct progress *progress;
	uint64_t start_ms;
};

static int
first_restored(void *arg, const struct restore_result *r, struct ls_err *err)
{
	const struct first_state *s = arg;

	progress_hide(s->progress);
	return r ? print_result(s->args, s->source, r, clock_mono_ms() - s->start_ms, err) : 0;
}

static int
follow(const struct args *a, struct source *s, struct ls_err *err)
{
	struct store_call call = {.stop = &stop};
	struct progress progress;
	struct first_state first = {a, s, &progress, clock_mono_ms()};
	struct cmd_follow f = {.output = a->output,
			       .restore = {.force = a->force,
					   .check = a->check,
					   .parallelism = (unsigned)a->parallelism,
					   .progress = show,
					   .progress_arg = &progress},
			       .interval_ms = a->interval_ms > 0 ? (uint64_t)a->interval_ms
								 : FOLLOW_INTERVAL_MS,
			       .restored = first_restored,
			       .arg = &first};
	int rc;

	progress_init(&progress);
	rc = cmd_follow_run(&f, s, &call, err);
	progress_done(&progress);
	if (rc == -ENOENT && a->if_replica_exists) {
		log_write(LOG_INFO, "no matching backups found");
		return 0;
	}
	return rc;
}

static int
check_follow(const struct args *a, struct ls_err *err)
{
	const char *with = a->txid	   ? "-txid"
			   : a->timestamp  ? "-timestamp"
			   : a->generation ? "-generation"
			   : a->index_text ? "-index"
					   : NULL;

	if (a->follow && with)
		return ls_err_set(err, -EINVAL, "cannot use follow mode with %s", with);
	if (a->follow && a->dry_run)
		return ls_err_set(err, -EINVAL, "cannot use -dry-run with -f");
	return 0;
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

/* -index and -generation, which select in a replica of Litestream 0.3. */
static int
parse_index(struct args *a, struct ls_err *err)
{
	char *end = NULL;
	unsigned long v;

	if (a->generation && !name03_is_generation(a->generation))
		return ls_err_set(err, -EINVAL, "invalid -generation: must be 16 hex digits");
	if ((a->generation || a->index_text) && a->txid)
		return ls_err_set(err, -EINVAL,
				  "-txid selects in LTX files, -generation and -index in those of "
				  "Litestream 0.3");
	if (!a->index_text)
		return 0;
	if (a->timestamp)
		return ls_err_set(err, -EINVAL, "cannot specify index & timestamp to restore");
	errno = 0;
	v = strtoul(a->index_text, &end, 16);
	if (!isxdigit((unsigned char)a->index_text[0]) || *end || errno || v > NAME03_INDEX_MAX)
		return ls_err_set(err, -EINVAL, "invalid -index: invalid hexadecimal format");
	a->index = (uint32_t)v;
	return 0;
}

static int
run(struct cmd_context *c, struct args *a, struct ls_err *err)
{
	bool output = a->output && *a->output;
	struct plan_target target;
	struct source source;
	struct stat st;
	int rc;

	if (a->integrity && !integrity_parse(a->integrity, &a->check))
		return ls_err_set(err, -EINVAL, "invalid -integrity-check value: %s", a->integrity);
	if ((rc = check_follow(a, err)) < 0 || (rc = choose_target(a, &target, err)) < 0 ||
	    (rc = parse_index(a, err)) < 0)
		return rc;
	if (conf_is_url(a->source.what) && !output) {
		c->hint = "litestream restore -o /tmp/app.db file:///backup/app";
		return ls_err_set(err, -EINVAL, "-o is required when restoring from a replica URL");
	}
	a->source.log_stdout = !a->json;
	if ((rc = source_open(&a->source, &source, &c->hint, err)) < 0)
		return rc;
	if (!output)
		a->output = source.db->path;
	if (a->if_db_not_exists && io_stat(a->output, &st, NULL) == 0)
		log_write(LOG_INFO, "database already exists, skipping");
	else
		rc = a->follow ? follow(a, &source, err)
			       : restore_or_plan(a, &source, &target, err);
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
				   {"dry-run", OPT_BOOL, &a.dry_run},
				   {"json", OPT_BOOL, &a.json},
				   {"parallelism", OPT_INT, &a.parallelism},
				   {"f", OPT_BOOL, &a.follow},
				   {"follow-interval", OPT_DURATION, &a.interval_ms},
				   {"integrity-check", OPT_STRING, &a.integrity},
				   {"replica", OPT_STRING, &a.source.replica},
				   {"generation", OPT_STRING, &a.generation},
				   {"index", OPT_STRING, &a.index_text},
				   {0}};
	int first, rc = opt_parse(opts, argc, argv, &first, err);

	if (rc != 0)
		return rc;
	if (first == argc) {
		c->hint = "litestream restore -o /tmp/app.db file:///backup/app";
		return ls_err_set(err, -EINVAL, "database path or replica URL required");
	}
	if (argc - first > 1)
		return ls_err_set(err, -EINVAL,
				  "too many arguments (flags come before the database or URL)");
	if (a.parallelism < 0 || a.parallelism > 1024)
		a.parallelism = 0;
	a.source.what = argv[first];
	if ((rc = source_catch_signals(&stop, NULL, err)) < 0)
		return rc;
	return run(c, &a, err);
}
