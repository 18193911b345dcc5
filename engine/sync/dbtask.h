/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dbtask: one database and its replicas, from waiting for the file to the final sync. It decides
 * and logs; the fleet calls it from its threads.
 *
 * Lanes: dbtask_capture() and those of each replica (dbreplica.h) may run at the same time, each by
 * at most one thread; dbtask_look() only while no capture runs. What they share is atomic.
 */
#ifndef ENGINE_SYNC_DBTASK_H
#define ENGINE_SYNC_DBTASK_H

#include "engine/base/timers.h"
#include "engine/sync/checkpoint.h"
#include "engine/sync/dbreplica.h"
#include "engine/sync/turns.h"

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

struct dbtask_watch {
	int wd; /* -1: there is none */
	struct dbtask *task;
};

/* What each look needs comes first: of many databases at rest it is not in any cache. */
struct dbtask {
	const struct conf_db *conf;
	struct dbreplica *replicas;
	size_t nreplicas;
	const char *name; /* base name, for the log */
	_Atomic enum dbtask_state state;

	/* The fleet's. */
	struct fleet *fleet;
	struct conf_db *own; /* conf, if it is the task's to free */
	struct job capture_job;
	atomic_bool capture_busy;
	atomic_bool waits; /* a capture waits for the end of an upload */
	atomic_bool again; /* a look is to follow the capture at once */
	bool armed;	   /* the watch was, before the capture began */
	struct timers_item timer;
	struct dbtask *next_ready; /* these two under the fleet's lock */
	bool ready;
	uint64_t next_look_ns;
	uint64_t token_look_ns; /* when a look found that no token was free, and */
	uint32_t token_mx;	/* how many frames there were */
	unsigned quiet, flight; /* looks in a row that saw nothing, that saw a commit under way */
	struct dbtask_watch wal_watch, file_watch; /* of writes to either */
	size_t resting_at; /* place among those at rest, from 1; 0: it is not (fleet_rest.c) */
	unsigned scan;	   /* the last scan of its directory that has seen it */
	bool leaving;	   /* to be removed; written under the lock */
	uint64_t leave_ns; /* when that was decided */

	/* A look's: frame up to which others checkpoint, 0: they do not, and since when. */
	uint32_t attempted;
	uint64_t attempted_ns;

	struct db db;
	struct checkpoint checkpoint;
	struct turns turns;
	bool db_open, dir_open, connected;
	bool resting; /* idle: few descriptors, see dbtask_rest() */
	bool opened;  /* once at least */
	bool meeting; /* opened as far as its replicas: what fails there may heal */
	bool need_image;
	const struct stop *abort;

	_Atomic uint64_t dev, ino; /* of the database file while it is open, for the event thread */
	uint64_t checked_ns;	   /* when the files' identities were compared */
	atomic_bool suspect;	   /* names in their directory have changed since */
	bool watched;		   /* such changes are told */

	/* Batch tokens (decisions.md 1). */
	double tokens, rate, burst;
	bool far; /* one of them is in object storage */
	uint64_t tokens_at_ns;

	/* Between the lanes. */
	_Atomic uint64_t staged; /* newest local batch */
	_Atomic enum dbtask_fate fate;
	uint64_t pruned;	/* local batches up to here are removed; 0: unknown */
	pthread_mutex_t shared; /* for foreign, troubles, pruned, and states that keep batches */

	uint64_t spool_at_ns;	/* capture lane: when the spool was listed */
	uint64_t base_retry_ns; /* capture lane: no base is given before */
	uint64_t space_ns;	/* capture lane: when there was room in plenty */
	bool spool_warned;

	/* Capture lane: errors in a row. */
	struct backoff backoff;
	unsigned errors;
	uint64_t retry_ns;
	uint64_t progress_ns;
	uint64_t rest_ns; /* an empty WAL is not recorded before */

	struct statedir dir;
	struct capture capture;
	char waiting[LS_ERR_MAX]; /* last reason that was logged; capture lane */
	struct ls_err foreign;	  /* why, once fate is DBTASK_FOREIGN */
	struct ls_err left;	  /* why it could not leave yet; the fleet's */
	struct trouble trouble;
};

LS_MUST_USE int dbtask_init(struct dbtask *t, const struct conf_db *conf, const struct stop *abort,
			    struct ls_err *err);
