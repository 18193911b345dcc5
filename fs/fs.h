/* SPDX-License-Identifier: Apache-2.0 */
/* fs: what all files of the mount share. */
#ifndef FS_FS_H
#define FS_FS_H

#define FUSE_USE_VERSION 314

#include "engine/base/job.h"
#include "engine/base/stop.h"
#include "engine/view/old.h"
#include "engine/view/view.h"
#include "fs/names.h"
#include "fs/points.h"
#include "fs/raw.h"
#include "fs/tree.h"

#include <fuse_lowlevel.h>

struct fs {
	struct history *history;
	struct points points;
	struct old *old; /* what the replica holds of Litestream 0.3 */
	bool has_old;	 /* it held something when it was mounted */
	struct raw raw;
	struct names names;	/* of generations and keys */
	struct job_pool *fetch; /* whatever may block */
	struct job_pool *push;	/* one thread: pages into the kernel's cache */
	struct fuse_session *session;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	uint64_t timeout_ms;
	int64_t start_s;	   /* times of directories */
	void (*ready)(void *arg);  /* called at INIT */
	void (*opened)(void *arg); /* called once, at the first open, from a thread of the pool */
	atomic_bool was_opened;
	void *ready_arg;
};

#endif
