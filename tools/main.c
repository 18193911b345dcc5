/* SPDX-License-Identifier: Apache-2.0 */
/* litestream: dispatch, help and exit status (spec/contract.md 1.0). */
#include "config.h"

#include "tools/cmd.h"
#include "tools/opt.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct cmd commands[] = {
	{"databases", cmd_databases, "list databases specified in config file",
	 cmd_databases_usage},
	{"generations", cmd_generations, "lists what a replica of Litestream 0.3 holds",
	 cmd_generations_usage},
	{"info", cmd_info, "tells about a running daemon", cmd_info_usage},
	{"list", cmd_list, "lists the databases of a running daemon", cmd_list_usage},
	{"ltx", cmd_ltx, "list available LTX files for a database", cmd_ltx_usage},
	{"points", cmd_points, "lists what can be restored", cmd_points_usage},
	{"replicate", cmd_replicate, "runs a server to replicate databases", cmd_replicate_usage},
	{"reset", cmd_reset, "removes the local state of a database", cmd_reset_usage},
	{"restore", cmd_restore, "recovers database backup from a replica", cmd_restore_usage},
	{"snapshots", cmd_snapshots, "lists the snapshots of a replica of Litestream 0.3",
	 cmd_snapshots_usage},
	{"status", cmd_status, "tells how far databases are replicated", cmd_status_usage},
	{"sync", cmd_sync, "waits until what is committed is replicated", cmd_sync_usage},
	{"verify", cmd_verify, "proves that a replica is sound", cmd_verify_usage},
	{"version", cmd_version, "prints the binary version", cmd_version_usage},
	{"wal", cmd_wal, "lists the WAL segments of a replica of Litestream 0.3", cmd_wal_usage},
};

/* Commands of the released program that are not here. */
static const struct {
	const char *name, *note;
} others[] = {
	{"register", NULL},
	{"start", NULL},
	{"stop", NULL},
	{"unregister", NULL},
};

static void
print_usage(void)
{
	fputs("litestream replicates SQLite databases: every commit goes to a replica, from which\n"
	      "any of their states can be restored, or browsed with mount.litestream(8).\n\n"
	      "Usage:\n\n\tlitestream <command> [arguments]\n\nThe commands are:\n\n",
	      stdout);
	for (size_t i = 0; i < COUNT(commands); i++)
		if (commands[i].summary)
			printf("\t%-12s %s\n", commands[i].name, commands[i].summary);
	fputs("\n\"litestream <command> -h\" tells more about a command.\n", stdout);
}

static int
print_error(const char *msg, const char *hint)
{
	fflush(stdout);
	fprintf(stderr, "Error: %s\n", msg);
	if (hint)
		fprintf(stderr, "Try: %s\n", hint);
	return 1;
}

static bool
any_help(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (opt_is_help(argv[i]))
			return true;
	return false;
}

static int
run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_context c = {0};
	struct ls_err err = {0};
	int rc = cmd->run(&c, argc, argv, &err);

	if (rc == OPT_USAGE) {
		fprintf(stderr, "%s\n", err.msg);
		fputs(cmd->usage, stdout);
		return print_error(err.msg, NULL);
	}
	if (rc == OPT_HELP)
		fputs(cmd->usage, stdout);
	if (rc < 0)
		return print_error(err.msg, c.hint);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		ls_err_sys(&err, errno, "write to standard output");
		return print_error(err.msg, NULL);
	}
	if (rc == OPT_HELP)
		return any_help(argc, argv) ? 0 : 1;
	return c.status;
}

static const struct cmd *
find_command(const char *word)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(word, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static int
unknown_command(const char *word)
{
	const char *note = NULL;
	struct ls_err err;

	for (size_t i = 0; i < COUNT(others); i++)
		if (strcmp(word, others[i].name) == 0)
			note = others[i].note ? others[i].note : "not supported yet by this build";
	if (note)
		ls_err_set(&err, -EINVAL, "litestream %s: unknown command (%s)", word, note);
	else
		ls_err_set(&err, -EINVAL, "litestream %.80s: unknown command", word);
	return print_error(err.msg, "litestream help");
}

int
main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	const struct cmd *cmd;

	signal(SIGPIPE, SIG_IGN);
	if (strcmp(word, "help") == 0 && argc > 2 && (cmd = find_command(argv[2]))) {
		fputs(cmd->usage, stdout);
		return 0;
	}
	if (!*word || strcmp(word, "help") == 0 || *word == '-') {
		print_usage();
		return strcmp(word, "help") == 0 || any_help(argc - 1, argv + 1) ? 0 : 1;
	}
	cmd = find_command(word);
	return cmd ? run(cmd, argc - 2, argv + 2) : unknown_command(word);
}
