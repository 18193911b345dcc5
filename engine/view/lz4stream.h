/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lz4stream: an object that is one LZ4 frame, as a stream of its content. The frame's checksums are
 * verified, and that it ends where the object ends.
 * Threads: single. Memory: what the frame asks for, 8 MiB at most. One request for 1 MiB.
 */
#ifndef ENGINE_VIEW_LZ4STREAM_H
#define ENGINE_VIEW_LZ4STREAM_H

#include "engine/store/store.h"

struct lz4stream;

/* store, call and key must outlive it. */
LS_MUST_USE int lz4stream_open(struct store *store, const struct store_call *call, const char *key,
			       struct lz4stream **ret, struct ls_err *err);
/* Up to n bytes; *ret_n is smaller only at the end. -EBADMSG: damaged or encrypted. */
LS_MUST_USE int
lz4stream_read(struct lz4stream *s, void *p, size_t n, size_t *ret_n, struct ls_err *err);
uint64_t lz4stream_taken(const struct lz4stream *s); /* bytes of the object so far */
void lz4stream_close(struct lz4stream *s);	     /* takes NULL */

#endif
