/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd: the commands of litestream. Each gets the words after its name and returns 0 or a negative
 * code with the text that main prints as "Error: ..."; CMD_USAGE: print the usage as well; hint,
 * when set, is printed as "Try: ...".
 */
#ifndef TOOLS_CMD_H
#define TOOLS_CMD_H

#include "engine/base/err.h"

enum { CMD_USAGE = 1 }; /* bad flags: message, usage, error */

struct cmd_context {
	const char *hint;
};

struct cmd {
	const char *name;
	int (*run)(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
	const char *summary; /* NULL: not listed */
	const char *usage;
};

int cmd_databases(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_ltx(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_wal(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_replicate(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_restore(struct cmd_context *c, int argc, char **argv, struct ls_err *err);
int cmd_version(struct cmd_context *c, int argc, char **argv, struct ls_err *err);

extern const char cmd_databases_usage[], cmd_ltx_usage[], cmd_replicate_usage[],
	cmd_restore_usage[], cmd_version_usage[];

#endif
