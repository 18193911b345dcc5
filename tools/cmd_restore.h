/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_restore: the plan that "restore -dry-run" prints. */
#ifndef TOOLS_CMD_RESTORE_H
#define TOOLS_CMD_RESTORE_H

#include "engine/conf/conf.h"
#include "engine/replica/plan.h"

struct cmd_restore_plan {
	const struct conf_replica *replica;
	const char *output;
	const struct plan_target *target;
	bool json;
};

/* Prints what a restore would fetch; writes nothing. Errors as restore_run(): -ENOENT: no backup.
 */
LS_MUST_USE int cmd_restore_plan_print(const struct cmd_restore_plan *p, struct store *store,
				       const struct store_call *call, struct ls_err *err);

#endif
