/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration while allocations and system calls fail: it is read right, or not at all. */
#include "config.h"

#include "engine/conf/conf.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CALLS_MAX = 2000 };

static char path[] = "/tmp/test_fault_conf.XXXXXX";

static const char text[] = "logging: {level: warn, type: json}\n"
			   "x: &d {busy-timeout: 9}\n"
			   "dbs:\n"
			   "- path: /nope/$NOPE_1/a.db\n"
			   "  <<: *d\n"
			   "  replicas: [{url: 'file:///nope/a b', name: main}]\n"
			   "- path: /nope/b.db\n"
			   "  meta-path: /nope/m\n"
			   "  bucket: x\n"
			   "  replica: {path: /nope/r, ltx-encoding: block}\n";

static int
load(struct conf *c, struct ls_err *err)
{
	*err = (struct ls_err){0};
	*c = (struct conf){0};
	return conf_load(path, true, c, err);
}

static bool
complete(const struct conf *c)
{
	return c->ndbs == 2 && c->nwarnings == 4 && c->log_type == CONF_LOG_JSON &&
	       strcmp(c->dbs[0].path, "/nope/a.db") == 0 && c->dbs[0].busy_timeout_ms == 1 &&
	       strcmp(c->dbs[0].replicas[0].path, "/nope/a b") == 0 &&
	       strcmp(c->dbs[0].replicas[0].name, "main") == 0 &&
	       c->dbs[1].replicas[0].encoding == LTX_BLOCK;
}

/* One kind of fault at every call in turn; the number of calls, 0: something was wrong. */
static int
loop(const struct fault_kind *k)
{
	for (int n = 1; n < CALLS_MAX; n++) {
		struct ls_err err;
		struct conf c;
		bool failed, good;
		int rc;

		fault_begin(k, (uint64_t)n);
		rc = load(&c, &err);
		failed = fault_end(k);
		good = rc == 0 ? complete(&c) : rc < 0 && err.code == rc && err.msg[0];
		if (!good || (!failed && rc != 0)) {
			printf("# call %d: %d %s\n", n, rc, rc ? err.msg : "incomplete");
			return 0;
		}
		if (rc == 0)
			conf_done(&c);
		if (!failed)
			return n;
	}
	return 0;
}

int
main(void)
{
	int fd = mkstemp(path);
	struct ls_err err;
	struct conf c;

	if (fd < 0 || write(fd, text, sizeof text - 1) != sizeof text - 1)
		return 1;
	close(fd);
	unsetenv("NOPE_1");
	if (ok(load(&c, &err) == 0 && complete(&c), "without faults: %s", err.msg))
		conf_done(&c);
	for (size_t i = 0; i < fault_kinds_n; i++) {
		int calls = loop(&fault_kinds[i]);

		/* Reading changes nothing whose acknowledgement could be lost. */
		ok(calls > !fault_kinds[i].done, "%s: %d calls", fault_kinds[i].name, calls - 1);
	}
	unlink(path);
	return tap_done();
}
