/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "tests/lib/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

/* 2026-08-19T12:00:00.007Z */
#define NOW INT64_C(1787140800007)

static char text[1 << 20];
static int ends[2];

static void
begin(enum log_level level, enum log_type type)
{
	log_setup(&(struct log_config){.level = level, .type = type, .fd = ends[1]});
}

/* What was written since the last call. */
static const char *
written(void)
{
	size_t n = 0;

	log_setup(&(struct log_config){.level = LOG_TRACE, .fd = ends[1]});
	for (;;) {
		ssize_t got = read(ends[0], text + n, sizeof text - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	text[n] = '\0';
	return text;
}

static void
test_text(void)
{
	begin(LOG_INFO, LOG_TEXT);
	log_write(LOG_INFO, "snapshot complete", LOG_STR("db", "app.db"), LOG_TXID("txid", 42),
		  LOG_U64("size", 7), LOG_I64("left", -1));
	is_str(written(),
	       "time=2026-08-19T12:00:00.007Z level=INFO msg=\"snapshot complete\" db=app.db "
	       "txid=000000000000002a size=7 left=-1\n",
	       "a record");
	begin(LOG_INFO, LOG_TEXT);
	log_write(LOG_WARN, "litestream", LOG_STR("a", ""), LOG_STR("b", NULL), LOG_STR("c", "x=y"),
		  LOG_STR("d", "say \"no\""), LOG_STR("e", "C:\\x"), LOG_STR("f", "\xc3\xa9"));
	is_str(written(),
	       "time=2026-08-19T12:00:00.007Z level=WARN msg=litestream a=\"\" b=\"\" c=\"x=y\" "
	       "d=\"say \\\"no\\\"\" e=C:\\x f=\xc3\xa9\n",
	       "quotes only where they are needed");
}

static void
test_hostile_values(void)
{
	begin(LOG_INFO, LOG_TEXT);
	log_write(LOG_ERROR, "x", LOG_STR("p", "a\nlevel=INFO msg=forged \033[2J\x7f\xff\xc2\x9b"));
	is_str(written(),
	       "time=2026-08-19T12:00:00.007Z level=ERROR msg=x "
	       "p=\"a\\nlevel=INFO msg=forged \\x1b[2J\\x7f\\xff\\xc2\\x9b\"\n",
	       "text: one line, no control bytes");
	begin(LOG_INFO, LOG_JSON);
	log_write(LOG_ERROR, "x", LOG_STR("p", "a\n\t\r\"\\\033\xff\xed\xa0\x80"));
	is_str(written(),
	       "{\"time\":\"2026-08-19T12:00:00.007Z\",\"level\":\"ERROR\",\"msg\":\"x\","
	       "\"p\":\"a\\n\\t\\r\\\"\\\\\\u001b\\ufffd\\ufffd\\ufffd\\ufffd\"}\n",
	       "JSON: valid whatever the bytes are");
}

static void
test_json(void)
{
	begin(LOG_INFO, LOG_JSON);
	log_write(LOG_INFO, "replica sync", LOG_TXID("txid", 255), LOG_U64("n", UINT64_MAX),
		  LOG_MS("took", 1500));
	is_str(written(),
	       "{\"time\":\"2026-08-19T12:00:00.007Z\",\"level\":\"INFO\",\"msg\":\"replica sync\","
	       "\"txid\":\"00000000000000ff\",\"n\":18446744073709551615,\"took\":1500000000}\n",
	       "durations are integer nanoseconds");
}

static void
test_pretty(void)
{
	begin(LOG_TRACE, LOG_PRETTY);
	log_write(LOG_INFO, "caught up", LOG_STR("db", "a b"));
	log_write(LOG_TRACE, "t");
	log_write(LOG_DEBUG, "d");
	log_write(LOG_WARN, "w");
	log_write(LOG_ERROR, "e");
	is_str(written(),
	       "12:00:00 INF caught up db=\"a b\"\n12:00:00 TRC t\n12:00:00 DBG d\n"
	       "12:00:00 WRN w\n12:00:00 ERR e\n",
	       "no colours where there is no terminal");
}

static void
test_levels(void)
{
	static const struct {
		const char *word;
		enum log_level level;
	} words[] = {
		{"trace", LOG_TRACE},  {"DEBUG", LOG_DEBUG}, {"Info", LOG_INFO}, {"warn", LOG_WARN},
		{"warning", LOG_WARN}, {"ERROR", LOG_ERROR}, {"loud", LOG_INFO}, {"", LOG_INFO},
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		is_int(log_level_parse(words[i].word), words[i].level, words[i].word);
	begin(LOG_WARN, LOG_TEXT);
	ok(!log_enabled(LOG_INFO) && log_enabled(LOG_WARN) && log_enabled(LOG_ERROR),
	   "the level is a threshold");
	log_write(LOG_INFO, "quiet");
	is_str(written(), "", "below it nothing is written");
}

static void
test_durations(void)
{
	static const struct {
		int64_t ms;
		const char *want;
	} cases[] = {
		{0, "0s"},
		{1, "1ms"},
		{999, "999ms"},
		{1000, "1s"},
		{1500, "1.5s"},
		{59999, "59.999s"},
		{60000, "1m0s"},
		{90500, "1m30.5s"},
		{3600000, "1h0m0s"},
		{5400000, "1h30m0s"},
		{86400000, "24h0m0s"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char want[200];

		begin(LOG_INFO, LOG_TEXT);
		log_write(LOG_INFO, "x", LOG_MS("d", cases[i].ms));
		snprintf(want, sizeof want, "time=2026-08-19T12:00:00.007Z level=INFO msg=x d=%s\n",
			 cases[i].want);
		is_str(written(), want, cases[i].want);
	}
}

static void
test_zone(void)
{
	setenv("TZ", "XXX-5:30", 1);
	tzset();
	begin(LOG_INFO, LOG_TEXT);
	log_write(LOG_INFO, "x");
	is_str(written(), "time=2026-08-19T17:30:00.007+05:30 level=INFO msg=x\n", "local zone");
	setenv("TZ", "UTC", 1);
	tzset();
}

static void
test_long_values(void)
{
	static char value[100001];
	const char *got;

	memset(value, 'x', sizeof value - 1);
	begin(LOG_INFO, LOG_JSON);
	log_write(LOG_INFO, "x", LOG_STR("a", value), LOG_STR("b", "end"));
	got = written();
	ok(strstr(got, "x...\",\"b\":\"end\"}\n"), "a long value is cut, the record is not");
	ok(strlen(got) < 5000, "and it is cut short");
}

int
main(void)
{
	if (pipe2(ends, O_NONBLOCK) < 0)
		return 1;
	setenv("TZ", "UTC", 1);
	tzset();
	clock_fake(NOW, 0);
	RUN(test_text);
	RUN(test_hostile_values);
	RUN(test_json);
	RUN(test_pretty);
	RUN(test_levels);
	RUN(test_durations);
	RUN(test_zone);
	RUN(test_long_values);
	return tap_done();
}
