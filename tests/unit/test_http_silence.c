/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/store/http_silence.h"
#include "tests/lib/tap.h"

static const char one[] = "http://one:80", other[] = "http://other:80";

/* For longer than since the last answer. */
static bool
waited(const char *origin)
{
	return http_silence_wait(origin, clock_mono_ms() + 1, false);
}

static void
test_one_goes_to_see(void)
{
	ok(http_silence_enter(one, false), "nothing is known: it is asked");
	http_silence_end(one);
	ok(waited(one), "it has answered before: it may be tried again");
	ok(http_silence_enter(one, false), "one goes to see");
	ok(!http_silence_enter(one, false), "only one");
	ok(http_silence_enter(one, true), "who is patient may wait, too");
	ok(http_silence_enter(other, false), "another server is another one");
	ok(waited(one) && !http_silence_enter(one, false), "it is no better: nobody for a while");
	http_silence_end(one);
	ok(http_silence_enter(one, false) && http_silence_enter(one, false), "it has answered");
}

static void
test_never_an_answer(void)
{
	ok(!waited(other), "it is no use to try again");
	ok(!http_silence_enter(other, true), "nobody waits for it");
	http_silence_end(other);
	ok(http_silence_enter(other, true), "it has answered");
}

static void
test_slow(void)
{
	uint64_t since = clock_mono_ms();

	http_silence_end(one);
	ok(http_silence_wait(one, since, false) && http_silence_enter(one, false) &&
		   http_silence_enter(one, false),
	   "a slow request, while others are answered");
	ok(http_silence_wait(one, clock_mono_ms() + 1, true) && http_silence_enter(one, false) &&
		   http_silence_enter(one, false),
	   "one that takes its time");
}

int
main(void)
{
	test_one_goes_to_see();
	test_never_an_answer();
	test_slow();
	return tap_done();
}
