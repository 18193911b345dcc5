/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of upload. */
#ifndef ENGINE_SYNC_UPLOAD_IMPL_H
#define ENGINE_SYNC_UPLOAD_IMPL_H

#include "engine/base/buf.h"
#include "engine/replica/replica.h"
#include "engine/sync/stage.h"
#include "engine/sync/upload.h"

#include <pthread.h>

/* What was sent lately and is still here; see upload_recent.c. Threads: locked. */
struct upload_recent {
	pthread_mutex_t lock;
	char *dir;	   /* of the links; NULL: there are none */
	uint64_t from, to; /* the TXIDs from <= t < to */
	uint64_t bytes;	   /* of the links */
};

struct upload {
	const struct statedir *dir;
	const struct conf_replica *conf;
	struct store *store;
	struct replica replica;
	struct catalog_log *log;
	char *home;    /* replicas/NAME */
	int cursor_fd; /* -1: not open */
	char root[STORE_ETAG_MAX];
	bool own_copies, local_gone;
	uint64_t refused_ms; /* monotonic: when the storage refused to delete; 0: it has not */
	struct upload_info info;
	struct upload_recent recent;
};

/* A local LTX file as a source. */
struct upload_local {
	int fd; /* -1: it is read from memory, or opened when it is not there any more */
	struct kept *kept;
	struct kept_name name;
	uint64_t size;
	char *path;
	int64_t time_ms;
	bool shared;  /* another replica may have a link to it */
	bool stamped; /* a regular file whose modification time is the transaction time */
};

/* Opens and looks at the header: a file that is not what its name says is never sent (H90). */
LS_MUST_USE int upload_local_open(const struct statedir *dir, uint64_t txid,
				  struct upload_local *ret, struct ls_err *err);
/* The same, but one that is in memory, too, is not opened. */
LS_MUST_USE int upload_local_find(const struct statedir *dir, uint64_t txid,
				  struct upload_local *ret, struct ls_err *err);
void upload_local_close(struct upload_local *l);

/* The catalog's entry of a snapshot 1..txid. */
struct catalog_file upload_snapshot_file(uint64_t txid, int64_t time_ms);

/* Names of files that become objects: one for each lane. */
#define UPLOAD_SNAPSHOT_TMP "snapshot.tmp"
#define UPLOAD_LEVEL_TMP "level.tmp"
#define UPLOAD_SNAPSHOT_INTERIOR_TMP "snapshot-interior.tmp"
#define UPLOAD_LEVEL_INTERIOR_TMP "level-interior.tmp"

/* A local file that becomes an object. */
struct upload_out {
	char *path;
	int fd, spill_fd;
	uint64_t size; /* of what is written, without pending */
	struct ls_buf pending;
	size_t in_memory; /* so much of the file, from its begin, is in pending still */
	struct stage_spill spill;
	const struct ltx_spill *index; /* for ltx_enc.spill */
};

/* Makes the file, of that name beside the catalog; close it in any case. */
LS_MUST_USE int upload_out_open(const struct upload *u, const char *name, struct upload_out *ret,
				struct ls_err *err);
/* An ltx_sink_fn; arg is the upload_out. */
int upload_out_write(void *arg, const void *p, size_t n, struct ls_err *err);
/* Writes over its first n bytes. */
LS_MUST_USE int
upload_out_rewrite(struct upload_out *o, const void *p, size_t n, struct ls_err *err);
/* Makes it durable, puts it as f (whose size is set), and records it. */
LS_MUST_USE int upload_out_put(struct upload *u, const struct store_call *call,
			       struct upload_out *o, struct catalog_file *f, struct ls_err *err);
/* The same by another lane, unless it is there already: the lock is free while it is on its way, so
 * that batches overtake it. */
LS_MUST_USE int upload_out_publish(struct upload *u, const struct store_call *call,
				   struct upload_out *o, struct catalog_file *f,
				   pthread_mutex_t *lock, bool *ret_put, struct ls_err *err);
/* upload_out_put() but for the last: without a lock. */
LS_MUST_USE int
upload_out_store(struct upload *u, const struct store_call *call, struct upload_out *o,
		 const char *root, struct catalog_file *f, struct ls_err *err);
/* As upload_out_store(), with p, whose time counts. */
LS_MUST_USE int
upload_out_store_as(struct upload *u, const struct store_call *call, struct upload_out *o,
		    const struct store_put *p, struct ls_err *err);
/* What goes with the snapshot f, which was put; tmp: a name as for upload_out_open(). */
void upload_interior(struct upload *u, const struct store_call *call, const char *tmp,
		     struct upload_out *snapshot, const struct catalog_file *f);
/* What was put as f, and not rewritten, is to be read again: see kept.h. */
void upload_out_keep(struct upload *u, const struct upload_out *o, const struct catalog_file *f);
void upload_out_close(struct upload_out *o); /* and removes it */
/* Puts the snapshot f, from which the replica can go on, with its interior pages. By the owner. */
LS_MUST_USE int
upload_snapshot_put(struct upload *u, const struct store_call *call, struct upload_out *o,
		    struct catalog_file *f, struct ls_err *err);
/* Puts the snapshot of this full image unless it is there; by the owner, who waits for it. */
LS_MUST_USE int upload_snapshot_first(struct upload *u, const struct store_call *call,
				      struct upload_local *from, uint64_t txid, struct ls_err *err);

/* This file, which has just been put at level 0, is the next one that is kept. */
void upload_recent_add(struct upload *u, const struct upload_local *l, uint64_t txid);
/* As catalog_get(), without a request where the batch is still here. Threads: any. */
LS_MUST_USE int
upload_read(struct upload *u, const struct store_call *call, const struct catalog_file *f,
	    uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err);

/* Opens *out and writes the pack of what w says, *ret without its size. -ENOENT: batch *ret_lost is
 * not in the replica. */
LS_MUST_USE int
upload_pack(struct upload *u, const struct store_call *call, const struct levels_work *w,
	    struct upload_out *out, struct catalog_file *ret, size_t *ret_lost, struct ls_err *err);

LS_MUST_USE int
upload_store_as(struct upload *u, const struct store_call *call, struct upload_local *l,
		const struct store_put *p, struct ls_err *err);
/* Puts under the key of f, where the root has this identity. It is not recorded, and no lock is
 * needed. */
LS_MUST_USE int
upload_store(struct upload *u, const struct store_call *call, struct upload_local *l,
	     const char *root, const struct catalog_file *f, struct ls_err *err);
/* Puts under the key of f, then records it. */
LS_MUST_USE int upload_put(struct upload *u, const struct store_call *call, struct upload_local *l,
			   const struct catalog_file *f, struct ls_err *err);
/* Under the lock: -ESTALE unless the replica is still the one with this root. */
LS_MUST_USE int upload_is_at(const struct upload *u, const char *root, struct ls_err *err);
/* The root is looked at before long work for a put; the put itself looks, too: nothing is written
 * under a bare mount point (H86). */
LS_MUST_USE int
upload_same_root(struct upload *u, const struct store_call *call, struct ls_err *err);
/* After -ENOENT: an object that is missing while the replica is away is not lost, and then it is
 * another error, which err says. */
LS_MUST_USE int
upload_tell_absence(struct upload *u, const struct store_call *call, struct ls_err *err);

#endif
