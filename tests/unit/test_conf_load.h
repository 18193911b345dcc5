/* SPDX-License-Identifier: Apache-2.0 */
/* test_conf_load: a configuration from its text, for tests. */
#ifndef TESTS_UNIT_TEST_CONF_LOAD_H
#define TESTS_UNIT_TEST_CONF_LOAD_H

#include "engine/conf/conf.h"
#include "tests/lib/tap.h"

#define DB "dbs:\n- path: /d/a.db\n"
#define DB_REPLICA DB "  replica:\n    url: file:///r/a\n"

static bool
load(const char *text, struct conf *c, struct ls_err *err)
{
	*err = (struct ls_err){0};
	*c = (struct conf){0};
	if (conf_parse(text, strlen(text), "c.yml", c, err) == 0)
		return true;
	printf("# %s\n", err->msg);
	return false;
}

#endif
