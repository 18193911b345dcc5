/* SPDX-License-Identifier: Apache-2.0 */
/* generations, snapshots and wal: what a replica of Litestream 0.3 holds (spec/contract.md 1.6). */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/timex.h"
#include "engine/replica/generations.h"
#include "tools/cmd.h"
#include "tools/opt.h"
#include "tools/print.h"
#include "tools/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CMD_GENERATIONS_OPTIONS                                                                    \
	"Arguments:\n\n" CMD_CONFIG_USAGE "Replicas of Litestream 0.5 and of this program have "   \
	"none: see \"litestream points\".\n"

const char cmd_generations_usage[] =
	"The generations command lists the generations of a replica of Litestream 0.3.\n\n"
	"Usage:\n\n\tlitestream generations [arguments] DB_PATH\n"
	"\tlitestream generations [arguments] REPLICA_URL\n\n" CMD_GENERATIONS_OPTIONS;
const char cmd_snapshots_usage[] =
	"The snapshots command lists the snapshots of a replica of Litestream 0.3.\n\n"
	"Usage:\n\n\tlitestream snapshots [arguments] DB_PATH\n"
	"\tlitestream snapshots [arguments] REPLICA_URL\n\n" CMD_GENERATIONS_OPTIONS;
const char cmd_wal_usage[] =
	"The wal command lists the WAL segments of a replica of Litestream 0.3.\n\n"
	"Usage:\n\n\tlitestream wal [arguments] DB_PATH\n"
	"\tlitestream wal [arguments] REPLICA_URL\n\n"
	"Arguments:\n\n\t-generation ID\n\t    Those of one "
	"generation.\n\n" CMD_GENERATIONS_OPTIONS;

/* A duration as Go prints it: "1h2m3.5s", "12ms", "0s"; cut as the released program does. */
static void
format_lag(int64_t ms, char out[PRINT_CELL])
{
	const char *sign = ms < 0 ? "-" : "";
	int64_t s;
	int n = 0;

	ms = ms < 0 ? -ms : ms;
	if (ms > 10000)
		ms -= ms % 1000;
	else if (ms > 1000)
		ms -= ms % 100;
	if (ms == 0) {
		snprintf(out, PRINT_CELL, "0s");
		return;
	}
	if (ms < 1000) {
		snprintf(out, PRINT_CELL, "%s%" PRId64 "ms", sign, ms);
		return;
	}
	s = ms / 1000;
	n = snprintf(out, PRINT_CELL, "%s", sign);
	if (s >= 3600)
		n += snprintf(out + n, (size_t)(PRINT_CELL - n), "%" PRId64 "h", s / 3600);
	if (s >= 60)
		n += snprintf(out + n, (size_t)(PRINT_CELL - n), "%" PRId64 "m", s / 60 % 60);
	n += snprintf(out + n, (size_t)(PRINT_CELL - n), "%" PRId64, s % 60);
	if (ms % 1000)
		n += snprintf(out + n, (size_t)(PRINT_CELL - n), ".%" PRId64, ms % 1000 / 100);
	snprintf(out + n, (size_t)(PRINT_CELL - n), "s");
}

/* When the database was written last; of a URL: now. */
static int64_t
written_ms(const struct source *s)
{
	ls_autofree char *wal = s->db ? io_beside(s->db->path, "-wal") : NULL;
	int64_t ms = 0;
	struct stat st;

	if (!s->db)
		return clock_wall_ms();
	if (io_stat(s->db->path, &st, NULL) == 0)
		ms = st.st_mtim.tv_sec * INT64_C(1000) + st.st_mtim.tv_nsec / 1000000;
	if (wal && io_stat(wal, &st, NULL) == 0 && st.st_mtim.tv_sec * INT64_C(1000) > ms)
		ms = st.st_mtim.tv_sec * INT64_C(1000) + st.st_mtim.tv_nsec / 1000000;
	return ms;
}

static int
print_generations(const struct source *s, const struct generations *g, struct ls_err *err)
{
	static const char *const head[] = {"name", "generation", "lag", "start", "end"};
	LS_AUTO(print_rows_done) struct print_rows t;
	int rc = print_rows_begin(&t, head, 5, g->n, err);

	for (size_t i = 0; rc == 0 && i < g->n; i++) {
		snprintf(print_rows_cell(&t), PRINT_CELL, "%s", s->replica->name);
		snprintf(print_rows_cell(&t), PRINT_CELL, "%s", g->v[i].id);
		format_lag(written_ms(s) - g->v[i].updated_ms, print_rows_cell(&t));
		timex_format(g->v[i].created_ms, print_rows_cell(&t));
		timex_format(g->v[i].updated_ms, print_rows_cell(&t));
	}
	return rc < 0 ? rc : print_rows_show(&t, err);
}

