/* SPDX-License-Identifier: Apache-2.0 */
/* The table of open objects, their caches, and the stock of working memory. */
#include "config.h"

#include "engine/view/object.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
	BUCKETS = 1024,
	IDLE_MAX = 8192, /* objects that no view uses */
	PIECES_BYTES = 8 << 20,
	FAR_PIECES_BYTES = 24 << 20, /* with interior pages */
	SCRATCH_MAX = 8,	     /* kept while nobody reads */
};

struct objects {
	const struct replica *replica;
	struct blockcache *blocks, *pieces;
	pthread_mutex_t lock;
	struct object *buckets[BUCKETS];
	struct object *oldest, *newest; /* of those without a user */
	size_t nidle;
	uint64_t last_id;
	struct object_scratch *scratch;
	size_t nscratch;
};

int
objects_new(const struct replica *r, size_t cache_bytes, struct objects **ret, struct ls_err *err)
{
	struct objects *os = calloc(1, sizeof *os);
	int rc;

	if (!os)
		return ls_err_set(err, -ENOMEM, "objects: out of memory");
	os->replica = r;
	pthread_mutex_init(&os->lock, NULL);
	if ((rc = blockcache_new(cache_bytes, &os->blocks, err)) < 0 ||
	    (rc = blockcache_new(store_is_far(r->store) ? FAR_PIECES_BYTES : PIECES_BYTES,
				 &os->pieces, err)) < 0) {
		objects_free(os);
		return rc;
	}
	*ret = os;
	return 0;
}

void
objects_free(struct objects *os)
{
	if (!os)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct object *o = os->buckets[i], *next; o; o = next) {
			next = o->chain;
			free(o);
		}
	for (struct object_scratch *s = os->scratch, *next; s; s = next) {
		next = s->next;
		munmap(s, sizeof *s);
	}
	blockcache_free(os->blocks);
	blockcache_free(os->pieces);
	pthread_mutex_destroy(&os->lock);
	free(os);
}

const struct replica *
objects_replica(const struct objects *os)
{
	return os->replica;
}

struct blockcache *
objects_blocks(struct objects *os)
{
	return os->blocks;
}

struct blockcache *
objects_pieces(struct objects *os)
{
	return os->pieces;
}

static struct object **
bucket(struct objects *os, const struct catalog_file *f)
{
	uint64_t h = (f->min * UINT64_C(0x9e3779b97f4a7c15)) ^ f->max ^ (uint64_t)f->level << 56;

	return &os->buckets[(h * UINT64_C(0xbf58476d1ce4e5b9)) >> 32 & (BUCKETS - 1)];
}

static bool
same(const struct object *o, const struct catalog_file *f)
{
	return o->level == f->level && o->min == f->min && o->max == f->max && o->size == f->size &&
	       strcmp(o->etag, f->etag ? f->etag : "") == 0;
}

static void
idle_remove(struct objects *os, struct object *o)
{
	*(o->older ? &o->older->newer : &os->oldest) = o->newer;
	*(o->newer ? &o->newer->older : &os->newest) = o->older;
	o->older = o->newer = NULL;
	os->nidle--;
}

static void
idle_append(struct objects *os, struct object *o)
{
	o->older = os->newest;
	o->newer = NULL;
	*(os->newest ? &os->newest->newer : &os->oldest) = o;
	os->newest = o;
	os->nidle++;
}

static struct object *
find_ref(struct objects *os, const struct catalog_file *f)
{
	struct object *o = *bucket(os, f);

	while (o && !same(o, f))
		o = o->chain;
	if (o && o->refs++ == 0)
		idle_remove(os, o);
	return o;
}

static void
forget(struct objects *os, struct object *o)
{
	struct catalog_file f = {.level = o->level, .min = o->min, .max = o->max};
	struct object **at = bucket(os, &f);

	while (*at != o)
		at = &(*at)->chain;
	*at = o->chain;
	free(o);
}

static struct object *
object_new(struct objects *os, const struct catalog_file *f)
{
	struct object *o = calloc(1, sizeof *o);

	if (!o)
		return NULL;
	o->level = f->level;
	o->min = f->min;
	o->max = f->max;
	o->size = f->size;
	o->refs = 1;
	if (f->etag)
		snprintf(o->etag, sizeof o->etag, "%s", f->etag);
	o->base = f->off;
	if (store_is_far(os->replica->store) && f->interior <= OBJECT_INTERIOR_MAX)
		o->interior = f->interior;
	catalog_key(os->replica, f, o->key);
	pthread_mutex_lock(&os->lock);
	o->id = ++os->last_id;
	pthread_mutex_unlock(&os->lock);
	return o;
}

/* Makes a loaded object known, unless another thread was faster; returns the one to use. */
static struct object *
publish(struct objects *os, const struct catalog_file *f, struct object *o)
{
	struct object *first, **at;

	LS_AUTOLOCK(&os->lock);
	first = find_ref(os, f);
	if (first) {
		free(o);
		return first;
	}
	at = bucket(os, f);
	o->chain = *at;
	*at = o;
	return o;
}

int
objects_get(struct objects *os, const struct store_call *call, const struct catalog_file *f,
	    struct object **ret, struct ls_err *err)
{
	struct object *o;
	int rc;

	pthread_mutex_lock(&os->lock);
	o = find_ref(os, f);
	pthread_mutex_unlock(&os->lock);
	if (!o) {
		o = object_new(os, f);
		if (!o)
			return ls_err_set(err, -ENOMEM, "objects: out of memory");
		if ((rc = object_load(os, call, o, err)) < 0) {
			rc = ls_err_wrap(err, rc, rc == -EBADMSG ? "'%s' is damaged" : "'%s'",
					 o->key);
			free(o);
			return rc;
		}
		o = publish(os, f, o);
	}
	*ret = o;
	return 0;
}

void
objects_put(struct objects *os, struct object *o)
{
	if (!o)
		return;
	LS_AUTOLOCK(&os->lock);
	if (--o->refs)
		return;
	idle_append(os, o);
	while (os->nidle > IDLE_MAX) {
		struct object *old = os->oldest;

		idle_remove(os, old);
		forget(os, old);
	}
}

/* Mapped, not from the heap: given back when it is done with, whatever was allocated since. */
static struct object_scratch *
scratch_new(void)
{
	void *p = mmap(NULL, sizeof(struct object_scratch), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct object_scratch *
objects_scratch(struct objects *os)
{
	struct object_scratch *s;

	pthread_mutex_lock(&os->lock);
	s = os->scratch;
	if (s) {
		os->scratch = s->next;
		os->nscratch--;
	}
	pthread_mutex_unlock(&os->lock);
	return s ? s : scratch_new();
}

void
objects_scratch_put(struct objects *os, struct object_scratch *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&os->lock);
	if (os->nscratch < SCRATCH_MAX) {
		s->next = os->scratch;
		os->scratch = s;
		os->nscratch++;
		s = NULL;
	}
	pthread_mutex_unlock(&os->lock);
	if (s)
		munmap(s, sizeof *s);
}