void dbtask_close(struct dbtask *t);
void dbtask_done(struct dbtask *t);

/* One of the task's or of its replicas'; text NULL: it is over. */
void dbtask_set_trouble(struct dbtask *t, struct trouble *at, const char *text);
/* That of the capture lane if there is one, else that of a replica. Any thread. */
void dbtask_get_trouble(struct dbtask *t, struct trouble *ret);
/* The newest batch that all replicas have. Any thread. */
uint64_t dbtask_acked(const struct dbtask *t);
/* When the last of them had everything; 0: not yet. Any thread. */
int64_t dbtask_synced_ms(const struct dbtask *t);

/* What a look has seen. No system call but one stat. */
enum dbtask_look {
	DBTASK_QUIET,
	DBTASK_IN_FLIGHT, /* a commit seems to be under way */
	DBTASK_CHANGED,	  /* there is something to capture, to checkpoint, or to re-open */
};
enum dbtask_look dbtask_look(struct dbtask *t);
/* Whether all is as a look has just seen it, and no time that passes, but that of its replicas, can
 * bring work before a commit or a change of names does. Names are watched from before. */
bool dbtask_is_settled(const struct dbtask *t);

/* Whether others checkpoint, as far as the last look has seen. */
bool dbtask_others_checkpoint(struct dbtask *t, uint64_t now_ns);

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

/*
 * The end: captures and uploads everything. An error names what is not replicated.
 *   end_ms  of the monotonic clock: the final sync of a daemon, errors are retried until then or
 * until abort fires, and a file that is not there yet is none. 0 (-once): the first error ends it.
 */
LS_MUST_USE int dbtask_finish(struct dbtask *t, uint64_t end_ms, struct ls_err *err);

/* One try to bring what is captured, and what still can be, into the replica: the files are gone,
 * or are to be left alone from now on. */
LS_MUST_USE int dbtask_leave(struct dbtask *t, struct ls_err *err);

/* Tokens: all of them; as many are used. In dbtask_look.c. */
void dbtask_init_tokens(struct dbtask *t);
void dbtask_spend(struct dbtask *t, unsigned batches);
/* Whether the files are other ones, asked ten times a second at most. */
bool dbtask_replaced(struct dbtask *t);
/* Opening, in dbtask_open.c. Returns 0 with t->state open, or still closed (waiting), or dead. */
LS_MUST_USE int dbtask_open(struct dbtask *t, struct ls_err *err);
/* Whether others have the lease of one of its replicas; err names them. */
bool dbtask_others_lead(const struct dbtask *t, struct ls_err *err);
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
LS_MUST_USE int dbtask_open_or_capture(struct dbtask *t, struct ls_err *err);
/* While files may be sent: captured, or given up with a spool that is not empty. */
bool dbtask_can_upload(const struct dbtask *t);
/* Whether every local batch of these is here. */
LS_MUST_USE int
dbtask_spool_has(struct dbtask *t, uint64_t from, uint64_t to, bool *ret, struct ls_err *err);
/* Removes local batches that no replica waits for. */
LS_MUST_USE int dbtask_prune(struct dbtask *t, struct ls_err *err);
/* The oldest batch that one of them still waits for is behind this one, 0 for one that has nothing
 * yet; UINT64_MAX: none waits. */
uint64_t dbtask_floor(const struct dbtask *t);
/* The spool is full: replicas that are away or fail are not waited for any more, if there is one
 * that is further. Whether there is room now. */
bool dbtask_leave_behind(struct dbtask *t);
/* The batches that it lacks are not here. */
void dbtask_set_behind(struct dbreplica *r, const char *why);
/* Whether a replica waits for a base, and giving it one: capture lane. */
LS_MUST_USE int dbtask_capture_tail(struct dbtask *t, struct ls_err *err);
bool dbtask_wants_base(const struct dbtask *t);
LS_MUST_USE int dbtask_give_bases(struct dbtask *t, struct ls_err *err);
/* Meets the replicas and decides where capture goes on. */
LS_MUST_USE int dbtask_meet(struct dbtask *t, bool found, struct ls_err *err);
void dbtask_set_foreign(struct dbtask *t, const struct ls_err *err);
bool dbtask_is_final(int rc); /* an error that no waiting will heal */
/* Logs a reason for waiting once. */
void dbtask_wait(struct dbtask *t, const char *what, const char *why);

#endif
