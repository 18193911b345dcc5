/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations in files, and what in them is the name of one. */
#include "config.h"

#include "engine/base/io.h"
#include "tests/unit/test_conf_load.h"

#include <stdlib.h>

static char dir[] = "/tmp/test_conf.XXXXXX";

/* conf_load() of text written to a file. */
static int
load_file(const char *text, size_t n, bool expand, struct conf *c, struct ls_err *err)
{
	ls_autofree char *path = io_join(dir, "c.yml");
	FILE *f = fopen(path, "w");

	fwrite(text, 1, n, f);
	fclose(f);
	*c = (struct conf){0};
	*err = (struct ls_err){0};
	return conf_load(path, expand, c, err);
}

/* The value of "path" after expansion. */
static void
expands(const char *value, const char *want)
{
	struct ls_err err;
	struct conf c;
	char text[300];
	int n = snprintf(text, sizeof text, "dbs: [{path: '/%s', replica: {path: /r}}]\n", value);

	if (load_file(text, (size_t)n, true, &c, &err) < 0)
		ok(false, "%s: %s", value, err.msg);
	else
		is_str(c.dbs[0].path + 1, want, value);
	conf_done(&c);
}

static void
test_expansion(void)
{
	static const char open_brace[] = "dbs:\n- path: /x${y\n  replica:\n    path: /r\n";
	struct ls_err err;
	struct conf c;
	char pid[20];
	static const char text[] =
		"# $NOPE and $5\ndbs:\n- path: /a\n  replica: {path: '/r$NOPE'}\n"
		"x: p@$$w0rd\n";

	setenv("V", "value", 1);
	setenv("N1_x", "num", 1);
	unsetenv("NOPE");
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	expands("$V", "value");
	expands("${V}", "value");
	expands("a${V}b", "avalueb");
	expands("$N1_x-", "num-");
	expands("x$V1", "x");
	expands("x$NOPE", "x");
	expands("x${NOPE}y", "xy");
	expands("$PID", pid);
	expands("${PID}", pid);
	expands("x$$y$1z$-", "xyz");
	expands("x${V:-y}", "x");
	expands("x${}y", "xy");
	expands("x$ y$(z)$.", "x$ y$(z)$.");
	expands("x$", "x$");

	is_int(load_file(open_brace, sizeof open_brace - 1, true, &c, &err), 0, "${ without }");
	is_str(c.ndbs ? c.dbs[0].path : "", "/xy", "loses two bytes");
	conf_done(&c);
	is_int(load_file(text, sizeof text - 1, true, &c, &err), 0, "unset variables");
	is_u64(c.nwarnings, 3, "two of them outside of comments, and a key");
	if (c.nwarnings == 3) {
		ok(strstr(c.warnings[0],
			  ": line 4: environment variable 'NOPE' is not set and became empty"),
		   "%s", c.warnings[0]);
		ok(strstr(c.warnings[1], ": line 5: '$$' is taken for an environment variable"),
		   "%s", c.warnings[1]);
	}
	conf_done(&c);
	is_int(load_file(text, sizeof text - 1, false, &c, &err), 0, "-no-expand-env");
	is_str(c.dbs[0].replicas[0].path, "/r$NOPE", "keeps it all");
	conf_done(&c);
}

static void
test_files(void)
{
	ls_autofree char *missing = io_join(dir, "missing.yml"), *want = NULL;
	struct ls_err err = {0};
	struct conf c;

	if (asprintf(&want, "config file not found: %s", missing) < 0)
		return;
	is_int(conf_load(missing, true, &c, &err), -ENOENT, "a missing file");
	is_str(err.msg, want, "is named");
	ok(conf_load(dir, true, &c, &err) < 0, "a directory: %s", err.msg);
	setenv("LITESTREAM_CONFIG", missing, 1);
	is_int(conf_load(NULL, true, &c, &err), -ENOENT, "LITESTREAM_CONFIG");
	is_str(err.msg, want, "is used");
	unsetenv("LITESTREAM_CONFIG");
	is_int(load_file("a: \0", 4, true, &c, &err), -EINVAL, "a NUL byte in the file");
}

static void
test_paths(void)
{
	ls_autofree char *cwd = getcwd(NULL, 0), *want = NULL;
	struct ls_err err;
	const struct conf_db *found = NULL;
	struct conf c;

	ok(load("dbs:\n- path: rel/../a.db\n  replica: {path: /r}\n"
		"- path: sqlite:///s.db\n  replica: {path: /s}\n"
		"- path: /\n  replica: {path: /t}\n",
		&c, &err),
	   "forms of paths");
	if (c.ndbs == 3 && asprintf(&want, "%s/a.db", strcmp(cwd, "/") == 0 ? "" : cwd) > 0) {
		is_str(c.dbs[0].path, want, "relative to the working directory");
		is_str(c.dbs[1].path, "/s.db", "sqlite://");
		ok(conf_get(&c, "./rel/../a.db", &found, NULL) == 0 && found == &c.dbs[0],
		   "found by any spelling");
		is_int(conf_get(&c, "/nope.db", &found, NULL), -ENOENT, "and not found");
	}
	conf_done(&c);
	ok(load("dbs:\n- path: ~/a.db\n  replica: {url: 'file://~/r'}\n", &c, &err) &&
		   c.dbs[0].path[0] == '/' && !strchr(c.dbs[0].path, '~') &&
		   !strchr(c.dbs[0].replicas[0].path, '~'),
	   "tilde");
	conf_done(&c);
}

