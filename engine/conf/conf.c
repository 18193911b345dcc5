/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/conf/conf_check.h"
#include "engine/conf/conf_db.h"
#include "engine/conf/conf_dir.h"
#include "engine/conf/conf_env.h"
#include "engine/conf/conf_levels.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

enum { CONF_MAX = 8 << 20 };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct raw_top {
	yaml_node_t *logging, *dbs, *socket;
	char *exec;
	struct conf_db_settings defaults;
	struct conf_levels_raw levels;
};

struct raw_logging {
	char *level, *type;
	bool to_stderr, source;
};

static const struct conf_key top_keys[] = {
	{"logging", CONF_NODE, offsetof(struct raw_top, logging)},
	{"dbs", CONF_NODE, offsetof(struct raw_top, dbs)},
	CONF_DB_SETTINGS_KEYS(struct raw_top, defaults),
	{"exec", CONF_STRING, offsetof(struct raw_top, exec)},
	{"addr", CONF_LATER, 0},
	{"mcp-addr", CONF_LATER, 0},
	{"socket", CONF_NODE, offsetof(struct raw_top, socket)},
	{"levels", CONF_NODE, offsetof(struct raw_top, levels.levels)},
	{"snapshot", CONF_NODE, offsetof(struct raw_top, levels.snapshot)},
	{"retention", CONF_NODE, offsetof(struct raw_top, levels.retention)},
	{"l0-retention", CONF_DURATION, offsetof(struct raw_top, levels.l0_retention)},
	{"fine-retention", CONF_DURATION, offsetof(struct raw_top, levels.fine_retention)},
	{"l0-retention-check-interval", CONF_DURATION, offsetof(struct raw_top, levels.l0_check)},
	{"verify-compaction", CONF_BOOL, offsetof(struct raw_top, levels.verify)},
	{"validation", CONF_NODE, offsetof(struct raw_top, levels.validation)},
	{"heartbeat-url", CONF_LATER, 0},
	{"heartbeat-interval", CONF_LATER, 0},
	{"shutdown-sync-timeout", CONF_LATER, 0},
	{"shutdown-sync-interval", CONF_LATER, 0},
};

static const struct conf_key logging_keys[] = {
	{"level", CONF_STRING, offsetof(struct raw_logging, level)},
	{"type", CONF_STRING, offsetof(struct raw_logging, type)},
	{"stderr", CONF_BOOL, offsetof(struct raw_logging, to_stderr)},
	{"source", CONF_LATER, 0},
};

struct raw_socket {
	bool enabled;
	char *path;
	int64_t permissions;
};

static const struct conf_key socket_keys[] = {
	{"enabled", CONF_BOOL, offsetof(struct raw_socket, enabled)},
	{"path", CONF_STRING, offsetof(struct raw_socket, path)},
	{"permissions", CONF_INT, offsetof(struct raw_socket, permissions)},
};

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "configuration: out of memory");
}

static void
raw_logging_done(struct raw_logging *r)
{
	free(r->level);
	free(r->type);
}

static int
read_logging(struct conf_yaml *y, yaml_node_t *node, struct conf *c, struct ls_err *err)
{
	static const char *const types[] = {"text", "json", "pretty"};
	LS_AUTO(raw_logging_done) struct raw_logging raw = {0};
	int rc = conf_yaml_map(y, node, logging_keys, COUNT(logging_keys), &raw, err);

	if (rc < 0)
		return rc;
	c->log_stderr = raw.to_stderr;
	if (raw.level)
		c->log_level = log_level_parse(raw.level);
	if (!raw.type || !*raw.type)
		return 0;
	for (int i = 0; i < 3; i++)
		if (strcmp(raw.type, types[i]) == 0) {
			c->log_type = (enum conf_log_type)i;
			return 0;
		}
	return conf_yaml_error(y, node, err, "logging type '%.20s' is not text, json or pretty",
			       raw.type);
}

