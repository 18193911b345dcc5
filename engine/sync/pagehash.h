/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pagehash: CRC-64 of each page of the database as it was captured last, in the state directory, so
 * that a re-base sends what differs and not the database (decisions.md 10).
 *
 * The file is believed only if it was closed clean and its stamp is the TXID that capture goes on
 * from. It is a cache: whatever goes wrong with it makes it unusable until the next full image
 * fills it again, and is no error of the capture.
 * Memory: one window of 4 KiB, and 16 KiB while increments are gathered. Disk: 8 bytes a page.
 * Cost: one hash of each page; for 1,024 pages of increments one write for each run of neighbours.
 * Threads: single (the owner of the capture).
 */
#ifndef ENGINE_SYNC_PAGEHASH_H
#define ENGINE_SYNC_PAGEHASH_H

#include "engine/base/err.h"

#include <sys/types.h>

enum { PAGEHASH_WINDOW = 512, PAGEHASH_PENDING = 1024 }; /* entries */

struct pagehash_entry {
	uint32_t pgno, order;
	uint64_t hash;
};

struct pagehash {
	int fd;	     /* -1: not open, all calls do nothing */
	bool usable; /* it holds the state of txid */
	bool marked; /* the file says that it is not clean */
	bool open_batch;
	uint32_t page_size;
	uint64_t txid;
	uint32_t first, n; /* pages in the window, from first */
	bool changed;	   /* the window has to be written */
	uint8_t window[8 * PAGEHASH_WINDOW];
	/* Of increments: written when there are many, sorted, and before anything is read. */
	struct pagehash_entry *pending;
	size_t npending;
	bool gathers; /* the open batch is an increment */
};

/* Opens or makes it. Usable if it is clean, and for this page size and TXID. */
void pagehash_open(const char *path, mode_t mode, uint32_t page_size, uint64_t txid,
		   struct pagehash *ret);
/* Durable and clean, if it is usable. Safe on what pagehash_open() has not touched with fd -1. */
void pagehash_close(struct pagehash *h);

/* A batch, or with image the whole database, will be put page by page, ascending. */
void pagehash_begin(struct pagehash *h, bool image);
/* Whether the page is the one of the last state. Between begin and commit, before its put. */
bool pagehash_same(struct pagehash *h, uint32_t pgno, const void *page);
void pagehash_put(struct pagehash *h, uint32_t pgno, const void *page);
/* The batch is durable as this TXID. Without it, the next begin of an increment finds a table that
 * may be ahead, which is right again after that batch's commit only if it has the same pages: so
 * the table is given up. */
void pagehash_commit(struct pagehash *h, uint64_t txid);

#endif
