/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mopts: the command line of mount.litestream, as mount(8) and fstab give it (design fuse.md A5).
 * Threads: single.
 */
#ifndef FS_MOPTS_H
#define FS_MOPTS_H

#include "engine/base/buf.h"

#include <sys/types.h>

struct mopts {
	const char *spec, *dir;
	char *config;  /* -o config=: spec is a database of this file */
	char *replica; /* -o replica=: its name */
	bool fake, foreground, verbose, help, version;
	bool allow_other;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	bool umask_set;
	uint64_t timeout_ms;
	uint64_t cache_bytes; /* 0: default */
	unsigned threads;
	struct ls_buf kernel; /* options for the kernel and libfuse, comma separated */
};

/* -EINVAL: usage, unknown option. */
LS_MUST_USE int mopts_parse(int argc, char **argv, struct mopts *ret, struct ls_err *err);
void mopts_done(struct mopts *m);

/* "fsname=" value for libfuse: without a query, which may hold secrets, and with ',' and '\'
 * escaped. */
LS_MUST_USE int mopts_fsname(const char *spec, struct ls_buf *out);

extern const char mopts_usage[];

#endif
