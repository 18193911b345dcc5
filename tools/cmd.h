/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd: the commands of litestream. Each gets the words after its name and returns 0; a negative
 * code with the text that main prints as "Error: ..."; or what opt_parse() returned. hint, when
 * set, is printed as "Try: ...". Threads: single.
 */
#ifndef TOOLS_CMD_H
#define TOOLS_CMD_H

#include "engine/base/err.h"

struct cmd_context {
	const char *hint;
	int status; /* to exit with after success */
};

struct cmd {
	const char *name;
	int (*run)(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
	const char *summary; /* NULL: not listed */
	const char *usage;
};

int cmd_databases(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_generations(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_info(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_list(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_ltx(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_wal(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_points(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_replicate(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_reset(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_restore(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_snapshots(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_status(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_sync(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_verify(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_version(struct cmd_context *c, int argc, char **argv, struct ls_err *err);

extern const char cmd_databases_usage[], cmd_ltx_usage[], cmd_replicate_usage[],
	cmd_restore_usage[], cmd_info_usage[], cmd_list_usage[], cmd_sync_usage[],
	cmd_points_usage[], cmd_reset_usage[], cmd_generations_usage[], cmd_snapshots_usage[],
	cmd_wal_usage[], cmd_status_usage[], cmd_verify_usage[], cmd_version_usage[];

/* The two flags of every command that reads a configuration, for its usage text. */
#define CMD_REPLICA_USAGE                                                                          \
	"\t-replica NAME\n"                                                                        \
	"\t    Of several replicas of the database, this one. Defaults to the one that\n"          \
	"\t    answers and has the newest state.\n\n"
#define CMD_CONFIG_USAGE                                                                           \
	"\t-config PATH\n"                                                                         \
	"\t    Configuration file. Defaults to $LITESTREAM_CONFIG,\n"                              \
	"\t    or to /etc/litestream.yml.\n\n"                                                     \
	"\t-no-expand-env\n"                                                                       \
	"\t    Leaves $NAME and ${NAME} in the configuration as they are.\n\n"

#endif
