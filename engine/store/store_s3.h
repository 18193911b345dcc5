/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_s3: Amazon S3 and everything that speaks its protocol (s3_place.h: providers).
 *
 * The key of an object is "PATH/KEY" by plain concatenation, as the released program has it: an
 * empty path gives keys that begin with '/'. The transaction time is the metadata
 * litestream-timestamp (RFC 3339); a listing does not tell it, head() does.
 * Objects larger than one part are sent in parts, several at a time, and taken back on failure;
 * parts that a crash left are taken back by root(create) after a day.
 * The root is the bucket with its path: it is always there as far as this store knows, and asking
 * for it costs nothing; a bucket that does not exist is -EINVAL at the first request.
 */
#ifndef ENGINE_STORE_STORE_S3_H
#define ENGINE_STORE_STORE_S3_H

#include "engine/store/http.h"
#include "engine/store/store.h"

LS_MUST_USE int
store_s3_open(const struct store_config *cfg, struct store **ret, struct ls_err *err);

/* What the headers of an answer say of the object. */
void store_s3_read_meta(const struct http_answer *a, struct store_meta *ret);

#endif
