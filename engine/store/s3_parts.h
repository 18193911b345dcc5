/* SPDX-License-Identifier: Apache-2.0 */
/* s3_parts: one object sent in parts, several at a time. Threads: any. */
#ifndef ENGINE_STORE_S3_PARTS_H
#define ENGINE_STORE_S3_PARTS_H

#include "engine/store/s3_call.h"

enum { S3_PARTS_MAX = 10000 };

/* begin: the request that starts it, "POST key?uploads", with all headers of the object. finish:
 * headers of the request that ends it (a condition). Nothing is left of it after a failure, if the
 * server can be reached. */
LS_MUST_USE int
s3_parts_put(struct store_s3 *s, const struct store_call *call, const struct s3_request *begin,
	     const struct s3_request *finish, const struct store_source *src, struct ls_err *err);

/* The size of all parts but the last. */
uint64_t s3_parts_size(const struct s3_config *c, uint64_t object_size);

#endif
