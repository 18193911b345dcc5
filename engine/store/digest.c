/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/store/digest.h"

#include "engine/store/dynlib.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { CHUNK = 128 << 10 };

/* Constants and types are those of <openssl/evp.h>. */
static struct {
	EVP_MD_CTX *(*ctx_new)(void);
	void (*ctx_free)(EVP_MD_CTX *);
	int (*init)(EVP_MD_CTX *, const EVP_MD *, ENGINE *);
	int (*update)(EVP_MD_CTX *, const void *, size_t);
	int (*final)(EVP_MD_CTX *, unsigned char *, unsigned *);
	const EVP_MD *(*sha256)(void);
	const EVP_MD *(*md5)(void);
	unsigned char *(*hmac)(const EVP_MD *, const void *, int, const unsigned char *, size_t,
			       unsigned char *, unsigned *);
} api;
static bool loaded;

static void
load(void)
{
	static const struct dynlib_symbol symbols[] = {
		{"EVP_MD_CTX_new", &api.ctx_new},
		{"EVP_MD_CTX_free", &api.ctx_free},
		{"EVP_DigestInit_ex", &api.init},
		{"EVP_DigestUpdate", &api.update},
		{"EVP_DigestFinal_ex", &api.final},
		{"EVP_sha256", &api.sha256},
		{"EVP_md5", &api.md5},
		{"HMAC", &api.hmac},
	};

	loaded = dynlib_load("libcrypto.so.3", symbols, sizeof symbols / sizeof *symbols);
}

static int
need_api(struct ls_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return loaded ? 0
		      : ls_err_set(err, -ENOENT,
				   "libcrypto cannot be loaded (Debian: apt install libssl3)");
}

static int
failed(struct ls_err *err)
{
	return ls_err_set(err, -EIO, "OpenSSL failed to compute a checksum");
}

static int
feed(EVP_MD_CTX *ctx, const struct store_source *src, uint64_t off, uint64_t n, struct ls_err *err)
{
	ls_autofree uint8_t *chunk = malloc(CHUNK);
	int rc;

	if (!chunk)
		return ls_err_set(err, -ENOMEM, "out of memory");
	while (n) {
		size_t len = n < CHUNK ? (size_t)n : CHUNK;

		if ((rc = src->read(src->arg, off, chunk, len, err)) < 0)
			return rc;
		if (!api.update(ctx, chunk, len))
			return failed(err);
		off += len;
		n -= len;
	}
	return 0;
}

int
digest_source(enum digest_kind kind, const struct store_source *src, uint64_t off, uint64_t n,
	      uint8_t *out, struct ls_err *err)
{
	EVP_MD_CTX *ctx;
	int rc = need_api(err);

	if (rc < 0)
		return rc;
	if (!(ctx = api.ctx_new()))
		return ls_err_set(err, -ENOMEM, "out of memory");
	if (!api.init(ctx, kind == DIGEST_MD5 ? api.md5() : api.sha256(), NULL))
		rc = failed(err);
	if (rc == 0)
		rc = feed(ctx, src, off, n, err);
	if (rc == 0 && !api.final(ctx, out, NULL))
		rc = failed(err);
	api.ctx_free(ctx);
	return rc;
}

int
digest_mem(enum digest_kind kind, const void *p, size_t n, uint8_t *out, struct ls_err *err)
{
	struct store_source src = store_source_mem(p, n);

	return digest_source(kind, &src, 0, n, out, err);
}

int
digest_hmac(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[DIGEST_SHA256_LEN],
	    struct ls_err *err)
{
	unsigned len = DIGEST_SHA256_LEN;
	int rc = need_api(err);

	if (rc < 0)
		return rc;
	return api.hmac(api.sha256(), key, (int)key_n, p, n, out, &len) ? 0 : failed(err);
}

void
digest_hex(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
digest_base64(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)(i + 1 < n ? p[i + 1] : 0) << 8 |
			     (i + 2 < n ? p[i + 2] : 0);

		*out++ = base64[v >> 18];
		*out++ = base64[v >> 12 & 63];
		*out++ = '=';
		*out++ = '=';
		if (i + 1 < n)
			out[-2] = base64[v >> 6 & 63];
		if (i + 2 < n)
			out[-1] = base64[v & 63];
	}
	*out = '\0';
}

int
digest_unbase64(const char *s, uint8_t *out, size_t cap, size_t *ret_n)
{
	size_t n = strlen(s), pad = 0, at = 0;
	uint32_t v = 0;

	if (n % 4)
		return -EINVAL;
	while (pad < 2 && pad < n && s[n - 1 - pad] == '=')
		pad++;
	if (n / 4 * 3 - pad > cap)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const char *c = i + pad < n ? memchr(base64, s[i], 64) : base64;

		if (!c)
			return -EINVAL;
		v = v << 6 | (uint32_t)(c - base64);
		for (int k = 0; i % 4 == 3 && k < 3; k++)
			if (at < n / 4 * 3 - pad)
				out[at++] = (uint8_t)(v >> (16 - 8 * k));
	}
	*ret_n = at;
	return 0;
}
