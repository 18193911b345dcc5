/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: what the databases of the configuration have here and in their replicas
 * (contract.md 1.7), from local files; with a control socket in the configuration, also what
 * troubles the daemon. Beyond the released program: the last three columns, "behind", the notes
 * below the table, and names that are relative or members of a directory.
 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/timex.h"
#include "engine/sync/localstate.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/opt.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/source.h"
#include "tools/verdict.h"

#include <inttypes.h>
#include <string.h>

enum { COLUMNS = 7, ASK_SECONDS = 2, LATE_MS = 30000 };

const char cmd_status_usage[] =
	"The status command tells how far the databases are replicated. No replica is asked.\n\n"
	"Usage:\n\n\tlitestream status [arguments] [DB_PATH]\n\nArguments:\n\n" CMD_CONFIG_USAGE
	"\t-json\n\t    Prints JSON instead of a table.\n";

struct row {
	const struct conf_db *db;
	struct localstate state;
	char txid[17], acked[17], wal[32], waiting[64];
	const char *status;
	char *note;	 /* or NULL */
	json_t *trouble; /* the daemon's entry, or NULL */
	json_t *verdict; /* of the last verify, or NULL */
};

static const char *
error_of(const struct row *r)
{
	return json_string_value(json_object_get(r->trouble, "error"));
}

/* Nobody brings what waits to the replica, or has tried for long. */
static bool
is_behind(const struct row *r)
{
	const struct localstate *s = &r->state;

	if (r->trouble)
		return error_of(r) != NULL;
	return s->waiting && (!s->pid || clock_wall_ms() - s->waiting_since_ms > LATE_MS);
}

static const char *
status_of(const struct row *r)
{
	switch (r->state.kind) {
	case LOCALSTATE_NO_DATABASE:
		return "no database";
	case LOCALSTATE_NOT_INITIALIZED:
		return "not initialized";
	case LOCALSTATE_ERROR:
		return "error";
	case LOCALSTATE_OK:
		break;
	}
	return is_behind(r) ? "behind" : "ok";
}

static bool
is_damaged(const struct row *r)
{
	const char *verdict = json_string_value(json_object_get(r->verdict, "verdict"));

	return verdict && strcmp(verdict, "damaged") == 0;
}

static char *
note_of(const struct row *r)
{
	const struct localstate *s = &r->state;
	uint64_t percent = s->waiting_bytes * 100 / r->db->spool_max;
	char since[TIMEX_LEN];

	if (error_of(r))
		return ls_buf_format("%s (since %s)", error_of(r),
				     json_string_value(json_object_get(r->trouble, "error_since")));
	if (is_damaged(r))
		return ls_buf_format("litestream verify found the replica damaged at %s",
				     json_string_value(json_object_get(r->verdict, "time")));
	if (s->kind != LOCALSTATE_OK || !is_behind(r))
		return NULL;
	timex_format(s->waiting_since_ms, since);
	return ls_buf_format("%" PRIu64 " files are not in the replica since %s, %" PRIu64
			     " %% of spool-max-size%s",
			     s->waiting, since, percent,
			     s->pid ? "" : "; no daemon replicates it now");
}

static int
fill(struct row *r, struct ls_err *err)
{
	const struct localstate *s = &r->state;
	char size[32];
	int rc = localstate_read(r->db, &r->state, err);

	if (rc < 0)
		return rc;
	r->txid[0] = r->acked[0] = r->wal[0] = r->waiting[0] = '-';
	if (s->kind != LOCALSTATE_NO_DATABASE)
		progress_bytes((double)s->wal_size, r->wal);
	if (s->kind == LOCALSTATE_OK)
		snprintf(r->txid, sizeof r->txid, "%016" PRIx64, s->txid);
	if (s->acked)
		snprintf(r->acked, sizeof r->acked, "%016" PRIx64, s->acked);
	progress_bytes((double)s->waiting_bytes, size);
	if (s->waiting)
		snprintf(r->waiting, sizeof r->waiting, "%" PRIu64 " files, %s", s->waiting, size);
	r->status = status_of(r);
	r->note = note_of(r);
	return 0;
}

