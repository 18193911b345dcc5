/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/tap.h"
#include "tools/child.h"

#include <string.h>

/* The words joined by |, or the error. */
static const char *
split(const char *command, const char **rest)
{
	static char out[512];
	struct ls_err err = {0};
	char **v = NULL;

	*out = '\0';
	if (child_words(command, &v, rest, &err) < 0)
		return strncpy(out, err.msg, sizeof out - 1);
	for (size_t i = 0; v[i]; i++) {
		snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s", i ? "|" : "", v[i]);
		free(v[i]);
	}
	free(v);
	return out;
}

static void
test_words(void)
{
	static const char invalid[] = "cannot parse exec command: invalid command line string";
	static const char *const cases[][2] = {
		{"app", "app"},
		{"  app \t-p\n80 ", "app|-p|80"},
		{"app 'a b' \"c d\"", "app|a b|c d"},
		{"app a'b'\"c\"d", "app|abcd"},
		{"app '' \"\"", "app||"},
		{"app 'a\\b' \"a\\\"b\\c\" a\\ b", "app|a\\b|a\"bc|a b"},
		{"app $HOME ~ *", "app|$HOME|~|*"},
		{"app 'it", invalid},
		{"app \"it", invalid},
		{"app \"it\\", invalid},
		{"app \\", invalid},
		{"app (x)", invalid},
		{"", "cannot parse exec command: it names no program"},
		{" \t", "cannot parse exec command: it names no program"},
		{"; app", "cannot parse exec command: it names no program"},
	};
	const char *rest;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		is_str(split(cases[i][0], &rest), cases[i][1], "words");
}

static void
test_rest(void)
{
	const char *rest = NULL;

	is_str(split("a && b", &rest), "a", "a list ends at its first command");
	is_str(rest, "&& b", "and the rest is known");
	is_str(split("a 'b;c'|d", &rest), "a|b;c", "a quoted one does not end it");
	is_str(rest, "|d", "a bare one does");
	split("a b", &rest);
	ok(rest == NULL, "nothing is left out");
}

int
main(void)
{
	RUN(test_words);
	RUN(test_rest);
	return tap_done();
}
