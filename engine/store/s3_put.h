/* SPDX-License-Identifier: Apache-2.0 */
/* s3_put: writing objects, whole or in parts. Threads: any. */
#ifndef ENGINE_STORE_S3_PUT_H
#define ENGINE_STORE_S3_PUT_H

#include "engine/store/digest.h"
#include "engine/store/s3_call.h"

/* As store_put(). */
LS_MUST_USE int
s3_put_object(struct store_s3 *s, const struct store_call *call, const struct store_put *p,
	      const struct store_source *src, struct store_meta *ret_meta, struct ls_err *err);
/* Takes back what uploads of more than a day ago left below the path; a failure is only logged. */
void s3_put_abort_old(struct store_s3 *s, const struct store_call *call);

/* Headers of the customer's key, which reading needs as writing does; text holds what they point
 * to. */
void
s3_put_customer_key(const struct store_s3 *s, struct s3_request *q, char text[DIGEST_MD5_BASE64]);

#endif
