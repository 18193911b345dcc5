/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf.h"

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/conf/conf_check.h"
#include "engine/conf/conf_env.h"
#include "engine/conf/conf_yaml.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { CONF_MAX = 8 << 20 };

#define KEY(name, kind, type, member)                                                              \
	{                                                                                          \
		name, kind, offsetof(type, member), -1                                             \
	}
#define KEY_SET(name, kind, type, member, set)                                                     \
	{                                                                                          \
		name, kind, offsetof(type, member), offsetof(type, set)                            \
	}
#define LATER(name)                                                                                \
	{                                                                                          \
		name, CONF_LATER, 0, -1                                                            \
	}
#define REFUSED(name)                                                                              \
	{                                                                                          \
		name, CONF_REFUSED, 0, -1                                                          \
	}
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* What the file says, before it is checked. */
struct raw_top {
	yaml_node_t *logging, *dbs;
};

struct raw_logging {
	char *level, *type;
	bool to_stderr, source;
};

struct raw_db {
	char *path, *meta_path, *journal_mode;
	uint64_t monitor_ms, checkpoint_ms, busy_ms;
	int64_t min_pages, truncate_pages;
	yaml_node_t *replica, *replicas;
};

struct raw_replica {
	char *name, *type, *url, *path, *encoding;
	uint64_t sync_ms;
	bool sync_set;
};

static const struct conf_key top_keys[] = {
	KEY("logging", CONF_NODE, struct raw_top, logging),
	KEY("dbs", CONF_NODE, struct raw_top, dbs),
	REFUSED("exec"),
	REFUSED("age"),
	REFUSED("sse-customer-key"),
	REFUSED("sse-customer-key-path"),
	REFUSED("sse-customer-algorithm"),
	REFUSED("sse-kms-key-id"),
	LATER("addr"),
	LATER("mcp-addr"),
	LATER("socket"),
	LATER("levels"),
	LATER("snapshot"),
	LATER("retention"),
	LATER("l0-retention"),
	LATER("l0-retention-check-interval"),
	LATER("verify-compaction"),
	LATER("validation"),
	LATER("heartbeat-url"),
	LATER("heartbeat-interval"),
	LATER("shutdown-sync-timeout"),
	LATER("shutdown-sync-interval"),
	LATER("access-key-id"),
	LATER("secret-access-key"),
	LATER("region"),
	LATER("bucket"),
	LATER("endpoint"),
	LATER("sync-interval"),
};

static const struct conf_key logging_keys[] = {
	KEY("level", CONF_STRING, struct raw_logging, level),
	KEY("type", CONF_STRING, struct raw_logging, type),
	KEY("stderr", CONF_BOOL, struct raw_logging, to_stderr),
	KEY("source", CONF_BOOL, struct raw_logging, source),
};

static const struct conf_key db_keys[] = {
	KEY("path", CONF_STRING, struct raw_db, path),
	KEY("meta-path", CONF_STRING, struct raw_db, meta_path),
	KEY("journal-mode", CONF_STRING, struct raw_db, journal_mode),
	KEY("monitor-interval", CONF_DURATION, struct raw_db, monitor_ms),
	KEY("checkpoint-interval", CONF_DURATION, struct raw_db, checkpoint_ms),
	KEY("busy-timeout", CONF_DURATION, struct raw_db, busy_ms),
	KEY("min-checkpoint-page-count", CONF_INT, struct raw_db, min_pages),
	KEY("truncate-page-n", CONF_INT, struct raw_db, truncate_pages),
	KEY("replica", CONF_NODE, struct raw_db, replica),
	KEY("replicas", CONF_NODE, struct raw_db, replicas),
	REFUSED("dir"),
	REFUSED("restore-if-db-not-exists"),
	LATER("pattern"),
	LATER("recursive"),
	LATER("watch"),
	LATER("meta-dir"),
	LATER("snapshot"),
	LATER("max-sync-wal-bytes"),
	LATER("max-checkpoint-page-count"),
};

