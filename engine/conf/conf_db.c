/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf_db.h"

#include "engine/conf/conf_check.h"
#include "engine/conf/conf_dir.h"
#include "engine/conf/conf_levels.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SPOOL_DEFAULT UINT64_C(10000000000)
#define WAL_DEFAULT UINT64_C(4000000000)

enum { TRUNCATE_DEFAULT = 121359, NAME_MAX_LEN = 100, PRICE_MAX = 1000000 };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* What the file says, before it is checked. */
struct raw_db {
	char *path, *dir, *meta_path, *journal_mode, *pattern, *meta_dir;
	bool recursive, watch;
	struct conf_duration monitor, checkpoint, busy;
	int64_t min_pages, truncate_pages;
	bool restore_if_missing;
	uint64_t spool_max, wal_max;
	yaml_node_t *replica, *replicas, *snapshot;
	struct conf_duration fine_retention;
};

struct raw_replica {
	char *name, *type, *url, *path;
	struct conf_db_settings settings;
};

/* What a replica is read into. */
struct replica_target {
	struct conf_db *db;
	const struct conf_db_settings *defaults;
	bool list; /* of "replicas" */
};

static const struct conf_key db_keys[] = {
	{"path", CONF_STRING, offsetof(struct raw_db, path)},
	{"dir", CONF_STRING, offsetof(struct raw_db, dir)},
	{"meta-path", CONF_STRING, offsetof(struct raw_db, meta_path)},
	{"journal-mode", CONF_STRING, offsetof(struct raw_db, journal_mode)},
	{"monitor-interval", CONF_DURATION, offsetof(struct raw_db, monitor)},
	{"checkpoint-interval", CONF_DURATION, offsetof(struct raw_db, checkpoint)},
	{"busy-timeout", CONF_DURATION, offsetof(struct raw_db, busy)},
	{"min-checkpoint-page-count", CONF_INT, offsetof(struct raw_db, min_pages)},
	{"truncate-page-n", CONF_INT, offsetof(struct raw_db, truncate_pages)},
	{"replica", CONF_NODE, offsetof(struct raw_db, replica)},
	{"replicas", CONF_NODE, offsetof(struct raw_db, replicas)},
	{"spool-max-size", CONF_SIZE, offsetof(struct raw_db, spool_max)},
	{"wal-max-size", CONF_SIZE, offsetof(struct raw_db, wal_max)},
	{"restore-if-db-not-exists", CONF_BOOL, offsetof(struct raw_db, restore_if_missing)},
	{"pattern", CONF_STRING, offsetof(struct raw_db, pattern)},
	{"recursive", CONF_BOOL, offsetof(struct raw_db, recursive)},
	{"watch", CONF_BOOL, offsetof(struct raw_db, watch)},
	{"meta-dir", CONF_STRING, offsetof(struct raw_db, meta_dir)},
	{"snapshot", CONF_NODE, offsetof(struct raw_db, snapshot)},
	{"fine-retention", CONF_DURATION, offsetof(struct raw_db, fine_retention)},
	{"max-sync-wal-bytes", CONF_LATER, 0},
	{"max-checkpoint-page-count", CONF_LATER, 0},
};

static const struct conf_key replica_keys[] = {
	{"name", CONF_STRING, offsetof(struct raw_replica, name)},
	{"type", CONF_STRING, offsetof(struct raw_replica, type)},
	{"url", CONF_STRING, offsetof(struct raw_replica, url)},
	{"path", CONF_STRING, offsetof(struct raw_replica, path)},
	CONF_DB_SETTINGS_KEYS(struct raw_replica, settings),
	{"retention", CONF_LATER, 0},
	{"retention-check-interval", CONF_LATER, 0},
	{"snapshot-interval", CONF_LATER, 0},
};

static int
no_memory(struct ls_err *err)
{
	return ls_err_set(err, -ENOMEM, "configuration: out of memory");
}

