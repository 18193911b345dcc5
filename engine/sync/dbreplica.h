/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dbreplica: one replica of a database: what it has, and its two lanes.
 *
 * All replicas of a database are fed from one spool, each at its own pace, with its own cursor,
 * catalog and backoff, so that one that is away holds back neither the others nor the WAL:
 *
 *   AWAY    it has not answered since the database was opened. Batches wait for it in the spool if
 *           it has been met before.
 *   BEHIND  it lacks batches that are not here any more. It goes on from a base: a snapshot of the
 *           live database, which the capture lane holds still for it (dbtask_replicas.c).
 *   READY   it has everything up to acked, and gets what follows.
 *
 * Threads: each lane by at most one thread; the atomic members may be read by any.
 */
#ifndef ENGINE_SYNC_DBREPLICA_H
#define ENGINE_SYNC_DBREPLICA_H

#include "engine/base/clock.h"
#include "engine/base/job.h"
#include "engine/sync/held.h"
#include "engine/sync/leases.h"
#include "engine/sync/upload.h"

struct dbtask;

/* What keeps a lane from its work, for those who ask. */
struct trouble {
	char text[LS_ERR_MAX]; /* "": nothing */
	int64_t since_ms;      /* wall clock */
};

enum dbreplica_state { DBREPLICA_AWAY, DBREPLICA_BEHIND, DBREPLICA_READY };

struct dbreplica {
	struct dbtask *task;
	const struct conf_replica *conf;
	struct store_counts counts; /* since the start, of lanes and lease */
	struct upload *upload;	    /* NULL while the database is closed */
	struct leases_item *lease;  /* NULL: it has none; the fleet's */
	uint64_t lease_number;	    /* of the lease under which it was met */
	bool near;	 /* a directory of this host: a put does not wait for a network */
	bool other_tail; /* its newest file is not the one that was written here */
	_Atomic enum dbreplica_state state;

	/* Upload lane. It holds uploading while it works; whoever closes the task takes it first.
	 */
	pthread_mutex_t uploading;
	_Atomic uint64_t acked;	   /* newest batch in the replica */
	_Atomic uint64_t image;	   /* TXID of a full image whose snapshot is still to be written */
	_Atomic uint64_t base;	   /* TXID of what is held for it; 0: nothing */
	struct held held;	   /* by the capture lane while base is 0, then by this one */
	_Atomic int64_t synced_ms; /* wall clock of the last upload that left nothing over */
	_Atomic bool failing;
	struct backoff backoff;
	_Atomic unsigned errors; /* in a row */
	_Atomic uint64_t retry_ns;

	/* Maintenance lane. Whoever closes the task takes maintaining, too. */
	pthread_mutex_t maintaining;
	_Atomic int64_t levels_ms; /* wall clock: when there is something to do; INT64_MAX: never */
	_Atomic uint64_t levels_retry_ns; /* and not before */
	size_t audited_gaps;
	uint64_t audited_ms; /* monotonic: when it was compared with its catalog; 0: not yet */
	struct backoff levels_backoff;

	/* The fleet's. */
	struct job upload_job, levels_job;
	atomic_bool upload_busy, levels_busy;

	struct ls_err last;	  /* error of the upload lane, as it was logged */
	struct ls_err levels_err; /* the same of the maintenance lane */
	struct trouble trouble;
};

void dbreplica_init(struct dbreplica *r, struct dbtask *t, const struct conf_replica *conf);
void dbreplica_done(struct dbreplica *r);
/* Forgets what was known of it, and that it was met. */
void dbreplica_close(struct dbreplica *r);

/* Meets it and finds out what it has. found: the position record can be gone on from. *ret_why: the
 * reason if it cannot go on from what it has, else "". patience_ms: as for store_call. */
LS_MUST_USE int dbreplica_meet(struct dbreplica *r, bool found, unsigned patience_ms,
			       const char **ret_why, struct ls_err *err);

/* The context of calls for it, which end with its lease. */
struct store_call
dbreplica_calling(const struct dbreplica *r, const struct stop *stop, enum store_priority priority);
/* 0: it has no lease, or it is held as when it was met. -EBUSY, -ESTALE: somebody else has it, or
 * has had it since; -ETIMEDOUT: not known. */
LS_MUST_USE int dbreplica_check_lease(const struct dbreplica *r, struct ls_err *err);

/* Upload lane: everything that it lacks, in order. When it is due (0: now), or UINT64_MAX. */
uint64_t dbreplica_due_ns(const struct dbreplica *r);
void dbreplica_upload(struct dbreplica *r);
/* One try, by the one who holds uploading, or alone. */
LS_MUST_USE int dbreplica_try(struct dbreplica *r, struct ls_err *err);
/* Logs it once, and puts the next try off. */
void dbreplica_note_error(struct dbreplica *r, int rc, const struct ls_err *err);

/* Maintenance lane: levels, snapshots, retention. When it is due, or UINT64_MAX. */
uint64_t dbreplica_levels_due_ns(const struct dbreplica *r, uint64_t now_ns);
void dbreplica_maintain(struct dbreplica *r, const struct stop *stop);
/* An object is there that was not written here. */
void dbreplica_meet_foreign(struct dbreplica *r, const struct ls_err *err);
/* A batch has been sent. */
void dbreplica_note_sent(struct dbreplica *r, bool image);
void dbreplica_tell_snapshot(const struct dbreplica *r, uint64_t txid);
/* The TXID of an image that was sent, and whose snapshot is not there yet, or 0. */
uint64_t dbreplica_image(const struct dbreplica *r);
/* Makes that snapshot. */
LS_MUST_USE int dbreplica_snapshot(struct dbreplica *r, struct ls_err *err);
/* Once, after dbtask_finish(): all that is due. */
LS_MUST_USE int dbreplica_maintain_once(struct dbreplica *r, struct ls_err *err);
/* Once, after dbtask_finish(): a snapshot of the newest state unless there is one, and retention of
 * snapshots and levels. */
LS_MUST_USE int
dbreplica_levels_once(struct dbreplica *r, bool snapshot, bool retention, struct ls_err *err);

#endif
