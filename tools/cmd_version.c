/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tools/cmd.h"
#include "tools/opt.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

const char cmd_version_usage[] =
	"The version command prints the version of this program.\n\n"
	"Usage:\n\n\tlitestream version [-verbose]\n\n"
	"Arguments:\n\n\t-verbose\n\t    Prints the versions of its parts, "
	"too.\n";

/* Names as the released program prints them: linux/amd64. */
static void
print_platform(void)
{
	struct utsname u;

	if (uname(&u) < 0)
		return;
	printf("%-13s linux/%s\n", "OS/Arch:",
	       strcmp(u.machine, "x86_64") == 0	   ? "amd64"
	       : strcmp(u.machine, "aarch64") == 0 ? "arm64"
						   : u.machine);
}

int
cmd_version(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	bool verbose = false;
	const struct opt opts[] = {{"verbose", OPT_BOOL, &verbose}, {0}};
	int first, rc = opt_parse(opts, argc, argv, &first, err);

	(void)c;
	if (rc != 0)
		return rc;
	if (!verbose) {
		puts(PACKAGE_VERSION);
		return 0;
	}
	printf("%-13s %s\n", "Version:", PACKAGE_VERSION);
	printf("%-13s %s\n", "Program:", PACKAGE_NAME);
	printf("%-13s %s\n", "Compiler:", __VERSION__);
	printf("%-13s %s\n", "SQLite:", sqlite3_libversion());
	print_platform();
	return 0;
}
