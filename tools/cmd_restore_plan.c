/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/timex.h"
#include "engine/format/ltx.h"
#include "engine/replica/generations.h"
#include "engine/replica/unpack.h"
#include "tools/cmd_restore.h"
#include "tools/print.h"

#include <inttypes.h>
#include <stdio.h>

enum { COLUMNS = 6 };

static int
print_files(const struct plan *plan, struct ls_err *err)
{
	static const char *const head[COLUMNS] = {"level",    "file", "min_txid",
						  "max_txid", "size", "timestamp"};
	LS_AUTO(print_rows_done) struct print_rows t;
	int rc = print_rows_begin(&t, head, COLUMNS, plan->n, err);

	for (size_t i = 0; rc == 0 && i < plan->n; i++) {
		const struct catalog_file *f = plan->files[i];

		snprintf(print_rows_cell(&t), PRINT_CELL, "%d", f->level);
		ltx_name_format(f->min, f->max, print_rows_cell(&t));
		ltx_txid_format(f->min, print_rows_cell(&t));
		ltx_txid_format(f->max, print_rows_cell(&t));
		snprintf(print_rows_cell(&t), PRINT_CELL, "%" PRIu64, f->size);
		timex_format(f->time_ms, print_rows_cell(&t));
	}
	return rc < 0 ? rc : print_rows_show(&t, err);
}

static int
print_text(const struct cmd_restore_plan *p, const struct plan *plan, struct ls_err *err)
{
	char min[LTX_TXID_LEN + 1], max[LTX_TXID_LEN + 1];

	ltx_txid_format(plan->files[0]->min, min);
	ltx_txid_format(plan->txid, max);
	printf("Restore plan:\n  source: %s\n  target: %s\n  replica: %s\n  txid range: %s - %s\n\n"
	       "Files to fetch:\n",
	       p->replica->url, p->output, p->replica->type, min, max);
	return print_files(plan, err);
}

static json_t *
file_as_json(const struct catalog_file *f)
{
	char min[LTX_TXID_LEN + 1], max[LTX_TXID_LEN + 1], name[LTX_NAME_LEN + 1], time[TIMEX_LEN];

	ltx_txid_format(f->min, min);
	ltx_txid_format(f->max, max);
	ltx_name_format(f->min, f->max, name);
	timex_format(f->time_ms, time);
	return json_pack("{s:i, s:s, s:s, s:s, s:I, s:s}", "level", (int)f->level, "name", name,
			 "min_txid", min, "max_txid", max, "size", (json_int_t)f->size, "timestamp",
			 time);
}

static int
print_as_json(const struct cmd_restore_plan *p, const struct plan *plan, struct ls_err *err)
{
	char min[LTX_TXID_LEN + 1], max[LTX_TXID_LEN + 1];
	json_t *files = json_array();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->n; i++)
		rc = print_append(files, file_as_json(plan->files[i]), err);
	if (rc < 0) {
		json_decref(files);
		return rc;
	}
	ltx_txid_format(plan->files[0]->min, min);
	ltx_txid_format(plan->txid, max);
	return print_json(json_pack("{s:o, s:o, s:s, s:s, s:s, s:o}", "source",
				    print_string(p->replica->url), "target_path",
				    print_string(p->output), "replica", p->replica->type,
				    "min_txid", min, "max_txid", max, "files", files),
			  err);
}

static int
only_old(struct store *store, const struct store_call *call, struct ls_err *err)
{
	LS_AUTO(generations_done) struct generations g = {0};
	int rc = generations_load(store, call, &g, err);

	if (rc == 0 && g.n)
		return ls_err_set(err, -EINVAL,
				  "-dry-run shows LTX files, and this is a replica of Litestream "
				  "0.3: see 'litestream snapshots' and 'litestream wal'");
	return rc < 0 ? rc : ls_err_set(err, -ENOENT, "no matching backup files available");
}

int
cmd_restore_plan_print(const struct cmd_restore_plan *p, struct store *store,
		       const struct store_call *call, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	LS_AUTO(plan_done) struct plan plan = {0};
	char identity[STORE_ETAG_MAX];
	bool parent_ok = false;
	struct replica r;
	int rc = store_root(store, call, false, identity, &parent_ok, err);

	if (rc == -ENOENT && parent_ok)
		return ls_err_wrap(err, rc, "no matching backup files available");
	if (rc < 0)
		return rc == -ENOENT ? -EIO : rc;
	replica_init(&r, store);
	rc = unpack_plan(&r, call, p->target, &cat, &plan, err);
	if (rc == -ENOENT && cat.n == 0)
		return only_old(store, call, err);
	if (rc < 0)
		return rc;
	return p->json ? print_as_json(p, &plan, err) : print_text(p, &plan, err);
}