/* ---- replica ---- */

void
conf_db_settings_done(struct conf_db_settings *s)
{
	free(s->encoding);
	free(s->lease);
	free(s->standby);
	s->encoding = s->lease = s->standby = NULL;
	conf_s3_raw_done(&s->s3);
}

static void
raw_replica_done(struct raw_replica *r)
{
	free(r->name);
	free(r->type);
	free(r->url);
	free(r->path);
	conf_db_settings_done(&r->settings);
}

static bool
given(const char *s)
{
	return s && *s;
}

static int
location_from_path(struct conf_yaml *y, yaml_node_t *node, const struct raw_replica *raw,
		   struct conf_replica *ret, struct ls_err *err)
{
	int rc;

	if (conf_is_url(raw->path))
		return conf_yaml_error(
			y, node, err,
			"replica path cannot be a url, please use the 'url' field instead");
	if ((rc = conf_check_path(raw->path, &ret->path, err)) < 0)
		return conf_yaml_wrap(y, node, rc, err);
	ret->type = strdup("file");
	ret->name = strdup("file");
	if (asprintf(&ret->url, "file://%s", ret->path) < 0)
		ret->url = NULL;
	return ret->type && ret->name && ret->url ? 0 : no_memory(err);
}

/* A file is not encrypted, whatever the user hopes for. */
static int
refuse_encryption(struct conf_yaml *y, yaml_node_t *node, const struct raw_replica *raw,
		  struct ls_err *err)
{
	const struct conf_s3_raw *s3 = &raw->settings.s3;
	bool file = given(raw->url) ? strncasecmp(raw->url, "file:", 5) == 0
				    : !given(raw->type) || strcmp(raw->type, "file") == 0;

	if (!file || (!given(s3->sse_key) && !given(s3->sse_key_path) && !given(s3->sse) &&
		      !given(s3->sse_kms_key_id)))
		return 0;
	return conf_yaml_error(y, node, err,
			       "encryption (sse...) is not supported for a replica of type file: "
			       "remove the key, or use s3");
}

static int
read_location(struct conf_yaml *y, yaml_node_t *node, const struct raw_replica *raw,
	      const struct conf_db_settings *defaults, struct conf_replica *ret, struct ls_err *err)
{
	int rc;

	if ((rc = refuse_encryption(y, node, raw, err)) < 0)
		return rc;
	if (given(raw->url)) {
		rc = conf_replica_build(raw->url, &raw->settings, defaults, ret, err);
		if (rc == 0 && given(raw->path))
			return conf_yaml_error(y, node, err,
					       "cannot specify url & path for %s replica",
					       ret->type);
		return rc < 0 ? conf_yaml_wrap(y, node, rc, err) : 0;
	}
	if (given(raw->type) && (rc = conf_replica_check_type(raw->type, err)) < 0)
		return conf_yaml_wrap(y, node, rc, err);
	if (given(raw->type) && strcmp(raw->type, "s3") == 0) {
		rc = conf_replica_build_s3(raw->path, &raw->settings, defaults, ret, err);
		return rc < 0 ? conf_yaml_wrap(y, node, rc, err) : 0;
	}
	if (!given(raw->path))
		return conf_yaml_error(y, node, err,
				       "file replica path required: add 'path: DIRECTORY' or "
				       "'url: file:///DIRECTORY'");
	return location_from_path(y, node, raw, ret, err);
}

static struct store_limits
choose_limits(const struct conf_db_settings *own, const struct conf_db_settings *defaults)
{
	int64_t requests = own->max_requests ? own->max_requests : defaults->max_requests;

	return (struct store_limits){.requests = requests > 0 ? (double)requests : 0,
				     .bytes_up = own->max_up ? own->max_up : defaults->max_up,
				     .bytes_down =
					     own->max_down ? own->max_down : defaults->max_down};
}

