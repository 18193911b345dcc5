/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/timex.h"
#include "tools/cmd.h"
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
	"Arguments:\n\n" CMD_CONFIG_USAGE "\t-json\n\t    Prints JSON instead of a table.\n\n"
	"Examples:\n\n\t$ litestream points file:///backup/app\n"
	"\t$ litestream points -json /var/lib/app.db\n";

enum { COLUMNS = 4, CELL = 40 };

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
	ls_autofree const char **cells = ls_alloc_array((l->n + 1) * COLUMNS, sizeof *cells);
	ls_autofree char *text = ls_alloc_array(l->n * COLUMNS, CELL);
	int rc;

	if (!cells || !text)
		return ls_err_set(err, -ENOMEM, "out of memory");
	memcpy(cells, head, sizeof head);
	for (size_t i = 0; i < l->n; i++) {
		char *row = text + i * COLUMNS * CELL;

		ltx_txid_format(l->points[i].txid, row);
		snprintf(row + CELL, CELL, "%d", l->points[i].level);
		snprintf(row + 2 * CELL, CELL, "%" PRIu64, l->points[i].size);
		timex_format_ms(l->points[i].time_ms, row + 3 * CELL);
		for (int k = 0; k < COLUMNS; k++)
			cells[(i + 1) * COLUMNS + (size_t)k] = row + k * CELL;
	}
	if ((rc = print_table(COLUMNS, l->n, cells, err)) < 0)
		return rc;
	for (size_t i = 0; i < l->ngaps; i++)
		printf("gap: nothing between %016" PRIx64 " and %016" PRIx64 " can be restored\n",
		       l->gaps[i].after, l->gaps[i].before);
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

static json_t *
gap_as_json(const struct catalog_gap *g)
{
	char after[LTX_TXID_LEN + 1], before[LTX_TXID_LEN + 1];

	ltx_txid_format(g->after, after);
	ltx_txid_format(g->before, before);
	return json_pack("{s:s, s:s}", "after", after, "before", before);
}

static int
print_as_json(const struct listing *l, struct ls_err *err)
{
	json_t *points = json_array(), *gaps = json_array();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++)
		rc = print_append(points, point_as_json(&l->points[i]), err);
	for (size_t i = 0; rc == 0 && i < l->ngaps; i++)
		rc = print_append(gaps, gap_as_json(&l->gaps[i]), err);
	if (rc < 0) {
		json_decref(points);
		json_decref(gaps);
		return rc;
	}
	return print_json(json_pack("{s:o, s:o}", "points", points, "gaps", gaps), err);
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
	if ((rc = source_open(&args, &source, err)) < 0) {
		c->hint = args.hint;
		return rc;
	}
	source_setup_log(source.db ? &source.conf : NULL, true, NULL);
	rc = list(source.replica, json, err);
	source_close(&source);
	return rc;
}
