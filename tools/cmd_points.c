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
	"\t-pages\n\t    Reads the size of the database at each point, too: one request each.\n\n"
	"\t-json\n\t    Prints JSON instead of a table.\n\n"
	"Examples:\n\n\t$ litestream points file:///backup/app\n"
	"\t$ litestream points -json /var/lib/app.db\n";

enum { COLUMNS = 5 };

struct listing {
	struct catalog cat;
	struct catalog_point *points;
	size_t n;
	struct catalog_gap *gaps;
	size_t ngaps;
	uint32_t *pages; /* of the database at each point; NULL: not asked for */
};

static void
listing_done(struct listing *l)
{
	catalog_done(&l->cat);
	free(l->points);
	free(l->gaps);
	free(l->pages);
}

static int
print_as_table(const struct listing *l, struct ls_err *err)
{
	static const char *const head[COLUMNS] = {"txid", "level", "size", "created", "pages"};
	LS_AUTO(print_rows_done) struct print_rows t;
	int rc = print_rows_begin(&t, head, l->pages ? COLUMNS : COLUMNS - 1, l->n, err);

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const struct catalog_point *p = &l->points[i];

		ltx_txid_format(p->txid, print_rows_cell(&t));
		snprintf(print_rows_cell(&t), PRINT_CELL, "%d", p->level);
		snprintf(print_rows_cell(&t), PRINT_CELL, "%" PRIu64, p->size);
		timex_format_ms(p->time_ms, print_rows_cell(&t));
		if (l->pages)
			snprintf(print_rows_cell(&t), PRINT_CELL, "%" PRIu32, l->pages[i]);
	}
	if (rc < 0 || (rc = print_rows_show(&t, err)) < 0)
		return rc;
	gaps_print(l->gaps, l->ngaps);
	return 0;
}

static json_t *
point_as_json(const struct listing *l, size_t i)
{
	const struct catalog_point *p = &l->points[i];
	json_t *v;
	char txid[LTX_TXID_LEN + 1], time[TIMEX_LEN];

	ltx_txid_format(p->txid, txid);
	timex_format_ms(p->time_ms, time);
	v = json_pack("{s:s, s:s, s:i, s:I, s:b}", "txid", txid, "timestamp", time, "level",
		      (int)p->level, "size", (json_int_t)p->size, "snapshot", (int)p->snapshot);
	if (v && l->pages)
		json_object_set_new(v, "pages", json_integer(l->pages[i]));
	return v;
}

static int
print_as_json(const struct listing *l, struct ls_err *err)
{
	json_t *points = json_array();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++)
		rc = print_append(points, point_as_json(l, i), err);
	if (rc < 0) {
		json_decref(points);
		return rc;
	}
	return print_json(
		json_pack("{s:o, s:o}", "points", points, "gaps", gaps_as_json(l->gaps, l->ngaps)),
		err);
}

static int
read_pages(const struct conf_replica *conf, struct listing *l, struct ls_err *err)
{
	struct store *store = NULL;
	struct replica r;
	int rc = conf_open_store(conf, &store, err);

	if (rc < 0)
		return rc;
	replica_init(&r, store);
	if (!(l->pages = ls_alloc_array(l->n, sizeof *l->pages)))
		rc = ls_err_set(err, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = catalog_commits(&l->cat, &r, NULL, l->points, l->n, l->pages, err);
	store_close(store);
	return rc;
}

static int
list(const struct conf_replica *conf, bool pages, bool json, struct ls_err *err)
{
	LS_AUTO(listing_done) struct listing l = {0};
	int rc;

	if ((rc = source_catalog(conf, true, &l.cat, err)) < 0 ||
	    (rc = catalog_points(&l.cat, &l.points, &l.n, err)) < 0 ||
	    (rc = catalog_gaps(&l.cat, l.points, l.n, &l.gaps, &l.ngaps, err)) < 0 ||
	    (pages && (rc = read_pages(conf, &l, err)) < 0))
		return rc;
	return json ? print_as_json(&l, err) : print_as_table(&l, err);
}

int
cmd_points(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	struct source_args args = {0};
	bool json = false, pages = false;
	const struct opt opts[] = {{"config", OPT_STRING, &args.config},
				   {"no-expand-env", OPT_BOOL, &args.no_expand_env},
				   {"replica", OPT_STRING, &args.replica},
				   {"pages", OPT_BOOL, &pages},
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
	rc = list(source.replica, pages, json, err);
	source_close(&source);
	return rc;
}
