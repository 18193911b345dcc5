/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_merge: k decoders, oldest first -> one encoder; the newest version of each page wins, pages
 * above the last commit are dropped, and a page version older than a smaller commit in between is
 * dead (H15). Source: spec/format.md 1.11.
 */
#ifndef ENGINE_FORMAT_LTX_MERGE_H
#define ENGINE_FORMAT_LTX_MERGE_H

#include "engine/format/ltx_dec.h"
#include "engine/format/ltx_enc.h"

/*
 * Merges all inputs to their verified end. Header of the output: min of the first, max, commit and
 * time of the last, WAL fields and node 0, flags as given (LTX_NO_CHECKSUM zeroes pre and post).
 * -EINVAL: page sizes differ; -ENODATA: a gap or a contained file between neighbours; -EBADMSG.
 */
LS_MUST_USE int
ltx_merge(struct ltx_dec *const *in, size_t n, uint32_t flags, enum ltx_encoding encoding,
	  ltx_sink_fn *sink, void *arg, struct ltx_header *ret_hdr, struct ltx_trailer *ret_trailer,
	  struct ls_err *err);

#endif
