/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/timex.h"
#include "engine/format/ltx.h"
#include "engine/replica/generations.h"
#include "engine/replica/unpack.h"
#include "tools/cmd_restore.h"
#include "tools/print.h"
#include "tools/progress.h"

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

struct totals {
	uint64_t bytes, requests;
};

static struct totals
add_up(const struct plan *plan)
{
	struct totals t = {.requests = REPLICA_PACKS + 1}; /* the listing */

	for (size_t i = 0; i < plan->n; i++) {
		t.bytes += plan->files[i]->size;
		t.requests += restore_requests(plan->files[i]->size);
	}
	return t;
}

static int
print_text(const struct cmd_restore_plan *p, const struct plan *plan, struct ls_err *err)
{
	struct totals t = add_up(plan);
	char min[LTX_TXID_LEN + 1], max[LTX_TXID_LEN + 1], bytes[32];
	int rc;

	ltx_txid_format(plan->files[0]->min, min);
	ltx_txid_format(plan->txid, max);
	printf("Restore plan:\n  source: %s\n  target: %s\n  replica: %s\n  txid range: %s - %s\n\n"
	       "Files to fetch:\n",
	       p->replica->url, p->output, p->replica->type, min, max);
	if ((rc = print_files(plan, err)) < 0)
		return rc;
	progress_bytes((double)t.bytes, bytes);
	printf("\n%zu files, %s, about %" PRIu64 " requests\n", plan->n, bytes, t.requests);
	return 0;
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
	struct totals t = add_up(plan);
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
	return print_json(json_pack("{s:o, s:o, s:s, s:s, s:s, s:o, s:I, s:I}", "source",
				    print_string(p->replica->url), "target_path",
				    print_string(p->output), "replica", p->replica->type,
				    "min_txid", min, "max_txid", max, "files", files, "bytes",
				    (json_int_t)t.bytes, "requests", (json_int_t)t.requests),
			  err);
}

/* ---- Litestream 0.3 ---- */

static int
print_old_text(const struct cmd_restore_plan *p, const struct generations_plan *plan)
{
	char key[GENERATIONS_KEY_MAX], time[TIMEX_LEN], bytes[32];
	uint64_t sum = plan->snapshot->size;

	timex_format(plan->time_ms, time);
	printf("Restore plan:\n  source: %s\n  target: %s\n  replica: %s\n  generation: %s\n"
	       "  newest object: %s\n\nFiles to fetch:\n",
	       p->replica->url, p->output, p->replica->type, plan->generation->id, time);
	generations_snapshot_key(plan->generation, plan->snapshot, key);
	printf("%s  %" PRIu64 "\n", key, plan->snapshot->size);
	for (size_t i = 0; i < plan->n; i++) {
		generations_segment_key(plan->generation, &plan->segments[i], key);
		printf("%s  %" PRIu64 "\n", key, plan->segments[i].size);
		sum += plan->segments[i].size;
	}
	progress_bytes((double)sum, bytes);
	printf("\n%zu files, %s\n", plan->n + 1, bytes);
	return 0;
}

static int
add_old(json_t *files, const char *key, const struct generations_object *o, struct ls_err *err)
{
	char time[TIMEX_LEN];

	timex_format(o->time_ms, time);
	return print_append(files,
			    json_pack("{s:s, s:I, s:s}", "name", key, "size", (json_int_t)o->size,
				      "timestamp", time),
			    err);
}

static int
print_old_json(const struct cmd_restore_plan *p, const struct generations_plan *plan,
	       struct ls_err *err)
{
	char key[GENERATIONS_KEY_MAX];
	json_t *files = json_array();
	int rc;

	generations_snapshot_key(plan->generation, plan->snapshot, key);
	rc = add_old(files, key, plan->snapshot, err);
	for (size_t i = 0; rc == 0 && i < plan->n; i++) {
		generations_segment_key(plan->generation, &plan->segments[i], key);
		rc = add_old(files, key, &plan->segments[i], err);
	}
	if (rc < 0) {
		json_decref(files);
		return rc;
	}
	return print_json(json_pack("{s:o, s:o, s:s, s:s, s:o}", "source",
				    print_string(p->replica->url), "target_path",
				    print_string(p->output), "replica", p->replica->type,
				    "generation", plan->generation->id, "files", files),
			  err);
}

static int
print_old(const struct cmd_restore_plan *p, struct store *store, const struct store_call *call,
	  struct ls_err *err)
{
	LS_AUTO(generations_done) struct generations g = {0};
	struct generations_target t = {.generation = p->generation,
				       .by_index = p->by_index,
				       .index = p->index,
				       .by_time = p->target->by_time,
				       .time_ms = p->target->time_ms};
	struct generations_plan plan;
	int rc = generations_load(store, call, &g, err);

	if (rc < 0)
		return rc;
	if (g.n == 0)
		return ls_err_set(err, -ENOENT, "no matching backup files available");
	if ((rc = generations_plan(&g, &t, &plan, err)) < 0)
		return rc;
	return p->json ? print_old_json(p, &plan, err) : print_old_text(p, &plan);
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
	if (p->generation || p->by_index)
		return print_old(p, store, call, err);
	replica_init(&r, store);
	rc = unpack_plan(&r, call, p->target, &cat, &plan, err);
	if (rc == -ENOENT && cat.n == 0)
		return print_old(p, store, call, err);
	if (rc < 0)
		return rc;
	return p->json ? print_as_json(p, &plan, err) : print_text(p, &plan, err);
}