static const struct conf_key replica_keys[] = {
	KEY("name", CONF_STRING, struct raw_replica, name),
	KEY("type", CONF_STRING, struct raw_replica, type),
	KEY("url", CONF_STRING, struct raw_replica, url),
	KEY("path", CONF_STRING, struct raw_replica, path),
	KEY("ltx-encoding", CONF_STRING, struct raw_replica, encoding),
	KEY_SET("sync-interval", CONF_DURATION, struct raw_replica, sync_ms, sync_set),
	REFUSED("age"),
	REFUSED("sse-customer-key"),
	REFUSED("sse-customer-key-path"),
	REFUSED("sse-kms-key-id"),
	LATER("retention"),
	LATER("retention-check-interval"),
	LATER("snapshot-interval"),
	LATER("validation-interval"),
	LATER("max-sync-ltx-files"),
	LATER("auto-recover"),
};

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "configuration: out of memory");
}

/* ---- replica ---- */

static void
raw_replica_done(struct raw_replica *r)
{
	free(r->name);
	free(r->type);
	free(r->url);
	free(r->path);
	free(r->encoding);
}

static int
replica_location(struct conf_yaml *y, yaml_node_t *node, const struct raw_replica *raw,
		 struct conf_replica *ret, struct ls_err *err)
{
	ls_autofree char *url = NULL, *path = NULL;
	int rc;

	if (raw->url && *raw->url) {
		if (raw->path && *raw->path)
			return conf_yaml_error(y, node, err,
					       "cannot specify url & path for file replica");
		return conf_replica_from_url(raw->url, ret, err);
	}
	if (raw->type && *raw->type && strcmp(raw->type, "file") != 0)
		return conf_yaml_error(y, node, err,
				       "replica type \"%.40s\" is not supported by this build",
				       raw->type);
	if (!raw->path || !*raw->path)
		return conf_yaml_error(y, node, err, "file replica path required");
	if (conf_is_url(raw->path))
		return conf_yaml_error(
			y, node, err,
			"replica path cannot be a url, please use the 'url' field instead");
	if ((rc = conf_check_path(raw->path, &path, err)) < 0)
		return rc;
	if (asprintf(&url, "file://%s", path) < 0) {
		url = NULL;
		return no_memory(err);
	}
	*ret = (struct conf_replica){.type = strdup("file"), .name = strdup("file")};
	ret->url = ls_steal_ptr(&url);
	ret->path = ls_steal_ptr(&path);
	return ret->type && ret->name ? 0 : no_memory(err);
}

static int
check_replica(struct conf_yaml *y, yaml_node_t *node, struct raw_replica *raw,
	      struct conf_replica *ret, struct ls_err *err)
{
	int rc = replica_location(y, node, raw, ret, err);

	if (rc < 0)
		return rc;
	ret->sync_interval_ms = raw->sync_set ? raw->sync_ms : 1000;
	ret->sync_interval_set = raw->sync_set;
	if (ret->sync_interval_ms == 0)
		return conf_yaml_error(y, node, err,
				       "sync-interval: must be greater than 0 (got 0s)");
	if (raw->encoding && strcmp(raw->encoding, "block") == 0)
		ret->encoding = CONF_LTX_BLOCK;
	else if (raw->encoding && strcmp(raw->encoding, "frame") != 0)
		return conf_yaml_error(y, node, err,
				       "ltx-encoding: '%.20s' is neither frame nor block",
				       raw->encoding);
	if (raw->name && *raw->name) {
		if (strchr(raw->name, '/') || raw->name[0] == '.')
			return conf_yaml_error(y, node, err,
					       "name: '%.40s' cannot be a directory name",
					       raw->name);
		free(ret->name);
		ret->name = ls_steal_ptr(&raw->name);
	}
	return 0;
}

static int
read_replica(struct conf_yaml *y, yaml_node_t *node, void *arg, struct ls_err *err)
{
	LS_AUTO(raw_replica_done) struct raw_replica raw = {0};
	struct conf_db *db = arg;
	struct conf_replica *v;
	int rc = conf_yaml_map(y, node, replica_keys, COUNT(replica_keys), &raw, err);

	if (rc < 0)
		return rc;
	if (db->nreplicas)
		return conf_yaml_error(
			y, node, err,
			"multiple replicas on a single database are not supported by this build");
	v = ls_grow_array(db->replicas, db->nreplicas + 1, sizeof *v);
	if (!v)
		return no_memory(err);
	db->replicas = v;
	v[db->nreplicas] = (struct conf_replica){0};
	return check_replica(y, node, &raw, &v[db->nreplicas++], err);
}

/* ---- database ---- */

static void
raw_db_done(struct raw_db *r)
{
	free(r->path);
	free(r->meta_path);
	free(r->journal_mode);
}