static int
read_lease(struct conf_yaml *y, yaml_node_t *node, const struct conf_db_settings *own,
	   const struct conf_db_settings *defaults, struct conf_replica *ret, struct ls_err *err)
{
	const char *lease = given(own->lease) ? own->lease : defaults->lease;
	const char *standby = given(own->standby) ? own->standby : defaults->standby;
	int rc;

	/* One at the top is for those that can have it; that of the URL wins. */
	if (given(lease) && (!conf_replica_is_file(ret) || given(own->lease)) && !ret->lease_ms &&
	    (rc = conf_replica_lease(lease, &ret->lease_ms, err)) < 0)
		return conf_yaml_wrap(y, node, rc, err);
	if (ret->lease_ms && conf_replica_is_file(ret))
		return conf_yaml_error(y, node, err,
				       "lease: a replica of type file cannot have one: remove the "
				       "key, or use s3");
	if (given(standby) && strcmp(standby, "wait") == 0)
		ret->standby = CONF_STANDBY_WAIT;
	else if (given(standby) && strcmp(standby, "exit") == 0)
		ret->standby = CONF_STANDBY_EXIT;
	else if (given(standby))
		return conf_yaml_error(y, node, err, "standby: '%.20s' is neither wait nor exit",
				       standby);
	return 0;
}

struct raw_prices {
	char *put, *get, *list, *download;
};

static void
raw_prices_done(struct raw_prices *r)
{
	free(r->put);
	free(r->get);
	free(r->list);
	free(r->download);
}

static int
read_price(struct conf_yaml *y, const yaml_node_t *node, const char *name, const char *text,
	   double *at, struct ls_err *err)
{
	double v;
	char *end;

	if (!given(text))
		return 0;
	v = strtod(text, &end);
	if (*end || !(v >= 0) || v > PRICE_MAX)
		return conf_yaml_error(y, node, err, "prices.%s: '%.20s' is no price", name, text);
	*at = v;
	return 0;
}

/* Over what is there. */
static int
read_prices(struct conf_yaml *y, yaml_node_t *node, struct store_prices *p, struct ls_err *err)
{
	static const struct conf_key keys[] = {
		{"put", CONF_STRING, offsetof(struct raw_prices, put)},
		{"get", CONF_STRING, offsetof(struct raw_prices, get)},
		{"list", CONF_STRING, offsetof(struct raw_prices, list)},
		{"download", CONF_STRING, offsetof(struct raw_prices, download)},
	};
	LS_AUTO(raw_prices_done) struct raw_prices raw = {0};
	int rc;

	if (!node)
		return 0;
	if ((rc = conf_yaml_map(y, node, keys, COUNT(keys), &raw, err)) < 0 ||
	    (rc = read_price(y, node, "put", raw.put, &p->put, err)) < 0 ||
	    (rc = read_price(y, node, "get", raw.get, &p->get, err)) < 0 ||
	    (rc = read_price(y, node, "list", raw.list, &p->list, err)) < 0)
		return rc;
	return read_price(y, node, "download", raw.download, &p->download, err);
}

static int
read_settings(struct conf_yaml *y, yaml_node_t *node, const struct raw_replica *raw,
	      const struct replica_target *t, struct conf_replica *ret, struct ls_err *err)
{
	const struct conf_duration *sync = &raw->settings.sync;
	const char *encoding = raw->settings.encoding;
	int rc;

	if (!sync->node)
		sync = &t->defaults->sync;
	if (!given(encoding))
		encoding = t->defaults->encoding;
	if ((rc = read_lease(y, node, &raw->settings, t->defaults, ret, err)) < 0)
		return rc;
	if (ret->s3 && ((rc = read_prices(y, t->defaults->prices, &ret->prices, err)) < 0 ||
			(rc = read_prices(y, raw->settings.prices, &ret->prices, err)) < 0))
		return rc;
	ret->limits = choose_limits(&raw->settings, t->defaults);
	ret->sync_interval_set = sync->node != NULL;
	ret->sync_interval_ms = sync->node ? sync->ms : 1000;
	if (ret->sync_interval_ms == 0) {
		char field[32] = "replica";

		if (t->list)
			snprintf(field, sizeof field, "replicas[%zu]", t->db->nreplicas - 1);
		return conf_yaml_error(y, sync->node, err,
				       "dbs[%s].%s.sync-interval: sync interval must be greater "
				       "than 0 (got %.20s)",
				       t->db->path, field,
				       (const char *)sync->node->data.scalar.value);
	}
	if (given(encoding) && strcmp(encoding, "block") == 0)
		ret->encoding = LTX_BLOCK;
	else if (given(encoding) && strcmp(encoding, "frame") != 0)
		return conf_yaml_error(
			y, node, err, "ltx-encoding: '%.20s' is neither frame nor block", encoding);
	return 0;
}

