/* SPDX-License-Identifier: Apache-2.0 */
/*
 * localstate: what a database's own files and its state directory say, read beside a daemon that
 * may be running: nothing is locked, made or changed, and no replica is asked. Threads: any. Cost:
 * one listing and a few small reads.
 */
#ifndef ENGINE_SYNC_LOCALSTATE_H
#define ENGINE_SYNC_LOCALSTATE_H

#include "engine/conf/conf.h"

enum localstate_kind {
	LOCALSTATE_NO_DATABASE,
	LOCALSTATE_NOT_INITIALIZED, /* no local LTX file */
	LOCALSTATE_OK,
	LOCALSTATE_ERROR, /* the local LTX files cannot be listed */
};

struct localstate {
	enum localstate_kind kind;
	uint64_t wal_size;
	uint64_t txid;	/* newest local batch; 0: none */
	uint64_t acked; /* newest one that is known to be in all replicas; 0: unknown */
	uint64_t waiting,
		waiting_bytes;	  /* local files that the replica lacks, the oldest of them */
	int64_t waiting_since_ms; /* wall clock; 0: none */
	int pid;		  /* of the daemon that replicates it; 0: none runs */
};

/* A database without a replica (conf_db_new()): nothing is known to wait. -ENOMEM only; err says
 * why for LOCALSTATE_ERROR. */
LS_MUST_USE int
localstate_read(const struct conf_db *db, struct localstate *ret, struct ls_err *err);

typedef int localstate_file_fn(void *arg, const char *path, struct ls_err *err);
/* Calls fn for each file that localstate_reset() removes. A negative result ends it. */
LS_MUST_USE int
localstate_files(const struct conf_db *db, localstate_file_fn *fn, void *arg, struct ls_err *err);

/*
 * Removes the local LTX files, the position record and the page hashes: the next start begins with
 * a full image, behind the newest TXID of the replica. The database and the replica are not
 * touched, nor what is known of the replica's identity.
 * -EBUSY: a daemon is using them.
 */
LS_MUST_USE int localstate_reset(const struct conf_db *db, struct ls_err *err);

#endif
