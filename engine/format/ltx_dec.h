/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_dec: a whole LTX file, in order, verified: header, every page, index against frames,
 * trailer, file checksum, no byte after it.
 * Threads: single. Memory: one read buffer, of 256 KiB at most, and one page.
 */
#ifndef ENGINE_FORMAT_LTX_DEC_H
#define ENGINE_FORMAT_LTX_DEC_H

#include "engine/format/ltx.h"

/* Reads up to n bytes at off; *ret_n smaller than n only at the end. */
typedef int
ltx_source_fn(void *arg, uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err);

struct ltx_dec;

/* size: of the whole object, from the listing. */
LS_MUST_USE int ltx_dec_open(ltx_source_fn *source, void *arg, uint64_t size, struct ltx_dec **ret,
			     struct ls_err *err);
const struct ltx_header *ltx_dec_header(const struct ltx_dec *d);

/*
 * The next page. Returns 0; 1 after the last page, when everything up to the end of the file has
 * been verified; -EBADMSG.
 *   ret         data and stored form are valid until the next call
 *   ret_stored  the page frame as stored, ret->stored bytes; may be NULL
 */
LS_MUST_USE int ltx_dec_next(struct ltx_dec *d, struct ltx_page *ret, const uint8_t **ret_stored,
			     struct ls_err *err);
const struct ltx_trailer *ltx_dec_trailer(const struct ltx_dec *d); /* after 1 */
void ltx_dec_close(struct ltx_dec *d);				    /* takes NULL */

#endif
