/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar and the texts of Go's flag package: spec/contract.md 1.0. */
#include "config.h"

#include "tests/lib/tap.h"
#include "tools/opt.h"

#include <stdlib.h>

static const char *text;
static bool once;
static int64_t num;
static uint64_t txid;

static const struct opt opts[] = {
	{"o", OPT_STRING, &text},  {"once", OPT_BOOL, &once}, {"n", OPT_INT, &num},
	{"txid", OPT_TXID, &txid}, {"exec", OPT_LATER, NULL}, {0},
};

/* Splits words at blanks and parses them. Returns the result; *first as opt_parse() set it. */
static int
parse(const char *line, int *first, struct ls_err *err)
{
	static char words[4096], *argv[64];
	int argc = 0;

	snprintf(words, sizeof words, "%s", line);
	for (char *p = words; *p;) {
		argv[argc++] = p;
		p += strcspn(p, " ");
		if (*p)
			*p++ = '\0';
	}
	text = NULL;
	once = false;
	num = -99;
	txid = 0;
	*err = (struct ls_err){0};
	*first = -1;
	return opt_parse(opts, argc, argv, first, err);
}

static void
accepts(const char *line, int want_first)
{
	struct ls_err err;
	int first;

	is_int(parse(line, &first, &err), 0, line);
	is_int(first, want_first, "first positional");
}

static void
refuses(const char *line, const char *want)
{
	struct ls_err err;
	int first;

	is_int(parse(line, &first, &err), OPT_USAGE, line);
	is_str(err.msg, want, "says so");
}

static void
test_grammar(void)
{
	accepts("", 0);
	accepts("-o x", 2);
	is_str(text, "x", "-o x");
	accepts("--o x", 2);
	is_str(text, "x", "--o x");
	accepts("-o=x", 1);
	is_str(text, "x", "-o=x");
	accepts("--o=a=b", 1);
	is_str(text, "a=b", "the first '=' counts");
	accepts("-o=", 1);
	is_str(text, "", "-o= is the empty string");
	accepts("-o -once", 2);
	is_str(text, "-once", "a value flag swallows anything");
	ok(!once, "so that -once is not set");
	accepts("-o a -o b", 4);
	is_str(text, "b", "the last one wins");
	accepts("x -once", 0);
	ok(!once, "flags end at the first other word");
	accepts("-once -- -o y", 2);
	ok(once && !text, "and after --");
	accepts("-once - -o", 1);
	accepts("-once false x", 1);
	ok(once, "a boolean never takes the next word");
	accepts("-once=false x", 1);
	ok(!once, "-once=false");
}

static void
test_values(void)
{
	static const struct {
		const char *word;
		int64_t want;
	} ints[] = {
		{"8", 8},
		{"-8", -8},
		{"+8", 8},
		{"0", 0},
		{"0x10", 16},
		{"0X1f", 31},
		{"0o17", 15},
		{"017", 15},
		{"0b11", 3},
		{"1_0", 10},
		{"0x_1f", 31},
		{"0_7", 7},
		{"9223372036854775807", INT64_MAX},
		{"-9223372036854775808", INT64_MIN},
	};
	static const char *const bad[] = {"",	"x",  "1.5", "08",  "0x",    "0xg", "1__0",
					  "_1", "1_", "1e3", "--1", "0x0x5", "1s",  "0b2"};
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
	struct ls_err err;
	char line[200], want[200];
	int first;

	for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
		snprintf(line, sizeof line, "-n %s", ints[i].word);
		is_int(parse(line, &first, &err), 0, line);
		is_int(num, ints[i].want, "its value");
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(line, sizeof line, "-n=%s", bad[i]);
		snprintf(want, sizeof want, "invalid value \"%s\" for flag -n: parse error",
			 bad[i]);
		refuses(line, want);
		is_int(num, -99, "the value is left alone");
	}
	refuses("-n 9223372036854775808",
		"invalid value \"9223372036854775808\" for flag -n: value out of range");
	refuses("-n -9223372036854775809",
		"invalid value \"-9223372036854775809\" for flag -n: value out of range");
	for (int i = 0; i < 6; i++) {
		snprintf(line, sizeof line, "-once=%s", yes[i]);
		ok(parse(line, &first, &err) == 0 && once, "%s", line);
		snprintf(line, sizeof line, "-once=%s", no[i]);
		ok(parse(line, &first, &err) == 0 && !once, "%s", line);
	}
	refuses("-once=yes", "invalid boolean value \"yes\" for -once: parse error");
	refuses("-once=", "invalid boolean value \"\" for -once: parse error");
}

static void
test_txid(void)
{
	accepts("-txid 000000000000002a", 2);
	is_u64(txid, 42, "16 digits");
	accepts("-txid 2A", 2);
	is_u64(txid, 42, "fewer, capital");
	accepts("-txid ffffffffffffffff", 2);
	is_u64(txid, UINT64_MAX, "the largest");
	refuses("-txid 0", "invalid value \"0\" for flag -txid: invalid txid format");
	refuses("-txid=", "invalid value \"\" for flag -txid: invalid txid format");
	refuses("-txid 0x2a", "invalid value \"0x2a\" for flag -txid: invalid txid format");
	refuses("-txid 00000000000000001",
		"invalid value \"00000000000000001\" for flag -txid: invalid txid format");
}

static void
test_refusals(void)
{
	static const char *const help[] = {"-h",   "-help",    "--help",  "--h",
					   "-h=1", "-once -h", "--help=x"};
	struct ls_err err;
	int first;

	refuses("-x", "flag provided but not defined: -x");
	refuses("--once1", "flag provided but not defined: -once1");
	refuses("-on", "flag provided but not defined: -on");
	refuses("-x=1", "flag provided but not defined: -x");
	refuses("-o", "flag needs an argument: -o");
	refuses("---x", "bad flag syntax: ---x");
	refuses("-=x", "bad flag syntax: -=x");
	refuses("--=", "bad flag syntax: --=");
	is_int(parse("-exec app", &first, &err), -EINVAL, "a flag of later");
	is_str(err.msg, "flag -exec is not supported yet by this build", "says so");
	for (size_t i = 0; i < sizeof help / sizeof help[0]; i++)
		is_int(parse(help[i], &first, &err), OPT_HELP, help[i]);
	is_int(parse("-o -h", &first, &err), 0, "-h as a value is no help");
	ok(opt_is_help("-h") && opt_is_help("-help") && opt_is_help("--help") &&
		   !opt_is_help("--h") && !opt_is_help("-h=1") && !opt_is_help("help"),
	   "the words that make help a success");
}

int
main(void)
{
	RUN(test_grammar);
	RUN(test_values);
	RUN(test_txid);
	RUN(test_refusals);
	return tap_done();
}
