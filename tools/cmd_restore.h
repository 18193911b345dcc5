/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_restore: the plan that "restore -dry-run" prints, and what "restore -f" does. */
#ifndef TOOLS_CMD_RESTORE_H
#define TOOLS_CMD_RESTORE_H

#include "engine/conf/conf.h"
#include "engine/replica/plan.h"
#include "engine/view/restore.h"
#include "tools/source.h"

struct cmd_restore_plan {
	const struct conf_replica *replica;
	const char *output;
	const struct plan_target *target;
	const char *generation; /* of Litestream 0.3; NULL: any */
	bool by_index;
	uint32_t index;
	bool json;
};

/* Prints what a restore would fetch; writes nothing. Errors as restore_run(): -ENOENT: no backup.
 */
LS_MUST_USE int cmd_restore_plan_print(const struct cmd_restore_plan *p, struct store *store,
				       const struct store_call *call, struct ls_err *err);

struct cmd_follow {
	const char *output;
	struct restore_opts restore; /* of the first state */
	uint64_t interval_ms;	     /* between looks at the replica */
	/* The first state is there: r NULL, it was there before. May be NULL. */
	int (*restored)(void *arg, const struct restore_result *r, struct ls_err *err);
	void *arg;
};

/* Restores, or resumes, and goes on until call->stop fires: that is success. Of several replicas
 * the best one is followed, as long as it answers. */
LS_MUST_USE int cmd_follow_run(const struct cmd_follow *f, struct source *s,
			       const struct store_call *call, struct ls_err *err);

#endif
