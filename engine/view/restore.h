/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore: plan -> database file. A replica that holds generations of Litestream 0.3, too, gives
 * the newer state of the two formats, of those that the target allows. LTX: Newest file first, a
 * bitmap of pages already written, every file verified whole, large ones decoded by several
 * threads; temporary file, fsync, rename, fsync of the directory. On failure and cancellation
 * nothing is left behind. Memory: 1 bit a page, some MiB for each thread; descriptors: a few,
 * whatever the number of files.
 */
#ifndef ENGINE_VIEW_RESTORE_H
#define ENGINE_VIEW_RESTORE_H

#include "engine/replica/plan.h"
#include "engine/view/integrity.h"

struct restore_progress {
	uint64_t done, total; /* bytes of stored objects */
};

struct restore_opts {
	const char *output;
	struct plan_target target;
	/* Of Litestream 0.3: with one of them only generations are looked at. */
	const char *generation; /* NULL: any */
	bool by_index;
	uint32_t index;
	bool force;		   /* replace an existing output and its -wal, -shm, -journal */
	enum integrity_mode check; /* before the output gets its name */
	bool follow;		   /* the output will be followed (follow.h): in rollback mode */
	unsigned parallelism;	   /* threads; 0: number of cores, at most 8 */
	/* May be NULL; from any thread, one call at a time; short. */
	void (*progress)(void *arg, const struct restore_progress *p);
	void *progress_arg;
	/* May be NULL: called at the end for each LTX file that was read, whole, and is sound. */
	int (*read)(void *arg, const struct catalog_file *f, struct ls_err *err);
	void *read_arg;
};

struct restore_result {
	uint64_t txid; /* 0: from a generation */
	uint64_t size;
	uint32_t page_size;
	size_t nfiles;
};

/*
 * -EEXIST: the output exists and is not empty, or a sidecar file of it exists, and force is not
 * set; nothing was read. -ENOENT: no such point, or the replica is provably empty. Others: as
 * plan_build() and the store say; -EBADMSG: damage, naming the object.
 * Re-plans when an object vanished meanwhile (a few times).
 */
LS_MUST_USE int
restore_run(struct store *store, const struct store_call *call, const struct restore_opts *opts,
	    struct restore_result *ret, struct ls_err *err);

/* How many objects a restore asks for, of one LTX file of this size: those of at most 1 MiB in one
 * request, others in parts of that size, with header, index and end apart. */
uint64_t restore_requests(uint64_t file_size);

/* The checks on the output path alone, in the words of the contract. */
LS_MUST_USE int restore_check_output(const char *output, bool force, struct ls_err *err);

#endif
