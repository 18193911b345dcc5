/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: whether a replica is what it promises to be. Exit status (decisions.md 17): 0 sound, 1
 * cannot tell, 2 damaged.
 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/job.h"
#include "engine/base/stop.h"
#include "engine/base/timex.h"
#include "tools/cmd.h"
#include "tools/cmd_verify.h"
#include "tools/gaps.h"
#include "tools/opt.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/source.h"
#include "tools/verdict.h"

#include <inttypes.h>
#include <stdio.h>

const char cmd_verify_usage[] =
	"The verify command reads a whole replica and tells whether it is what it promises:\n"
	"every object against its name and checksum, and the chain from the first to the newest\n"
	"transaction without a gap. Exit status: 0 sound, 1 cannot tell, 2 damaged.\n\n"
	"Usage:\n\n\tlitestream verify [arguments] DB_PATH\n"
	"\tlitestream verify [arguments] REPLICA_URL\n\n"
	"Arguments:\n\n" CMD_CONFIG_USAGE CMD_REPLICA_USAGE "\t-deep\n"
	"\t    Also restores the newest state into a temporary file ($TMPDIR or /var/tmp), lets\n"
	"\t    SQLite check it, and, with DB_PATH, compares it with the live database page by "
	"page.\n\n"
	"\t-parallelism NUM\n"
	"\t    Number of threads. Defaults to the number of processors, 8 at most.\n\n"
	"\t-json\n\t    Prints JSON.\n\n"
	"Examples:\n\n\t$ litestream verify file:///backup/app\n"
	"\t$ litestream verify -deep /var/lib/app.db\n";

enum { SOUND, CANNOT_TELL, DAMAGED };

static const char *const verdicts[] = {"sound", "cannot tell", "damaged"};

static struct stop stop;

static int
verdict_of(const struct cmd_verify *v)
{
	if (v->objects.ndamaged || v->chain.code || v->ngaps || v->check.code == -EBADMSG ||
	    v->live == CMD_VERIFY_DIFFERENT)
		return DAMAGED;
	return v->check.code || v->live == CMD_VERIFY_UNKNOWN ? CANNOT_TELL : SOUND;
}

/* ---- what is found ---- */

static void
show(void *arg, uint64_t done, uint64_t total)
{
	progress_show(arg, done, total);
}

/* Gaps behind the first point: what lies before it was never promised. */
static int
find_gaps(struct cmd_verify *v, struct ls_err *err)
{
	int rc = catalog_gaps(&v->cat, v->points, v->npoints, &v->gaps, &v->ngaps, err);
	size_t n = 0;

	for (size_t i = 0; rc == 0 && i < v->ngaps; i++)
		if (v->gaps[i].after)
			v->gaps[n++] = v->gaps[i];
	v->ngaps = n;
	return rc;
}

/* The newest state has to be reachable; of an empty replica nothing is. */
static int
check_chain(struct cmd_verify *v, struct ls_err *err)
{
	LS_AUTO(plan_done) struct plan plan = {0};
	struct plan_target latest = {0};
	int rc = plan_build(&v->cat, &latest, &plan, &v->chain);

	if (rc == -ENOMEM || v->cat.n == 0) {
		*err = v->chain;
		return rc;
	}
	if (rc == 0 && plan.txid != catalog_max_txid(&v->cat))
		rc = ls_err_set(&v->chain, -ENODATA,
				"the newest state is TXID %016" PRIx64 ", files go to %016" PRIx64,
				plan.txid, catalog_max_txid(&v->cat));
	(void)rc; /* it is a finding, and no failure of ours */
	return 0;
}

static int
load(struct cmd_verify *v, const struct replica *r, const struct store_call *call,
     struct ls_err *err)
{
	char identity[STORE_ETAG_MAX];
	bool parent_ok;
	int rc;

	if ((rc = store_root(r->store, call, false, identity, &parent_ok, err)) < 0 ||
	    (rc = unpack_load(r, call, &v->cat, err)) < 0 ||
	    (rc = catalog_points(&v->cat, &v->points, &v->npoints, err)) < 0 ||
	    (rc = find_gaps(v, err)) < 0)
		return rc;
	return check_chain(v, err);
}

/* SQLite's check and the comparison, beside the reading of the objects. */
struct checking {
	struct cmd_verify_deep *deep;
	struct ls_err err;
	int rc;
};

static void *
run_check(void *arg)
{
	struct checking *c = arg;

	c->rc = cmd_verify_deep_check(c->deep, &c->err);
	return NULL;
}

