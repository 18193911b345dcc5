/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file: expansion, YAML, checks. What is accepted is complete and within bounds. */
#include "config.h"

#include "engine/conf/conf.h"
#include "engine/conf/conf_env.h"
#include "tests/fuzz/fuzz.h"

static int
count_unset(void *arg, const char *name, size_t line)
{
	FUZZ_CHECK(strlen(name) < 256 && line > 0);
	++*(size_t *)arg;
	return 0;
}

static void
check_db(const struct conf_db *db)
{
	const struct conf_replica *r = db->replicas;

	FUZZ_CHECK(db->path[0] == '/' && db->meta_path[0] == '/' && !strstr(db->path, "/../"));
	FUZZ_CHECK(db->monitor_interval_ms > 0 && db->min_checkpoint_page_count > 0 &&
		   db->truncate_page_n > 0);
	FUZZ_CHECK(db->nreplicas == 1 && strcmp(r->type, "file") == 0 && r->path[0] == '/');
	FUZZ_CHECK(strncmp(r->url, "file:///", 8) == 0 && r->sync_interval_ms > 0);
	FUZZ_CHECK(*r->name && !strchr(r->name, '/') && r->name[0] != '.');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	LS_AUTO(ls_buf_done) struct ls_buf out;
	struct ls_err err = {0};
	struct conf c = {0};
	size_t unset = 0;

	ls_buf_init(&out, 1 << 20);
	if (conf_env_expand((const char *)data, n, &out, count_unset, &unset, &err) < 0 ||
	    !ls_buf_cstr(&out))
		return 0;
	if (conf_parse((const char *)out.p, out.len, "f.yml", &c, &err) < 0) {
		FUZZ_CHECK(err.code < 0 && err.msg[0]);
		return 0;
	}
	for (size_t i = 0; i < c.ndbs; i++)
		check_db(&c.dbs[i]);
	conf_done(&c);
	return 0;
}
