/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object: one LTX object of a replica, open for random reads, and the table of them that all views
 * of a history share.
 *
 * An object is what (level, min, max, size, etag) names; a replaced one is another object. Up to
 * 1 MiB it is read whole when it is opened and its file checksum verified; of a larger one header,
 * tail and last index entries are checked, and later each page as decisions.md 5 says. Bytes come
 * by range and are not kept, but for a bounded cache of raw blocks and one of decoded index pieces.
 * Threads: locked; an open object does not change.
 */
#ifndef ENGINE_VIEW_OBJECT_H
#define ENGINE_VIEW_OBJECT_H

#include "engine/format/ltx_index.h"
#include "engine/replica/catalog.h"
#include "engine/view/blockcache.h"

enum {
	OBJECT_SMALL = 1 << 20,		/* stored bytes: read and verified whole */
	OBJECT_INDEX_WHOLE = 256 << 10, /* bytes of a page index that is one piece */
	OBJECT_INDEX_PIECE = 32 << 10,	/* else */
	/* The same where a request takes as long as some MiB do. */
	OBJECT_FAR_INDEX_WHOLE = 4 << 20,
	OBJECT_FAR_INDEX_PIECE = 512 << 10,
	OBJECT_BLOCK = 64 << 10,
	OBJECT_SPAN = 512 << 10, /* most bytes of one object_read() */
	OBJECT_INTERIOR_MAX = 8 << 20,
};

struct objects;

struct object {
	uint64_t id; /* names it in the caches; never used again */
	char key[REPLICA_KEY_MAX];
	char etag[STORE_ETAG_MAX];
	uint8_t level;
	struct ltx_header hdr;
	struct ltx_layout at;
	uint32_t last_pgno; /* of its index; 0: no page */
	uint32_t piece;	    /* bytes of the index in one piece */
	uint32_t npieces;
	uint64_t checksum; /* of the file */
	uint64_t interior; /* bytes of the object with its interior pages (replica.h); 0: none */

	unsigned refs; /* the rest belongs to objects.c */
	uint64_t min, max, size;
	uint64_t base; /* where it begins in the object of its key: it may be in a pack */
	struct object *chain, *older, *newer;
};

/* Where a page lies. */
struct object_loc {
	uint64_t off;
	uint32_t size;
	uint32_t pgno;
};

/* A decoded piece of an index: entries in order, each frame beginning where the one before ends. */
struct object_entry {
	uint32_t pgno;
	uint32_t rel; /* offset of the frame less base */
};

struct object_piece {
	uint64_t base;
	uint64_t end_at; /* where in the index the next piece begins */
	uint32_t n;
	struct object_entry e[]; /* n, and one more for the end of the last frame */
};

/* ---- the table ---- */

/* r is borrowed. cache_bytes: raw blocks. */
LS_MUST_USE int
objects_new(const struct replica *r, size_t cache_bytes, struct objects **ret, struct ls_err *err);
void objects_free(struct objects *os); /* takes NULL; after the last object */

/* Opens the object, or finds it open. -ESTALE: gone or replaced. -EBADMSG: damaged, the text names
 * the key. */
LS_MUST_USE int objects_get(struct objects *os, const struct store_call *call,
			    const struct catalog_file *f, struct object **ret, struct ls_err *err);
void objects_put(struct objects *os, struct object *o); /* takes NULL */

const struct replica *objects_replica(const struct objects *os);
struct blockcache *objects_blocks(struct objects *os);
struct blockcache *objects_pieces(struct objects *os);

/* Working memory of one read, from a small stock. */
struct object_scratch {
	struct object_scratch *next;
	uint8_t raw[OBJECT_SPAN + LTX_FRAME_MAX];
	uint8_t frame[LTX_FRAME_MAX];
	uint8_t page[65536];
};

struct object_scratch *objects_scratch(struct objects *os);		/* NULL: out of memory */
void objects_scratch_put(struct objects *os, struct object_scratch *s); /* takes NULL */

/* ---- one object ---- */

struct object_range {
	uint64_t off;
	size_t len;
	void *buf;
};

/* Exactly len bytes, of this very object: -ESTALE when it is gone or replaced. */
LS_MUST_USE int object_get(struct objects *os, const struct store_call *call,
			   const struct object *o, struct object_range range, struct ls_err *err);
/* Reads header, tail and what else opening means; o has key, etag and the names filled in. */
LS_MUST_USE int object_load(struct objects *os, const struct store_call *call, struct object *o,
			    struct ls_err *err);

/* Verifies an object that is in memory as a whole. *ret: its index; caller frees. page: room for
 * one. */
LS_MUST_USE int object_verify(struct objects *os, struct object *o, const uint8_t *p, uint8_t *page,
			      struct object_piece **ret, struct ls_err *err);

/* ---- object_index.c ---- */

/* A reader of indexes; remembers the piece of its last look-up. */
struct object_cursor {
	struct objects *os;
	const struct store_call *call;
	bool cached;		/* -EAGAIN instead of a store call */
	const struct object *o; /* the rest zeroed to begin */
	uint32_t number;
	struct block *pin;
};

void object_index_done(struct object_cursor *c);

/*
 * Decodes entries of an index.
 *   p, n          its bytes from position at, where an entry begins
 *   first, limit  entries that begin in [first, limit) go into the result
 */
struct object_index_part {
	const uint8_t *p;
	size_t n;
	uint64_t at, first, limit;
};

LS_MUST_USE int object_index_decode(const struct object *o, const struct object_index_part *part,
				    struct object_piece **ret, struct ls_err *err);
/* One decoded piece, pinned in c until the next call. */
LS_MUST_USE int object_index_piece(struct object_cursor *c, const struct object *o, uint32_t number,
				   const struct object_piece **ret, struct ls_err *err);
/* Search in one piece: 0 found, 1 it would lie in between, 2 before it, 3 after it. */
int object_index_search(const struct object_piece *piece, uint32_t pgno, struct object_loc *ret);
/* Finds a page: 0, 1 not in this object, errors. */
LS_MUST_USE int object_index_find(struct object_cursor *c, const struct object *o, uint32_t pgno,
				  struct object_loc *ret, struct ls_err *err);

/* ---- object_read.c ---- */

/* One page to read: where it lies and what is wanted of it. */
struct object_want {
	struct object_loc loc;
	uint8_t *dst; /* n bytes from offset skip of the page */
	uint32_t skip, n;
};

/* Pages of one object, ascending, that span at most OBJECT_SPAN bytes. */
struct object_wants {
	const struct object_want *w;
	size_t n;
	bool sequential; /* the blocks behind them will be wanted next */
};

/* Reads, decodes and checks them. */
LS_MUST_USE int
object_read_pages(struct objects *os, const struct store_call *call, const struct object *o,
		  const struct object_wants *w, struct ls_err *err);
/* One page from the frame that holds it. */
LS_MUST_USE int object_read_frame(const struct object *o, const uint8_t *frame,
				  const struct object_want *w, uint8_t *spare, struct ls_err *err);
/* Whether the bytes of a page are in memory. */
bool object_read_cached(struct objects *os, const struct object *o, const struct object_loc *loc);

/* ---- object_interior.c ---- */

/* Reads the page if it is one of the interior pages of o: 0, or 1 if not. They are fetched together
 * and kept while there is room in the cache of pieces; cached: only from there. */
int object_interior_read(struct objects *os, const struct store_call *call, const struct object *o,
			 const struct object_want *w, bool cached);
/* Fetches them unless they are there. */
void
object_interior_load(struct objects *os, const struct store_call *call, const struct object *o);

#endif
