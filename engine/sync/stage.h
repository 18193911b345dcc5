/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage: the local LTX files of a database: ltx/0/MIN-MAX.ltx in the state directory.
 *
 * From stage_commit() on a batch is ours: the file is complete and durable under its name. A crash
 * before that may leave the name of a file that is not whole: whoever opens the directory again
 * drops what the position record does not know.
 * Threads: single (the owner of the database); files that are committed may be read by any.
 */
#ifndef ENGINE_SYNC_STAGE_H
#define ENGINE_SYNC_STAGE_H

#include "engine/format/ltx_enc.h"
#include "engine/sync/statedir.h"

struct stage_file {
	struct statedir *dir;
	uint64_t txid;
	int fd;
	char *tmp; /* its name until it is committed */
	uint64_t size;
	struct ls_buf pending; /* bytes not written yet, at most 1 MiB */
};

LS_MUST_USE int
stage_begin(struct statedir *dir, uint64_t txid, struct stage_file *ret, struct ls_err *err);
/* An ltx_sink_fn; arg is the stage_file. */
int stage_write(void *arg, const void *p, size_t n, struct ls_err *err);
/* Time of the file = transaction time; rename, fsync, fsync of the directory. -EEXIST: there is one
 * of this TXID, which stays. */
LS_MUST_USE int stage_commit(struct stage_file *f, int64_t time_ms, struct ls_err *err);
/* Removes it unless committed. Safe after commit and on a zeroed struct with fd -1. */
void stage_abort(struct stage_file *f);

/* An unlinked file in the state directory for a page index that is too large for memory. */
struct stage_spill {
	struct ltx_spill spill;
	int fd;
};

LS_MUST_USE int stage_spill_open(const struct statedir *dir, int *ret_fd, struct ls_err *err);
/* The spill over fd, for ltx_enc.spill; s and fd must outlive the encoder. */
const struct ltx_spill *stage_spill_init(struct stage_spill *s, int fd);

struct stage_entry {
	uint64_t txid;
	uint64_t size;
};

/* Local files, ascending; caller frees. Names that are not ours are left alone. */
LS_MUST_USE int
stage_list(const struct statedir *dir, struct stage_entry **ret, size_t *ret_n, struct ls_err *err);
/* Path of one file; caller frees; NULL when memory is short. */
char *stage_path(const struct statedir *dir, uint64_t txid);
LS_MUST_USE int stage_remove(const struct statedir *dir, uint64_t txid, struct ls_err *err);
/* Removes files with a TXID below keep (H45: the newest always stays). */
LS_MUST_USE int stage_prune(const struct statedir *dir, uint64_t keep, struct ls_err *err);

#endif
