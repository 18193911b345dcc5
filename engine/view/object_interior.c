/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interior pages of a large snapshot, which lie scattered over it, from the object beside it
 * that holds them together (replica.h). Whatever is wrong with that object, the pages are read from
 * the snapshot itself.
 */
#include "config.h"

#include "engine/view/object.h"

#include "engine/base/log.h"

#include <string.h>

#define NUMBER UINT64_MAX /* in the cache of pieces */

/* In the cache: the index, then the object. */
struct interior {
	struct object_piece *index; /* inside; NULL: it is of no use */
	const uint8_t *raw;
};

static int
fetch(struct objects *os, const struct store_call *call, const struct object *o, uint8_t *p,
      struct ls_err *err)
{
	char key[REPLICA_KEY_MAX];
	struct store_get g = {.key = key, .len = (size_t)o->interior};
	size_t n = 0;
	int rc;

	replica_interior_key(o->max, key);
	rc = store_get(objects_replica(os)->store, call, &g, p, &n, NULL, err);
	if (rc == 0 && n != o->interior)
		rc = ls_err_set(err, -ESTALE, "'%s' is another one now", key);
	return rc;
}

static int
verify(struct objects *os, const struct object *o, const uint8_t *p, struct object_piece **ret,
       struct ls_err *err)
{
	struct object it = {.size = o->interior, .min = o->max + 1, .max = o->max + 1};
	struct object_scratch *s = objects_scratch(os);
	int rc;

	if (!s)
		return ls_err_set(err, -ENOMEM, "out of memory");
	rc = it.size < LTX_SIZE_MIN ? ls_err_set(err, -EBADMSG, "too short")
				    : object_verify(os, &it, p, s->page, ret, err);
	objects_scratch_put(os, s);
	if (rc == 0 && (it.hdr.node_id != o->checksum || it.hdr.commit != o->hdr.commit ||
			it.hdr.page_size != o->hdr.page_size)) {
		free(*ret);
		rc = ls_err_set(err, -ESTALE, "they are of another snapshot");
	}
	return rc;
}

static int
load(struct objects *os, const struct store_call *call, const struct object *o,
     struct interior **ret, size_t *ret_size, struct ls_err *err)
{
	ls_autofree uint8_t *p = malloc((size_t)o->interior);
	struct object_piece *index = NULL;
	struct interior *in;
	size_t n;
	int rc = p ? fetch(os, call, o, p, err) : -ENOMEM;

	if (rc < 0 || (rc = verify(os, o, p, &index, err)) < 0)
		return rc;
	n = sizeof *index + (index->n + 1) * sizeof index->e[0];
	*ret_size = sizeof *in + n + (size_t)o->interior;
	if ((in = malloc(*ret_size))) {
		in->index = (struct object_piece *)(in + 1);
		memcpy(in->index, index, n);
		in->raw = memcpy((uint8_t *)(in + 1) + n, p, (size_t)o->interior);
	}
	free(index);
	*ret = in;
	return in ? 0 : -ENOMEM;
}

/* Pins them, or returns NULL. What cannot be used is not asked for again while it is remembered. */
static struct block *
pin(struct objects *os, const struct store_call *call, const struct object *o)
{
	struct blockcache *cache = objects_pieces(os);
	struct interior *in = NULL;
	struct ls_err err = {0};
	struct block *b = NULL;
	size_t size = 0;
	int rc = blockcache_pin(cache, call, o->id, NUMBER, false, &b, NULL);

	if (rc != 1)
		return rc == 0 ? b : NULL;
	rc = load(os, call, o, &in, &size, &err);
	if (rc < 0)
		log_write(LOG_DEBUG, "interior pages are read one by one", LOG_STR("key", o->key),
			  LOG_STR("reason", err.msg));
	if (rc == -ENOENT || rc == -ESTALE || rc == -EBADMSG) {
		in = calloc(1, sizeof *in);
		size = sizeof *in;
	}
	if (in) {
		blockcache_fill(cache, b, in, size);
		return b;
	}
	blockcache_abandon(cache, b);
	return NULL;
}

void
object_interior_load(struct objects *os, const struct store_call *call, const struct object *o)
{
	if (o->interior)
		blockcache_release(objects_pieces(os), pin(os, call, o));
}

int
object_interior_read(struct objects *os, const struct store_call *call, const struct object *o,
		     const struct object_want *w, bool cached)
{
	struct blockcache *cache = objects_pieces(os);
	struct object_want want = *w;
	struct object_scratch *s;
	const struct interior *in;
	struct block *b;
	int rc = 1;

	if (!o->interior)
		return 1;
	b = cached ? blockcache_peek(cache, o->id, NUMBER) : pin(os, call, o);
	in = b ? b->data : NULL;
	if (in && in->index && object_index_search(in->index, w->loc.pgno, &want.loc) == 0) {
		rc = w->n == 0 ? 0 : 1;
		if (w->n && (s = objects_scratch(os))) {
			rc = object_read_frame(o, in->raw + want.loc.off, &want, s->page, NULL) < 0;
			objects_scratch_put(os, s);
		}
	}
	blockcache_release(cache, b);
	return rc;
}
