/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, numbers and truth values as they stand in a configuration. */
#include "config.h"

#include "engine/conf/conf.h"
#include "tests/lib/tap.h"

#define DB_REPLICA "dbs:\n- path: /d/a.db\n  replica:\n    url: file:///r/a\n"

static void
test_sizes(void)
{
	static const struct {
		const char *text;
		uint64_t bytes; /* 0: refused */
	} cases[] = {{"500", 500},	   {"1.5MB", 1500000}, {"2GiB", UINT64_C(2) << 30},
		     {"2 gb", 2000000000}, {"64K", 64000},     {"1TiB", UINT64_C(1) << 40},
		     {"many", 0},	   {"-5", 0},	       {"5 parsecs", 0},
		     {"5MBx", 0},	   {"1e30", 0},	       {"\"\"", 0}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[300];
		struct ls_err err = {0};
		struct conf c = {0};

		snprintf(text, sizeof text, "%s  wal-max-size: %s\n", DB_REPLICA, cases[i].text);
		if (conf_parse(text, strlen(text), "c.yml", &c, &err) < 0) {
			ok(cases[i].bytes == 0 && strstr(err.msg, "is no size"), "%s", err.msg);
			continue;
		}
		is_u64(c.dbs[0].wal_max, cases[i].bytes, cases[i].text);
		conf_done(&c);
	}
}

/* One scalar for min-checkpoint-page-count and for logging.stderr. */
static void
test_scalars(void)
{
	static const struct {
		const char *text;
		int64_t want; /* 0: refused */
	} ints[] = {
		{"5", 5},	   {"+5", 5},
		{"0x10", 16},	   {"0o17", 15},
		{"017", 15},	   {"0b11", 3},
		{"1_000", 1000},   {"5.0", 5},
		{"5.", 5},	   {"5.5", 0},
		{"0x", 0},	   {"0x1g", 0},
		{"08", 0},	   {"1e3", 0},
		{"five", 0},	   {"-5", 0},
		{"_5", 0},	   {"4294967295", 4294967295},
		{"4294967296", 0}, {"99999999999999999999", 0},
		{"'5'", 0},	   {"0x 5", 0},
	};
	static const struct {
		const char *text;
		int want; /* -1: refused */
	} bools[] = {
		{"true", 1}, {"True", 1},  {"TRUE", 1},	   {"yes", 1},	  {"on", 1},	{"y", 1},
		{"Y", 1},    {"off", 0},   {"No", 0},	   {"n", 0},	  {"false", 0}, {"1", -1},
		{"0", -1},   {"tRue", -1}, {"'true'", -1}, {"maybe", -1},
	};

	for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
		struct ls_err err = {0};
		struct conf c = {0};
		char text[200];
		int64_t got = 0;

		snprintf(text, sizeof text, "%s  min-checkpoint-page-count: %s\n", DB_REPLICA,
			 ints[i].text);
		if (conf_parse(text, strlen(text), "c.yml", &c, &err) == 0)
			got = c.dbs[0].min_checkpoint_page_count;
		is_int(got, ints[i].want, ints[i].text);
		conf_done(&c);
	}
	for (size_t i = 0; i < sizeof bools / sizeof bools[0]; i++) {
		struct conf c = {0};
		char text[200];
		int got = -1;

		snprintf(text, sizeof text, "logging: {stderr: %s}\n", bools[i].text);
		if (conf_parse(text, strlen(text), "c.yml", &c, NULL) == 0)
			got = c.log_stderr;
		is_int(got, bools[i].want, bools[i].text);
		conf_done(&c);
	}
}

int
main(void)
{
	RUN(test_sizes);
	RUN(test_scalars);
	return tap_done();
}
