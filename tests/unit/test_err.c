/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/err.h"
#include "tests/lib/tap.h"

static void
test_set_and_wrap(void)
{
	struct ls_err err = {0};

	is_int(ls_err_set(&err, -EBADMSG, "page %u", 7u), -EBADMSG, "set returns the code");
	is_int(ls_err_wrap(&err, -EBADMSG, "file '%s'", "x"), -EBADMSG, "wrap returns the code");
	is_str(err.msg, "file 'x': page 7", "text reads from the outside in");
	ok(!err.retry, "corruption is not retried");
	is_int(ls_err_set(NULL, -EIO, "x"), -EIO, "a NULL error is fine");
}

static void
test_sys(void)
{
	struct ls_err err = {0};

	is_int(ls_err_sys(&err, ENOTDIR, "open '%s'", "a"), -ENOENT, "errno maps to the list");
	is_str(err.msg, "open 'a': Not a directory", "the system's text is kept");
	is_int(ls_err_sys(&err, EAGAIN, "x"), -EAGAIN, "EAGAIN stays");
	ok(err.retry, "and may be retried");
	is_int(ls_err_code(ENXIO), -EIO, "unknown errno is -EIO");
}

static void
test_full_keeps_the_cause(void)
{
	struct ls_err err = {0};
	char outer[LS_ERR_MAX * 2];

	memset(outer, 'o', sizeof outer);
	outer[sizeof outer - 1] = '\0';
	ls_err_set(&err, -EIO, "root cause");
	ls_err_wrap(&err, -EIO, "%s", outer);
	ls_err_wrap(&err, -EIO, "more");
	ok(strstr(err.msg, "root cause") != NULL, "the root cause survives long context");
	ok(strlen(err.msg) < LS_ERR_MAX, "and the text fits");
}

static void
test_buf_max(void)
{
	LS_AUTO(ls_buf_done) struct ls_buf b;

	ls_buf_init(&b, 8);
	is_int(ls_buf_append(&b, "12345", 5), 0, "fits");
	is_int(ls_buf_append(&b, "6789", 4), -ENOMEM, "the maximum holds");
	is_u64(b.len, 5, "a refused append changes nothing");
	is_int(ls_buf_printf(&b, "%d", 67), 0, "print what fits");
	is_str(ls_buf_cstr(&b), "1234567", "as a string");
}

static void
test_backoff(void)
{
	struct backoff b = {0};
	uint64_t d = 0;

	clock_fake(0, 0);
	for (int i = 0; i < 40; i++)
		d = backoff_next_ms(&b, 100, 5000);
	clock_real();
	is_u64(d, 5000, "backoff ends at its maximum");
}

int
main(void)
{
	RUN(test_set_and_wrap);
	RUN(test_sys);
	RUN(test_full_keeps_the_cause);
	RUN(test_buf_max);
	RUN(test_backoff);
	return tap_done();
}
