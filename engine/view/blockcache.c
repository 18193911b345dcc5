/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/blockcache.h"

#include <time.h>

enum { BUCKETS_MIN = 64, WAIT_MS = 50 };

struct entry {
	struct block pub; /* first: what the callers hold */
	uint64_t object, number;
	bool ready;
	unsigned pins;
	struct entry *chain;	     /* of its bucket */
	struct entry *older, *newer; /* among those that nobody holds */
};

struct blockcache {
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	struct entry **buckets;
	size_t nbuckets, n;
	struct entry *oldest, *newest;
	size_t bytes, max;
};

int
blockcache_new(size_t max_bytes, struct blockcache **ret, struct ls_err *err)
{
	struct blockcache *c = calloc(1, sizeof *c);

	if (c)
		c->buckets = ls_alloc_array(BUCKETS_MIN, sizeof *c->buckets);
	if (!c || !c->buckets) {
		free(c);
		return ls_err_set(err, -ENOMEM, "cache: out of memory");
	}
	c->nbuckets = BUCKETS_MIN;
	c->max = max_bytes;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->loaded, NULL);
	*ret = c;
	return 0;
}

static void
entry_free(struct entry *e)
{
	free((void *)(uintptr_t)e->pub.data);
	free(e);
}

void
blockcache_free(struct blockcache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nbuckets; i++)
		for (struct entry *e = c->buckets[i], *next; e; e = next) {
			next = e->chain;
			entry_free(e);
		}
	free(c->buckets);
	pthread_cond_destroy(&c->loaded);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct entry **
bucket(struct blockcache *c, uint64_t object, uint64_t number)
{
	uint64_t h = (object * UINT64_C(0x9e3779b97f4a7c15)) ^ number;

	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return &c->buckets[(h >> 32) & (c->nbuckets - 1)];
}

static struct entry *
find(struct blockcache *c, uint64_t object, uint64_t number)
{
	struct entry *e = *bucket(c, object, number);

	while (e && (e->object != object || e->number != number))
		e = e->chain;
	return e;
}

static void
unlink_chain(struct blockcache *c, struct entry *e)
{
	struct entry **at = bucket(c, e->object, e->number);

	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	c->n--;
}

static void
lru_remove(struct blockcache *c, struct entry *e)
{
	*(e->older ? &e->older->newer : &c->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &c->newest) = e->older;
	e->older = e->newer = NULL;
}

static void
lru_append(struct blockcache *c, struct entry *e)
{
	e->older = c->newest;
	e->newer = NULL;
	*(c->newest ? &c->newest->newer : &c->oldest) = e;
	c->newest = e;
}

static void
evict(struct blockcache *c)
{
	while (c->bytes > c->max && c->oldest) {
		struct entry *e = c->oldest;

		lru_remove(c, e);
		unlink_chain(c, e);
		c->bytes -= e->pub.size;
		entry_free(e);
	}
}

/* More buckets; without memory the chains just grow. */
static void
grow(struct blockcache *c)
{
	struct entry **old = c->buckets, **bigger;
	size_t nold = c->nbuckets;

	if (c->n < nold * 2)
		return;
	bigger = ls_alloc_array(nold * 4, sizeof *bigger);
	if (!bigger)
		return;
	c->buckets = bigger;
	c->nbuckets = nold * 4;
	for (size_t i = 0; i < nold; i++)
		for (struct entry *e = old[i], *next; e; e = next) {
			struct entry **at = bucket(c, e->object, e->number);

			next = e->chain;
			e->chain = *at;
			*at = e;
		}
	free(old);
}

static struct entry *
insert(struct blockcache *c, uint64_t object, uint64_t number)
{
	struct entry *e = calloc(1, sizeof *e), **at;

	if (!e)
		return NULL;
	grow(c);
	at = bucket(c, object, number);
	*e = (struct entry){.object = object, .number = number, .pins = 1, .chain = *at};
	*at = e;
	c->n++;
	return e;
}

static void
pin(struct blockcache *c, struct entry *e)
{
	if (e->pins++ == 0)
		lru_remove(c, e);
}

static void
unpin(struct blockcache *c, struct entry *e)
{
	if (--e->pins)
		return;
	lru_append(c, e);
	evict(c);
}

static int
wait_loaded(struct blockcache *c, const struct store_call *call, struct ls_err *err)
{
	struct timespec until;
	int rc = store_call_check(call, err);

	if (rc < 0)
		return rc;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += WAIT_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&c->loaded, &c->lock, &until);
	return 0;
}

int
blockcache_pin(struct blockcache *c, const struct store_call *call, uint64_t object,
	       uint64_t number, bool nowait, struct block **ret, struct ls_err *err)
{
	struct entry *e;
	int rc;

	LS_AUTOLOCK(&c->lock);
	for (;;) {
		e = find(c, object, number);
		if (!e) {
			e = insert(c, object, number);
			if (!e)
				return ls_err_set(err, -ENOMEM, "cache: out of memory");
			*ret = &e->pub;
			return 1;
		}
		if (e->ready) {
			pin(c, e);
			*ret = &e->pub;
			return 0;
		}
		if (nowait)
			return -EAGAIN;
		if ((rc = wait_loaded(c, call, err)) < 0)
			return rc;
	}
}

struct block *
blockcache_peek(struct blockcache *c, uint64_t object, uint64_t number)
{
	struct entry *e;

	LS_AUTOLOCK(&c->lock);
	e = find(c, object, number);
	if (!e || !e->ready)
		return NULL;
	pin(c, e);
	return &e->pub;
}

void
blockcache_fill(struct blockcache *c, struct block *b, void *data, size_t size)
{
	struct entry *e = (struct entry *)b;

	LS_AUTOLOCK(&c->lock);
	b->data = data;
	b->size = size;
	e->ready = true;
	c->bytes += size;
	evict(c);
	pthread_cond_broadcast(&c->loaded);
}

void
blockcache_abandon(struct blockcache *c, struct block *b)
{
	struct entry *e = (struct entry *)b;

	LS_AUTOLOCK(&c->lock);
	unlink_chain(c, e); /* those that wait for it look it up again */
	entry_free(e);
	pthread_cond_broadcast(&c->loaded);
}

void
blockcache_release(struct blockcache *c, struct block *b)
{
	if (!b)
		return;
	LS_AUTOLOCK(&c->lock);
	unpin(c, (struct entry *)b);
}

size_t
blockcache_bytes(struct blockcache *c)
{
	LS_AUTOLOCK(&c->lock);

	return c->bytes;
}
