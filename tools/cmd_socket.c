/* SPDX-License-Identifier: Apache-2.0 */
/* info, list, sync: clients of the control socket (control.h). */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/conf/conf.h"
#include "engine/conf/conf_check.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/opt.h"
#include "tools/print.h"

#include <inttypes.h>
#include <string.h>

enum { ASK_SECONDS = 10, SYNC_SECONDS = 30 };

#define SOCKET_USAGE(seconds)                                                                      \
	"\t-socket PATH\n"                                                                         \
	"\t    The control socket of the daemon. Defaults to " CONF_SOCKET_PATH ".\n\n"            \
	"\t-timeout SECONDS\n"                                                                     \
	"\t    How long to wait. Defaults to " seconds ".\n\n"                                     \
	"\t-json\n\t    Prints JSON.\n"

const char cmd_info_usage[] =
	"The info command tells about a running daemon.\n\n"
	"Usage:\n\n\tlitestream info [arguments]\n\nArguments:\n\n" SOCKET_USAGE("10");
const char cmd_list_usage[] =
	"The list command lists the databases of a running daemon.\n\n"
	"Usage:\n\n\tlitestream list [arguments]\n\nArguments:\n\n" SOCKET_USAGE("10");
const char cmd_sync_usage[] =
	"The sync command returns when everything that was committed before is captured.\n\n"
	"Usage:\n\n\tlitestream sync [arguments] DB_PATH\n\nArguments:\n\n"
	"\t-wait\n\t    Returns only when it is in the replica.\n\n" SOCKET_USAGE("30");

struct args {
	const char *socket;
	int64_t timeout_s;
	bool json, wait;
};

static int
parse(struct args *a, const struct opt *opts, int argc, char **argv, int *first, struct ls_err *err)
{
	int rc = opt_parse(opts, argc, argv, first, err);

	if (rc == 0 && a->timeout_s <= 0)
		return ls_err_set(err, -EINVAL, "timeout must be greater than 0");
	if (rc == 0 && a->timeout_s > 86400)
		a->timeout_s = 86400;
	return rc;
}

static int
get(const char *verb, int argc, char **argv, struct args *a, json_t **ret, struct ls_err *err)
{
	const struct opt opts[] = {{"socket", OPT_STRING, &a->socket},
				   {"timeout", OPT_INT, &a->timeout_s},
				   {"json", OPT_BOOL, &a->json},
				   {0}};
	int first, rc;

	*a = (struct args){.socket = CONF_SOCKET_PATH, .timeout_s = ASK_SECONDS};
	if ((rc = parse(a, opts, argc, argv, &first, err)) != 0)
		return rc;
	if (first < argc)
		return ls_err_set(err, -EINVAL, "too many arguments");
	return ask_daemon(a->socket, a->timeout_s, verb, NULL, ret, err);
}

static const char *
text_of(json_t *value, const char *key)
{
	const char *s = json_string_value(json_object_get(value, key));

	return s ? s : "";
}

static json_int_t
number_of(json_t *value, const char *key)
{
	return json_integer_value(json_object_get(value, key));
}

int
cmd_info(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	json_t *v = NULL;
	struct args a;
	json_int_t up;
	int rc = get("info", argc, argv, &a, &v, err);

	(void)c;
	if (rc != 0)
		return rc;
	if (a.json)
		return print_json(v, err);
	up = number_of(v, "uptime_seconds");
	printf("Litestream %s\n", text_of(v, "version"));
	printf("  PID:         %" JSON_INTEGER_FORMAT "\n", number_of(v, "pid"));
	printf("  Uptime:      ");
	if (up >= 3600)
		printf("%" JSON_INTEGER_FORMAT "h", up / 3600);
	if (up >= 60)
		printf("%" JSON_INTEGER_FORMAT "m", up / 60 % 60);
	printf("%" JSON_INTEGER_FORMAT "s\n", up % 60);
	printf("  Started at:  %s\n", text_of(v, "started_at"));
	printf("  Databases:   %" JSON_INTEGER_FORMAT "\n", number_of(v, "database_count"));
	if (number_of(v, "storage_requests"))
		printf("  Storage:     %" JSON_INTEGER_FORMAT
		       " requests, about %.4f at the configured prices\n",
		       number_of(v, "storage_requests"),
		       json_number_value(json_object_get(v, "storage_cost")));
	json_decref(v);
	return 0;
}

int
cmd_list(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	json_t *v = NULL, *item;
	struct args a;
	size_t i;
	int rc = get("list", argc, argv, &a, &v, err);

	(void)c;
	if (rc != 0)
		return rc;
	if (a.json)
		return print_json(v, err);
	if (json_array_size(json_object_get(v, "databases")) == 0)
		puts("No databases configured");
	json_array_foreach(json_object_get(v, "databases"), i, item)
	{
		const char *at = text_of(item, "last_sync_at");

		printf("%s [%s] (last sync: %s)\n", text_of(item, "path"), text_of(item, "status"),
		       *at ? at : "never");
	}
	json_decref(v);
	return 0;
}

static int
print_synced(const struct args *a, const char *path, json_t *v, uint64_t ms, struct ls_err *err)
{
	json_int_t txid = number_of(v, "txid"), there = number_of(v, "replicated_txid");
	json_t *out;

	if (!a->json) {
		printf("db_path: %s\ntxid: %" JSON_INTEGER_FORMAT "\n", path, txid);
		if (a->wait)
			printf("replica_txid: %" JSON_INTEGER_FORMAT "\n", there);
		printf("duration_ms: %" PRIu64 "\n", ms);
		return 0;
	}
	out = json_pack("{s:o, s:I}", "db_path", print_string(path), "txid", txid);
	if (out && a->wait)
		json_object_set_new(out, "replica_txid", json_integer(there));
	if (out)
		json_object_set_new(out, "duration_ms", json_integer((json_int_t)ms));
	return print_json(out, err);
}

static int
sync_path(const struct args *a, const char *path, struct ls_err *err)
{
	ls_autofree char *full = NULL, *body = NULL;
	uint64_t start = clock_mono_ms();
	json_t *v = NULL, *question;
	int rc = conf_check_path(path, &full, err);

	if (rc < 0)
		return rc;
	question = json_pack("{s:s, s:b, s:I}", "path", full, "wait", (int)a->wait, "timeout",
			     (json_int_t)a->timeout_s);
	body = question ? json_dumps(question, JSON_COMPACT) : NULL;
	json_decref(question);
	if (!body)
		return ls_err_set(err, -EINVAL, "the path is not UTF-8: %s", full);
	if ((rc = ask_daemon(a->socket, a->timeout_s, "sync", body, &v, err)) < 0)
		return rc;
	rc = print_synced(a, full, v, clock_mono_ms() - start, err);
	json_decref(v);
	return rc;
}

int
cmd_sync(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	struct args a = {.socket = CONF_SOCKET_PATH, .timeout_s = SYNC_SECONDS};
	const struct opt opts[] = {{"socket", OPT_STRING, &a.socket},
				   {"timeout", OPT_INT, &a.timeout_s},
				   {"wait", OPT_BOOL, &a.wait},
				   {"json", OPT_BOOL, &a.json},
				   {0}};
	int first, rc = parse(&a, opts, argc, argv, &first, err);

	if (rc != 0)
		return rc;
	if ((rc = opt_one(argc - first, "database path", "litestream sync -wait /var/lib/app.db",
			  &c->hint, err)) < 0)
		return rc;
	return sync_path(&a, argv[first], err);
}
