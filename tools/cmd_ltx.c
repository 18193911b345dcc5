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

const char cmd_ltx_usage[] =
	"The ltx command lists the LTX files of a replica: one for each transaction or range of\n"
	"transactions.\n\n"
	"Usage:\n\n\tlitestream ltx [arguments] DB_PATH\n"
	"\tlitestream ltx [arguments] REPLICA_URL\n\n"
	"Arguments:\n\n" CMD_CONFIG_USAGE CMD_REPLICA_USAGE "\t-level LEVEL\n"
	"\t    Files of one level, 0 to 9, or of \"all\". Level 0 has single transactions,\n"
	"\t    level 9 snapshots. Defaults to 0.\n\n"
	"\t-json\n\t    Prints JSON instead of a table.\n\n"
	"Examples:\n\n\t$ litestream ltx file:///backup/app\n"
	"\t$ litestream ltx -level all /var/lib/app.db\n";

enum { COLUMNS = 5 };

static int
print_as_table(const struct catalog_file *files, size_t n, struct ls_err *err)
{
	static const char *const head[COLUMNS] = {"level", "min_txid", "max_txid", "size",
						  "created"};
	LS_AUTO(print_rows_done) struct print_rows t;
	int rc = print_rows_begin(&t, head, COLUMNS, n, err);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		snprintf(print_rows_cell(&t), PRINT_CELL, "%d", files[i].level);
		ltx_txid_format(files[i].min, print_rows_cell(&t));
		ltx_txid_format(files[i].max, print_rows_cell(&t));
		snprintf(print_rows_cell(&t), PRINT_CELL, "%" PRIu64, files[i].size);
		timex_format(files[i].time_ms, print_rows_cell(&t));
	}
	return rc < 0 ? rc : print_rows_show(&t, err);
}

static json_t *
file_as_json(const struct catalog_file *f)
{
	char min[LTX_TXID_LEN + 1], max[LTX_TXID_LEN + 1], time[TIMEX_LEN];

	ltx_txid_format(f->min, min);
	ltx_txid_format(f->max, max);
	timex_format(f->time_ms, time);
	return json_pack("{s:i, s:s, s:s, s:I, s:s}", "level", (int)f->level, "min_txid", min,
			 "max_txid", max, "size", (json_int_t)f->size, "timestamp", time);
}

static int
print_as_json(const struct catalog_file *files, size_t n, struct ls_err *err)
{
	json_t *list = json_array();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = print_append(list, file_as_json(&files[i]), err);
	if (rc < 0) {
		json_decref(list);
		return rc;
	}
	return print_json(list, err);
}

static int
list(const struct conf_replica *conf, int lo, int hi, bool json, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	size_t first, n;
	int rc = source_catalog(conf, false, &cat, err);

	if (rc < 0)
		return rc;
	first = cat.first[lo];
	n = cat.first[hi + 1] - first;
	return json ? print_as_json(cat.files + first, n, err)
		    : print_as_table(cat.files + first, n, err);
}

static int
parse_level(const char *s, int *ret_lo, int *ret_hi, struct ls_err *err)
{
	const char *digits = s + (*s == '-' || *s == '+');
	size_t n = strspn(digits, "0123456789");

	if (strcmp(s, "all") == 0) {
		*ret_lo = 0;
		*ret_hi = LTX_LEVEL_MAX;
		return 0;
	}
	if (n == 0 || digits[n])
		return ls_err_set(err, -EINVAL, "invalid level: must be 0-9 or \"all\"");
	while (digits[0] == '0' && digits[1])
		digits++;
	if (digits[1] || (*s == '-' && *digits != '0'))
		return ls_err_set(err, -EINVAL, "level must be between 0 and 9");
	*ret_lo = *ret_hi = *digits - '0';
	return 0;
}

int
cmd_ltx(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	struct source_args args = {0};
	const char *level = "0";
	bool json = false;
	const struct opt opts[] = {{"config", OPT_STRING, &args.config},
				   {"no-expand-env", OPT_BOOL, &args.no_expand_env},
				   {"replica", OPT_STRING, &args.replica},
				   {"level", OPT_STRING, &level},
				   {"json", OPT_BOOL, &json},
				   {0}};
	int first, rc = opt_parse(opts, argc, argv, &first, err), lo = 0, hi = 0;
	struct source source;

	if (rc != 0)
		return rc;
	if ((rc = opt_one(argc - first, "database path or replica URL",
			  "litestream ltx file:///backup/app", &c->hint, err)) < 0)
		return rc;
	args.what = argv[first];
	if ((rc = parse_level(level, &lo, &hi, err)) < 0 ||
	    (rc = source_open(&args, &source, &c->hint, err)) < 0)
		return rc;
	rc = list(source.replica, lo, hi, json, err);
	source_close(&source);
	return rc;
}