static void
db_done(struct conf_db *db)
{
	free(db->path);
	free(db->meta_path);
	for (size_t i = 0; i < db->nreplicas; i++)
		conf_replica_done(&db->replicas[i]);
	free(db->replicas);
	*db = (struct conf_db){0};
}

/* DIR/.NAME-litestream beside the database. */
static char *
default_meta_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *ret = NULL;

	if (asprintf(&ret, "%.*s/.%s-litestream", (int)(slash - path), path, slash + 1) < 0)
		return NULL;
	return ret;
}

static int
db_paths(struct conf_db *db, const char *path, const char *meta_path, struct ls_err *err)
{
	int rc = conf_check_path(path, &db->path, err);

	if (rc < 0)
		return rc;
	if (meta_path && *meta_path)
		return conf_check_path(meta_path, &db->meta_path, err);
	db->meta_path = default_meta_path(db->path);
	return db->meta_path ? 0 : no_memory(err);
}

static int
check_db(struct conf_yaml *y, yaml_node_t *node, const struct raw_db *raw, struct conf_db *db,
	 struct ls_err *err)
{
	int rc;

	if (!raw->path || !*raw->path)
		return conf_yaml_error(y, node, err, "a database needs a 'path'");
	if ((rc = db_paths(db, raw->path, raw->meta_path, err)) < 0)
		return rc;
	db->monitor_interval_ms = raw->monitor_ms;
	db->checkpoint_interval_ms = raw->checkpoint_ms;
	db->busy_timeout_ms = raw->busy_ms;
	if (raw->min_pages <= 0 || raw->min_pages > UINT32_MAX)
		return conf_yaml_error(y, node, err, "minimum checkpoint page count required");
	db->min_checkpoint_page_count = (uint32_t)raw->min_pages;
	db->truncate_page_n = raw->truncate_pages < 0 || raw->truncate_pages > UINT32_MAX
				      ? UINT32_MAX
			      : raw->truncate_pages == 0 ? 121359
							 : (uint32_t)raw->truncate_pages;
	if (raw->journal_mode && strcmp(raw->journal_mode, "keep") == 0)
		db->journal_keep = true;
	else if (raw->journal_mode && strcmp(raw->journal_mode, "wal") != 0)
		return conf_yaml_error(y, node, err,
				       "journal-mode: '%.20s' is neither wal nor keep",
				       raw->journal_mode);
	if (raw->replica && raw->replicas)
		return conf_yaml_error(y, node, err,
				       "cannot specify 'replica' and 'replicas' on a database");
	if (raw->replica)
		rc = read_replica(y, raw->replica, db, err);
	else
		rc = conf_yaml_list(y, raw->replicas, "replicas", read_replica, db, err);
	if (rc == 0 && db->nreplicas == 0)
		return conf_yaml_error(y, node, err, "must specify replica for database");
	return rc < 0 ? ls_err_wrap(err, rc, "database '%s'", raw->path) : 0;
}

static struct conf_db *
new_db(struct conf *c)
{
	struct conf_db *v = ls_grow_array(c->dbs, c->ndbs + 1, sizeof *v);

	if (!v)
		return NULL;
	c->dbs = v;
	v[c->ndbs] = (struct conf_db){0};
	return &v[c->ndbs++];
}

static int
read_db(struct conf_yaml *y, yaml_node_t *node, void *arg, struct ls_err *err)
{
	LS_AUTO(raw_db_done)
	struct raw_db raw = {.monitor_ms = 1000,
			     .checkpoint_ms = 60000,
			     .busy_ms = 1000,
			     .min_pages = 1000,
			     .truncate_pages = 121359};
	struct conf_db *db;
	int rc = conf_yaml_map(y, node, db_keys, COUNT(db_keys), &raw, err);

	if (rc < 0)
		return rc;
	if (!(db = new_db(arg)))
		return no_memory(err);
	return check_db(y, node, &raw, db, err);
}

/* ---- the whole ---- */

static void
raw_logging_done(struct raw_logging *r)
{
	free(r->level);
	free(r->type);
}