static int
read_objects(struct cmd_verify *v, const struct replica *r, const struct store_call *call,
	     const struct catalog *sound, struct ls_err *err)
{
	struct verify_opts opts = {.parallelism = v->parallelism, .sound = sound, .progress = show};
	struct progress progress;
	int rc;

	progress_init(&progress);
	opts.arg = &progress;
	rc = verify_objects(r, call, &v->cat, &opts, &v->objects, err);
	progress_done(&progress);
	return rc;
}

/* First a restore, then what it has not read is read, while what it wrote is checked. */
static int
check_deep(struct cmd_verify *v, const struct conf_db *db, const struct replica *r,
	   const struct store_call *call, struct ls_err *err)
{
	struct cmd_verify_deep deep;
	struct checking c = {.deep = &deep};
	pthread_t thread;
	int rc = cmd_verify_deep_begin(v, db, r->store, call, &deep, err);
	bool checks = rc == 0 && (rc = job_thread(&thread, "check", run_check, &c, err)) == 0;

	if (rc >= 0)
		rc = read_objects(v, r, call, &deep.sound, err);
	if (checks)
		pthread_join(thread, NULL);
	if (rc == 0 && (rc = c.rc) < 0)
		*err = c.err;
	cmd_verify_deep_end(&deep);
	return rc;
}

static int
check_all(struct cmd_verify *v, const struct conf_db *db, struct store *store,
	  const struct store_call *call, struct ls_err *err)
{
	struct replica r;
	int rc;

	replica_init(&r, store);
	if ((rc = load(v, &r, call, err)) < 0)
		return rc;
	return v->deep ? check_deep(v, db, &r, call, err) : read_objects(v, &r, call, NULL, err);
}

/* ---- what is told ---- */

static void
print_damage(const struct cmd_verify *v)
{
	size_t n = v->objects.ndamaged;

	for (size_t i = 0; i < n && i < VERIFY_DAMAGE_MAX; i++)
		printf("damaged: %s: %s\n", v->objects.damage[i].key, v->objects.damage[i].why.msg);
	if (n > VERIFY_DAMAGE_MAX)
		printf("damaged: %zu more\n", n - VERIFY_DAMAGE_MAX);
	if (v->chain.code)
		printf("damaged: %s\n", v->chain.msg);
	gaps_print(v->gaps, v->ngaps);
}

static void
print_live(const struct cmd_verify *v)
{
	switch (v->live) {
	case CMD_VERIFY_NONE:
		break;
	case CMD_VERIFY_SAME:
		printf("live database: the same in all %" PRIu32 " pages\n", v->compared.npages);
		break;
	case CMD_VERIFY_DIFFERENT:
		printf("live database: DIFFERENT in %" PRIu32 " of %" PRIu32
		       " pages, the first is page %" PRIu32 "\n",
		       v->compared.ndifferent, v->compared.npages, v->compared.first);
		break;
	case CMD_VERIFY_ABSENT:
	case CMD_VERIFY_UNKNOWN:
		printf("live database: not compared: %s\n", v->live_why.msg);
		break;
	}
}

static int
print_text(const struct cmd_verify *v)
{
	char bytes[32], from[TIMEX_LEN] = "", to[TIMEX_LEN] = "";

	progress_bytes((double)v->objects.bytes, bytes);
	printf("read: %zu files, %s, %zu packs; %zu damaged\n", v->objects.files, bytes,
	       v->objects.packs, v->objects.ndamaged);
	if (v->npoints) {
		timex_format_ms(v->points[0].time_ms, from);
		timex_format_ms(v->points[v->npoints - 1].time_ms, to);
		printf("points: %zu, from %016" PRIx64 " (%s) to %016" PRIx64 " (%s)\n", v->npoints,
		       v->points[0].txid, from, v->points[v->npoints - 1].txid, to);
	}
	print_damage(v);
	if (v->deep && v->check.code == 0)
		printf("restored: TXID %016" PRIx64 ", SQLite's check found nothing\n", v->txid);
	else if (v->check.code)
		printf("restored: %s\n", v->check.msg);
	print_live(v);
	printf("%s\n", verdicts[verdict_of(v)]);
	return 0;
}

