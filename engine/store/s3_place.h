/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_place: where a bucket is and what its provider wants: the table of all providers.
 *
 * Host style is https://BUCKET.HOST/KEY, path style https://HOST/BASE/BUCKET/KEY. Source:
 * spec/contract.md 3.3, spec/storage.md A2.1 and A2.7. Threads: immutable after s3_place_find().
 */
#ifndef ENGINE_STORE_S3_PLACE_H
#define ENGINE_STORE_S3_PLACE_H

#include "engine/base/buf.h"
#include "engine/store/s3_config.h"

enum {
	S3_SIGN_PAYLOAD = 1 << 0,
	S3_NO_MD5 = 1 << 1,	   /* refuses Content-MD5 */
	S3_NO_CONDITION = 1 << 2,  /* refuses If-None-Match and If-Match on writes */
	S3_TIGRIS = 1 << 3,	   /* wants X-Tigris-Consistent */
	S3_SINGLE_DELETE = 1 << 4, /* deletes one object a request */
	S3_HIDES_DELETED = 1 << 5, /* a deletion leaves a hidden version that is paid for */
};

struct s3_place {
	const char *provider; /* its name, for messages */
	char *origin;	      /* scheme://host[:port] */
	char *host;	      /* as the Host header says it */
	char *base;	      /* path before "/KEY", encoded: "", "/bucket", "/base/bucket" */
	char *region;	      /* to sign with */
	bool tls;
	unsigned flags, concurrency;
};

/* -EINVAL. */
LS_MUST_USE int s3_place_find(const struct s3_config *c, struct s3_place *ret, struct ls_err *err);
/* The same in another region. */
LS_MUST_USE int s3_place_move(const struct s3_config *c, const char *region, struct s3_place *p,
			      struct ls_err *err);
void s3_place_done(struct s3_place *p);

/* The parts of the host in "s3://HOST/": bucket, region and endpoint are set (the latter two only
 * if the host tells them, and never over what is there), path_style when the provider needs it. */
LS_MUST_USE int
s3_place_from_host(const char *host, unsigned port, struct s3_config *c, struct ls_err *err);
/* The endpoint with its scheme: for one without, http if local_http and it is of this host or a
 * private network, else https. Caller frees. */
LS_MUST_USE int
s3_place_endpoint(const char *text, bool local_http, char **ret, struct ls_err *err);

#endif
