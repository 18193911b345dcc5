/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack: the files in the packs of a replica (format/pack.h) become files of level 0 of its
 * catalog, as if each were an object of its own. One that is an object, too, stays that.
 *
 * A pack that has expired meanwhile is passed over; one whose index is damaged, too, with a warning
 * in the log: its files are then missing, and nothing else.
 * Cost: one request a pack, two if it holds more than 650 files.
 */
#ifndef ENGINE_REPLICA_UNPACK_H
#define ENGINE_REPLICA_UNPACK_H

#include "engine/format/pack.h"
#include "engine/replica/plan.h"

/* The files of one pack, caller frees. -EBADMSG, -EINVAL: damaged or unknown. *ret NULL: it is
 * gone.
 */
LS_MUST_USE int
unpack_read(const struct replica *r, const struct store_call *call, const struct catalog_file *pack,
	    struct pack_file **ret, size_t *ret_n, struct ls_err *err);
/* All packs. What known (an older catalog of the same replica, or NULL) has of them is not read
 * again. */
LS_MUST_USE int
unpack_all(struct catalog *c, const struct replica *r, const struct store_call *call,
	   const struct catalog *known, struct ls_err *err);

/* Lists the replica, with the files in all packs and exact times. */
LS_MUST_USE int unpack_load(const struct replica *r, const struct store_call *call,
			    struct catalog *ret, struct ls_err *err);

/* Lists the replica, reads of its times and packs what this target needs, and plans; the plan
 * borrows from ret_cat. -ENOENT without wrapping: the replica has no LTX file (ret_cat->n is 0). */
LS_MUST_USE int unpack_plan(const struct replica *r, const struct store_call *call,
			    const struct plan_target *target, struct catalog *ret_cat,
			    struct plan *ret, struct ls_err *err);

#endif