static int
print_as_table(const struct row *v, size_t n, struct ls_err *err)
{
	static const char *const head[COLUMNS] = {"database", "status",	      "local txid",
						  "wal size", "replica txid", "waiting",
						  "daemon"};
	ls_autofree const char **cells = ls_alloc_array((n + 1) * COLUMNS, sizeof *cells);
	ls_autofree char(*pids)[16] = ls_alloc_array(n, sizeof *pids);
	int rc;

	if (!cells || !pids)
		return ls_err_set(err, -ENOMEM, "out of memory");
	memcpy(cells, head, sizeof head);
	for (size_t i = 0; i < n; i++) {
		const char *row[COLUMNS] = {v[i].db->path, v[i].status,	 v[i].txid, v[i].wal,
					    v[i].acked,	   v[i].waiting, pids[i]};

		snprintf(pids[i], sizeof pids[i], v[i].state.pid ? "%d" : "-", v[i].state.pid);
		memcpy(cells + (i + 1) * COLUMNS, row, sizeof row);
	}
	if ((rc = print_table(COLUMNS, n, cells, err)) < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		if (v[i].note)
			printf("\n%s: %s\n", v[i].db->path, v[i].note);
	return 0;
}

static int
print_as_json(const struct row *v, size_t n, struct ls_err *err)
{
	json_t *list = json_array();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct localstate *s = &v[i].state;
		json_t *item =
			json_pack("{s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "database",
				  print_string(v[i].db->path), "status", v[i].status, "local_txid",
				  v[i].txid, "wal_size", v[i].wal, "replica_txid", v[i].acked,
				  "waiting_files", (json_int_t)s->waiting, "waiting_bytes",
				  (json_int_t)s->waiting_bytes, "daemon_pid", (json_int_t)s->pid);

		if (item && v[i].note)
			json_object_set_new(item, "note", print_string(v[i].note));
		if (item && v[i].verdict)
			json_object_set(item, "verified", v[i].verdict);
		rc = print_append(list, item, err);
	}
	if (rc < 0) {
		json_decref(list);
		return rc;
	}
	return print_json(list, err);
}

/* What the daemon says of its databases, or NULL. */
static json_t *
ask(const struct conf *c)
{
	const char *path = c->socket_path ? c->socket_path : CONF_SOCKET_PATH;
	json_t *answer = NULL;

	if (!c->socket || ask_daemon(path, ASK_SECONDS, "list", NULL, &answer, NULL) < 0)
		return NULL;
	return answer;
}

static json_t *
entry_of(json_t *answer, const char *path)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(answer, "databases"), i, item)
	{
		const char *p = json_string_value(json_object_get(item, "path"));

		if (p && strcmp(p, path) == 0)
			return item;
	}
	return NULL;
}

static int
show(const struct conf *c, const struct conf_db *only, bool json, struct ls_err *err)
{
	size_t n = only ? 1 : c->ndbs;
	ls_autofree struct row *v = ls_alloc_array(n, sizeof *v);
	json_t *answer = ask(c);
	int rc = v ? 0 : ls_err_set(err, -ENOMEM, "out of memory");

	for (size_t i = 0; rc == 0 && i < n; i++) {
		v[i] = (struct row){.db = only ? only : &c->dbs[i]};
		v[i].trouble = entry_of(answer, v[i].db->path);
		v[i].verdict = verdict_load(v[i].db);
		rc = fill(&v[i], err);
	}
	if (rc == 0)
		rc = json ? print_as_json(v, n, err) : print_as_table(v, n, err);
	for (size_t i = 0; v && i < n; i++) {
		free(v[i].note);
		json_decref(v[i].verdict);
	}
	json_decref(answer);
	return rc;
}

int
cmd_status(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	bool no_expand = false, json = false;
	const char *config = NULL;
	const struct opt opts[] = {{"config", OPT_STRING, &config},
				   {"no-expand-env", OPT_BOOL, &no_expand},
				   {"json", OPT_BOOL, &json},
				   {0}};
	const struct conf_db *only = NULL;
	struct conf conf;
	int first, rc = opt_parse(opts, argc, argv, &first, err);

	if (rc != 0)
		return rc;
	if (argc - first > 1)
		return ls_err_set(err, -EINVAL, "too many arguments");
	if ((rc = source_load(config, no_expand, &conf, err)) < 0)
		return rc;
	if (first < argc && (rc = conf_get(&conf, argv[first], &only, err)) < 0)
		c->hint = "litestream databases";
	else
		rc = show(&conf, only, json, err);
	conf_done(&conf);
	return rc;
}
