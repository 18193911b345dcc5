/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/timex.h"
#include "tests/lib/tap.h"

#include <time.h>

/* 2026-11-25T10:00:00Z; all tests run in the zone of Berlin. */
#define NOW INT64_C(1795600800000)
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static void
parses(const char *s, int64_t want)
{
	struct ls_err err = {0};
	int64_t got = -1;

	if (timex_parse(s, NOW, &got, &err) < 0)
		ok(false, "'%s': %s", s, err.msg);
	else if (!ok(got == want, "'%s'", s))
		printf("# got %" PRId64 ", want %" PRId64 "\n", got, want);
}

static void
refuses(const char *s)
{
	struct ls_err err = {0};
	int64_t got = -1;

	ok(timex_parse(s, NOW, &got, &err) == -EINVAL && got == -1 && err.msg[0],
	   "'%.60s' is refused and leaves the result alone", s);
}

static void
test_rfc3339(void)
{
	parses("2026-11-25T10:00:00Z", NOW);
	parses("2026-11-25T10:00:00.5Z", NOW + 500);
	parses("2026-11-25T10:00:00.123456789Z", NOW + 123);
	parses("2026-11-25T12:00:00+02:00", NOW);
	parses("2026-11-25T03:30:00-06:30", NOW);
	parses("2026-11-25t10:00:00z", NOW);
	parses("2026-11-25T10-00-00Z", NOW);
	parses("2026-11-25T10-00-00.250Z", NOW + 250);
	parses("1970-01-01T00:00:00Z", 0);
	parses("1969-12-31T23:59:59.5Z", -500);
	parses("0001-01-01T00:00:00Z", INT64_C(-62135596800000));
	parses("9999-12-31T23:59:59Z", INT64_C(253402300799000));
	parses("2024-02-29T00:00:00Z", INT64_C(1709164800000));
	parses("2000-02-29T00:00:00Z", INT64_C(951782400000));
	refuses("2026-02-29T00:00:00Z");
	refuses("1900-02-29T00:00:00Z");
	refuses("2026-13-01T00:00:00Z");
	refuses("2026-00-01T00:00:00Z");
	refuses("2026-04-31T00:00:00Z");
	refuses("2026-04-00T00:00:00Z");
	refuses("2026-11-25T24:00:00Z");
	refuses("2026-11-25T10:60:00Z");
	refuses("2026-11-25T10:00:00.Z");
	refuses("2026-11-25T10:00:00+24:00");
	refuses("2026-11-25T10:00:00ZZ");
	refuses("2026-11-25T");
	refuses("26-11-25");
}

static void
test_local(void)
{
	parses("2026-11-25", NOW - 11 * HOUR); /* 00:00 of Berlin is 23:00 UTC */
	parses("2026-11-25 11:00", NOW);
	parses("2026-11-25_11:00:30", NOW + 30000);
	parses("2026-11-25T11-00", NOW);
	parses("today", NOW - 11 * HOUR);
	parses("today 11:00", NOW);
	parses("yesterday", NOW - 11 * HOUR - DAY);
	parses("yesterday 14:00", NOW + 3 * HOUR - DAY);
	parses("yesterday-14:00", NOW + 3 * HOUR - DAY);
	parses("yesterday-14-00", NOW + 3 * HOUR - DAY);
	parses("Yesterday_14-00-30", NOW + 3 * HOUR - DAY + 30000);
	refuses("yesterday 25:00");
	refuses("yesterday at noon");
	refuses("today 1");
	refuses("todayish");
}

/* The last Sundays of March and October 2026. */
static void
test_daylight_saving(void)
{
	parses("2026-03-29", INT64_C(1774738800000));
	parses("2026-03-30", INT64_C(1774738800000) + 23 * HOUR);
	parses("2026-03-29 01:59", INT64_C(1774738800000) + 119 * 60000);
	parses("2026-03-29 03:00", INT64_C(1774738800000) + 2 * HOUR);
	parses("2026-10-25", INT64_C(1792879200000));
	parses("2026-10-26", INT64_C(1792879200000) + 25 * HOUR);
	parses("2026-10-25 01:30", INT64_C(1792879200000) + 90 * 60000);
	parses("2026-10-25 03:30", INT64_C(1792879200000) + 270 * 60000);
	parses("2026-07-01T00:00:00+02:00", INT64_C(1782856800000));
	parses("2026-07-01", INT64_C(1782856800000));
}

static void
test_ago(void)
{
	parses("now", NOW);
	parses("NOW", NOW);
	parses("10min ago", NOW - 600000);
	parses("10 minutes ago", NOW - 600000);
	parses("10min-ago", NOW - 600000);
	parses("10_min_ago", NOW - 600000);
	parses("10m ago", NOW - 600000);
	parses("2h-ago", NOW - 2 * HOUR);
	parses("2h ago", NOW - 2 * HOUR);
	parses("1d12h_ago", NOW - DAY - 12 * HOUR);
	parses("1d 12h ago", NOW - DAY - 12 * HOUR);
	parses("3 weeks ago", NOW - 21 * DAY);
	parses("a day ago", NOW - DAY);
	parses("An Hour Ago", NOW - HOUR);
	parses("250ms ago", NOW - 250);
	parses("1 month ago", NOW - 30 * DAY);
	parses("  5   s   ago  ", NOW - 5000);
	refuses("2h");
	refuses("ago");
	refuses("h ago");
	refuses("2 fortnights ago");
	refuses("2h agone");
	refuses("999999999999 years ago");
	refuses("9999999999999h ago");
	refuses("1.5h ago");
	refuses("+2h ago");
	refuses("in 2h");
}

