/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/lz4stream.h"

#include <lz4frame.h>
#include <string.h>

enum { CHUNK = 1 << 20 };

struct lz4stream {
	struct store *store;
	const struct store_call *call;
	const char *key;
	char etag[STORE_ETAG_MAX];
	LZ4F_dctx *dctx;
	uint64_t off; /* of what is read next */
	size_t at, n; /* in chunk */
	bool last;    /* chunk is the last one */
	bool done;    /* the frame is complete */
	uint8_t chunk[CHUNK];
};

int
lz4stream_open(struct store *store, const struct store_call *call, const char *key,
	       struct lz4stream **ret, struct ls_err *err)
{
	struct lz4stream *s = calloc(1, sizeof *s);

	if (!s || LZ4F_isError(LZ4F_createDecompressionContext(&s->dctx, LZ4F_VERSION))) {
		free(s);
		return ls_err_set(err, -ENOMEM, "'%s': out of memory", key);
	}
	s->store = store;
	s->call = call;
	s->key = key;
	*ret = s;
	return 0;
}

void
lz4stream_close(struct lz4stream *s)
{
	if (!s)
		return;
	LZ4F_freeDecompressionContext(s->dctx);
	free(s);
}

uint64_t
lz4stream_taken(const struct lz4stream *s)
{
	return s->off;
}

static int
damaged(const struct lz4stream *s, const char *why, struct ls_err *err)
{
	return ls_err_set(err, -EBADMSG, "'%s' is damaged: %s", s->key, why);
}

static int
fill(struct lz4stream *s, struct ls_err *err)
{
	static const char age[] = "age-encryption.org/v1";
	struct store_get g = {.key = s->key, .off = s->off, .len = CHUNK};
	struct store_meta meta;
	int rc = store_call_check(s->call, err);

	g.etag = s->off ? s->etag : NULL;
	if (rc < 0 || (rc = store_get(s->store, s->call, &g, s->chunk, &s->n, &meta, err)) < 0)
		return rc == -ENOENT || rc == -ESTALE
			       ? ls_err_set(err, -ESTALE, "'%s' is no longer in the replica",
					    s->key)
			       : rc;
	if (s->off == 0) {
		memcpy(s->etag, meta.etag, sizeof s->etag);
		if (s->n >= sizeof age - 1 && memcmp(s->chunk, age, sizeof age - 1) == 0)
			return ls_err_set(err, -EBADMSG,
					  "'%s' is encrypted with age, which is not supported: "
					  "decrypt it with the age program, or restore with "
					  "Litestream 0.3",
					  s->key);
	}
	s->off += s->n;
	s->at = 0;
	s->last = s->off >= meta.size;
	return 0;
}

/* One step of the decoder; more input is needed when nothing moves. */
static int
step(struct lz4stream *s, uint8_t *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	size_t in = s->n - s->at, hint;

	*ret_n = n;
	hint = LZ4F_decompress(s->dctx, p, ret_n, s->chunk + s->at, &in, NULL);
	if (LZ4F_isError(hint))
		return damaged(s, LZ4F_getErrorName(hint), err);
	s->at += in;
	s->done = hint == 0;
	return 0;
}

int
lz4stream_read(struct lz4stream *s, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	uint8_t *out = p;
	size_t got = 0;
	int rc;

	*ret_n = 0;
	while (*ret_n < n && !s->done) {
		if (s->at == s->n) {
			if (s->last)
				return damaged(s, "it is cut off", err);
			if ((rc = fill(s, err)) < 0)
				return rc;
			if (s->n == 0)
				return damaged(s, "it is cut off", err);
		}
		if ((rc = step(s, out + *ret_n, n - *ret_n, &got, err)) < 0)
			return rc;
		*ret_n += got;
	}
	if (s->done && (s->at != s->n || !s->last))
		return damaged(s, "there is more behind its end", err);
	return 0;
}