static int
read_socket(struct conf_yaml *y, yaml_node_t *node, struct conf *c, struct ls_err *err)
{
	struct raw_socket raw = {.permissions = 0600};
	int rc = conf_yaml_map(y, node, socket_keys, COUNT(socket_keys), &raw, err);

	if (rc == 0 && (raw.permissions < 0 || raw.permissions > 0777))
		rc = conf_yaml_error(y, node, err,
				     "socket.permissions is a file mode such as 0600");
	if (rc < 0) {
		free(raw.path);
		return rc;
	}
	c->socket = raw.enabled;
	c->socket_mode = (uint32_t)raw.permissions;
	if (raw.path && *raw.path)
		c->socket_path = raw.path;
	else
		free(raw.path);
	return 0;
}

static int
read_document(struct conf_yaml *y, struct conf *c, struct ls_err *err)
{
	struct raw_top top = {0};
	struct conf_levels levels;
	struct conf_db_context ctx = {.conf = c, .defaults = &top.defaults, .levels = &levels};
	yaml_node_t *root = yaml_document_get_root_node(&y->doc);
	int rc = conf_yaml_map(y, root, top_keys, COUNT(top_keys), &top, err);

	c->exec = top.exec;
	if (rc == 0)
		rc = read_logging(y, top.logging, c, err);
	if (rc == 0)
		rc = read_socket(y, top.socket, c, err);
	if (rc == 0)
		rc = conf_levels_read(y, &top.levels, &levels, err);
	if (rc == 0)
		rc = conf_yaml_list(y, top.dbs, "dbs", conf_db_read, &ctx, err);
	conf_db_settings_done(&top.defaults);
	if (rc == 0 && (rc = conf_check_duplicates(c, err)) < 0)
		return ls_err_wrap(err, rc, "%s", y->name);
	return rc;
}

/* Parses on top of what *c holds already; on failure *c is released. */
static int
parse(const char *text, size_t n, const char *name, struct conf *c, struct ls_err *err)
{
	struct conf_yaml y = {.name = name, .conf = c};
	int rc = conf_yaml_load(&y, text, n, err);

	if (rc == 0) {
		rc = read_document(&y, c, err);
		yaml_document_delete(&y.doc);
	}
	if (rc < 0)
		conf_done(c);
	return rc;
}

int
conf_parse(const char *text, size_t n, const char *name, struct conf *ret, struct ls_err *err)
{
	struct conf c = {.log_level = LOG_INFO};
	int rc = parse(text, n, name, &c, err);

	if (rc == 0)
		*ret = c;
	return rc;
}

struct unset_context {
	struct conf *conf;
	const char *file;
};

static int
warn_unset(void *arg, const char *name, size_t line)
{
	struct unset_context *u = arg;

	for (const char *p = name; *p; p++)
		if ((!isalnum((unsigned char)*p) && *p != '_') || isdigit((unsigned char)*name))
			return conf_yaml_warn(
				u->conf, u->file, line,
				"'$%.40s' is taken for an environment variable and became empty; "
				"only -no-expand-env keeps a '$'",
				name);
	return conf_yaml_warn(u->conf, u->file, line,
			      "environment variable '%.80s' is not set and became empty", name);
}

static int
expand_and_parse(const char *text, size_t n, const char *name, struct conf *ret, struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf out;
	struct conf c = {.log_level = LOG_INFO};
	struct unset_context unset = {&c, name};
	int rc;

	ls_buf_init(&out, CONF_MAX);
	rc = conf_env_expand(text, n, &out, warn_unset, &unset, err);
	if (rc == 0 && !ls_buf_cstr(&out))
		rc = no_memory(err);
	if (rc < 0)
		conf_done(&c);
	else if ((rc = parse(ls_buf_cstr(&out), out.len, name, &c, err)) == 0)
		*ret = c;
	return rc;
}

