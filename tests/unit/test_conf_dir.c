/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/log.h"
#include "engine/conf/conf_db.h"
#include "engine/conf/conf_dir.h"
#include "tests/lib/tap.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

static char top[] = "/tmp/test_conf_dir.XXXXXX";

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* Valid until four more calls. */
static const char *
at(const char *rel)
{
	static char paths[4][256];
	static int next;
	char *p = paths[next++ % 4];

	snprintf(p, sizeof paths[0], "%s/%s", top, rel);
	return p;
}

static void
make_db(const char *rel)
{
	sqlite3 *db = NULL;

	ok(sqlite3_open(at(rel), &db) == SQLITE_OK &&
		   sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL) == SQLITE_OK,
	   "%s", rel);
	sqlite3_close(db);
}

static void
make_file(const char *rel, const char *text)
{
	FILE *f = fopen(at(rel), "w");

	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static bool
load(const char *rest, struct conf *c)
{
	ls_autofree char *text =
		ls_buf_format("dbs:\n- dir: %s/d\n  replica: {path: %s/r}\n%s", top, top, rest);
	struct ls_err err;
	int rc = conf_parse(text, strlen(text), "c.yml", c, &err);

	if (rc < 0)
		printf("# %s\n", err.msg);
	return rc == 0;
}

static const struct conf_db *
member(const struct conf *c, const char *rel)
{
	ls_autofree char *path = ls_buf_format("%s/d/%s", top, rel);

	for (size_t i = 0; i < c->ndbs; i++)
		if (strcmp(c->dbs[i].path, path) == 0)
			return &c->dbs[i];
	return NULL;
}

static void
make_tree(void)
{
	mkdir(at("d"), 0755);
	mkdir(at("d/sub"), 0755);
	mkdir(at("d/.a.db-litestream"), 0755);
	mkdir(at("d/x.db"), 0755);
	make_db("d/a.db");
	make_db("d/.hidden.db");
	make_db("d/b.sqlite");
	make_db("d/sub/c.db");
	make_db("d/.a.db-litestream/never.db");
	make_file("d/empty.db", "");
	make_file("d/text.db",
		  "this is no database, whatever its name says, but it is long enough to "
		  "hold a header of one hundred bytes and more");
}

static void
test_flat(void)
{
	struct ls_err err = {0};
	const struct conf_db *db;
	struct conf c;

	ok(load("  pattern: '*.db'\n", &c) && conf_dir_expand(&c, true, &err) == 0,
	   "one directory");
	ok(c.ndbs == 2 && member(&c, ".hidden.db"), "found: 2 databases (%zu)", c.ndbs);
	if ((db = member(&c, "a.db"))) {
		is_str(db->replicas[0].path, at("r/a.db"), "its replica");
		ok(strstr(db->replicas[0].url, "/r/a.db"), "its URL: %s", db->replicas[0].url);
		is_str(db->meta_path, at("d/.a.db-litestream"), "its state");
		ok(db->dir == 1, "whose it is");
	}
	is_int(conf_get(&c, at("d/b.sqlite"), &db, NULL), -ENOENT, "no such database");
	is_int(conf_get(&c, at("d/sub/later.db"), &db, NULL), -ENOENT, "not below it");
	ok(conf_get(&c, at("d/later.db"), &db, NULL) == 0 && c.ndbs == 3,
	   "one that is not there any more can be named");
	conf_done(&c);
}

static void
test_recursive(void)
{
	struct ls_err err = {0};
	const struct conf_db *db;
	struct conf c;

	ok(load("  pattern: '*.db'\n  recursive: true\n  meta-dir: /m\n", &c) &&
		   conf_dir_expand(&c, true, &err) == 0,
	   "with all directories below");
	ok(c.ndbs == 3, "found: 3 databases (%zu)", c.ndbs);
	if ((db = member(&c, "sub/c.db"))) {
		is_str(db->replicas[0].path, at("r/sub/c.db"), "its replica");
		is_str(db->meta_path, "/m/sub/c.db-litestream", "its state in meta-dir");
	}
	conf_done(&c);
	ok(load("  pattern: c.db\n  recursive: true\n  meta-path: /m\n", &c) &&
		   conf_dir_expand(&c, true, &err) == 0 && c.ndbs == 1,
	   "with meta-path");
	if (c.ndbs == 1)
		is_str(c.dbs[0].meta_path, "/m/sub/.c.db-litestream", "its state in meta-path");
	conf_done(&c);
}

static void
test_others(void)
{
	ls_autofree char *named = ls_buf_format(
		"  pattern: '*.db'\n- path: %s/d/a.db\n  replica: {path: %s/own}\n", top, top);
	struct ls_err err = {0};
	struct conf c;

	ok(load(named, &c) && conf_dir_expand(&c, true, &err) == 0 && c.ndbs == 2,
	   "a database that has an item of its own");
	ok(c.ndbs && strstr(c.dbs[0].replicas[0].path, "/own") && !c.dbs[0].dir, "keeps it");
	conf_done(&c);
	ok(load("  pattern: '*.none'\n", &c), "a pattern that fits nothing");
	ok(conf_dir_expand(&c, true, &err) == -ENOENT &&
		   strstr(err.msg, "no SQLite databases found in directory"),
	   "is an error: %s", err.msg);
	ok(conf_dir_expand(&c, false, &err) == 0, "but not for a listing");
	conf_done(&c);
	ok(load("  pattern: '*.none'\n  watch: true\n", &c) && conf_dir_expand(&c, true, &err) == 0,
	   "and none where new ones are waited for");
	conf_done(&c);
}

static void
test_copies(void)
{
	char page[4096] = {0};
	FILE *f = fopen(at("d/a.db"), "r"), *part = fopen(at("d/part.db"), "w");

	ok(f && part && fread(page, 1, sizeof page, f) == sizeof page &&
		   fwrite(page, 1, sizeof page, part) == sizeof page,
	   "half of a copy");
	if (f)
		fclose(f);
	if (part)
		fclose(part);
	ok(conf_dir_is_database(at("d/a.db")) && !conf_dir_is_database(at("d/part.db")),
	   "is no database yet");
}

int
main(void)
{
	struct log_config log = {.level = LOG_ERROR};

	log_setup(&log);
	if (!mkdtemp(top))
		return 1;
	make_tree();
	test_flat();
	test_recursive();
	test_others();
	test_copies();
	ok(nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0, "removed");
	return tap_done();
}
