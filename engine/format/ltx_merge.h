/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_merge: k decoders, oldest first -> one LTX file, which has the effect of applying them in
 * turn. Source: spec/format.md 1.11.
 *
 * The newest version of each page wins. A version is dead when a later input has a smaller commit,
 * even if the database grows again afterwards (H15); then the page has to stand in one of the files
 * from there on, and the merge fails if it does not.
 * Pure. Threads: single. Memory: that of the decoders and the encoder.
 */
#ifndef ENGINE_FORMAT_LTX_MERGE_H
#define ENGINE_FORMAT_LTX_MERGE_H

#include "engine/format/ltx_dec.h"
#include "engine/format/ltx_enc.h"

/* What comes out, and where it goes. */
struct ltx_merge_out {
	uint32_t flags; /* LTX_NO_CHECKSUM zeroes the database checksums; 0 takes them over */
	enum ltx_encoding encoding;
	ltx_sink_fn *sink;
	void *arg;
	const struct ltx_spill *spill; /* see ltx_enc.h; may be NULL */
};

/*
 * Merges n >= 1 inputs, each just opened, to their verified end. The output is good only if this
 * returns 0: damage shows at the end of an input, after its pages went to the sink.
 * Header of the output: min and checksum of the first, max, commit and time of the last, WAL fields
 * and node 0. Inputs may overlap, but each has to begin at or before the end of the one before it
 * plus 1, and has to end later.
 *   ret_hdr, ret_trailer  set on success; may be NULL
 * -EINVAL: no input, page sizes differ, flags 0 with inputs that do not track checksums;
 * -ENODATA: a gap or a contained file between neighbours; -EBADMSG: a damaged input, or a page
 * that none of them has though the database grew over it; -ENOMEM; what the sink returns.
 * Cost: decoding all; a page is encoded again only if it is stored in another way than asked for.
 * Choosing is O(n) a page.
 */
LS_MUST_USE int
ltx_merge(struct ltx_dec *const *in, size_t n, const struct ltx_merge_out *out,
	  struct ltx_header *ret_hdr, struct ltx_trailer *ret_trailer, struct ls_err *err);

#endif
