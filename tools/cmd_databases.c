/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/conf/conf.h"
#include "tools/cmd.h"
#include "tools/opt.h"
#include "tools/print.h"
#include "tools/source.h"

const char cmd_databases_usage[] =
	"The databases command lists all databases in the configuration file.\n\n"
	"Usage:\n\n\tlitestream databases [arguments]\n\nArguments:\n\n"
	"\t-config PATH\n\t    Specifies the configuration file. Defaults to "
	"/etc/litestream.yml\n\n"
	"\t-no-expand-env\n\t    Disables environment variable expansion in configuration file.\n\n"
	"\t-json\n\t    Prints JSON instead of a table.\n";

static int
print_as_table(const struct conf *conf, struct ls_err *err)
{
	ls_autofree const char **cells = ls_alloc_array((conf->ndbs + 1) * 2, sizeof *cells);

	if (!cells)
		return ls_err_set(err, -ENOMEM, "out of memory");
	cells[0] = "path";
	cells[1] = "replica";
	for (size_t i = 0; i < conf->ndbs; i++) {
		cells[2 * i + 2] = conf->dbs[i].path;
		cells[2 * i + 3] = conf->dbs[i].replicas[0].type;
	}
	return print_table(2, conf->ndbs, cells, err);
}

static int
print_as_json(const struct conf *conf, struct ls_err *err)
{
	json_t *list = json_array();

	for (size_t i = 0; i < conf->ndbs; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "path", conf->dbs[i].path,
						      "replica", conf->dbs[i].replicas[0].type));
	return print_json(list, err);
}

int
cmd_databases(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	bool no_expand = false, json = false;
	const char *config = NULL;
	const struct opt opts[] = {{"config", OPT_STRING, &config},
				   {"no-expand-env", OPT_BOOL, &no_expand},
				   {"json", OPT_BOOL, &json},
				   {0}};
	struct conf conf;
	int first = opt_parse(opts, argc, argv, err), rc;

	(void)c;
	if (first < 0)
		return CMD_USAGE;
	if (first < argc)
		return ls_err_set(err, -EINVAL, "too many arguments");
	if ((rc = conf_load(config, !no_expand, &conf, err)) < 0)
		return rc;
	source_setup_log(&conf, true, NULL);
	rc = json ? print_as_json(&conf, err) : print_as_table(&conf, err);
	conf_done(&conf);
	return rc;
}
