/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations in words: what is understood can be printed and is understood again. */
#include "config.h"

#include "engine/base/timex.h"
#include "tests/fuzz/fuzz.h"

/* 2026-11-25T10:00:00Z, and the times that have a date of four digits for a year. */
static const int64_t now_ms = INT64_C(1795600800000);
static const int64_t first_ms = INT64_C(-62167219200000), last_ms = INT64_C(253402300799999);

static void
check_time(const char *s)
{
	int64_t ms = 0, again = 0;
	char text[TIMEX_LEN];
	int rc = timex_parse(s, now_ms, &ms, NULL);

	if (timex_is_rfc3339(s))
		FUZZ_CHECK(rc == 0);
	if (rc < 0)
		return;
	timex_format_name(ms, text);
	if (ms >= first_ms && ms <= last_ms)
		FUZZ_CHECK(timex_parse(text, now_ms, &again, NULL) == 0 && again == ms);
	timex_format_ms(ms, text);
	if (ms >= first_ms && ms <= last_ms)
		FUZZ_CHECK(timex_is_rfc3339(text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = malloc(n + 1);
	int64_t ns = 0;

	FUZZ_CHECK(s != NULL);
	memcpy(s, data, n);
	s[n] = '\0';
	check_time(s);
	if (timex_duration(s, &ns, NULL) == 0)
		FUZZ_CHECK(*s);
	free(s);
	return 0;
}
