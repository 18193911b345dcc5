/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/log.h"
#include "tests/unit/test_conf_load.h"

static void
test_defaults(void)
{
	struct ls_err err;
	struct conf c;

	ok(load("", &c, &err) && c.ndbs == 0 && c.log_level == LOG_INFO, "an empty file");
	conf_done(&c);
	ok(load("# nothing\n", &c, &err) && c.ndbs == 0, "comments only");
	conf_done(&c);
	ok(load("dbs:\nlogging:\n", &c, &err) && c.ndbs == 0, "empty sections");
	conf_done(&c);
	if (!ok(load(DB_REPLICA, &c, &err) && c.ndbs == 1, "one database"))
		return;
	is_str(c.dbs[0].path, "/d/a.db", "path");
	is_str(c.dbs[0].meta_path, "/d/.a.db-litestream", "meta-path");
	is_u64(c.dbs[0].monitor_interval_ms, 1000, "monitor-interval");
	is_u64(c.dbs[0].checkpoint_interval_ms, 60000, "checkpoint-interval");
	is_u64(c.dbs[0].busy_timeout_ms, 1000, "busy-timeout");
	is_u64(c.dbs[0].min_checkpoint_page_count, 1000, "min-checkpoint-page-count");
	is_u64(c.dbs[0].truncate_page_n, 121359, "truncate-page-n");
	ok(!c.dbs[0].journal_keep, "journal-mode");
	is_u64(c.dbs[0].nreplicas, 1, "one replica");
	is_str(c.dbs[0].replicas[0].type, "file", "its type");
	is_str(c.dbs[0].replicas[0].name, "file", "its name");
	is_str(c.dbs[0].replicas[0].url, "file:///r/a", "its URL");
	is_str(c.dbs[0].replicas[0].path, "/r/a", "its path");
	is_u64(c.dbs[0].replicas[0].sync_interval_ms, 1000, "sync-interval");
	ok(!c.dbs[0].replicas[0].sync_interval_set, "which nobody set");
	is_u64(c.nwarnings, 0, "no warnings");
	conf_done(&c);
}

static void
test_every_key(void)
{
	struct ls_err err;
	struct conf c;

	if (!ok(load("logging:\n  level: Warning\n  type: json\n  stderr: yes\n"
		     "sync-interval: 5s\n"
		     "dbs:\n"
		     "- path: /d/a.db\n"
		     "  meta-path: /state/a\n"
		     "  journal-mode: keep\n"
		     "  monitor-interval: 250ms\n"
		     "  checkpoint-interval: 0\n"
		     "  busy-timeout: 1h30m\n"
		     "  min-checkpoint-page-count: 0x10\n"
		     "  truncate-page-n: -1\n"
		     "  replicas:\n"
		     "  - name: main\n"
		     "    type: file\n"
		     "    path: /r//x/../a/\n"
		     "    ltx-encoding: block\n"
		     "- path: /d/b.db\n"
		     "  truncate-page-n: 0\n"
		     "  replica: {url: 'FILE://r/b', sync-interval: 1.5s, ltx-encoding: frame}\n",
		     &c, &err) &&
			c.ndbs == 2,
		"all keys of this build"))
		return;
	is_int(c.log_level, LOG_WARN, "level");
	is_int(c.log_type, CONF_LOG_JSON, "type");
	ok(c.log_stderr, "stderr");
	is_str(c.dbs[0].meta_path, "/state/a", "meta-path");
	ok(c.dbs[0].journal_keep, "journal-mode");
	is_u64(c.dbs[0].monitor_interval_ms, 250, "monitor-interval");
	is_u64(c.dbs[0].checkpoint_interval_ms, 0, "checkpoint-interval");
	is_u64(c.dbs[0].busy_timeout_ms, 5400000, "busy-timeout");
	is_u64(c.dbs[0].min_checkpoint_page_count, 16, "min-checkpoint-page-count");
	is_u64(c.dbs[0].truncate_page_n, UINT32_MAX, "truncate-page-n -1 is off");
	is_u64(c.dbs[1].truncate_page_n, 121359, "0 is the default");
	is_str(c.dbs[0].replicas[0].name, "main", "name");
	is_str(c.dbs[0].replicas[0].path, "/r/a", "path, cleaned");
	is_str(c.dbs[0].replicas[0].url, "file:///r/a", "URL built from it");
	is_int(c.dbs[0].replicas[0].encoding, LTX_BLOCK, "ltx-encoding");
	is_u64(c.dbs[0].replicas[0].sync_interval_ms, 5000, "sync-interval from the top");
	ok(c.dbs[0].replicas[0].sync_interval_set, "which is set");
	is_u64(c.dbs[1].replicas[0].sync_interval_ms, 1500, "or its own");
	is_str(c.dbs[1].replicas[0].path, "/r/b", "file://r/b is /r/b");
	is_u64(c.nwarnings, 0, "no warnings");
	conf_done(&c);
}

