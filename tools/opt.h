/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opt: command line flags with the grammar and messages of Go's flag package
 * (spec/contract.md 1.0): one or two dashes, "-x v" or "-x=v", booleans never take the next word,
 * flags end at the first other word or after "--", of a repeated flag the last one counts.
 */
#ifndef TOOLS_OPT_H
#define TOOLS_OPT_H

#include "engine/base/err.h"

enum opt_kind {
	OPT_STRING,   /* const char *, points into argv */
	OPT_BOOL,     /* bool */
	OPT_INT,      /* int64_t */
	OPT_TXID,     /* uint64_t, 1 to 16 hex digits */
	OPT_DURATION, /* int64_t, ms: 1.5s, 500ms, 1h30m */
	OPT_LATER,    /* of the released program, not supported yet: an error */
};

struct opt {
	const char *name; /* NULL ends the table */
	enum opt_kind kind;
	void *value; /* set only by a good value */
};

enum {
	OPT_USAGE = 1, /* bad flag or value, err says which: the usage helps */
	OPT_HELP = 2,  /* -h or -help */
};

/* Returns 0 and the index of the first positional argument, 0..argc; OPT_USAGE; OPT_HELP; or
 * -EINVAL: a flag that is not supported yet. */
LS_MUST_USE int
opt_parse(const struct opt *opts, int argc, char **argv, int *ret_first, struct ls_err *err);

/* -EINVAL unless one positional argument is left. what: "database path"; of none, *ret_hint becomes
 * the example. */
LS_MUST_USE int
opt_one(int left, const char *what, const char *example, const char **ret_hint, struct ls_err *err);

/* Whether a word is exactly -h, -help or --help. */
bool opt_is_help(const char *word);

#endif
