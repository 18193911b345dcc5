/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_pages: the pages of one LTX object after the other, newest first, into the output.
 *
 * One thread walks the page index of an object and decides for each page whether it is wanted (no
 * newer object wrote it, and no newer object was shorter); parts of about 1 MiB are fetched,
 * decoded, checked and written by the pool. Every page of every object is decoded, wanted or not,
 * because the file checksum covers them all. The parts' checksums are combined in order. Threads:
 * restore_pages_add() from one thread.
 */
#ifndef ENGINE_VIEW_RESTORE_PAGES_H
#define ENGINE_VIEW_RESTORE_PAGES_H

#include "engine/replica/catalog.h"
#include "engine/view/restore.h"
#include "engine/view/restore_out.h"

struct restore_pages;

LS_MUST_USE int
restore_pages_new(struct replica *r, const struct store_call *call, struct restore_out *out,
		  const struct restore_opts *opts, struct restore_pages **ret, struct ls_err *err);
void restore_pages_expect(struct restore_pages *p, uint64_t bytes); /* in all, for the progress */
/* What will be added, in this order, if it is known before: fetched ahead where that helps. files
 * is borrowed until the end. */
LS_MUST_USE int
restore_pages_ahead(struct restore_pages *p, const struct catalog_file *const *files, size_t n,
		    struct ls_err *err);
/* The next object, older than all before it. The first one sets page size and commit. */
LS_MUST_USE int
restore_pages_add(struct restore_pages *p, const struct catalog_file *f, struct ls_err *err);
/* Waits for all parts. -ENODATA: a page is in no object, unless some are enough. */
LS_MUST_USE int restore_pages_end(struct restore_pages *p, bool some, uint32_t *ret_page_size,
				  uint32_t *ret_commit, struct ls_err *err);
/* Whether a page was in one of the objects; after the end. */
bool restore_pages_has(const struct restore_pages *p, uint32_t pgno);
void restore_pages_free(struct restore_pages *p); /* takes NULL; waits for running parts */

#endif