/* YAML features: anchors, merge keys, the last of two equal keys, one document. */
static void
test_yaml(void)
{
	struct ls_err err;
	struct conf c;

	ok(load("x: &d\n  monitor-interval: 7s\n  busy-timeout: 8s\n"
		"dbs:\n- path: /a\n  busy-timeout: 9s\n  <<: *d\n  replica: {path: /r}\n",
		&c, &err),
	   "merge key");
	if (c.ndbs == 1) {
		is_u64(c.dbs[0].monitor_interval_ms, 7000, "merged");
		is_u64(c.dbs[0].busy_timeout_ms, 9000, "what is written here counts more");
	}
	conf_done(&c);
	ok(load("dbs:\n- path: /a\n  <<: [{busy-timeout: 1s}, {busy-timeout: 2s}]\n  replica: "
		"{path: "
		"/r}\n",
		&c, &err) &&
		   c.dbs[0].busy_timeout_ms == 1000,
	   "of several merged maps the first counts");
	conf_done(&c);
	ok(load("dbs:\n- path: /a\n  path: /b\n  replica: {path: /r}\n--- garbage: [\n", &c,
		&err) &&
		   strcmp(c.dbs[0].path, "/b") == 0,
	   "the last of two keys, the first document");
	conf_done(&c);
	ok(load("dbs:\n- path: /a\n  replica: ~\n  replicas: [{path: /r}]\n", &c, &err),
	   "null is absent");
	conf_done(&c);
	ok(load("dbs: &l\n- path: /a\n  replica: &r {path: /r}\n  <<: &m {<<: *m}\n", &c, &err) ==
		   false,
	   "a merge key that holds itself");
}

