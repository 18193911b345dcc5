/* SPDX-License-Identifier: Apache-2.0 */
/* litestream: dispatch, help and exit status (spec/contract.md 1.0). */
#include "config.h"

#include "tools/cmd.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct cmd commands[] = {
	{"databases", cmd_databases, "list databases specified in config file",
	 cmd_databases_usage},
	{"ltx", cmd_ltx, "list available LTX files for a database", cmd_ltx_usage},
	{"replicate", cmd_replicate, "runs a server to replicate databases", cmd_replicate_usage},
	{"restore", cmd_restore, "recovers database backup from a replica", cmd_restore_usage},
	{"version", cmd_version, "prints the binary version", cmd_version_usage},
	{"wal", cmd_wal, NULL, cmd_ltx_usage},
};

static bool
is_help(const char *word)
{
	return strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0 || strcmp(word, "--help") == 0;
}

static void
print_usage(void)
{
	printf("litestream streams every commit of a SQLite database to a replica.\n\n"
	       "Usage:\n\n\tlitestream <command> [arguments]\n\nThe commands are:\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (commands[i].summary)
			printf("\t%-12s %s\n", commands[i].name, commands[i].summary);
	printf("\nA replica is browsed with mount.litestream(8).\n");
}

static int
print_error(const struct cmd_context *c, const struct ls_err *err)
{
	fflush(stdout);
	fprintf(stderr, "Error: %s\n", err->msg);
	if (c->hint)
		fprintf(stderr, "Try: %s\n", c->hint);
	return 1;
}

static int
run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_context c = {0};
	struct ls_err err = {0};
	bool help = false;
	int rc;

	for (int i = 0; i < argc; i++)
		help |= is_help(argv[i]);
	if (argc &&
	    (is_help(argv[0]) || strcmp(argv[0], "--h") == 0 || strncmp(argv[0], "-h=", 3) == 0)) {
		fputs(cmd->usage, stdout);
		return help ? 0 : 1;
	}
	rc = cmd->run(&c, argc, argv, &err);
	if (rc == CMD_USAGE) {
		fprintf(stderr, "%s\n", err.msg);
		fputs(cmd->usage, stdout);
		rc = err.code;
	}
	if (rc < 0)
		return print_error(&c, &err);
	if (fflush(stdout) != 0) {
		ls_err_sys(&err, errno, "write to standard output");
		return print_error(&c, &err);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	bool help = false;

	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i < argc; i++)
		help |= is_help(argv[i]);
	if (!word || strcmp(word, "help") == 0 || word[0] == '-') {
		print_usage();
		return word && (help || strcmp(word, "help") == 0) ? 0 : 1;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(word, commands[i].name) == 0)
			return run(&commands[i], argc - 2, argv + 2);
	fprintf(stderr, "Error: litestream %.80s: unknown command\n", word);
	return 1;
}
