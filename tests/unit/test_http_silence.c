/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/store/http_silence.h"
#include "tests/lib/tap.h"

static const char one[] = "http://one:80", other[] = "http://other:80";

static void
test_one_goes_to_see(void)
{
	uint64_t since = clock_mono_ms();

	is_int(http_silence_enter(one, false), HTTP_SILENCE_GO, "nothing is known: it is asked");
	http_silence_wait(one, since);
	is_int(http_silence_enter(one, false), HTTP_SILENCE_PROBE, "it waits: one goes to see");
	is_int(http_silence_enter(one, false), HTTP_SILENCE_REFUSED, "only one");
	is_int(http_silence_enter(one, true), HTTP_SILENCE_GO, "who is patient may wait, too");
	is_int(http_silence_enter(other, false), HTTP_SILENCE_GO, "another server is another one");
	ok(http_silence_leave(one, HTTP_SILENCE_PROBE, false, false), "it may be tried again");
	is_int(http_silence_enter(one, false), HTTP_SILENCE_PROBE, "it was stopped: another one");
	ok(http_silence_leave(one, HTTP_SILENCE_PROBE, true, false), "an answer");
	is_int(http_silence_enter(one, false), HTTP_SILENCE_GO, "it has answered");
}

static void
test_given_up(void)
{
	ok(http_silence_leave(one, HTTP_SILENCE_GO, false, true), "one that has answered before");
	is_int(http_silence_enter(one, false), HTTP_SILENCE_REFUSED, "a while nobody goes to see");
	ok(http_silence_leave(one, HTTP_SILENCE_GO, true, false), "an answer");
	is_int(http_silence_enter(one, false), HTTP_SILENCE_GO, "somebody got it");
}

static void
test_never_an_answer(void)
{
	ok(!http_silence_leave(other, HTTP_SILENCE_GO, false, true), "it is no use to try again");
	is_int(http_silence_enter(other, true), HTTP_SILENCE_REFUSED, "nobody waits for it");
}

static void
test_slow(void)
{
	uint64_t since = clock_mono_ms();

	ok(http_silence_leave(one, HTTP_SILENCE_GO, true, false), "an answer");
	http_silence_wait(one, since);
	is_int(http_silence_enter(one, false), HTTP_SILENCE_GO, "slow, while others are answered");
}

int
main(void)
{
	test_one_goes_to_see();
	test_given_up();
	test_never_an_answer();
	test_slow();
	return tap_done();
}
