/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reset: removes what is remembered here of a database (contract.md 1.8). Beyond the released
 * program: the default configuration is consulted for meta-path, a running daemon is an error, and
 * batches that only exist here are named before they go.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/conf/conf_db.h"
#include "engine/sync/localstate.h"
#include "tools/cmd.h"
#include "tools/opt.h"
#include "tools/source.h"

#include <inttypes.h>
#include <stdio.h>

const char cmd_reset_usage[] =
	"The reset command removes the local state of a database. The database and its replica\n"
	"are not touched; the next start continues the replica with a full image.\n\n"
	"Usage:\n\n\tlitestream reset [arguments] DB_PATH\n\nArguments:\n\n" CMD_CONFIG_USAGE
	"\t-dry-run\n\t    Shows what would be removed.\n";

/* arg: how many there were before. */
static int
print_file(void *arg, const char *path, struct ls_err *err)
{
	size_t *n = arg;

	(void)err;
	if ((*n)++ == 0)
		puts("Files that would be removed:");
	printf("  %s\n", path);
	return 0;
}

static void
warn_waiting(const struct localstate *s)
{
	if (s->waiting)
		printf("Warning: %" PRIu64 " of them are not in the replica (%" PRIu64
		       " bytes): these states of the database are lost, its last one is not.\n",
		       s->waiting, s->waiting_bytes);
}

static int
dry_run(const struct conf_db *db, struct ls_err *err)
{
	size_t n = 0;
	int rc;

	printf("Dry run: local Litestream state would be reset for: %s\n", db->path);
	printf("Would remove: %s/ltx\n", db->meta_path);
	if ((rc = localstate_files(db, print_file, &n, err)) < 0)
		return rc;
	puts(n ? "No files were removed." : "No local LTX files would be removed.");
	return 0;
}

static int
reset(const struct conf_db *db, bool dry, struct ls_err *err)
{
	struct localstate s;
	struct stat st;
	int rc = localstate_read(db, &s, err);

	if (rc < 0)
		return rc;
	if (s.kind == LOCALSTATE_NO_DATABASE)
		return ls_err_set(err, -ENOENT, "database does not exist: %s", db->path);
	if (io_stat(db->meta_path, &st, NULL) < 0) {
		printf("No local state to reset for %s\nMeta directory does not exist: %s\n",
		       db->path, db->meta_path);
		return 0;
	}
	if (dry) {
		rc = dry_run(db, err);
		warn_waiting(&s);
		return rc;
	}
	printf("Resetting local Litestream state for: %s\nRemoving: %s/ltx\n", db->path,
	       db->meta_path);
	warn_waiting(&s);
	if ((rc = localstate_reset(db, err)) < 0)
		return rc;
	puts("Reset complete. Next replication sync will create a fresh snapshot.");
	return 0;
}

/* The database of the configuration, or with the default state directory. */
static int
find(const char *config, bool expand, const char *path, struct conf *conf,
     const struct conf_db **ret, struct ls_err *err)
{
	bool named = config && *config;
	struct conf_db *db;
	int rc = conf_load(config, expand, conf, err);

	if (rc < 0 && (named || rc != -ENOENT))
		return rc;
	if (rc < 0)
		*conf = (struct conf){0};
	if ((rc = conf_get(conf, path, ret, err)) == 0 || named)
		return rc;
	if (!(db = conf_db_new(conf)))
		return ls_err_set(err, -ENOMEM, "out of memory");
	if ((rc = conf_db_set_paths(db, path, NULL, err)) < 0)
		return rc;
	*ret = db;
	return 0;
}

int
cmd_reset(struct cmd_context *c, int argc, char **argv, struct ls_err *err)
{
	bool no_expand = false, dry = false;
	const char *config = NULL;
	const struct opt opts[] = {{"config", OPT_STRING, &config},
				   {"no-expand-env", OPT_BOOL, &no_expand},
				   {"dry-run", OPT_BOOL, &dry},
				   {0}};
	const struct conf_db *db;
	struct conf conf = {0};
	int first, rc = opt_parse(opts, argc, argv, &first, err);

	if (rc != 0)
		return rc;
	if ((rc = opt_one(argc - first, "database path",
			  "litestream reset -dry-run /var/lib/app.db", &c->hint, err)) < 0)
		return rc;
	rc = find(config, !no_expand, argv[first], &conf, &db, err);
	if (rc == 0) {
		source_setup_log(&conf, true, NULL);
		rc = reset(db, dry, err);
	}
	conf_done(&conf);
	return rc;
}