static void
snapshot_row(struct print_rows *t, const char *replica, const char *generation,
	     const struct generations_object *o)
{
	snprintf(print_rows_cell(t), PRINT_CELL, "%s", replica);
	snprintf(print_rows_cell(t), PRINT_CELL, "%s", generation);
	snprintf(print_rows_cell(t), PRINT_CELL, "%" PRIu32, o->index);
	if (t->ncols == 6)
		snprintf(print_rows_cell(t), PRINT_CELL, "%" PRIu64, o->offset);
	snprintf(print_rows_cell(t), PRINT_CELL, "%" PRIu64, o->size);
	timex_format(o->time_ms, print_rows_cell(t));
}

static int
print_snapshots(const struct source *s, const struct generations *g, struct ls_err *err)
{
	static const char *const head[] = {"replica", "generation", "index", "size", "created"};
	LS_AUTO(print_rows_done) struct print_rows t;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < g->n; i++)
		n += g->v[i].nsnapshots;
	rc = print_rows_begin(&t, head, 5, n, err);
	for (size_t i = 0; rc == 0 && i < g->n; i++)
		for (size_t k = 0; k < g->v[i].nsnapshots; k++)
			snapshot_row(&t, s->replica->name, g->v[i].id, &g->v[i].snapshots[k]);
	return rc < 0 ? rc : print_rows_show(&t, err);
}

static bool
wanted(const struct generation *g, const char *id)
{
	return !id || strcmp(g->id, id) == 0;
}

static int
print_segments(const struct source *s, const struct generations *g, const char *id,
	       struct ls_err *err)
{
	static const char *const head[] = {"replica", "generation", "index",
					   "offset",  "size",	    "created"};
	LS_AUTO(print_rows_done) struct print_rows t;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < g->n; i++)
		n += wanted(&g->v[i], id) ? g->v[i].nsegments : 0;
	rc = print_rows_begin(&t, head, 6, n, err);
	for (size_t i = 0; rc == 0 && i < g->n; i++)
		for (size_t k = 0; wanted(&g->v[i], id) && k < g->v[i].nsegments; k++)
			snapshot_row(&t, s->replica->name, g->v[i].id, &g->v[i].segments[k]);
	return rc < 0 ? rc : print_rows_show(&t, err);
}

/* ---- the commands ---- */

enum listed { GENERATIONS, SNAPSHOTS, SEGMENTS };

struct words {
	struct source_args source;
	const char *generation;
};

static int
parse(struct cmd_context *c, enum listed what, int argc, char **argv, struct words *w,
      struct ls_err *err)
{
	static const char *const examples[] = {"litestream generations file:///backup/app",
					       "litestream snapshots file:///backup/app",
					       "litestream wal file:///backup/app"};
	const char *level; /* of the ltx command, as json: see cmd_wal() */
	bool json;
	/* The last three are those of wal alone. */
	const struct opt opts[] = {
		{"config", OPT_STRING, &w->source.config},
		{"no-expand-env", OPT_BOOL, &w->source.no_expand_env},
		{"replica", OPT_STRING, &w->source.replica},
		{what == SEGMENTS ? "generation" : NULL, OPT_STRING, &w->generation},
		{"level", OPT_STRING, &level},
		{"json", OPT_BOOL, &json},
		{0}};
	int first, rc = opt_parse(opts, argc, argv, &first, err);

	if (rc != 0)
		return rc;
	if ((rc = opt_one(argc - first, "database path or replica URL", examples[what], &c->hint,
			  err)) < 0)
		return rc;
	w->source.what = argv[first];
	return 0;
}

static int
load(const struct source *s, struct generations *ret, struct ls_err *err)
{
	struct store *store = NULL;
	int rc = conf_open_store(s->replica, &store, err);

	if (rc < 0)
		return rc;
	rc = generations_load(store, NULL, ret, err);
	store_close(store);
	return rc;
}

/* *ret_none: all segments were asked for, and there is no generation. */
static int
list(struct cmd_context *c, enum listed what, int argc, char **argv, bool *ret_none,
     struct ls_err *err)
{
	LS_AUTO(generations_done) struct generations g = {0};
	struct source source;
	struct words w = {0};
	int rc = parse(c, what, argc, argv, &w, err);

	if (rc != 0)
		return rc;
	if ((rc = source_open(&w.source, &source, &c->hint, err)) < 0)
		return rc;
	rc = load(&source, &g, err);
	*ret_none = rc == 0 && what == SEGMENTS && g.n == 0 && !w.generation;
	if (rc == 0 && !*ret_none)
		rc = what == GENERATIONS ? print_generations(&source, &g, err)
		     : what == SNAPSHOTS ? print_snapshots(&source, &g, err)
					 : print_segments(&source, &g, w.generation, err);
	source_close(&source);
	return rc;
}

int
cmd_generations(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	bool none;

	return list(c, GENERATIONS, argc, argv, &none, err);
}

int
cmd_snapshots(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	bool none;

	return list(c, SNAPSHOTS, argc, argv, &none, err);
}

/* The later programs have the name as another one of ltx. */
int
cmd_wal(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	bool none = false;
	int rc = list(c, SEGMENTS, argc, argv, &none, err);

	if (rc != 0 || !none)
		return rc;
	fputs("Warning: 'wal' command is deprecated, please use 'ltx' instead\n", stderr);
	return cmd_ltx(c, argc, argv, err);
}
