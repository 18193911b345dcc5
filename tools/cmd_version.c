/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/cmd.h"
#include "tools/opt.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/utsname.h>

const char cmd_version_usage[] = "The version command prints the version of this program.\n\n"
				 "Usage:\n\n\tlitestream version [-verbose]\n";

int
cmd_version(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	bool verbose = false;
	const struct opt opts[] = {{"verbose", OPT_BOOL, &verbose}, {0}};
	struct utsname u;

	(void)c;
	if (opt_parse(opts, argc, argv, err) < 0)
		return CMD_USAGE;
	if (!verbose || uname(&u) < 0) {
		puts(PACKAGE_VERSION);
		return 0;
	}
	printf("%-13s %s\n", "Version:", PACKAGE_STRING);
	printf("%-13s %s\n", "SQLite:", sqlite3_libversion());
	printf("%-13s %s/%s\n", "OS/Arch:", u.sysname, u.machine);
	return 0;
}
