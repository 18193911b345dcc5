/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held: the pages of a database as one captured batch left it, held still by a read transaction,
 * while the application and its capture go on. Its WAL is not begun anew meanwhile.
 *
 * Why that is one state: nothing behind the read transaction gets into the database file, and of
 * the frames behind it, up to the last one that belongs to the batch, none is overwritten.
 * Memory: 4 bytes a page. Threads: one at a time; it may be another one than the capture's.
 */
#ifndef ENGINE_SYNC_HELD_H
#define ENGINE_SYNC_HELD_H

#include "engine/sync/db.h"

struct held {
	struct db db; /* its own connection and descriptor */
	uint64_t txid;
	int64_t time_ms; /* of the batch; 0: unknown */
	uint32_t npages;
	uint32_t *frames; /* of each page, from 1: where in the WAL it is; 0: in the file */
};

/* Begins to hold, beside a database that is open. Whatever is captured next can be fixed. */
LS_MUST_USE int held_begin(const struct db *db, struct held *ret, struct ls_err *err);
/* The state is npages long: the file, and frames done + 1 .. last of the WAL over it, where those
 * up to done were in the file some time after the begin, or before it. -EAGAIN: the wal-index
 * cannot be read. */
LS_MUST_USE int
held_fix(struct held *h, uint32_t npages, uint32_t done, uint32_t last, struct ls_err *err);
/* n pages from first on; *ret_n: bytes, fewer only where the file ends. The rest is zero. */
LS_MUST_USE int held_read(struct held *h, uint32_t first, uint32_t n, uint8_t *out, size_t *ret_n,
			  struct ls_err *err);
void held_end(struct held *h); /* safe on one whose wal_fd is -1 and all else zero */

#endif
