/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog: every LTX file that a replica holds, sorted by level, min, max, and behind them its
 * packs (format/pack.h): objects that hold many files of level 0. A file in a pack is a file of
 * level 0 once catalog_unpack() has read the index of the pack. Threads: single while it is built,
 * then immutable.
 */
#ifndef ENGINE_REPLICA_CATALOG_H
#define ENGINE_REPLICA_CATALOG_H

#include "engine/replica/replica.h"

struct catalog_file {
	uint64_t min, max; /* TXIDs */
	uint64_t size;
	int64_t time_ms;   /* of the last transaction inside */
	uint8_t level;	   /* REPLICA_PACKS: a pack */
	bool time_exact;   /* else catalog_fill_times() has to read the header */
	uint64_t interior; /* bytes of the object of its interior pages; 0: none (catalog_load()) */
	char *etag;	   /* of its object; owned by the catalog; NULL when unknown */
	/* A file in a pack: which pack, and where in it; else pack_max is 0. */
	uint64_t pack_min, pack_max, off;
};

struct catalog {
	struct catalog_file *files;
	size_t n;			 /* LTX files; 0 until they are sorted */
	size_t total, cap;		 /* with the packs */
	size_t first[REPLICA_PACKS + 2]; /* files of level L: first[L] .. first[L + 1] */
};

/* Lists all ten levels, and the packs. An empty or foreign root gives an empty catalog. */
LS_MUST_USE int catalog_load(const struct replica *r, const struct store_call *call,
			     struct catalog *ret, struct ls_err *err);
/* Adds one file (etag is copied, may be NULL); catalog_sort() afterwards, once. */
LS_MUST_USE int catalog_add(struct catalog *c, const struct catalog_file *f, struct ls_err *err);
void catalog_sort(struct catalog *c);
/* Adds one file to a sorted catalog, which stays sorted; replaces the one of that level and range.
 * *ret_new: there was none. Cost: O(log n) and one move of what follows. */
LS_MUST_USE int
catalog_insert(struct catalog *c, const struct catalog_file *f, bool *ret_new, struct ls_err *err);
/* Removes the file of that level and range from a sorted catalog; false: there was none. */
bool catalog_remove(struct catalog *c, const struct catalog_file *f);
/* Where the file of that level and range is in a sorted catalog, or belongs. Cost: O(log n). */
size_t catalog_place(const struct catalog *c, const struct catalog_file *f);
/* The file of that level and range, or NULL. */
const struct catalog_file *catalog_find(const struct catalog *c, const struct catalog_file *f);
/* The snapshot of this TXID, or NULL. */
const struct catalog_file *catalog_snapshot(const struct catalog *c, uint64_t txid);
/* Makes room, so that the next catalog_insert() of a file without etag cannot fail. */
LS_MUST_USE int catalog_reserve(struct catalog *c, struct ls_err *err);
void catalog_done(struct catalog *c);

/* The key of its object; a file in a pack begins at f->off there. */
void catalog_key(const struct replica *r, const struct catalog_file *f, char out[REPLICA_KEY_MAX]);
/* Up to n of its bytes from off on; fewer only at its end. -ENOENT: the object is gone. -ESTALE: it
 * is another one. */
LS_MUST_USE int
catalog_get(const struct replica *r, const struct store_call *call, const struct catalog_file *f,
	    uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err);

/* Reads the header of every file and pack whose time is not exact, several at once where that is
 * worth it. */
LS_MUST_USE int catalog_fill_times(struct catalog *c, const struct replica *r,
				   const struct store_call *call, struct ls_err *err);

/* Reads those that a choice by this time needs: of the files whose times are not exact, as many as
 * a search takes. Those that are not read have some time on the right side of the moment. */
LS_MUST_USE int catalog_fill_times_near(struct catalog *c, int64_t time_ms, const struct replica *r,
					const struct store_call *call, struct ls_err *err);

uint64_t catalog_max_txid(const struct catalog *c); /* over all levels; 0: empty */

/* A point that can be restored. */
struct catalog_point {
	uint64_t txid;
	int64_t time_ms; /* the earliest of the files that end here: a snapshot may be made later */
	uint64_t size;	 /* of the smallest file that ends here */
	uint8_t level;	 /* of the highest-level file that ends here */
	bool snapshot;	 /* a level-9 file ends here */
};

/* All TXIDs for which plan_build() succeeds (or names a damaged file), ascending; caller frees
 * *ret. Cost: O(n log n). */
LS_MUST_USE int catalog_points(const struct catalog *c, struct catalog_point **ret, size_t *ret_n,
			       struct ls_err *err);
/* Pages of the database at each point, n of them: from the header of a file that ends there, one
 * request each; 0: they are gone meanwhile. */
LS_MUST_USE int
catalog_commits(const struct catalog *c, const struct replica *r, const struct store_call *call,
		const struct catalog_point *points, size_t n, uint32_t *ret, struct ls_err *err);
/* TXIDs between these two cannot be restored, though a file begins at the second. */
struct catalog_gap {
	uint64_t after, before; /* after: the last point before it; 0: there is none */
};

/* Gaps between the points and what lies behind them, ascending; caller frees *ret, also on
 * failure. */
LS_MUST_USE int
catalog_gaps(const struct catalog *c, const struct catalog_point *points, size_t npoints,
	     struct catalog_gap **ret, size_t *ret_n, struct ls_err *err);
/* Index of the first of n points with this TXID or a higher one; n: there is none. */
size_t catalog_point_at(const struct catalog_point *v, size_t n, uint64_t txid);

#endif
