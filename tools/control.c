/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/control.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/timex.h"
#include "engine/conf/conf_check.h"
#include "tools/print.h"

#include <jansson.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { BODY_MAX = 64 << 10, BACKLOG = 128, STACK = 256 << 10, SYNC_TIMEOUT_S = 30 };

struct control {
	struct MHD_Daemon *http;
	struct fleet *fleet;
	char *path;
	int64_t started_ms;
	uint64_t started_mono_ms;
};

/* What has come of the body of a request. */
struct control_body {
	struct ls_buf buf;
	bool too_large;
};

/* ---- answers ---- */

static enum MHD_Result
send_text(struct MHD_Connection *conn, unsigned status, const char *type, char *text, size_t n)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(conn, status, r);
	MHD_destroy_response(r);
	return result;
}

/* Takes the reference. One line, as the contract wants it. */
static enum MHD_Result
send_json(struct MHD_Connection *conn, unsigned status, json_t *value)
{
	ls_autofree char *text = value ? json_dumps(value, JSON_COMPACT) : NULL, *line = NULL;
	int n = text ? asprintf(&line, "%s\n", text) : -1;

	json_decref(value);
	if (n < 0) {
		line = NULL;
		return MHD_NO;
	}
	return send_text(conn, status, "application/json", line, (size_t)n);
}

static enum MHD_Result
send_error(struct MHD_Connection *conn, unsigned status, const char *text)
{
	return send_json(conn, status, json_pack("{s:s}", "error", text));
}

static enum MHD_Result
send_plain(struct MHD_Connection *conn, unsigned status, const char *text)
{
	return send_text(conn, status, "text/plain; charset=utf-8", (char *)(uintptr_t)text,
			 strlen(text));
}

/* ---- requests ---- */