int
conf_load(const char *path, bool expand_env, struct conf *ret, struct ls_err *err)
{
	ls_autofree char *text = NULL, *full = NULL;
	size_t n = 0;
	int rc;

	if (!path || !*path)
		path = getenv("LITESTREAM_CONFIG");
	if (!path || !*path)
		path = "/etc/litestream.yml";
	if ((rc = conf_check_path(path, &full, err)) < 0)
		return rc;
	rc = io_read_file(full, CONF_MAX, &text, &n, err);
	if (rc == -ENOENT)
		return ls_err_set(err, rc, "config file not found: %s", full);
	if (rc < 0)
		return ls_err_wrap(err, rc, "config file");
	return expand_env ? expand_and_parse(text, n, full, ret, err)
			  : conf_parse(text, n, full, ret, err);
}

/* The second one of a type and those behind it get a number. */
static int
replica_from_arg(struct conf_db *db, const char *url, struct ls_err *err)
{
	struct conf_replica *r = conf_db_add_replica(db);
	size_t same = 1;
	char *name;
	int rc = r ? conf_replica_from_url(url, r, err) : no_memory(err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i + 1 < db->nreplicas; i++)
		same += strcmp(db->replicas[i].type, r->type) == 0;
	if (same == 1)
		return 0;
	if (asprintf(&name, "%s-%zu", r->type, same) < 0)
		return no_memory(err);
	free(r->name);
	r->name = name;
	return 0;
}

int
conf_from_args(const char *db_path, const char *const *urls, size_t n, struct conf *ret,
	       struct ls_err *err)
{
	struct conf c = {.log_level = LOG_INFO};
	struct conf_db *db;
	int rc;

	if (conf_is_url(db_path) && !conf_is_url(urls[0]))
		return ls_err_set(err, -EINVAL,
				  "the database comes before the replica: litestream replicate "
				  "DB_PATH REPLICA_URL");
	db = conf_db_new(&c);
	rc = db ? conf_db_set_paths(db, db_path, NULL, err) : no_memory(err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = replica_from_arg(db, urls[i], err);
	if (rc == 0)
		rc = conf_check_duplicates(&c, err);
	if (rc < 0)
		conf_done(&c);
	else
		*ret = c;
	return rc;
}

/* What a directory would find, whether it is there or not. */
static const struct conf_db *
find_member(struct conf *c, const char *path)
{
	struct conf_db *db;

	for (size_t i = 0; i < c->ndirs; i++) {
		const char *dir = c->dirs[i].model.path;
		size_t n = strlen(dir);

		if (strncmp(path, dir, n) != 0 || path[n] != '/' ||
		    !conf_dir_matches(&c->dirs[i], path + n + 1) || !(db = conf_db_new(c)))
			continue;
		if (conf_dir_member(&c->dirs[i], i + 1, path + n + 1, db, NULL) == 0)
			return db;
		c->ndbs--;
	}
	return NULL;
}

int
conf_get(struct conf *c, const char *db_path, const struct conf_db **ret, struct ls_err *err)
{
	ls_autofree char *full = NULL;
	int rc = conf_check_path(db_path, &full, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c->ndbs; i++)
		if (strcmp(c->dbs[i].path, full) == 0) {
			*ret = &c->dbs[i];
			return 0;
		}
	if ((*ret = find_member(c, full)))
		return 0;
	return ls_err_set(err, -ENOENT, "database not found in config: %s", full);
}

const struct conf_replica *
conf_find_replica(const struct conf_db *db, const char *name)
{
	for (size_t i = 0; i < db->nreplicas; i++)
		if (strcmp(db->replicas[i].name, name) == 0)
			return &db->replicas[i];
	return NULL;
}

void
conf_done(struct conf *c)
{
	for (size_t i = 0; i < c->ndbs; i++)
		conf_db_done(&c->dbs[i]);
	free(c->dbs);
	for (size_t i = 0; i < c->ndirs; i++)
		conf_dir_done(&c->dirs[i]);
	free(c->dirs);
	for (size_t i = 0; i < c->nwarnings; i++)
		free(c->warnings[i]);
	free(c->warnings);
	free(c->exec);
	free(c->socket_path);
	*c = (struct conf){0};
}
