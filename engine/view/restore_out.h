/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_out: the output file of a restore: OUT.tmp until it is complete, then OUT.
 * Threads: restore_out_write() from any, the rest single.
 */
#ifndef ENGINE_VIEW_RESTORE_OUT_H
#define ENGINE_VIEW_RESTORE_OUT_H

#include "engine/view/integrity.h"

#include <stdatomic.h>
#include <stdint.h>

struct restore_out {
	char *path, *tmp, *dir;
	int fd;
	bool force;
	pthread_mutex_t lock;	       /* one write at a time: the kernel's inode lock spins */
	_Atomic uint64_t written_back; /* the disk was told to write what lies below */
};

/* Refuses as restore_check_output() says; makes missing parents; locks and empties OUT.tmp, which
 * an earlier crash may have left. -EBUSY: another restore writes it. */
LS_MUST_USE int
restore_out_begin(const char *path, bool force, struct restore_out *ret, struct ls_err *err);
/* It will have about n bytes. */
void restore_out_expect(struct restore_out *o, uint64_t n);
LS_MUST_USE int
restore_out_write(struct restore_out *o, const void *p, size_t n, uint64_t off, struct ls_err *err);
/* SQLite's check of what was written, which will have this size. */
LS_MUST_USE int restore_out_check(struct restore_out *o, uint64_t size, enum integrity_mode mode,
				  const struct stop *stop, struct ls_err *err);
/* Sets the size, makes it durable, removes old sidecar files, gives it its name. */
LS_MUST_USE int restore_out_commit(struct restore_out *o, uint64_t size, struct ls_err *err);
/* Removes OUT.tmp unless committed; safe on a zeroed struct with fd -1 and after commit. */
void restore_out_done(struct restore_out *o);

#endif
