/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf: litestream.yml -> checked structs. Keys, defaults, YAML scalar rules, environment expansion
 * and error texts are the contract: spec/contract.md 2 and 3, decisions.md 20.
 * Threads: immutable after conf_load().
 */
#ifndef ENGINE_CONF_CONF_H
#define ENGINE_CONF_CONF_H

#include "engine/base/err.h"
#include "engine/format/ltx.h"
#include "engine/store/store_count.h"
#include "engine/store/store_limit.h"

#include <stdint.h>

#define CONF_SOCKET_PATH "/var/run/litestream.sock"

enum conf_standby { CONF_STANDBY_DEFAULT, CONF_STANDBY_WAIT, CONF_STANDBY_EXIT };

struct conf_replica {
	char *name;	      /* default: its type; no two of a database have the same */
	char *type;	      /* "file", "s3" */
	char *url;	      /* as the user gave it or as built from its parts; no credentials */
	char *path;	      /* file: absolute directory; else NULL */
	struct s3_config *s3; /* s3: owned; else NULL */
	uint64_t sync_interval_ms; /* default 1000 */
	bool sync_interval_set;	   /* the user gave it: it holds for all kinds (decisions.md 1) */
	enum ltx_encoding encoding;
	struct store_limits limits;
	struct store_prices prices;
	uint64_t lease_ms;	   /* lease: how long it is good for (lease.h); 0: none */
	enum conf_standby standby; /* what is done while another daemon is at work */
};

enum { CONF_LEVELS_MAX = 8 };

/* Levels, snapshots and retention of every replica of a database. */
struct conf_levels {
	uint64_t interval_ms[CONF_LEVELS_MAX]; /* of level 1 and on; default 30 s, 5 min, 1 h */
	unsigned n;
	uint64_t snapshot_interval_ms, snapshot_retention_ms; /* default 24 h, 24 h */
	uint64_t l0_retention_ms;			      /* default 5 min; 0: off */
	uint64_t fine_retention_ms;			      /* default 24 h; 0: off */
	uint64_t validation_ms;				      /* validation.interval; 0: off */
	bool verify;					      /* verify-compaction */
	bool keep;					      /* retention.enabled: false */
};

struct conf_db {
	char *path;		      /* absolute */
	char *meta_path;	      /* state directory, absolute; default DIR/.NAME-litestream */
	uint64_t monitor_interval_ms; /* default 1000 */
	uint64_t checkpoint_interval_ms;    /* default 60000; 0: off */
	uint64_t busy_timeout_ms;	    /* default 1000 */
	uint32_t min_checkpoint_page_count; /* default 1000 */
	uint32_t truncate_page_n;	    /* default 121359; UINT32_MAX: off */
	uint64_t spool_max;		    /* spool-max-size, bytes; default 10 GB */
	uint64_t wal_max;		    /* wal-max-size, bytes; default 4 GB */
	bool journal_keep;		    /* journal-mode: keep */
	struct conf_levels levels;
	bool restore_if_missing; /* restore-if-db-not-exists */
	struct conf_replica *replicas;
	size_t nreplicas;
	size_t dir; /* found by conf.dirs[dir - 1]; 0: named by its path */
};

/* An item of "dbs:" with "dir": every database below it that matches (conf_dir.h). */
struct conf_dir {
	struct conf_db model; /* path: the directory; replicas: of the whole directory */
	char *pattern;	      /* of base names */
	char *meta_dir, *meta_path;
	bool recursive, watch;
};

enum conf_log_type { CONF_LOG_TEXT, CONF_LOG_JSON, CONF_LOG_PRETTY };

struct conf {
	struct conf_db *dbs;
	size_t ndbs;
	struct conf_dir *dirs;
	size_t ndirs;
	int log_level; /* enum log_level of base/log.h */
	enum conf_log_type log_type;
	bool log_stderr;
	char *exec;	      /* child command, or NULL */
	bool socket;	      /* socket.enabled */
	char *socket_path;    /* default CONF_SOCKET_PATH */
	uint32_t socket_mode; /* default 0600 */
	char **warnings;      /* unknown or ignored keys, one line each, for the log */
	size_t nwarnings;
};

/* path NULL or "": $LITESTREAM_CONFIG, else /etc/litestream.yml. -ENOENT "config file not found".
 */
LS_MUST_USE int conf_load(const char *path, bool expand_env, struct conf *ret, struct ls_err *err);
/* From bytes, for tests and the fuzzer; name is used in messages. */
LS_MUST_USE int
conf_parse(const char *text, size_t n, const char *name, struct conf *ret, struct ls_err *err);
void conf_done(struct conf *c);

/* "replicate DB_PATH URL...": one database with all defaults. */
LS_MUST_USE int conf_from_args(const char *db_path, const char *const *urls, size_t n,
			       struct conf *ret, struct ls_err *err);
/* The database with this path (made absolute). One that a "dir" would find, whether or not there is
 * such a file, is added: that moves c->dbs. -ENOENT "database not found in config". */
LS_MUST_USE int
conf_get(struct conf *c, const char *db_path, const struct conf_db **ret, struct ls_err *err);

/* The replica of this name, or NULL. */
const struct conf_replica *conf_find_replica(const struct conf_db *db, const char *name);

/* While another daemon has the database's state directory or one of its leases: wait for it, or
 * give up. As one of its replicas says; else waiting if it has a lease. */
bool conf_stands_by(const struct conf_db *db);

/* A directory, of this host or mounted. */
bool conf_replica_is_file(const struct conf_replica *r);
/* A replica from its URL alone, as restore, ltx and mount take it. */
LS_MUST_USE int
conf_replica_from_url(const char *url, struct conf_replica *ret, struct ls_err *err);
void conf_replica_done(struct conf_replica *r);
/* Whether a positional argument is a URL: word characters, then "://". */
bool conf_is_url(const char *s);

/* The store of a replica; nothing is contacted. */
LS_MUST_USE int
conf_open_store(const struct conf_replica *r, struct store **ret, struct ls_err *err);
/* The same, and counts what is asked of it; counts outlive it. */
LS_MUST_USE int conf_open_counted_store(const struct conf_replica *r, struct store_counts *counts,
					struct store **ret, struct ls_err *err);

#endif
