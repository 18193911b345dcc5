/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_generation: a snapshot and WAL segments of Litestream 0.3 -> database file, in one pass.
 * Every frame has to have its place, its salts and its checksum, and every WAL to end with a
 * commit: a segment that is missing or damaged is an error, never a shorter history. Memory: 10
 * MiB.
 */
#ifndef ENGINE_VIEW_RESTORE_GENERATION_H
#define ENGINE_VIEW_RESTORE_GENERATION_H

#include "engine/replica/generations.h"
#include "engine/view/restore.h"
#include "engine/view/restore_out.h"

/* -EBADMSG: damage, naming the object. -ENODATA: a segment is missing. -ESTALE: gone meanwhile. */
LS_MUST_USE int restore_generation(struct store *store, const struct store_call *call,
				   const struct restore_opts *opts,
				   const struct generations_plan *plan, struct restore_out *out,
				   uint64_t *ret_size, uint32_t *ret_page_size, struct ls_err *err);

#endif
