/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pagemap: page number -> (object, offset, length) as of one TXID.
 *
 * The objects of a plan, newest first. Those with a short index are merged into one sorted array of
 * 16 bytes a page; the others are asked in turn, at their place in the order. A page that lies
 * beyond the commit of a newer object is dead, whatever came before. Threads: immutable.
 */
#ifndef ENGINE_VIEW_PAGEMAP_H
#define ENGINE_VIEW_PAGEMAP_H

#include "engine/view/object.h"

struct pagemap_entry {
	uint32_t pgno;
	uint32_t object; /* index in objs */
	uint64_t at;	 /* offset << PAGEMAP_SIZE_BITS | size */
};

enum { PAGEMAP_SIZE_BITS = 17, PAGEMAP_CURSORS = 4 };

struct pagemap {
	struct object **objs; /* borrowed, newest first */
	size_t n;
	uint32_t *limit; /* pages of objs[i] above it are dead */
	uint32_t *asked; /* indexes of the objects that are not merged, ascending */
	size_t nasked;
	struct pagemap_entry *entries;
	size_t nentries;
};

/* objs: borrowed until pagemap_done(); the caller's to put back. */
LS_MUST_USE int
pagemap_build(struct objects *os, const struct store_call *call, struct object **objs, size_t n,
	      struct pagemap *ret, struct ls_err *err);
void pagemap_done(struct pagemap *m);

/* A series of look-ups; remembers pieces of indexes. */
struct pagemap_reader {
	const struct pagemap *m;
	struct object_cursor cursors[PAGEMAP_CURSORS];
};

void pagemap_reader_init(struct pagemap_reader *r, const struct pagemap *m, struct objects *os,
			 const struct store_call *call);
void pagemap_reader_done(struct pagemap_reader *r);
/* -ENODATA: no object holds it. -EAGAIN: only with cursors that are set to cached. */
LS_MUST_USE int pagemap_find(struct pagemap_reader *r, uint32_t pgno, const struct object **ret_obj,
			     struct object_loc *ret, struct ls_err *err);

#endif
