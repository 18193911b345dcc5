/* SPDX-License-Identifier: Apache-2.0 */
/* conf_db: one item of "dbs:" and its replicas, from YAML to checked structs. */
#ifndef ENGINE_CONF_CONF_DB_H
#define ENGINE_CONF_CONF_DB_H

#include "engine/conf/conf_s3.h"
#include "engine/conf/conf_yaml.h"

/* Replica settings: at the top they are the defaults of all replicas. */
struct conf_db_settings {
	struct conf_duration sync;
	char *encoding, *lease, *standby;
	yaml_node_t *prices;
	struct conf_s3_raw s3;
	uint64_t max_up, max_down;
	int64_t max_requests;
};

struct conf_db_context {
	struct conf *conf; /* the databases are added here */
	const struct conf_db_settings *defaults;
	const struct conf_levels *levels;
};

/* With the keys of the released program for other storage, and those that would be dangerous to
 * ignore. */
#define CONF_DB_SETTINGS_KEYS(type, member)                                                        \
	{"sync-interval", CONF_DURATION, offsetof(type, member.sync)},                             \
		{"ltx-encoding", CONF_STRING, offsetof(type, member.encoding)},                    \
		{"lease", CONF_STRING, offsetof(type, member.lease)},                              \
		{"prices", CONF_NODE, offsetof(type, member.prices)},                              \
		{"standby", CONF_STRING, offsetof(type, member.standby)},                          \
		CONF_S3_KEYS(type, member.s3), {"age", CONF_REFUSED, 0},                           \
		{"max-upload-rate", CONF_SIZE, offsetof(type, member.max_up)},                     \
		{"max-download-rate", CONF_SIZE, offsetof(type, member.max_down)},                 \
		{"max-requests-per-second", CONF_INT, offsetof(type, member.max_requests)},        \
		{"validation-interval", CONF_LATER, 0}, {"max-sync-ltx-files", CONF_LATER, 0},     \
		{"auto-recover", CONF_LATER, 0}, {"account-name", CONF_LATER, 0},                  \
		{"account-key", CONF_LATER, 0}, {"sas-token", CONF_LATER, 0},                      \
		{"host", CONF_LATER, 0}, {"user", CONF_LATER, 0}, {"password", CONF_LATER, 0},     \
		{"key-path", CONF_LATER, 0}, {"host-key", CONF_LATER, 0},                          \
		{"concurrent-writes", CONF_LATER, 0}, {"webdav-url", CONF_LATER, 0},               \
		{"webdav-username", CONF_LATER, 0}, {"webdav-password", CONF_LATER, 0},            \
		{"jwt", CONF_LATER, 0}, {"seed", CONF_LATER, 0}, {"creds", CONF_LATER, 0},         \
		{"nkey", CONF_LATER, 0}, {"username", CONF_LATER, 0}, {"token", CONF_LATER, 0},    \
		{"tls", CONF_LATER, 0}, {"root-cas", CONF_LATER, 0},                               \
		{"max-reconnects", CONF_LATER, 0},                                                 \
	{                                                                                          \
		"reconnect-wait", CONF_LATER, 0                                                    \
	}

void conf_db_settings_done(struct conf_db_settings *s);

/* An item of "dbs:"; arg is a struct conf_db_context. */
LS_MUST_USE int conf_db_read(struct conf_yaml *y, yaml_node_t *node, void *arg, struct ls_err *err);

extern const struct conf_db conf_db_defaults;
/* A database with all defaults, added to c; NULL: out of memory. */
struct conf_db *conf_db_new(struct conf *c);
/* Sets path and meta-path (NULL or "": the default). */
LS_MUST_USE int
conf_db_set_paths(struct conf_db *db, const char *path, const char *meta_path, struct ls_err *err);
/* One more, all zero, which conf_db_done() frees; NULL: out of memory. */
struct conf_replica *conf_db_add_replica(struct conf_db *db);
void conf_db_done(struct conf_db *db);

/* -EINVAL unless replicas of this type can be had. In conf_replica.c, as the next two. */
LS_MUST_USE int conf_replica_check_type(const char *type, struct ls_err *err);
/* As conf_replica_from_url(), with what the configuration says besides; either may be NULL. */
LS_MUST_USE int conf_replica_build(const char *url, const struct conf_db_settings *settings,
				   const struct conf_db_settings *defaults,
				   struct conf_replica *ret, struct ls_err *err);
/* "30s", "true" (30 s), "false" -> milliseconds; 0: none. -EINVAL. */
LS_MUST_USE int conf_replica_lease(const char *text, uint64_t *ret_ms, struct ls_err *err);
/* Of type s3, without a URL. */
LS_MUST_USE int conf_replica_build_s3(const char *path, const struct conf_db_settings *settings,
				      const struct conf_db_settings *defaults,
				      struct conf_replica *ret, struct ls_err *err);

#endif
