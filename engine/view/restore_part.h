/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_part: the parts into which restore_pages cuts the objects, and the work on one of them:
 * fetch, decode, check, write. What restore_pages.c, restore_walk.c and restore_part.c share.
 * Threads: the walker makes parts, threads of the pool work on them.
 */
#ifndef ENGINE_VIEW_RESTORE_PART_H
#define ENGINE_VIEW_RESTORE_PART_H

#include "engine/base/job.h"
#include "engine/format/ltx_index.h"
#include "engine/view/restore_ahead.h"
#include "engine/view/restore_pages.h"

enum {
	RESTORE_PART_BYTES = 1 << 20,
	RESTORE_PART_PAGES = 16384,
	RESTORE_OUT_BYTES = 1 << 20, /* decoded bytes before they are written */
	RESTORE_INDEX_CHUNK = 1 << 20,
};

struct restore_entry {
	uint32_t pgno;
	uint32_t size : 31, wanted : 1; /* in memory only */
};

struct restore_sum {
	uint64_t crc, len;
};

/* One object while parts of it are under way. */
struct restore_object {
	struct restore_pages *owner;
	char key[REPLICA_KEY_MAX];
	uint64_t base; /* where it begins in the object of its key: it may be in a pack */
	uint64_t size;
	struct restore_ahead_item ahead; /* what is here already; of the walker */
	struct ltx_header hdr;
	struct ltx_layout at;
	struct ltx_trailer trailer;
	struct restore_sum
		*sums; /* one for each part; first the header, last all behind the pages */
	size_t nsums, cap;
	size_t pending; /* parts not done, and 1 for the walker */
};

struct restore_part {
	struct job job;
	struct restore_part *next_free;
	struct restore_object *obj;
	uint64_t off;  /* of the first frame in the object */
	size_t len;    /* of all frames */
	size_t sum_at; /* where its checksum goes */
	bool loaded;   /* stored holds the whole object; the frames begin at off */
	struct restore_entry *entries;
	size_t n, cap;
	uint8_t *stored; /* RESTORE_PART_BYTES + LTX_FRAME_MAX */
	uint8_t *out;	 /* RESTORE_OUT_BYTES + PAGE_SIZE_MAX */
};

struct restore_pages {
	struct replica *replica;
	const struct store_call *call;
	struct restore_out *out;
	const struct restore_opts *opts;
	struct job_pool *pool;
	struct restore_ahead *ahead; /* or NULL */
	struct restore_part *parts;
	size_t nparts;
	uint32_t page_size, commit;
	uint32_t min_commit; /* of the objects so far: pages above it are dead in older ones */
	uint64_t *seen;	     /* one bit a page */
	uint64_t nseen;
	uint8_t *index; /* RESTORE_INDEX_CHUNK */

	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct restore_part *free;
	size_t nfree;
	struct ls_err err; /* the first failure */
	struct restore_progress progress;
};

/* The first failure is kept; everything under way then ends early. */
void restore_part_fail(struct restore_pages *p, const struct ls_err *err);
bool restore_part_failed(struct restore_pages *p);
/* Exactly len bytes of an object. */
LS_MUST_USE int restore_part_read(const struct restore_object *o, uint64_t off, void *buf,
				  size_t len, struct ls_err *err);
/* An empty part; waits until one is free. */
struct restore_part *restore_part_get(struct restore_pages *p);
void restore_part_unget(struct restore_pages *p, struct restore_part *part);
/* Where the checksum of one more piece of the object goes. */
size_t restore_part_sum_slot(struct restore_object *o);
/* Hands the part, filled in, to the pool, which gives it back. */
void
restore_part_submit(struct restore_pages *p, struct restore_part *part, struct restore_object *o);
/* Drops one hold on the object; the last one compares the checksum. */
void restore_part_object_put(struct restore_object *o);

/* restore_walk.c: cuts one object into parts, deciding which pages are wanted. *part: an empty one;
 * NULL afterwards when it was handed on. */
LS_MUST_USE int restore_walk_object(struct restore_object *o, const struct catalog_file *f,
				    struct restore_part **part, struct ls_err *err);

#endif