/* The name is that of a directory in the state directory. */
static int
read_name(struct conf_yaml *y, yaml_node_t *node, struct raw_replica *raw, struct conf_replica *ret,
	  struct ls_err *err)
{
	if (!given(raw->name))
		return 0;
	for (const char *p = raw->name; *p; p++)
		if (*p == '/' || (unsigned char)*p < ' ' || *p == 0x7f || raw->name[0] == '.' ||
		    p - raw->name >= NAME_MAX_LEN)
			return conf_yaml_error(y, node, err,
					       "name: '%.40s' cannot be the name of a directory",
					       raw->name);
	free(ret->name);
	ret->name = ls_steal_ptr(&raw->name);
	return 0;
}

static int
read_replica(struct conf_yaml *y, yaml_node_t *node, void *arg, struct ls_err *err)
{
	LS_AUTO(raw_replica_done) struct raw_replica raw = {0};
	const struct replica_target *t = arg;
	struct conf_replica *r;
	int rc;

	if ((rc = conf_yaml_map(y, node, replica_keys, COUNT(replica_keys), &raw, err)) < 0)
		return rc;
	if (!(r = conf_db_add_replica(t->db)))
		return no_memory(err);
	if ((rc = read_location(y, node, &raw, t->defaults, r, err)) < 0 ||
	    (rc = read_settings(y, node, &raw, t, r, err)) < 0 ||
	    (rc = read_name(y, node, &raw, r, err)) < 0)
		return rc;
	for (size_t i = 0; i + 1 < t->db->nreplicas; i++)
		if (strcmp(t->db->replicas[i].name, r->name) == 0)
			return conf_yaml_error(y, node, err, "duplicate replica name: \"%.40s\"",
					       r->name);
	return 0;
}

/* ---- database ---- */

static void
raw_db_done(struct raw_db *r)
{
	free(r->path);
	free(r->dir);
	free(r->meta_path);
	free(r->journal_mode);
	free(r->pattern);
	free(r->meta_dir);
}

void
conf_db_done(struct conf_db *db)
{
	free(db->path);
	free(db->meta_path);
	for (size_t i = 0; i < db->nreplicas; i++)
		conf_replica_done(&db->replicas[i]);
	free(db->replicas);
	*db = (struct conf_db){0};
}

const struct conf_db conf_db_defaults = {.monitor_interval_ms = 1000,
					 .checkpoint_interval_ms = 60000,
					 .busy_timeout_ms = 1000,
					 .min_checkpoint_page_count = 1000,
					 .truncate_page_n = TRUNCATE_DEFAULT,
					 .spool_max = SPOOL_DEFAULT,
					 .wal_max = WAL_DEFAULT};

struct conf_replica *
conf_db_add_replica(struct conf_db *db)
{
	struct conf_replica *v = ls_grow_array(db->replicas, db->nreplicas + 1, sizeof *v);

	if (!v)
		return NULL;
	db->replicas = v;
	v[db->nreplicas] = (struct conf_replica){0};
	return &v[db->nreplicas++];
}

