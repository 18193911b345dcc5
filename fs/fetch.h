/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch: one FUSE request that may block, answered from a thread of the pool. The FUSE thread only
 * dispatches. A client that is killed has its answer at once, also while its request waits for a
 * thread, and the work is told to stop; every request has a deadline.
 * Threads: each request belongs to one thread at a time; the loop of the session has one thread.
 */
#ifndef FS_FETCH_H
#define FS_FETCH_H

#include "fs/fs.h"

#include <limits.h>

struct fetch {
	struct job job;
	struct fs *fs;
	fuse_req_t req;
	struct tree_node node; /* of the inode that the request names */
	uint64_t ino;
	struct fuse_file_info fi;
	size_t size;
	off_t off;
	struct stop stop;
	atomic_bool answered;
	struct store_call call;
	void (*run)(struct fetch *f);
	char name[NAME_MAX + 1];
};

/* Takes over req: it is answered by run(), or here when that cannot be, and then it is false. */
bool fetch_start(struct fs *fs, fuse_req_t req, uint64_t ino, void (*run)(struct fetch *f),
		 const struct fetch *what);

/* To be called before the reply. False: the client was killed and has its answer, req is no more.
 * True: no interrupt reaches the request from here on. */
LS_MUST_USE bool fetch_end(struct fetch *f);

#endif
