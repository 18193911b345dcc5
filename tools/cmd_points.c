/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/timex.h"
#include "tools/cmd.h"
#include "tools/gaps.h"
#include "tools/opt.h"
#include "tools/print.h"
#include "tools/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char cmd_points_usage[] =
	"The points command lists what can be restored from a replica: every TXID and its time,\n"
	"the edges of the window, and the gaps. Each is a TXID for \"litestream restore "
	"-txid\".\n\n"
	"Usage:\n\n\tlitestream points [arguments] DB_PATH\n"
	"\tlitestream points [arguments] REPLICA_URL\n\n"
	"Arguments:\n\n" CMD_CONFIG_USAGE CMD_REPLICA_USAGE
	"\t-json\n\t    Prints JSON instead of a table.\n\n"
	"Examples:\n\n\t$ litestream points file:///backup/app\n"
	"\t$ litestream points -json /var/lib/app.db\n";

enum { COLUMNS = 4 };

struct listing {
	struct catalog cat;
	struct catalog_point *points;
	size_t n;
	struct catalog_gap *gaps;
	size_t ngaps;
};

static void
listing_done(struct listing *l)
{
	catalog_done(&l->cat);
	free(l->points);
	free(l->gaps);
}

static int
print_as_table(const struct listing *l, struct ls_err *err)
{
	static const char *const head[COLUMNS] = {"txid", "level", "size", "created"};
	LS_AUTO(print_rows_done) struct print_rows t;
	int rc = print_rows_begin(&t, head, COLUMNS, l->n, err);

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const struct catalog_point *p = &l->points[i];

		ltx_txid_format(p->txid, print_rows_cell(&t));
		snprintf(print_rows_cell(&t), PRINT_CELL, "%d", p->level);
		snprintf(print_rows_cell(&t), PRINT_CELL, "%" PRIu64, p->size);
		timex_format_ms(p->time_ms, print_rows_cell(&t));
	}
	if (rc < 0 || (rc = print_rows_show(&t, err)) < 0)
		return rc;
	gaps_print(l->gaps, l->ngaps);
	return 0;
}

static json_t *
point_as_json(const struct catalog_point *p)
{
	char txid[LTX_TXID_LEN + 1], time[TIMEX_LEN];

	ltx_txid_format(p->txid, txid);
	timex_format_ms(p->time_ms, time);
	return json_pack("{s:s, s:s, s:i, s:I, s:b}", "txid", txid, "timestamp", time, "level",
			 (int)p->level, "size", (json_int_t)p->size, "snapshot", (int)p->snapshot);
}

static int
print_as_json(const struct listing *l, struct ls_err *err)
{
	json_t *points = json_array();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++)
		rc = print_append(points, point_as_json(&l->points[i]), err);
	if (rc < 0) {
		json_decref(points);
		return rc;
	}
	return print_json(
		json_pack("{s:o, s:o}", "points", points, "gaps", gaps_as_json(l->gaps, l->ngaps)),
		err);
}

static int
list(const struct conf_replica *conf, bool json, struct ls_err *err)
{
	LS_AUTO(listing_done) struct listing l = {0};
	int rc;

	if ((rc = source_catalog(conf, true, &l.cat, err)) < 0 ||
	    (rc = catalog_points(&l.cat, &l.points, &l.n, err)) < 0 ||
	    (rc = catalog_gaps(&l.cat, l.points, l.n, &l.gaps, &l.ngaps, err)) < 0)
		return rc;
	return json ? print_as_json(&l, err) : print_as_table(&l, err);
}

int
cmd_points(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	struct source_args args = {0};
	bool json = false;
	const struct opt opts[] = {{"config", OPT_STRING, &args.config},
				   {"no-expand-env", OPT_BOOL, &args.no_expand_env},
				   {"replica", OPT_STRING, &args.replica},
				   {"json", OPT_BOOL, &json},
				   {0}};
	int first, rc = opt_parse(opts, argc, argv, &first, err);
	struct source source;

	if (rc != 0)
		return rc;
	if ((rc = opt_one(argc - first, "database path or replica URL",
			  "litestream points file:///backup/app", &c->hint, err)) < 0)
		return rc;
	args.what = argv[first];
	if ((rc = source_open(&args, &source, &c->hint, err)) < 0)
		return rc;
	rc = list(source.replica, json, err);
	source_close(&source);
	return rc;
}