static void
test_unix(void)
{
	parses("1795600800", NOW);
	parses("1795600800.25", NOW + 250);
	parses("999999999", INT64_C(999999999000));
	refuses("12345678");
	refuses("1795600800x");
	refuses("9999999999999");
	refuses("-1795600800");
}

static void
test_garbage(void)
{
	char text[4096];

	refuses("");
	refuses(" ");
	refuses("-");
	refuses("T");
	refuses("\xff\xfe");
	refuses("2026");
	refuses("2026-11-25T10:00:00Z; rm -rf /");
	memset(text, '1', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	refuses(text);
	memset(text, ' ', sizeof text - 1);
	refuses(text);
}

static void
test_strict_form(void)
{
	static const char *const good[] = {
		"2026-11-25T10:00:00Z",
		"2026-11-25T10:00:00.1Z",
		"2026-11-25T10:00:00+02:00",
		"2026-11-25T10:00:00.123456789-11:30",
	};
	static const char *const bad[] = {
		"2026-11-25",
		"2026-11-25T",
		"2026-11-25T1",
		"2026-11-25T10:00Z",
		"2026-11-25T10:00:00",
		"2026-11-25t10:00:00Z",
		"2026-11-25T10:00:00z",
		"2026-11-25 10:00:00Z",
		"2026-11-25T10-00-00Z",
		"2026-11-25T10:00:00+0200",
		"2026-11-25T10:00:60Z",
		"2026-11-25T10-00-00+02:00",
		"2026-11-25T10:00:00+02:00x",
		"2026-11-25T10:00:00+02:0",
		"now",
	};

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ok(timex_is_rfc3339(good[i]), "'%s' is RFC 3339", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ok(!timex_is_rfc3339(bad[i]), "'%s' is not", bad[i]);
}

static uint64_t
next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return *state >> 16;
}

/* What is printed can be read back, in all three forms, over the years 1..9999. */
static void
test_round_trip(void)
{
	uint64_t seed = 20261125, failures = 0;

	printf("# seed %" PRIu64 "\n", seed);
	for (int i = 0; i < 200000; i++) {
		int64_t ms = (int64_t)(next_random(&seed) % UINT64_C(315537897599000)) -
			     INT64_C(62135596800000);
		char a[TIMEX_LEN], b[TIMEX_LEN], c[TIMEX_LEN];
		int64_t ra = 0, rb = 0, rc = 0;

		timex_format(ms, a);
		timex_format_ms(ms, b);
		timex_format_name(ms, c);
		failures += timex_parse(a, NOW, &ra, NULL) < 0 || ms - ra < 0 || ms - ra > 999;
		failures += timex_parse(b, NOW, &rb, NULL) < 0 || rb != ms;
		failures += timex_parse(c, NOW, &rc, NULL) < 0 || rc != ms;
		failures += !timex_is_rfc3339(a) || !timex_is_rfc3339(b) || timex_is_rfc3339(c);
	}
	is_u64(failures, 0, "200,000 times in three forms");
}

static void
test_formats(void)
{
	char text[TIMEX_LEN];

	timex_format(NOW, text);
	is_str(text, "2026-11-25T10:00:00Z", "seconds");
	timex_format_ms(NOW + 7, text);
	is_str(text, "2026-11-25T10:00:00.007Z", "milliseconds");
	timex_format_name(NOW + 7, text);
	is_str(text, "2026-11-25T10-00-00.007Z", "without colons");
	timex_format_ms(-1, text);
	is_str(text, "1969-12-31T23:59:59.999Z", "before 1970");
	timex_format_ms(INT64_MAX, text);
	ok(memchr(text, 0, sizeof text) != NULL, "a figure beyond all calendars ends in NUL");
	timex_format_ms(INT64_MIN, text);
	ok(memchr(text, 0, sizeof text) != NULL, "and below");
}

static void
lasts(const char *s, int64_t want)
{
	int64_t got = -1;

	if (timex_duration(s, &got, NULL) < 0)
		ok(false, "duration '%s' is refused", s);
	else if (!ok(got == want, "duration '%s'", s))
		printf("# got %" PRId64 "\n", got);
}

static void
test_durations(void)
{
	static const char *const bad[] = {"",	  "1",	  "1d",	   "1w",  "5S",	      "1:30",
					  "s",	  ".s",	  "1h-5m", " 1s", "1s ",      "1..5s",
					  "--1s", "1e5s", "inf",   "nan", "9999999h", "-"};
	char text[2000];

	lasts("0", 0);
	lasts("-0", 0);
	lasts("1s", 1000000000);
	lasts("300ms", 300000000);
	lasts("1.5h", 5400 * INT64_C(1000000000));
	lasts("1h30m", 5400 * INT64_C(1000000000));
	lasts("-5s", -5 * INT64_C(1000000000));
	lasts("+5s", 5 * INT64_C(1000000000));
	lasts(".5s", 500000000);
	lasts("1us", 1000);
	lasts("1\xc2\xb5s", 1000);
	lasts("1\xce\xbcs", 1000);
	lasts("7ns", 7);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ok(timex_duration(bad[i], &(int64_t){0}, NULL) == -EINVAL, "'%s' is no duration",
		   bad[i]);
	memset(text, '9', sizeof text);
	memcpy(text + sizeof text - 2, "s", 2);
	ok(timex_duration(text, &(int64_t){0}, NULL) == -EINVAL, "1,998 digits are refused");
}

int
main(void)
{
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	RUN(test_rfc3339);
	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0) {
		RUN(test_local);
		RUN(test_daylight_saving);
	} else {
		ok(true, "local times # SKIP the zone Europe/Berlin is not here (package tzdata)");
	}
	RUN(test_ago);
	RUN(test_unix);
	RUN(test_garbage);
	RUN(test_strict_form);
	RUN(test_round_trip);
	RUN(test_formats);
	RUN(test_durations);
	return tap_done();
}