struct conf_db *
conf_db_new(struct conf *c)
{
	struct conf_db *v = ls_grow_array(c->dbs, c->ndbs + 1, sizeof *v);

	if (!v)
		return NULL;
	c->dbs = v;
	v[c->ndbs] = conf_db_defaults;
	v[c->ndbs].levels = conf_levels_defaults;
	return &v[c->ndbs++];
}

int
conf_db_set_paths(struct conf_db *db, const char *path, const char *meta_path, struct ls_err *err)
{
	const char *slash;
	int rc = conf_check_path(path, &db->path, err);

	if (rc < 0)
		return rc;
	if (given(meta_path))
		return conf_check_path(meta_path, &db->meta_path, err);
	/* DIR/.NAME-litestream beside the database. */
	slash = strrchr(db->path, '/');
	if (asprintf(&db->meta_path, "%.*s/.%s-litestream", (int)(slash - db->path), db->path,
		     slash + 1) < 0) {
		db->meta_path = NULL;
		return no_memory(err);
	}
	return 0;
}

/* Intervals, of which one that is not greater than zero has a meaning of its own. */
static int
read_intervals(struct conf_yaml *y, const struct raw_db *raw, struct conf_db *db,
	       struct ls_err *err)
{
	if (raw->monitor.node && raw->monitor.ms)
		db->monitor_interval_ms = raw->monitor.ms;
	else if (raw->monitor.node &&
		 conf_yaml_warn(y->conf, y->name, raw->monitor.node->start_mark.line + 1,
				"monitor-interval: 0 would end all replication, 1s is used") < 0)
		return no_memory(err);
	if (raw->checkpoint.node)
		db->checkpoint_interval_ms = raw->checkpoint.ms;
	if (raw->busy.node)
		db->busy_timeout_ms = raw->busy.ms < INT_MAX ? raw->busy.ms : INT_MAX;
	return 0;
}

static int
read_numbers(struct conf_yaml *y, yaml_node_t *node, const struct raw_db *raw, struct conf_db *db,
	     struct ls_err *err)
{
	if (raw->min_pages <= 0 || raw->min_pages > UINT32_MAX)
		return conf_yaml_error(y, node, err,
				       "dbs[%s].min-checkpoint-page-count: minimum checkpoint page "
				       "count required (got %lld)",
				       db->path, (long long)raw->min_pages);
	db->min_checkpoint_page_count = (uint32_t)raw->min_pages;
	if (raw->truncate_pages < 0 || raw->truncate_pages > UINT32_MAX)
		db->truncate_page_n = UINT32_MAX;
	else if (raw->truncate_pages > 0)
		db->truncate_page_n = (uint32_t)raw->truncate_pages;
	db->restore_if_missing = raw->restore_if_missing;
	if (raw->spool_max)
		db->spool_max = raw->spool_max;
	if (raw->wal_max)
		db->wal_max = raw->wal_max;
	if (given(raw->journal_mode) && strcmp(raw->journal_mode, "keep") == 0)
		db->journal_keep = true;
	else if (given(raw->journal_mode) && strcmp(raw->journal_mode, "wal") != 0)
		return conf_yaml_error(y, node, err,
				       "journal-mode: '%.20s' is neither wal nor keep",
				       raw->journal_mode);
	return 0;
}

static int
read_replicas(struct conf_yaml *y, yaml_node_t *node, const struct raw_db *raw, struct conf_db *db,
	      const struct conf_db_settings *defaults, struct ls_err *err)
{
	struct replica_target t = {db, defaults, !raw->replica};
	int rc;

	if (raw->replica && raw->replicas)
		return conf_yaml_error(y, node, err,
				       "cannot specify 'replica' and 'replicas' on a database");
	rc = raw->replica ? read_replica(y, raw->replica, &t, err)
			  : conf_yaml_list(y, raw->replicas, "replicas", read_replica, &t, err);
	if (rc == 0 && db->nreplicas == 0)
		return conf_yaml_error(y, node, err,
				       "must specify replica for database '%s': add 'replica:' "
				       "with 'url: file:///DIRECTORY'",
				       db->path);
	return rc;
}

