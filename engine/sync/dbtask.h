/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dbtask: one database and its replica, from waiting for the file to the final sync. It decides and
 * logs; the fleet calls it from its threads.
 *
 * Two lanes: dbtask_capture() and dbtask_upload() may run at the same time, each by at most one
 * thread; dbtask_look() only while neither capture runs. What they share is atomic.
 */
#ifndef ENGINE_SYNC_DBTASK_H
#define ENGINE_SYNC_DBTASK_H

#include "engine/base/clock.h"
#include "engine/base/job.h"
#include "engine/base/timers.h"
#include "engine/sync/checkpoint.h"
#include "engine/sync/upload.h"

enum dbtask_state {
	DBTASK_CLOSED, /* to be opened, now or at retry_ns */
	DBTASK_OPEN,   /* captured */
	DBTASK_PARKED, /* its WAL was given up; what was captured is uploaded (dbtask_spool.c) */
	DBTASK_DEAD,   /* cannot be replicated: the reason was logged */
};

/* What a lane found out about the future of the task. */
enum dbtask_fate {
	DBTASK_GOES_ON,
	DBTASK_REBASE,	/* local state is gone, or the replica is another one: open again */
	DBTASK_FOREIGN, /* somebody else writes the same files: stop (decisions.md 9) */
};

struct fleet;

/* What keeps a lane from its work, for those who ask. */
struct trouble {
	char text[LS_ERR_MAX]; /* "": nothing */
	int64_t since_ms;      /* wall clock */
};
enum dbtask_lane { DBTASK_CAPTURE, DBTASK_UPLOAD };

struct dbtask {
	const struct conf_db *conf;
	const struct conf_replica *replica;
	const char *name; /* base name, for the log */
	_Atomic enum dbtask_state state;
	struct db db;
	struct statedir dir;
	struct capture capture;
	struct checkpoint checkpoint;
	struct upload *upload;
	bool db_open, dir_open, connected;
	bool resting; /* idle: few descriptors, see dbtask_rest() */
	bool need_image;
	bool stopping; /* close everything that is committed, whatever the tokens say */
	const struct stop *abort;

	_Atomic uint64_t dev, ino; /* of the database file while it is open, for the event thread */
	uint64_t checked_ns;	   /* when the files' identities were compared */

	/* Batch tokens (decisions.md 1). */
	double tokens, rate, burst;
	uint64_t tokens_at_ns;

	/* Between the lanes. The upload lane holds uploading while it works; whoever closes the
	 * task takes it first. */
	pthread_mutex_t uploading;
	_Atomic uint64_t staged;   /* newest local batch */
	_Atomic uint64_t acked;	   /* newest one in the replica */
	_Atomic int64_t synced_ms; /* wall clock of the last upload that left nothing over */
	uint64_t pruned;	/* upload lane: local batches up to here are removed; 0: unknown */
	_Atomic uint64_t image; /* TXID of a full image whose snapshot is still to be written */
	_Atomic bool upload_failing;
	_Atomic enum dbtask_fate fate;
	struct ls_err foreign; /* why, once fate is DBTASK_FOREIGN */
	struct trouble trouble[2];
	pthread_mutex_t troubles;

	/* Maintenance lane. Whoever closes the task takes maintaining, too. */
	pthread_mutex_t maintaining;
	_Atomic int64_t levels_ms; /* wall clock: when there is something to do; INT64_MAX: never */
	_Atomic uint64_t levels_retry_ns; /* and not before */
	struct backoff levels_backoff;
	struct ls_err levels_err; /* the last one that was logged */

	uint64_t spool_at_ns; /* capture lane: when the spool was listed */
	bool spool_warned;

	/* Capture lane: errors in a row. */
	struct backoff backoff;
	unsigned errors;
	uint64_t retry_ns;
	char waiting[LS_ERR_MAX]; /* last reason that was logged */
	uint64_t progress_ns;
	/* Upload lane. */
	struct backoff upload_backoff;
	unsigned upload_errors;
	_Atomic uint64_t upload_retry_ns;
	struct ls_err upload_err;

	/* The fleet's. */
	struct fleet *fleet;
	struct conf_db *own; /* conf, if it is the task's to free */
	struct job capture_job, upload_job, levels_job;
	atomic_bool capture_busy, upload_busy, levels_busy;
	struct timers_item timer;
	struct dbtask *next_ready; /* these two under the fleet's lock */
	bool ready;
	uint64_t next_look_ns;
	unsigned quiet, flight; /* looks in a row that saw nothing, that saw a commit under way */
	int wal_wd;
	unsigned scan;	   /* the last scan of its directory that has seen it */
	bool leaving;	   /* to be removed; written under the lock */
	uint64_t leave_ns; /* when that was decided */
};

