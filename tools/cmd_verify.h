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

/* Restores, lets SQLite check and compares; db may be NULL. Fails when even that was not begun. */
LS_MUST_USE int cmd_verify_deep(struct cmd_verify *v, const struct conf_db *db, struct store *store,
				const struct store_call *call, struct ls_err *err);

#endif