static void
test_errors(void)
{
	static const char *const cases[][2] = {
		{"- a\n", "c.yml: line 1: 'key: value' lines are wanted here"},
		{"dbs: 5\n", "c.yml: line 1: dbs: a list is wanted here ('- ...')"},
		{"dbs:\n-\n", "c.yml: line 2: dbs: an item is empty"},
		{"dbs:\n- 5\n", "c.yml: line 2: 'key: value' lines are wanted here"},
		{"dbs:\n- path: [a]\n", "c.yml: line 2: path: one value is wanted here"},
		{"dbs:\n- path: \"a\\0b\"\n", "c.yml: line 2: path: it holds a NUL byte"},
		{"dbs:\n- meta-path: /x\n",
		 "c.yml: line 2: database config #1: must specify either 'path' or 'dir'"},
		{"dbs:\n- path: /x\n  dir: /y\n",
		 "c.yml: line 2: database config #1: cannot specify both 'path' and 'dir'"},
		{DB_REPLICA "- dir: /y\n",
		 "c.yml: line 5: database config #2: 'pattern' is required when using 'dir'"},
		{"dbs:\n- path: /y\n  watch: true\n",
		 "c.yml: line 2: database config #1: 'watch' can only be enabled with a directory"},
		{"dbs:\n- path: /y\n  meta-dir: /m\n",
		 "c.yml: line 2: database config #1: 'meta-dir' can only be used with a directory"},
		{"dbs:\n- dir: /y\n  pattern: '*'\n  meta-dir: /m\n  meta-path: /n\n",
		 "c.yml: line 2: database config #1: cannot specify both 'meta-path' and "
		 "'meta-dir'"},
		{DB,
		 "c.yml: line 2: must specify replica for database '/d/a.db': add 'replica:' with "
		 "'url: file:///DIRECTORY'"},
		{DB "  replica:\n",
		 "c.yml: line 2: must specify replica for database '/d/a.db': add 'replica:' with "
		 "'url: file:///DIRECTORY'"},
		{DB "  replica: {path: /r}\n  replicas: [{path: /r}]\n",
		 "c.yml: line 2: cannot specify 'replica' and 'replicas' on a database"},
		{DB "  replicas: [{path: /r}, {path: /s}]\n",
		 "c.yml: line 3: duplicate replica name: \"file\""},
		{DB "  replicas: [~]\n", "c.yml: line 3: replicas: an item is empty"},
		{DB "  replica: {type: file}\n",
		 "c.yml: line 3: file replica path required: add 'path: DIRECTORY' or 'url: "
		 "file:///DIRECTORY'"},
		{DB "  replica: {url: 'file:///r', path: /r}\n",
		 "c.yml: line 3: cannot specify url & path for file replica"},
		{DB "  replica: {path: 'file:///r'}\n",
		 "c.yml: line 3: replica path cannot be a url, please use the 'url' field instead"},
		{DB "  replica: {url: 'sftp://key:secret@host/p'}\n",
		 "c.yml: line 3: replica type \"sftp\" is not supported yet by this build: use "
		 "s3://BUCKET/PATH or file:///DIRECTORY"},
		{DB "  replica: {type: s3, path: p}\n",
		 "c.yml: line 3: bucket required for s3 replica"},
		{DB "  replica: {type: s3, bucket: b, access-key-id: a}\n",
		 "c.yml: line 3: access-key-id and secret-access-key must be given together"},
		{DB "  replica: {url: 's3://b/p', bucket: b}\n",
		 "c.yml: line 3: cannot specify url & bucket for s3 replica"},
		{DB "  replica: {url: 's3://b/p', path: p}\n",
		 "c.yml: line 3: cannot specify url & path for s3 replica"},
		{DB "  replica: {url: 's3://b/p', part-size: 5MB}\n",
		 "c.yml: line 3: part-size must be at least 5MiB (5242880 bytes), it is 5000000: "
		 "object storage refuses smaller parts"},
		{DB "  replica: {url: 's3://b/p', sse-customer-key: c2hvcnQ=}\n",
		 "c.yml: line 3: sse-customer-key must be the base64 form of 32 bytes: make one "
		 "with 'openssl rand -base64 32'"},
		{DB "  replica: {type: ftp}\n",
		 "c.yml: line 3: unknown replica type in config: \"ftp\": use s3://BUCKET/PATH or "
		 "file:///DIRECTORY"},
		{DB "  replica: {url: /r}\n", "c.yml: line 3: replica url scheme required: /r"},
		{DB "  replica:\n    path: /r\n    sync-interval: 0s\n",
		 "c.yml: line 5: dbs[/d/a.db].replica.sync-interval: sync interval must be greater "
		 "than "
		 "0 (got 0s)"},
		{DB "  replicas:\n  - path: /r\n    sync-interval: -1s\n",
		 "c.yml: line 5: dbs[/d/a.db].replicas[0].sync-interval: sync interval must be "
		 "greater "
		 "than 0 (got -1s)"},
		{DB "  replica: {path: /r, ltx-encoding: zip}\n",
		 "c.yml: line 3: ltx-encoding: 'zip' is neither frame nor block"},
		{DB "  replica: {path: /r, name: ../x}\n",
		 "c.yml: line 3: name: '../x' cannot be the name of a directory"},
		{DB "  monitor-interval: soon\n", "c.yml: line 3: monitor-interval: 'soon' is no "
						  "duration: write 300ms, 10s or 1h30m"},
		{DB "  monitor-interval: 1d\n",
		 "c.yml: line 3: monitor-interval: '1d' is no duration: write 300ms, 10s or 1h30m"},
		{DB "  monitor-interval: '5'\n",
		 "c.yml: line 3: monitor-interval: '5' is no duration: write 300ms, 10s or 1h30m"},
		{DB "  min-checkpoint-page-count: '5'\n",
		 "c.yml: line 3: min-checkpoint-page-count: '5' is no whole number (without "
		 "quotes)"},
		{DB "  min-checkpoint-page-count: many\n",
		 "c.yml: line 3: min-checkpoint-page-count: 'many' is no whole number (without "
		 "quotes)"},
		{DB "  min-checkpoint-page-count: 0\n  replica: {path: /r}\n",
		 "c.yml: line 2: dbs[/d/a.db].min-checkpoint-page-count: minimum checkpoint page "
		 "count "
		 "required (got 0)"},
		{DB "  journal-mode: delete\n",
		 "c.yml: line 2: journal-mode: 'delete' is neither wal nor keep"},
		{"logging:\n  stderr: 'true'\n",
		 "c.yml: line 2: stderr: 'true' is neither true nor false (without quotes)"},
		{"logging:\n  type: xml\n",
		 "c.yml: line 2: logging type 'xml' is not text, json or pretty"},
		{"socket:\n  permissions: 01000\n",
		 "c.yml: line 2: socket.permissions is a file mode such as 0600"},
		{"age:\n  identities: [x]\n",
		 "c.yml: line 2: age encryption is not currently supported: without it the replica "
		 "would not be encrypted"},
		{DB "  restore-if-db-not-exists: maybe\n",
		 "c.yml: line 3: restore-if-db-not-exists: 'maybe' is neither true nor false "
		 "(without quotes)"},
		{"a: [\n", "c.yml: yaml: line 2: did not find expected node content"},
		{"a:\n\tb: 1\n",
		 "c.yml: yaml: line 2: found character that cannot start any token (a "
		 "tab? indent with blanks only)"},
		{"a: b: c\n",
		 "c.yml: yaml: line 1: mapping values are not allowed in this context"},
		{"a: 1\nb: \xff\n", "c.yml: yaml: line 2: invalid leading UTF-8 octet"},
		{"a: 1\n\nb: \001\n", "c.yml: yaml: line 3: control characters are not allowed"},
		{"a: *x\n", "c.yml: yaml: line 1: found undefined alias"},
		{"? [a]\n: b\n", "c.yml: line 1: a key must be a word"},
		{DB "  <<: 5\n", "c.yml: line 3: 'key: value' lines are wanted here"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ls_err err;
		struct conf c;

		if (load(cases[i][0], &c, &err)) {
			ok(false, "accepted: %s", cases[i][1]);
			conf_done(&c);
		} else {
			is_str(err.msg, cases[i][1], "refused");
			is_int(err.code, -EINVAL, "as wrong input");
		}
	}
}

static void
test_warnings(void)
{
	static const char *const cases[][2] = {
		{"sincerely: yours\n", "c.yml: line 1: unknown key 'sincerely' is ignored"},
		{"loging:\n  level: warn\n",
		 "c.yml: line 1: unknown key 'loging' is ignored, did you mean 'logging'?"},
		{"lgoging: x\n",
		 "c.yml: line 1: unknown key 'lgoging' is ignored, did you mean 'logging'?"},
		{DB_REPLICA "  monitor_interval: 5s\n",
		 "c.yml: line 5: unknown key 'monitor_interval' is ignored, did you mean "
		 "'monitor-interval'?"},
		{DB_REPLICA "  Meta-Path: /x\n",
		 "c.yml: line 5: unknown key 'Meta-Path' is ignored, did you mean 'meta-path'?"},
		{"addr: ':9090'\n",
		 "c.yml: line 1: 'addr' is not supported yet by this build and is ignored"},
		{DB_REPLICA "    retention: 72h\n",
		 "c.yml: line 5: 'retention' is not supported yet by this build and is ignored"},
		{DB_REPLICA "    host: x\n",
		 "c.yml: line 5: 'host' is not supported yet by this build and is ignored"},
		{DB_REPLICA "  busy-timeout: 10\n",
		 "c.yml: line 5: busy-timeout: 10 means nanoseconds: write 10s for seconds"},
		{DB_REPLICA "  busy-timeout: 1.5\n",
		 "c.yml: line 5: busy-timeout: 1.5 means nanoseconds: write 1.5s for seconds"},
		{DB_REPLICA "  monitor-interval: 0\n",
		 "c.yml: line 5: monitor-interval: 0 would end all replication, 1s is used"},
		{"exec: ''\nage:\n  identities: []\n  recipients:\nsse-kms-key-id: ~\nfoo: 1\n",
		 "c.yml: line 6: unknown key 'foo' is ignored"},
		{"foo: 1\nfoo: 2\n", "c.yml: line 1: unknown key 'foo' is ignored"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ls_err err;
		struct conf c;

		ok(load(cases[i][0], &c, &err), "accepted");
		is_u64(c.nwarnings, 1, "one warning");
		is_str(c.nwarnings ? c.warnings[0] : "", cases[i][1], "it says");
		conf_done(&c);
	}
}

static void
test_leases(void)
{
	static const struct {
		const char *text;
		uint64_t lease_ms; /* UINT64_MAX: refused */
		bool waits;
	} t[] = {
		{DB "  replica: {url: 's3://b/p'}\n", 0, false},
		{DB "  replica: {url: 's3://b/p', standby: wait}\n", 0, true},
		{DB "  replica: {url: 's3://b/p', lease: true}\n", 30000, true},
		{DB "  replica: {url: 's3://b/p', lease: 5m}\n", 300000, true},
		{DB "  replica: {url: 's3://b/p?lease=2s', lease: 5m}\n", 2000, true},
		{DB "  replica: {url: 's3://b/p', lease: 5m, standby: exit}\n", 300000, false},
		{"lease: 40s\n" DB "  replica: {url: 's3://b/p'}\n", 40000, true},
		{"lease: 40s\n" DB_REPLICA, 0, false},
		{"lease: 40s\n" DB "  replica: {url: 's3://b/p', lease: off}\n", 0, false},
		{DB_REPLICA "    lease: 30s\n", UINT64_MAX, false},
		{DB "  replica: {url: 's3://b/p', lease: 1ms}\n", UINT64_MAX, false},
		{DB "  replica: {url: 's3://b/p?lease=soon'}\n", UINT64_MAX, false},
		{DB "  replica: {url: 's3://b/p', standby: maybe}\n", UINT64_MAX, false},
	};
	struct ls_err err;
	struct conf c;

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		bool ok_ = load(t[i].text, &c, &err);

		if (t[i].lease_ms == UINT64_MAX)
			ok(!ok_, "refused: %s", err.msg);
		else if (ok(ok_, "read: %s", t[i].text)) {
			is_u64(c.dbs[0].replicas[0].lease_ms, t[i].lease_ms, "lease");
			ok(conf_stands_by(&c.dbs[0]) == t[i].waits, "standby");
		}
		if (ok_)
			conf_done(&c);
	}
}

static void
test_arguments(void)
{
	struct ls_err err = {0};
	struct conf c;

	is_int(conf_from_args("/d/a.db", (const char *[]){"file:///r"}, 1, &c, &err), 0,
	       "DB_PATH REPLICA_URL");
	is_str(c.dbs[0].replicas[0].path, "/r", "replica");
	is_u64(c.dbs[0].monitor_interval_ms, 1000, "defaults");
	conf_done(&c);
	is_int(conf_from_args("/d/a.db", (const char *[]){"/r"}, 1, &c, &err), -EINVAL, "no URL");
	is_str(err.msg, "replica url scheme required: /r", "says so");
	is_int(conf_from_args("file:///r", (const char *[]){"/d/a.db"}, 1, &c, &err), -EINVAL,
	       "swapped");
	ok(strstr(err.msg, "the database comes before the replica"), "%s", err.msg);
}

/* What would take minutes or gigabytes is refused soon. */
static void
test_hostile(void)
{
	static char text[1 << 20];
	struct ls_err err;
	struct conf c;
	size_t n = 0;

	memset(text, '[', sizeof text - 1);
	ok(!load(text, &c, &err) && strstr(err.msg, "nested too deeply"), "a million brackets");
	n = (size_t)snprintf(text, sizeof text, "dbs:\n");
	for (int i = 0; i < 20000; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
				      "- {path: /%d, replica: {path: /r/%d}}\n", i, i);
	ok(!load(text, &c, &err) && strstr(err.msg, "more than 10000 items"), "20,000 databases");
	n = (size_t)snprintf(text, sizeof text, "a0: &a0 {x: y}\n");
	for (int i = 1; i < 15; i++) {
		n += (size_t)snprintf(text + n, sizeof text - n, "a%d: &a%d {<<: [", i, i);
		for (int k = 0; k < 20; k++)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s*a%d", k ? ", " : "",
					      i - 1);
		n += (size_t)snprintf(text + n, sizeof text - n, "]}\n");
	}
	snprintf(text + n, sizeof text - n, "<<: *a14\n");
	ok(!load(text, &c, &err) && strstr(err.msg, "too many merged values"), "20^14 merged keys");
}

int
main(void)
{
	RUN(test_defaults);
	RUN(test_every_key);
	RUN(test_yaml);
	RUN(test_errors);
	RUN(test_warnings);
	RUN(test_leases);
	RUN(test_arguments);
	RUN(test_hostile);
	return tap_done();
}