static json_t *
damage_as_json(const struct cmd_verify *v)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < v->objects.ndamaged && i < VERIFY_DAMAGE_MAX; i++)
		json_array_append_new(
			list, json_pack("{s:o, s:o}", "key", print_string(v->objects.damage[i].key),
					"error", print_string(v->objects.damage[i].why.msg)));
	if (list && v->chain.code)
		json_array_append_new(list,
				      json_pack("{s:o}", "error", print_string(v->chain.msg)));
	return list;
}

static json_t *
live_as_json(const struct cmd_verify *v)
{
	static const char *const names[] = {"not asked", "same", "different", "absent", "unknown"};

	return json_pack("{s:s, s:I, s:I, s:o}", "result", names[v->live], "pages",
			 (json_int_t)v->compared.npages, "different",
			 (json_int_t)v->compared.ndifferent, "error",
			 v->live_why.code ? print_string(v->live_why.msg) : json_null());
}

static int
print_as_json(const struct cmd_verify *v, const char *url, struct ls_err *err)
{
	char first[LTX_TXID_LEN + 1] = "", last[LTX_TXID_LEN + 1] = "";
	const char *check = !v->deep ? "none" : v->check.code ? v->check.msg : "ok";

	if (v->npoints) {
		ltx_txid_format(v->points[0].txid, first);
		ltx_txid_format(v->points[v->npoints - 1].txid, last);
	}
	return print_json(
		json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:s, s:s, s:o, s:o, s:o, s:o}", "verdict",
			  verdicts[verdict_of(v)], "replica", print_string(url), "files",
			  (json_int_t)v->objects.files, "packs", (json_int_t)v->objects.packs,
			  "bytes", (json_int_t)v->objects.bytes, "points", (json_int_t)v->npoints,
			  "first_txid", first, "last_txid", last, "damage", damage_as_json(v),
			  "gaps", gaps_as_json(v->gaps, v->ngaps), "integrity_check",
			  print_string(check), "live", live_as_json(v)),
		err);
}

static int
keep(const struct cmd_verify *v, const struct source *s, struct ls_err *err)
{
	char time[TIMEX_LEN], last[LTX_TXID_LEN + 1] = "";

	if (v->npoints)
		ltx_txid_format(v->points[v->npoints - 1].txid, last);
	timex_format_ms(clock_wall_ms(), time);
	return verdict_keep(s->db, s->replica,
			    json_pack("{s:s, s:s, s:b, s:s}", "verdict", verdicts[verdict_of(v)],
				      "time", time, "deep", (int)v->deep, "last_txid", last),
			    err);
}

static void
verify_done(struct cmd_verify *v)
{
	catalog_done(&v->cat);
	free(v->points);
	free(v->gaps);
}

static int
verify(const struct source *s, struct cmd_verify *v, bool json, struct ls_err *err)
{
	struct store_call call = {.stop = &stop};
	struct store *store = NULL;
	int rc = conf_open_store(s->replica, &store, err);

	if (rc < 0)
		return rc;
	rc = check_all(v, s->db, store, &call, err);
	store_close(store);
	if (rc == 0 && s->db)
		rc = keep(v, s, err);
	if (rc == 0)
		rc = json ? print_as_json(v, s->replica->url, err) : print_text(v);
	return rc;
}

int
cmd_verify(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	LS_AUTO(verify_done) struct cmd_verify v = {0};
	struct source_args args = {0};
	int64_t parallelism = 0;
	bool json = false;
	const struct opt opts[] = {{"config", OPT_STRING, &args.config},
				   {"no-expand-env", OPT_BOOL, &args.no_expand_env},
				   {"replica", OPT_STRING, &args.replica},
				   {"deep", OPT_BOOL, &v.deep},
				   {"json", OPT_BOOL, &json},
				   {"parallelism", OPT_INT, &parallelism},
				   {0}};
	int first, rc = opt_parse(opts, argc, argv, &first, err);
	struct source source;

	if (rc != 0)
		return rc;
	if ((rc = opt_one(argc - first, "database path or replica URL",
			  "litestream verify file:///backup/app", &c->hint, err)) < 0)
		return rc;
	args.what = argv[first];
	v.parallelism = parallelism > 0 && parallelism <= 1024 ? (unsigned)parallelism : 0;
	if ((rc = source_catch_signals(&stop, NULL, err)) < 0)
		return rc;
	if ((rc = source_open(&args, &source, &c->hint, err)) < 0)
		return rc;
	rc = verify(&source, &v, json, err);
	source_close(&source);
	c->status = rc == 0 ? verdict_of(&v) : 0;
	return rc;
}
