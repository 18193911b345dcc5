/* SPDX-License-Identifier: Apache-2.0 */
/* s3_list: the pages of ListObjectsV2, the answer of DeleteObjects. Threads: any. */
#ifndef ENGINE_STORE_S3_LIST_H
#define ENGINE_STORE_S3_LIST_H

#include "engine/store/s3_call.h"

/* As store_list(); prefix and after without the store's path. */
LS_MUST_USE int
s3_list_objects(struct store_s3 *s, const struct store_call *call, const char *prefix,
		const char *after, store_entry_fn *fn, void *arg, struct ls_err *err);
/* The objects of one page, as a server sends it, of a store with this path. */
LS_MUST_USE int s3_list_read_page(const void *xml, size_t n, const char *path, store_entry_fn *fn,
				  void *arg, struct ls_err *err);
/* As store_del(). */
LS_MUST_USE int s3_list_delete(struct store_s3 *s, const struct store_call *call,
			       const char *const *keys, size_t n, struct ls_err *err);
/* "PATH/KEY"; caller frees; NULL: out of memory. */
char *s3_list_full_key(const struct store_s3 *s, const char *key);
/* 2026-01-31T23:59:59.123Z in milliseconds; false: it is not understood, *ret is 0. */
bool s3_list_time(const char *text, int64_t *ret);
/* An etag without its quotes. */
void s3_list_etag(const char *text, char out[STORE_ETAG_MAX]);

#endif