static int
read_logging(struct conf_yaml *y, yaml_node_t *node, struct conf *c, struct ls_err *err)
{
	LS_AUTO(raw_logging_done) struct raw_logging raw = {0};
	int rc = conf_yaml_map(y, node, logging_keys, COUNT(logging_keys), &raw, err);

	if (rc < 0)
		return rc;
	c->log_stderr = raw.to_stderr;
	c->log_source = raw.source;
	if (raw.level)
		c->log_level = log_level_parse(raw.level);
	if (!raw.type || !*raw.type || strcmp(raw.type, "text") == 0)
		c->log_type = CONF_LOG_TEXT;
	else if (strcmp(raw.type, "json") == 0)
		c->log_type = CONF_LOG_JSON;
	else if (strcmp(raw.type, "pretty") == 0)
		c->log_type = CONF_LOG_PRETTY;
	else
		return conf_yaml_error(
			y, node, err, "logging type '%.20s' is not text, json or pretty", raw.type);
	return 0;
}

static int
read_document(struct conf_yaml *y, struct conf *c, struct ls_err *err)
{
	struct raw_top top = {0};
	yaml_node_t *root = yaml_document_get_root_node(&y->doc);
	int rc;

	if ((rc = conf_yaml_map(y, root, top_keys, COUNT(top_keys), &top, err)) < 0 ||
	    (rc = read_logging(y, top.logging, c, err)) < 0 ||
	    (rc = conf_yaml_list(y, top.dbs, "dbs", read_db, c, err)) < 0)
		return rc;
	return conf_check_duplicates(c, err);
}

int
conf_parse(const char *text, size_t n, const char *name, struct conf *ret, struct ls_err *err)
{
	struct conf c = {.log_level = LOG_INFO};
	struct conf_yaml y = {.name = name, .conf = &c};
	yaml_parser_t parser;
	int rc;

	if (!yaml_parser_initialize(&parser))
		return no_memory(err);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	if (!yaml_parser_load(&parser, &y.doc)) {
		rc = ls_err_set(err, -EINVAL, "%s: yaml: line %zu: %s", name,
				parser.problem_mark.line + 1,
				parser.problem ? parser.problem : "cannot be read");
	} else {
		rc = read_document(&y, &c, err);
		yaml_document_delete(&y.doc);
	}
	yaml_parser_delete(&parser);
	if (rc < 0)
		conf_done(&c);
	else
		*ret = c;
	return rc;
}

int
conf_load(const char *path, bool expand_env, struct conf *ret, struct ls_err *err)
{
	LS_AUTO(ls_buf_done) struct ls_buf expanded;
	ls_autofree char *text = NULL, *full = NULL;
	unsigned unset = 0;
	size_t n = 0;
	int rc;

	ls_buf_init(&expanded, CONF_MAX);
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
		return rc;
	if (!expand_env)
		return conf_parse(text, n, full, ret, err);
	if ((rc = conf_env_expand(text, n, &expanded, &unset, err)) < 0 ||
	    (rc = conf_parse((const char *)expanded.p, expanded.len, full, ret, err)) < 0)
		return rc;
	if (unset &&
	    conf_yaml_warn(ret, "%s: %u environment variables are not set and became empty", full,
			   unset) < 0)
		return no_memory(err);
	return 0;
}

int
conf_from_args(const char *db_path, const char *url, struct conf *ret, struct ls_err *err)
{
	struct conf c = {.log_level = LOG_INFO};
	struct conf_db *db = new_db(&c);
	int rc = db ? db_paths(db, db_path, NULL, err) : no_memory(err);

	if (rc == 0) {
		db->monitor_interval_ms = 1000;
		db->checkpoint_interval_ms = 60000;
		db->busy_timeout_ms = 1000;
		db->min_checkpoint_page_count = 1000;
		db->truncate_page_n = 121359;
		db->replicas = calloc(1, sizeof *db->replicas);
		rc = db->replicas ? conf_replica_from_url(url, db->replicas, err) : no_memory(err);
		db->nreplicas = rc == 0;
	}
	if (rc < 0)
		conf_done(&c);
	else
		*ret = c;
	return rc;
}

const struct conf_db *
conf_find(const struct conf *c, const char *db_path)
{
	ls_autofree char *full = NULL;

	if (conf_check_path(db_path, &full, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < c->ndbs; i++)
		if (strcmp(c->dbs[i].path, full) == 0)
			return &c->dbs[i];
	return NULL;
}

void
conf_done(struct conf *c)
{
	for (size_t i = 0; i < c->ndbs; i++)
		db_done(&c->dbs[i]);
	free(c->dbs);
	for (size_t i = 0; i < c->nwarnings; i++)
		free(c->warnings[i]);
	free(c->warnings);
	*c = (struct conf){0};
}
