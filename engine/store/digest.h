/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest: SHA-256, HMAC-SHA-256 and MD5 of OpenSSL, loaded when they are first needed (libcurl
 * brings them into the process anyway). Threads: any.
 */
#ifndef ENGINE_STORE_DIGEST_H
#define ENGINE_STORE_DIGEST_H

#include "engine/store/store.h"

enum {
	DIGEST_SHA256_LEN = 32,
	DIGEST_SHA256_HEX = 2 * DIGEST_SHA256_LEN,
	DIGEST_MD5_LEN = 16,
	DIGEST_MD5_BASE64 = 25, /* with NUL */
};

enum digest_kind { DIGEST_SHA256, DIGEST_MD5 };

LS_MUST_USE int
digest_mem(enum digest_kind kind, const void *p, size_t n, uint8_t *out, struct ls_err *err);
/* Of n bytes of a source, from off. */
LS_MUST_USE int digest_source(enum digest_kind kind, const struct store_source *src, uint64_t off,
			      uint64_t n, uint8_t *out, struct ls_err *err);
LS_MUST_USE int digest_hmac(const void *key, size_t key_n, const void *p, size_t n,
			    uint8_t out[DIGEST_SHA256_LEN], struct ls_err *err);

void digest_hex(const uint8_t *p, size_t n, char *out);	   /* 2n + 1 bytes */
void digest_base64(const uint8_t *p, size_t n, char *out); /* 4 * ((n + 2) / 3) + 1 bytes */
/* Strict, with padding. -EINVAL; *ret_n bytes are written, at most cap. */
LS_MUST_USE int digest_unbase64(const char *s, uint8_t *out, size_t cap, size_t *ret_n);

#endif
