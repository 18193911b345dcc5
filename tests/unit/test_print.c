/* SPDX-License-Identifier: Apache-2.0 */
/* Golden texts of tables, JSON and sizes: spec/contract.md 1.0. */
#include "config.h"

#include "engine/base/clock.h"
#include "tests/lib/tap.h"
#include "tools/print.h"
#include "tools/progress.h"

#include <stdlib.h>
#include <unistd.h>

static int saved = -1;
static FILE *file;

/* From here on standard output goes to a file, until captured() gives what it holds. */
static void
capture(void)
{
	fflush(stdout);
	saved = dup(1);
	file = tmpfile();
	dup2(fileno(file), 1);
}

static const char *
captured(void)
{
	static char text[65536];
	size_t n;

	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	rewind(file);
	n = fread(text, 1, sizeof text - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

static void
test_tables(void)
{
	static const char *const cells[] = {
		"level", "size", "created", "0", "12345678", "now", "9", "\xc3\xa9\xc3\xa9\xc3\xa9",
		""};
	struct ls_err err;
	int rc;

	capture();
	rc = print_table(3, 2, cells, &err);
	is_str(captured(),
	       "level  size      created\n"
	       "0      12345678  now\n"
	       "9      \xc3\xa9\xc3\xa9\xc3\xa9       \n",
	       "columns are padded, the last one is not, characters count");
	is_int(rc, 0, "and it succeeds");
	capture();
	rc = print_table(3, 0, cells, &err);
	is_str(captured(), "level  size  created\n", "the header without rows");
	is_int(rc, 0, "and it succeeds");
}

static void
test_json(void)
{
	struct ls_err err;
	json_t *list = json_array();
	int rc;

	capture();
	rc = print_json(json_array(), &err);
	is_str(captured(), "[]\n", "an empty list");
	is_int(rc, 0, "and it succeeds");
	is_int(print_append(list,
			    json_pack("{s:s, s:I}", "url", "a<b>&c\"\xc3\xa9\n", "n",
				      (json_int_t)INT64_MAX),
			    &err),
	       0, "an object");
	capture();
	rc = print_json(list, &err);
	is_str(captured(),
	       "[\n  {\n    \"url\": \"a\\u003cb\\u003e\\u0026c\\\"\xc3\xa9\\n\",\n"
	       "    \"n\": 9223372036854775807\n  }\n]\n",
	       "two-space indent, escapes, keys in the order given");
	is_int(rc, 0, "and it succeeds");
	is_int(print_json(NULL, &err), -ENOMEM, "nothing to print is an error");
	is_int(print_append(NULL, json_true(), &err), -ENOMEM, "nothing to append to is one");
}

static void
becomes(const char *bytes, const char *want)
{
	json_t *s = print_string(bytes);

	is_str(json_string_value(s), want, "a JSON string of any bytes");
	json_decref(s);
}

static void
test_strings(void)
{
	becomes("", "");
	becomes("abc", "abc");
	becomes("\xc3\xa9\xf0\x9f\x98\x80", "\xc3\xa9\xf0\x9f\x98\x80");
	becomes("a\xff\xc3\xa9\xc3", "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd");
	becomes("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void
test_bytes(void)
{
	static const struct {
		double n;
		const char *want;
	} cases[] = {
		{0, "0 B"},	    {999, "999 B"},   {1000, "1.0 kB"},
		{4200, "4.2 kB"},   {33000, "33 kB"}, {999499, "999 kB"},
		{999999, "1.0 MB"}, {1e6, "1.0 MB"},  {1500000000, "1.5 GB"},
		{9.96e9, "10 GB"},  {5e12, "5.0 TB"}, {5e15, "5000 TB"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[32];

		progress_bytes(cases[i].n, text);
		is_str(text, cases[i].want, "size for people");
	}
}

static void
test_progress(void)
{
	struct progress p;
	FILE *f = tmpfile();
	int kept = dup(2);
	char got[1000];
	size_t n;

	fflush(stderr);
	dup2(fileno(f), 2);
	clock_fake(0, 0);
	progress_init(&p);
	ok(!p.enabled, "a file is no terminal");
	progress_show(&p, 1, 2);
	p.enabled = true;
	clock_fake(0, UINT64_C(999000000));
	progress_show(&p, 50000000, 200000000);
	clock_fake(0, UINT64_C(2000000000));
	progress_show(&p, 50000000, 200000000);
	clock_fake(0, UINT64_C(2100000000));
	progress_show(&p, 60000000, 200000000);
	clock_fake(0, UINT64_C(4000000000));
	progress_show(&p, 200000000, 200000000);
	progress_done(&p);
	clock_real();
	fflush(stderr);
	dup2(kept, 2);
	close(kept);
	rewind(f);
	n = fread(got, 1, sizeof got - 1, f);
	got[n] = '\0';
	fclose(f);
	is_str(got,
	       "\r\033[K50 MB of 200 MB, 25 MB/s, 6 s left"
	       "\r\033[K200 MB of 200 MB, 50 MB/s, 0 s left\r\033[K",
	       "not in the first second, at most five times a second, cleared in the end");
}

int
main(void)
{
	RUN(test_tables);
	RUN(test_json);
	RUN(test_strings);
	RUN(test_bytes);
	RUN(test_progress);
	return tap_done();
}
