/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between fleet.c (begin, end, members), fleet_loop.c (looks and decides), fleet_rest.c (those at
 * rest), fleet_jobs.c (what the pools run), fleet_dirs.c (members that come and go) and
 * fleet_sync.c (what others ask for).
 *
 * The event thread owns everything but what is said to be under the lock. It alone changes the list
 * of members, under the lock, so it may read it without.
 */
#ifndef ENGINE_SYNC_FLEET_IMPL_H
#define ENGINE_SYNC_FLEET_IMPL_H

#include "engine/sync/dbtask.h"
#include "engine/sync/fleet.h"
#include "engine/sync/watch.h"

/* A caller of fleet_sync(), on its stack. */
struct fleet_request {
	struct fleet_request *next;
	struct dbtask *task; /* NULL once it has left */
	enum { REQUEST_QUEUED, REQUEST_CAPTURING, REQUEST_UPLOADING, REQUEST_DONE } state;
	bool wait;
	uint64_t before;	    /* newest batch when it came */
	uint64_t txid;		    /* what has to be in the replica */
	struct fleet_synced synced; /* when it was done */
	int rc;
};

enum { FLEET_PATH_MAX = 100 };

/* A directory that is watched. */
struct fleet_dir {
	int wd;
	bool scanned; /* databases may appear in it */
	char path[];
};

/* A database at rest: all that a round needs of it. */
struct fleet_resting {
	struct dbtask *task;
	unsigned until; /* the round that ends its rest */
	dev_t dev;	/* of its -wal file, as are these */
	ino_t ino;
	off_t size;
	struct timespec mtime;
	char path[FLEET_PATH_MAX]; /* "": it is longer, the task has it */
};

struct fleet {
	const struct conf *conf;
	const struct fleet_opts *opts;
	struct dbtask **tasks; /* these and by_path: under the lock for others */
	size_t n, cap;
	void *by_path, *by_wd; /* trees of tsearch(3), of &task->conf and struct dbtask_watch */
	struct timers timers;
	struct fleet_resting *resting;
	size_t nresting, resting_cap;
	unsigned round;
	uint64_t round_ns; /* when the next one is due */
	struct watch watch;
	void *dirs_by_path, *dirs_by_wd; /* of struct fleet_dir */
	bool watching;			 /* a "dir" with watch */
	unsigned scan;			 /* number of the current one */
	uint64_t scan_ns;		 /* when the next one is due, or UINT64_MAX */
	size_t alive;			 /* members that are not dead, as last counted */
	struct leases *leases;		 /* NULL: none is wanted */
	struct job_pool *capture_pool, *upload_pool, *levels_pool;
	int done_fd; /* eventfd: something is ready */
	pthread_mutex_t lock;
	pthread_cond_t idle, answered;
	struct dbtask *ready; /* under the lock: to be served */
	struct fleet_request *requests;
	_Atomic size_t nrequests;
	bool ended;
};

/* Has the event thread serve it. Under the lock. */
void fleet_touch(struct fleet *f, struct dbtask *t);
void fleet_make_ready(struct fleet *f, struct dbtask *t); /* the next time it wakes; the same */
void fleet_start_job(struct job_pool *pool, struct job *job, atomic_bool *busy);
void fleet_wait_idle(struct fleet *f, struct dbtask *t);
/* Whether a lane of a replica works: that of uploads, or also that of levels. */
bool fleet_is_sending(const struct dbtask *t, bool levels);
/* Jobs. */
void fleet_run_capture(struct job *job);
void fleet_run_upload(struct job *job);
void fleet_run_levels(struct job *job);
void fleet_run_leave(struct job *job);
/* And their end, that the event thread waits for. */
void fleet_job_ended(struct fleet *f, struct dbtask *t, atomic_bool *busy);
struct dbtask *fleet_of_capture_job(struct job *job);

/* Until stopped. */
void fleet_loop(struct fleet *f);
void fleet_set_watch(struct fleet *f, struct dbtask_watch *w, int wd);
struct dbtask *fleet_by_wd(struct fleet *f, int wd);

/* A new member; own: it takes conf over, also on failure. */
LS_MUST_USE int
fleet_add(struct fleet *f, const struct conf_db *conf, struct conf_db *own, struct ls_err *err);
/* Gives its leases back. */
void fleet_end_leases(struct fleet *f, struct dbtask *t);
/* It must be idle, and is freed. */
void fleet_remove(struct fleet *f, struct dbtask *t);
/* By the event thread, or under the lock. */
struct dbtask *fleet_find(struct fleet *f, const char *path);
void fleet_count_alive(struct fleet *f);

/* It is one of those at rest from here on, if it can be, and from there on served by its replicas'
 * timers, by events, and when a round finds a change. */
void fleet_rest(struct fleet *f, struct dbtask *t);
void fleet_rest_end(struct fleet *f, struct dbtask *t);
/* When a round is due, or UINT64_MAX. */
uint64_t fleet_round_ns(const struct fleet *f);
void fleet_round(struct fleet *f, uint64_t now);
/* When those are looked at next of whom nothing is told: together. */
uint64_t fleet_fallback_ns(uint64_t now);

/* Watches the directories of all members and those where new ones may appear. */
LS_MUST_USE int fleet_dirs_open(struct fleet *f, struct ls_err *err);
LS_MUST_USE int fleet_dirs_watch(struct fleet *f, struct dbtask *t, struct ls_err *err);
/* The member that is to be looked at, or NULL. */
struct dbtask *fleet_dirs_event(struct fleet *f, int wd, const char *name, bool closed);
/* Finds new members, and those that are gone. */
void fleet_dirs_scan(struct fleet *f);
void fleet_dirs_done(struct fleet *f);

/* By the event thread. Whether the task has to be captured now, whatever its tokens say. */
bool fleet_wanted(struct fleet *f, const struct dbtask *t);
/* What the capture lane of the task does at this moment. */
enum fleet_phase {
	FLEET_STARTS, /* a capture is about to start */
	FLEET_WORKS,
	FLEET_RESTS,
};

/* Requests move on with what the lanes have done. */
void fleet_progress(struct fleet *f, struct dbtask *t, enum fleet_phase phase);
/* t: those of one task; NULL: all, the fleet ends. */
void fleet_end_requests(struct fleet *f, const struct dbtask *t, int rc);

#endif