void dbtask_init(struct dbtask *t, const struct conf_db *conf, const struct stop *abort);
void dbtask_close(struct dbtask *t);

/* text NULL: it is over. By the lane. */
void dbtask_set_trouble(struct dbtask *t, enum dbtask_lane lane, const char *text);
/* That of the capture lane if there is one, else that of the other. Any thread. */
void dbtask_get_trouble(struct dbtask *t, struct trouble *ret);

/* What a look has seen. No system call but one stat. */
enum dbtask_look {
	DBTASK_QUIET,
	DBTASK_IN_FLIGHT, /* a commit seems to be under way */
	DBTASK_CHANGED,	  /* there is something to capture, to checkpoint, or to re-open */
};
enum dbtask_look dbtask_look(struct dbtask *t);

/* While no token is free until when_ns: the next look, sooner if the WAL may be full before. */
uint64_t dbtask_next_look(const struct dbtask *t, uint64_t now_ns, uint64_t when_ns);

/* Whether a batch may be closed now; if not, when (0: when the upload is done). */
bool dbtask_may_capture(struct dbtask *t, uint64_t now_ns, uint64_t *ret_when_ns);

/* Capture lane, once at the start: opens, so that from here on no commit is missed. */
void dbtask_arm(struct dbtask *t);
/* Capture lane: opens if needed, captures what is there, checkpoints if wanted. */
void dbtask_capture(struct dbtask *t);

/* While no lane works: closes what an idle database does not need, until the next capture. */
void dbtask_rest(struct dbtask *t);

/* Upload lane: everything staged, in order. */
bool dbtask_upload_due(struct dbtask *t, uint64_t now_ns);
void dbtask_upload(struct dbtask *t);

/* Maintenance lane: levels, snapshots, retention. When it is due, or UINT64_MAX. */
uint64_t dbtask_levels_due_ns(const struct dbtask *t, uint64_t now_ns);
void dbtask_maintain(struct dbtask *t, const struct stop *stop);

/* Once, after dbtask_finish(): all that is due. */
LS_MUST_USE int dbtask_maintain_once(struct dbtask *t, struct ls_err *err);
/* Once, after dbtask_finish(): a snapshot of the newest state unless there is one, and retention of
 * snapshots and levels. */
LS_MUST_USE int
dbtask_levels_once(struct dbtask *t, bool snapshot, bool retention, struct ls_err *err);

/*
 * The end: captures and uploads everything. An error names what is not replicated.
 *   end_ms  of the monotonic clock: the final sync of a daemon, errors are retried until then or
 * until abort fires, and a file that is not there yet is none. 0 (-once): the first error ends it.
 */
LS_MUST_USE int dbtask_finish(struct dbtask *t, uint64_t end_ms, struct ls_err *err);

/* One try to bring what is captured, and what still can be, into the replica: the files are gone,
 * or are to be left alone from now on. */
LS_MUST_USE int dbtask_leave(struct dbtask *t, struct ls_err *err);

/* Opening, in dbtask_open.c. Returns 0 with t->state open, or still closed (waiting), or dead. */
LS_MUST_USE int dbtask_open(struct dbtask *t, struct ls_err *err);
/* Between the files of dbtask. */
enum { DBTASK_BATCH_MAX = 64 << 20 }; /* of WAL in one batch, unless one transaction is larger */
void dbtask_close_capture(struct dbtask *t);
/* Undoes dbtask_rest(). -ENOENT, -EAGAIN: the files are other ones. */
LS_MUST_USE int dbtask_wake(struct dbtask *t, struct ls_err *err);
/* -ENOSPC: the spool or its disk is full. */
LS_MUST_USE int dbtask_spool_room(struct dbtask *t, struct ls_err *err);
/* While capture is not possible: too long for wal-max-size or its disk. */
bool dbtask_wal_is_long(const struct dbtask *t);
void dbtask_park(struct dbtask *t, const char *why);
/* From files that are open still, while their names are gone or mean others. */
void dbtask_capture_last(struct dbtask *t);
/* A batch is in the replica. */
void dbtask_note_sent(struct dbtask *t);
/* By the one who holds uploading, or alone. */
LS_MUST_USE int dbtask_try_upload(struct dbtask *t, struct ls_err *err);
LS_MUST_USE int dbtask_open_or_capture(struct dbtask *t, struct ls_err *err);
void dbtask_set_foreign(struct dbtask *t, const struct ls_err *err);
bool dbtask_is_final(int rc); /* an error that no waiting will heal */
/* Logs a reason for waiting once. */
void dbtask_wait(struct dbtask *t, const char *what, const char *why);

#endif
