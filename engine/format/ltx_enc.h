/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_enc: pages in ascending order -> the bytes of an LTX file, streamed to a sink.
 *
 * Memory: one page frame and the page index (9 bytes a page) up to 16 MiB; more goes to the
 * caller's spill, and is -ENOMEM when there is none. Threads: single.
 */
#ifndef ENGINE_FORMAT_LTX_ENC_H
#define ENGINE_FORMAT_LTX_ENC_H

#include "engine/base/buf.h"
#include "engine/format/ltx.h"

typedef int ltx_sink_fn(void *arg, const void *p, size_t n, struct ls_err *err);

/* Where the page index goes beyond 16 MiB, until the end: a file of the caller's. */
struct ltx_spill {
	int (*write)(void *arg, uint64_t off, const void *p, size_t n, struct ls_err *err);
	int (*read)(void *arg, uint64_t off, void *p, size_t n, struct ls_err *err);
	void *arg;
};

struct ltx_enc {
	struct ltx_header hdr;
	enum ltx_encoding encoding;
	ltx_sink_fn *sink;
	void *arg;
	uint64_t hash;	 /* of all that was written and counts */
	uint64_t offset; /* bytes written */
	uint32_t last;	 /* pgno of the page before; 0: none */
	uint32_t npages;
	struct ls_buf index;
	const struct ltx_spill *spill; /* set after ltx_enc_begin(); NULL: none */
	uint64_t spilled;	       /* bytes of the index that are there */
};

/* Writes the header. sink receives every byte once, in order. */
LS_MUST_USE int
ltx_enc_begin(struct ltx_enc *e, const struct ltx_header *h, enum ltx_encoding encoding,
	      ltx_sink_fn *sink, void *arg, struct ls_err *err);
/* Pages strictly ascending, 1..commit, never the lock page; a snapshot without a hole. -EINVAL. */
LS_MUST_USE int
ltx_enc_page(struct ltx_enc *e, uint32_t pgno, const uint8_t *page, struct ls_err *err);
/* The same for a page that is encoded already: p holds page->stored bytes. */
LS_MUST_USE int ltx_enc_stored(struct ltx_enc *e, const struct ltx_page *page, const uint8_t *p,
			       struct ls_err *err);
/* Writes end marker, index and trailer. A snapshot with missing pages is -EINVAL. */
LS_MUST_USE int
ltx_enc_end(struct ltx_enc *e, uint64_t post_checksum, struct ltx_trailer *ret, struct ls_err *err);
void ltx_enc_done(struct ltx_enc *e);

#endif
