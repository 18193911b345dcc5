/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opt: command line flags with the grammar and messages of Go's flag package
 * (spec/contract.md 1.0): one or two dashes, "-x v" or "-x=v", booleans never take the next word,
 * flags end at the first other word or after "--".
 */
#ifndef TOOLS_OPT_H
#define TOOLS_OPT_H

#include "engine/base/err.h"

enum opt_kind {
	OPT_STRING, /* const char * */
	OPT_BOOL,   /* bool */
	OPT_INT,    /* int64_t */
	OPT_TXID,   /* uint64_t */
	OPT_LATER,  /* of the released program, not supported yet: an error */
};

struct opt {
	const char *name; /* NULL ends the table */
	enum opt_kind kind;
	void *value;
};

/* Returns the index of the first positional argument in argv, 0..argc, or -EINVAL with the text. */
LS_MUST_USE int opt_parse(const struct opt *opts, int argc, char **argv, struct ls_err *err);

#endif