static unsigned
status_of(int rc)
{
	switch (rc) {
	case -ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case -EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

static int
sync_database(struct control *c, const char *path, const struct fleet_wish *wish,
	      struct fleet_synced *ret, struct ls_err *err)
{
	ls_autofree char *full = NULL;
	int rc = conf_check_path(path, &full, err);

	return rc < 0 ? rc : fleet_sync(c->fleet, full, wish, ret, err);
}

static enum MHD_Result
post_sync(struct control *c, struct MHD_Connection *conn, json_t *body)
{
	const char *path = json_string_value(json_object_get(body, "path"));
	json_t *timeout = json_object_get(body, "timeout");
	struct fleet_wish wish = {.wait = json_is_true(json_object_get(body, "wait")),
				  .timeout_ms = SYNC_TIMEOUT_S * 1000};
	struct fleet_synced done;
	struct ls_err err = {0};
	int rc;

	if (!path || !*path)
		return send_error(conn, MHD_HTTP_BAD_REQUEST, "path required");
	if (timeout && json_number_value(timeout) > 0 && json_number_value(timeout) < 1e6)
		wish.timeout_ms = (uint64_t)(json_number_value(timeout) * 1000);
	rc = sync_database(c, path, &wish, &done, &err);
	if (rc < 0)
		return send_error(conn, status_of(rc), err.msg);
	return send_json(conn, MHD_HTTP_OK,
			 json_pack("{s:s, s:s, s:I, s:I}", "status",
				   !done.changed ? "no_change"
				   : wish.wait	 ? "synced"
						 : "synced_local",
				   "path", path, "txid", (json_int_t)done.txid, "replicated_txid",
				   (json_int_t)done.replicated));
}

static int
add_entry(void *arg, const struct fleet_entry *e)
{
	json_t *item = json_pack("{s:o, s:s, s:I, s:I}", "path", print_string(e->path), "status",
				 e->status, "txid", (json_int_t)e->txid, "replicated_txid",
				 (json_int_t)e->replicated);
	char at[TIMEX_LEN];

	if (item && e->synced_ms) {
		timex_format_ms(e->synced_ms, at);
		json_object_set_new(item, "last_sync_at", json_string(at));
	}
	if (item && *e->trouble) {
		timex_format_ms(e->trouble_ms, at);
		json_object_set_new(item, "error", print_string(e->trouble));
		json_object_set_new(item, "error_since", json_string(at));
	}
	if (item && e->puts + e->gets + e->lists + e->dels)
		json_object_set_new(
			item, "storage",
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "put", (json_int_t)e->puts,
				  "get", (json_int_t)e->gets, "list", (json_int_t)e->lists,
				  "delete", (json_int_t)e->dels, "bytes_sent", (json_int_t)e->sent,
				  "bytes_received", (json_int_t)e->received, "cost", e->cost));
	return json_array_append_new(arg, item) < 0 ? -ENOMEM : 0;
}

static enum MHD_Result
get_list(struct control *c, struct MHD_Connection *conn)
{
	json_t *list = json_array();

	if (!list || fleet_list(c->fleet, add_entry, list) < 0) {
		json_decref(list);
		return MHD_NO;
	}
	return send_json(conn, MHD_HTTP_OK, json_pack("{s:o}", "databases", list));
}

struct totals {
	json_int_t databases, requests;
	double cost;
};

static int
count_entry(void *arg, const struct fleet_entry *e)
{
	struct totals *t = arg;

	t->databases++;
	t->requests += (json_int_t)(e->puts + e->gets + e->lists + e->dels);
	t->cost += e->cost;
	return 0;
}

static enum MHD_Result
get_info(struct control *c, struct MHD_Connection *conn)
{
	json_int_t up = (json_int_t)((clock_mono_ms() - c->started_mono_ms) / 1000);
	struct totals t = {0};
	char at[TIMEX_LEN];

	if (fleet_list(c->fleet, count_entry, &t) < 0)
		return MHD_NO;
	timex_format_ms(c->started_ms, at);
	return send_json(conn, MHD_HTTP_OK,
			 json_pack("{s:s, s:I, s:I, s:s, s:I, s:I, s:f}", "version",
				   PACKAGE_VERSION, "pid", (json_int_t)getpid(), "uptime_seconds",
				   up, "started_at", at, "database_count", t.databases,
				   "storage_requests", t.requests, "storage_cost", t.cost));
}

struct wanted {
	const char *path;
	json_int_t txid;
	bool found;
};

static int
match_entry(void *arg, const struct fleet_entry *e)
{
	struct wanted *w = arg;

	if (strcmp(e->path, w->path) != 0)
		return 0;
	w->txid = (json_int_t)e->txid;
	w->found = true;
	return 0;
}

static enum MHD_Result
get_txid(struct control *c, struct MHD_Connection *conn)
{
	const char *path = MHD_lookup_connection_value(conn, MHD_GET_ARGUMENT_KIND, "path");
	ls_autofree char *full = NULL;
	struct wanted w = {0};
	struct ls_err err;

	if (!path || !*path)
		return send_error(conn, MHD_HTTP_BAD_REQUEST, "path required");
	if (conf_check_path(path, &full, &err) < 0)
		return send_error(conn, MHD_HTTP_BAD_REQUEST, err.msg);
	w.path = full;
	if (fleet_list(c->fleet, match_entry, &w) < 0)
		return MHD_NO;
	if (!w.found)
		return send_error(conn, MHD_HTTP_NOT_FOUND, "database not found");
	return send_json(conn, MHD_HTTP_OK, json_pack("{s:I}", "txid", w.txid));
}

static enum MHD_Result
answer_get(struct control *c, struct MHD_Connection *conn, const char *url)
{
	if (strcmp(url, "/list") == 0)
		return get_list(c, conn);
	if (strcmp(url, "/info") == 0)
		return get_info(c, conn);
	return get_txid(c, conn);
}

static enum MHD_Result
answer_post(struct control *c, struct MHD_Connection *conn, const struct control_body *body)
{
	json_t *value = body->too_large
				? NULL
				: json_loadb((const char *)body->buf.p, body->buf.len, 0, NULL);
	enum MHD_Result result;

	if (!json_is_object(value)) {
		json_decref(value);
		return send_error(conn, MHD_HTTP_BAD_REQUEST, "invalid request body");
	}
	result = post_sync(c, conn, value);
	json_decref(value);
	return result;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *conn, const char *url, const char *method,
	   const char *version, const char *data, size_t *n, void **state)
{
	bool get =
		strcmp(url, "/list") == 0 || strcmp(url, "/info") == 0 || strcmp(url, "/txid") == 0;
	struct control_body *body = *state;

	(void)version;
	if (!get && strcmp(url, "/sync") != 0)
		return send_plain(conn, MHD_HTTP_NOT_FOUND, "404 page not found\n");
	if (strcmp(method, get ? MHD_HTTP_METHOD_GET : MHD_HTTP_METHOD_POST) != 0)
		return send_plain(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed\n");
	if (get)
		return answer_get(arg, conn, url);
	if (!body) {
		*state = body = calloc(1, sizeof *body);
		if (!body)
			return MHD_NO;
		ls_buf_init(&body->buf, BODY_MAX);
		return MHD_YES;
	}
	if (*n == 0)
		return answer_post(arg, conn, body);
	if (ls_buf_append(&body->buf, data, *n) < 0)
		body->too_large = true;
	*n = 0;
	return MHD_YES;
}

static void
on_end(void *arg, struct MHD_Connection *conn, void **state, enum MHD_RequestTerminationCode code)
{
	struct control_body *body = *state;

	(void)arg;
	(void)conn;
	(void)code;
	if (body)
		ls_buf_done(&body->buf);
	free(body);
	*state = NULL;
}

/* ---- the socket ---- */

static int
set_address(const char *path, struct sockaddr_un *ret, struct ls_err *err)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof ret->sun_path)
		return ls_err_set(err, -EINVAL, "socket path is longer than %zu bytes: %s",
				  sizeof ret->sun_path - 1, path);
	memcpy(ret->sun_path, path, strlen(path));
	return 0;
}

