/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap: our own small TAP printer for test programs.
 *
 *   int main(void) { RUN(test_one); RUN(test_two); return tap_done(); }
 *
 * ok(cond, fmt, ...) prints one line each. A test program exits 0 when all passed.
 */
#ifndef TESTS_LIB_TAP_H
#define TESTS_LIB_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 4, 5), unused)) static bool
tap_line(bool pass, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", pass ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!pass) {
		tap_failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return pass;
}

#define ok(cond, ...) tap_line((cond), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, what)                                                                    \
	tap_is_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, what)
#define is_u64(got, want, what)                                                                    \
	tap_is_u64((uint64_t)(got), (uint64_t)(want), __FILE__, __LINE__, what)
#define is_str(got, want, what) tap_is_str((got), (want), __FILE__, __LINE__, what)
#define RUN(fn) (printf("# %s\n", #fn), fn())

__attribute__((unused)) static bool
tap_is_int(int64_t got, int64_t want, const char *file, int line, const char *what)
{
	if (!tap_line(got == want, file, line, "%s", what))
		printf("# got %" PRId64 ", want %" PRId64 "\n", got, want);
	return got == want;
}

__attribute__((unused)) static bool
tap_is_u64(uint64_t got, uint64_t want, const char *file, int line, const char *what)
{
	if (!tap_line(got == want, file, line, "%s", what))
		printf("# got %016" PRIx64 ", want %016" PRIx64 "\n", got, want);
	return got == want;
}

__attribute__((unused)) static bool
tap_is_str(const char *got, const char *want, const char *file, int line, const char *what)
{
	bool same = got && want ? strcmp(got, want) == 0 : got == want;

	if (!tap_line(same, file, line, "%s", what))
		printf("# got '%s', want '%s'\n", got ? got : "(null)", want ? want : "(null)");
	return same;
}

/* The rest of the program cannot run here. */
__attribute__((unused)) static int
tap_skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	return 0;
}

__attribute__((unused)) static int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
