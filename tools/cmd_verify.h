/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the verify command. */
#ifndef TOOLS_CMD_VERIFY_H
#define TOOLS_CMD_VERIFY_H

#include "engine/conf/conf.h"
#include "engine/replica/unpack.h"
#include "engine/replica/verify.h"
#include "engine/sync/compare.h"

enum cmd_verify_live {
	CMD_VERIFY_NONE, /* not asked for */
	CMD_VERIFY_SAME,
	CMD_VERIFY_DIFFERENT,
	CMD_VERIFY_ABSENT, /* there is no live database here to compare with */
	CMD_VERIFY_UNKNOWN,
};

struct cmd_verify {
	bool deep;
	unsigned parallelism;
	struct catalog cat;
	struct catalog_point *points;
	size_t npoints;
	struct catalog_gap *gaps;
	size_t ngaps;
	struct ls_err chain; /* code 0: the newest state can be reached */
	struct verify_result objects;
	uint64_t txid;	     /* that was restored */
	struct ls_err check; /* of restore and SQLite's check */
	enum cmd_verify_live live;
	struct ls_err live_why;
	struct compare_result compared;
};

/* The deep part. */
struct cmd_verify_deep {
	struct cmd_verify *v;
	const struct store_call *call;
	char *dir, *path; /* of what was restored */
	struct compare live;
	bool held;
	struct catalog sound; /* what the restore has read and found sound */
};

/* Holds the live database, if db is not NULL, and restores. Call cmd_verify_deep_end() in any case.
 * 1: the restore failed, which is a finding. Fails when even that was not begun. */
LS_MUST_USE int cmd_verify_deep_begin(struct cmd_verify *v, const struct conf_db *db,
				      struct store *store, const struct store_call *call,
				      struct cmd_verify_deep *ret, struct ls_err *err);
/* Lets SQLite check what was restored, and compares. */
LS_MUST_USE int cmd_verify_deep_check(struct cmd_verify_deep *d, struct ls_err *err);
void cmd_verify_deep_end(struct cmd_verify_deep *d);

#endif
