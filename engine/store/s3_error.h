/* SPDX-License-Identifier: Apache-2.0 */
/* s3_error: what an answer that is no success means, and what its reader should do. Threads: any.
 */
#ifndef ENGINE_STORE_S3_ERROR_H
#define ENGINE_STORE_S3_ERROR_H

#include "engine/store/s3_call.h"

/* Fills ret->code from the body. region: "" or the one that the server names. */
void s3_error_read(struct s3_answer *a, char *region, size_t cap);
/* The code of err.h and a text for people. where: "s3://bucket/key". */
int s3_error_set(const struct s3_answer *a, const struct s3_request *q, const char *where,
		 const struct s3_place *p, struct ls_err *err);

#endif