/* Removes a socket that is left from a daemon that died. */
static int
clear_path(const char *path, const struct sockaddr_un *addr, struct ls_err *err)
{
	ls_autoclose int fd = -1;
	struct stat st;
	int rc = io_stat(path, &st, err);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (!S_ISSOCK(st.st_mode))
		return ls_err_set(err, -EEXIST, "socket path exists but is not a socket: %s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0)
		return ls_err_set(err, -EBUSY, "another program listens on %s", path);
	return io_unlink(path, err);
}

static int
listen_on(const char *path, mode_t mode, int *ret, struct ls_err *err)
{
	ls_autoclose int fd = -1;
	struct sockaddr_un addr;
	mode_t before;
	int rc = set_address(path, &addr, err);

	if (rc < 0 || (rc = clear_path(path, &addr, err)) < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ls_err_sys(err, errno, "socket");
	/* Nobody may connect between bind and chmod. */
	before = umask(0777);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof addr);
	umask(before);
	if (rc < 0 || chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0)
		return ls_err_sys(err, errno, "cannot listen on '%s'", path);
	*ret = ls_steal_fd(&fd);
	return 0;
}

int
control_start(const char *path, mode_t mode, struct fleet *fleet, struct control **ret,
	      struct ls_err *err)
{
	struct control *c = calloc(1, sizeof *c);
	int fd = -1, rc;

	if (!c || !(c->path = strdup(path))) {
		free(c);
		return ls_err_set(err, -ENOMEM, "control socket: out of memory");
	}
	c->fleet = fleet;
	c->started_ms = clock_wall_ms();
	c->started_mono_ms = clock_mono_ms();
	if ((rc = listen_on(path, mode, &fd, err)) == 0) {
		c->http = MHD_start_daemon(
			MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
				MHD_USE_POLL | MHD_USE_ITC,
			0, NULL, NULL, on_request, c, MHD_OPTION_LISTEN_SOCKET, fd,
			MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_THREAD_STACK_SIZE,
			(size_t)STACK, MHD_OPTION_END);
		if (!c->http) {
			close(fd);
			rc = ls_err_set(err, -EIO, "the HTTP server cannot be started");
		}
	}
	if (rc < 0) {
		free(c->path);
		free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

void
control_stop(struct control *c)
{
	int ignored;

	if (!c)
		return;
	MHD_stop_daemon(c->http);
	ignored = io_unlink(c->path, NULL);
	(void)ignored;
	free(c->path);
	free(c);
}