static void
replica_of(const char *url, const char *want)
{
	struct conf_replica r = {0};
	struct ls_err err = {0};

	if (ok(conf_replica_from_url(url, &r, &err) == 0, "%s: %s", url, err.msg))
		is_str(r.path, want, "its directory");
	conf_replica_done(&r);
}

/* The literal name first, then the one that the released program makes of it. */
static void
test_url_names(void)
{
	char url[200], a[200], b[200];
	struct ls_err err = {0};
	struct conf_replica r;

	snprintf(url, sizeof url, "file://%s/a b(1)\xc3\xa9", dir);
	snprintf(a, sizeof a, "%s/a b(1)\xc3\xa9", dir);
	snprintf(b, sizeof b, "%s/a%%20b%%281%%29%%C3%%A9", dir);
	replica_of(url, a);
	is_int(io_mkdirs(b, 0700, &err), 0, "only the encoded name exists");
	replica_of(url, b);
	is_int(io_mkdirs(a, 0700, &err), 0, "both exist");
	replica_of(url, a);
	snprintf(url, sizeof url, "file://%s/a%%20b?x=1", dir);
	snprintf(a, sizeof a, "%s/a%%20b", dir);
	replica_of(url, a);
	is_int(conf_replica_from_url("file://", &r, &err), -EINVAL, "no path");
	is_int(conf_replica_from_url("gs://b/p", &r, &err), -EINVAL, "another kind");
	ok(conf_is_url("s3://b") && conf_is_url("x_1://") && !conf_is_url("/a://b") &&
		   !conf_is_url("sqlite:///a.db") && !conf_is_url("://") && !conf_is_url("a:/b"),
	   "what is a URL");
}

static void
duplicate(const char *a, const char *b, const char *ra, const char *rb, const char *what)
{
	struct ls_err err = {0};
	struct conf c = {0};
	char text[1000];

	snprintf(text, sizeof text,
		 "dbs:\n- {path: %s, replica: {path: %s}}\n- {path: %s, replica: {path: %s}}\n", a,
		 ra, b, rb);
	if (conf_parse(text, strlen(text), "c.yml", &c, &err) == 0) {
		ok(false, "accepted: %s", what);
		conf_done(&c);
	} else {
		ok(strstr(err.msg, what) != NULL, "%s", err.msg);
	}
}

static void
test_duplicates(void)
{
	ls_autofree char *a = io_join(dir, "a.db"), *hard = io_join(dir, "hard.db");
	ls_autofree char *link = io_join(dir, "link"), *later = io_join(dir, "later.db");
	ls_autofree char *other = io_join(link, "later.db");
	struct ls_err err;
	struct conf c;

	fclose(fopen(a, "w"));
	is_int(io_link(a, hard, &err), 0, "a hard link");
	is_int(symlink(dir, link), 0, "a symbolic link to the directory");
	duplicate(a, a, "/r1", "/r2", "configured twice");
	duplicate(a, hard, "/r1", "/r2", "configured twice");
	duplicate(later, other, "/r1", "/r2", "configured twice");
	duplicate("/nope/x/a.db", "/nope/x/../x/a.db", "/r1", "/r2", "configured twice");
	duplicate("/x.db", "/y.db", "/r1", "/r1/", "the same replica");
	duplicate("/x.db", "/y.db", dir, link, "the same replica");
	ok(!load("dbs:\n- {path: /x, meta-path: /m, replica: {path: /r}}\n"
		 "- {path: /y, meta-path: /m, replica: {path: /s}}\n",
		 &c, &err) &&
		   strstr(err.msg, "have the same meta-path '/m'"),
	   "one state directory");
	is_int(unlink(link), 0, "clean up");
}

int
main(void)
{
	if (!mkdtemp(dir))
		return 1;
	RUN(test_expansion);
	RUN(test_files);
	RUN(test_paths);
	RUN(test_url_names);
	RUN(test_duplicates);
	if (strncmp(dir, "/tmp/test_conf.", 15) == 0 && !getenv("KEEP")) {
		ls_autofree char *rm = NULL;

		if (asprintf(&rm, "rm -rf '%s'", dir) > 0 && system(rm) != 0)
			return 1;
	}
	return tap_done();
}
