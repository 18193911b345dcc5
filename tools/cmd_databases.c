/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/buf.h"
#include "tools/cmd.h"
#include "tools/opt.h"
#include "tools/print.h"
#include "tools/source.h"

#include <string.h>

const char cmd_databases_usage[] =
	"The databases command lists the databases of the configuration file.\n\n"
	"Usage:\n\n\tlitestream databases [arguments]\n\nArguments:\n\n" CMD_CONFIG_USAGE
	"\t-json\n\t    Prints JSON instead of a table.\n";

/* The type of a single replica; of several, their names. Caller frees; NULL: out of memory. */
static char *
describe(const struct conf_db *db)
{
	char *text = strdup(db->nreplicas == 1 ? db->replicas[0].type : db->replicas[0].name);

	for (size_t i = 1; text && i < db->nreplicas; i++) {
		char *more = ls_buf_format("%s,%s", text, db->replicas[i].name);

		free(text);
		text = more;
	}
	return text;
}

static int
print_as_table(const struct conf *conf, struct ls_err *err)
{
	ls_autofree const char **cells = ls_alloc_array((conf->ndbs + 1) * 2, sizeof *cells);
	ls_autofree char **texts = ls_alloc_array(conf->ndbs + 1, sizeof *texts);
	int rc = cells && texts ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < conf->ndbs; i++) {
		if (!(texts[i] = describe(&conf->dbs[i])))
			rc = -ENOMEM;
		cells[2 * i + 2] = conf->dbs[i].path;
		cells[2 * i + 3] = texts[i];
	}
	if (rc == 0) {
		cells[0] = "path";
		cells[1] = "replica";
		rc = print_table(2, conf->ndbs, cells, err);
	} else {
		ls_err_set(err, rc, "out of memory");
	}
	for (size_t i = 0; texts && i < conf->ndbs; i++)
		free(texts[i]);
	return rc;
}

static int
print_as_json(const struct conf *conf, struct ls_err *err)
{
	json_t *list = json_array();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < conf->ndbs; i++) {
		ls_autofree char *text = describe(&conf->dbs[i]);

		rc = print_append(list,
				  json_pack("{s:o, s:s}", "path", print_string(conf->dbs[i].path),
					    "replica", text ? text : ""),
				  err);
	}
	if (rc < 0) {
		json_decref(list);
		return rc;
	}
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
	int first, rc = opt_parse(opts, argc, argv, &first, err);

	(void)c;
	if (rc != 0)
		return rc;
	if (first < argc)
		return ls_err_set(err, -EINVAL, "too many arguments");
	if ((rc = source_load(config, no_expand, &conf, err)) < 0)
		return rc;
	rc = json ? print_as_json(&conf, err) : print_as_table(&conf, err);
	conf_done(&conf);
	return rc;
}
