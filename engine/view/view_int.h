/* SPDX-License-Identifier: Apache-2.0 */
/* view_int: what the files of a view share. */
#ifndef ENGINE_VIEW_VIEW_INT_H
#define ENGINE_VIEW_VIEW_INT_H

#include "engine/view/history_int.h"
#include "engine/view/pagemap.h"
#include "engine/view/view.h"

struct view {
	struct history *history;
	struct view *next; /* next and refs: under history's lock */
	unsigned refs;
	uint64_t stamp;
	struct view_info info;
	struct object **objs; /* newest first; one reference each */
	size_t nobjs;
	struct pagemap map;
};

/* Opens the objects of plan into v->objs, several at a time. On failure some of them may be set. */
LS_MUST_USE int view_load_objects(struct view *v, const struct store_call *call,
				  const struct plan *plan, struct ls_err *err);

#endif
