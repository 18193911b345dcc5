/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload: local LTX files -> one replica, in TXID order, and what is known of that replica.
 *
 * It owns the durable catalog and the cursor in the state directory. No request is made while there
 * is nothing to send. Threads: single (one owner for each replica).
 */
#ifndef ENGINE_SYNC_UPLOAD_H
#define ENGINE_SYNC_UPLOAD_H

#include "engine/conf/conf.h"
#include "engine/replica/catalog_log.h"
#include "engine/replica/levels.h"
#include "engine/sync/stage.h"

struct upload;

struct upload_info {
	uint64_t acked;	     /* every batch up to here is in the replica */
	uint64_t remote_max; /* highest TXID over all levels, whoever wrote it */
	bool has_base;	     /* a file with min 1 exists: what follows is protected (H26) */
	bool fresh;	     /* the replica holds no LTX file at all */
	bool whole;	     /* its newest state can be restored: there is no gap before it */
	bool met;	     /* this state directory has seen it before */
	uint64_t image;	     /* a full image that was sent and needs its snapshot; 0: none */
};

/* The newest TXID that is known to be in the replica, without opening anything; 0: none. */
LS_MUST_USE int upload_read_cursor(const char *meta_path, const struct conf_replica *conf,
				   uint64_t *ret_acked, struct ls_err *err);

/* own_copies: the replica is to share no file with another one of the same disk. counts: outlive
 * it. */
LS_MUST_USE int
upload_open(const struct statedir *dir, const struct conf_replica *conf, bool own_copies,
	    struct store_counts *counts, struct upload **ret, struct ls_err *err);
void upload_close(struct upload *u);
/* From now on batches stay here when they are sent, at most 64 MiB of them, until upload_maintain()
 * needs them no more: it fetches none of those. */
LS_MUST_USE int upload_keep_recent(struct upload *u, struct ls_err *err);
/* Removes those with a lower TXID; false: there is none. Threads: any. */
bool upload_recent_forget(struct upload *u, uint64_t to);

/*
 * Contacts the replica: root (created only if this state directory has never seen it: H86,
 * decisions.md 16), durable catalog if it is bound to this root, else one listing of all levels.
 * To be repeated after any error of upload_file().
 */
LS_MUST_USE int upload_connect(struct upload *u, const struct store_call *call, struct ls_err *err);
/* After an error: whether the replica is still the one that was connected to. -ESTALE: another one,
 * or somebody else has written there: begin with upload_connect(). */
LS_MUST_USE int
upload_reconnect(struct upload *u, const struct store_call *call, struct ls_err *err);
/* Closes what is opened again when there is something to send. */
void upload_rest(struct upload *u);
/* Whether the last failure was that of a local file. */
bool upload_local_gone(const struct upload *u);
const struct upload_info *upload_info(const struct upload *u);

/* Whether the newest L0 file of the replica is byte for byte the local one (size and trailer). */
LS_MUST_USE int upload_same_tail(struct upload *u, const struct store_call *call, bool *ret_same,
				 struct ls_err *err);

/*
 * Puts the local file of txid at level 0 (create-only), then records it. -EEXIST: the replica holds
 * another file of that name: somebody else writes there (H31).
 *   image  it is a full image: its snapshot is due (info.image), or, where the replica has nothing
 * that leads to it, goes first
 */
LS_MUST_USE int upload_file(struct upload *u, const struct store_call *call, uint64_t txid,
			    bool image, struct ls_err *err);

/*
 * Puts a level-9 snapshot 1..*ret_txid made from the local full image of that TXID: the same
 * encoded pages under another header (decisions.md 3). 0: none is due. The image must be here till
 * then; if it is not, the snapshot is upload_maintain()'s. The lock and the thread are those of
 * upload_maintain(), which merges nothing while a snapshot is due.
 */
LS_MUST_USE int
upload_snapshot(struct upload *u, pthread_mutex_t *lock, const struct store_call *call,
		uint64_t *ret_txid, struct ls_err *err);

struct held;

/* Puts the level-9 snapshot 1..txid of what is held (held.h), from which the replica can go on, and
 * ends the hold as soon as it is written. */
LS_MUST_USE int
upload_base(struct upload *u, const struct store_call *call, struct held *from, struct ls_err *err);

/*
 * Merges what is due by levels.h and deletes what has expired. By one thread, beside the owner: the
 * lock is the owner's, held by it during each call from upload_connect() on, and taken here for
 * short. The upload must not be closed meanwhile.
 *   ret_due_ms  wall clock: when there may be more to do; INT64_MAX: not before something is sent
 */
LS_MUST_USE int
upload_maintain(struct upload *u, pthread_mutex_t *lock, const struct levels_conf *k,
		const struct store_call *call, int64_t *ret_due_ms, struct ls_err *err);

/* What an audit found. */
struct upload_audit {
	size_t missing;	 /* files that the catalog has and the replica has not */
	size_t foreign;	 /* the reverse: they are in the catalog now */
	size_t overlaps; /* files of a level that begin before the one before them ends */
	size_t gaps;	 /* TXIDs that lead to no state, see catalog_gaps() */
	bool whole;	 /* the newest state can be restored */
	char first[REPLICA_KEY_MAX]; /* key of the first one that is missing, or foreign */
};

/* Lists the replica and compares it with the catalog. The lock as for upload_maintain(); it is not
 * held while listing, and what changes meanwhile does not count. */
LS_MUST_USE int upload_audit(struct upload *u, pthread_mutex_t *lock, const struct store_call *call,
			     struct upload_audit *ret, struct ls_err *err);
/* Reads the newest file of this level back, whole, and looks whether it goes on where the one
 * before it ends, or a snapshot does. -EBADMSG: not. */
LS_MUST_USE int upload_verify_newest(struct upload *u, pthread_mutex_t *lock, int level,
				     const struct store_call *call, struct ls_err *err);

#endif