/* Exactly one of path and dir, and what goes with it. */
static int
check_kind(struct conf_yaml *y, yaml_node_t *node, const struct raw_db *raw, size_t number,
	   struct ls_err *err)
{
	bool dir = given(raw->dir);
	const char *what = NULL;

	if (dir && given(raw->path))
		what = "cannot specify both 'path' and 'dir'";
	else if (!dir && !given(raw->path))
		what = "must specify either 'path' or 'dir'";
	else if (dir && !given(raw->pattern))
		what = "'pattern' is required when using 'dir'";
	else if (!dir && raw->watch)
		what = "'watch' can only be enabled with a directory";
	else if (!dir && given(raw->meta_dir))
		what = "'meta-dir' can only be used with a directory";
	else if (given(raw->meta_dir) && given(raw->meta_path))
		what = "cannot specify both 'meta-path' and 'meta-dir'";
	return what ? conf_yaml_error(y, node, err, "database config #%zu: %s", number, what) : 0;
}

static int
read_values(struct conf_yaml *y, yaml_node_t *node, const struct raw_db *raw, struct conf_db *db,
	    const struct conf_db_settings *defaults, struct ls_err *err)
{
	int rc;

	if (raw->fine_retention.node)
		db->levels.fine_retention_ms = raw->fine_retention.ms;
	if ((rc = conf_levels_read_snapshot(y, raw->snapshot, &db->levels, err)) < 0 ||
	    (rc = read_intervals(y, raw, db, err)) < 0 ||
	    (rc = read_numbers(y, node, raw, db, err)) < 0)
		return rc;
	return read_replicas(y, node, raw, db, defaults, err);
}

static int
read_dir(struct conf_yaml *y, yaml_node_t *node, struct raw_db *raw,
	 const struct conf_db_context *c, struct ls_err *err)
{
	struct conf_dir *d = conf_dir_new(c->conf);
	int rc;

	if (!d)
		return no_memory(err);
	if ((rc = conf_check_path(raw->dir, &d->model.path, err)) < 0 ||
	    (given(raw->meta_dir) &&
	     (rc = conf_check_path(raw->meta_dir, &d->meta_dir, err)) < 0) ||
	    (given(raw->meta_path) &&
	     (rc = conf_check_path(raw->meta_path, &d->meta_path, err)) < 0))
		return conf_yaml_wrap(y, node, rc, err);
	d->model.levels = *c->levels;
	d->pattern = ls_steal_ptr(&raw->pattern);
	d->recursive = raw->recursive;
	d->watch = raw->watch;
	raw->restore_if_missing = false;
	return read_values(y, node, raw, &d->model, c->defaults, err);
}

int
conf_db_read(struct conf_yaml *y, yaml_node_t *node, void *arg, struct ls_err *err)
{
	LS_AUTO(raw_db_done)
	struct raw_db raw = {.min_pages = 1000, .truncate_pages = TRUNCATE_DEFAULT};
	const struct conf_db_context *c = arg;
	struct conf_db *db;
	int rc;

	if ((rc = conf_yaml_map(y, node, db_keys, COUNT(db_keys), &raw, err)) < 0 ||
	    (rc = check_kind(y, node, &raw, c->conf->ndbs + c->conf->ndirs + 1, err)) < 0)
		return rc;
	if (given(raw.dir))
		return read_dir(y, node, &raw, c, err);
	if (!(db = conf_db_new(c->conf)))
		return no_memory(err);
	db->levels = *c->levels;
	if ((rc = conf_db_set_paths(db, raw.path, raw.meta_path, err)) < 0)
		return conf_yaml_wrap(y, node, rc, err);
	return read_values(y, node, &raw, db, c->defaults, err);
}
