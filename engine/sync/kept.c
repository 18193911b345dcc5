/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/kept.h"

#include "engine/base/auto.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/queue.h>

struct file {
	struct kept_name name;
	TAILQ_ENTRY(file) link;
	struct file *next; /* of its bucket */
	size_t n;
	uint8_t bytes[];
};

enum { OVERHEAD = sizeof(struct file) + 2 * sizeof(struct file *), BUCKETS_MIN = 16 };

struct kept {
	pthread_mutex_t lock;
	TAILQ_HEAD(, file) oldest;
	size_t nfiles, nbuckets; /* a power of two */
	struct file **buckets;
};

static atomic_size_t in_all;

static struct file **
bucket_of(struct file **buckets, size_t nbuckets, const struct kept_name *name)
{
	uint64_t h = (uintptr_t)name->owner ^ name->level;

	h = (h ^ name->max) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ h >> 32 ^ name->min) * UINT64_C(0x9e3779b97f4a7c15);
	return &buckets[h >> 32 & (nbuckets - 1)];
}

static bool
same(const struct kept_name *a, const struct kept_name *b)
{
	return a->owner == b->owner && a->level == b->level && a->max == b->max && a->min == b->min;
}

struct kept *
kept_new(void)
{
	struct kept *k = calloc(1, sizeof *k);

	if (!k)
		return NULL;
	k->nbuckets = BUCKETS_MIN;
	k->buckets = calloc(k->nbuckets, sizeof(struct file *));
	if (!k->buckets) {
		free(k);
		return NULL;
	}
	pthread_mutex_init(&k->lock, NULL);
	TAILQ_INIT(&k->oldest);
	return k;
}

/* Where the pointer to it is; that points to nothing when it is not here. */
static struct file **
find(const struct kept *k, const struct kept_name *name)
{
	struct file **p = bucket_of(k->buckets, k->nbuckets, name);

	while (*p && !same(&(*p)->name, name))
		p = &(*p)->next;
	return p;
}

static void
drop(struct kept *k, struct file **p)
{
	struct file *f = *p;

	*p = f->next;
	k->nfiles--;
	TAILQ_REMOVE(&k->oldest, f, link);
	atomic_fetch_sub(&in_all, OVERHEAD + f->n);
	free(f);
}

/* A bucket a file. When memory is short they are searched for longer. */
static void
grow(struct kept *k)
{
	size_t n = k->nbuckets * 2;
	struct file **v = calloc(n, sizeof *v), *f, **p;

	if (!v)
		return;
	TAILQ_FOREACH(f, &k->oldest, link)
	{
		p = bucket_of(v, n, &f->name);
		f->next = *p;
		*p = f;
	}
	free(k->buckets);
	k->buckets = v;
	k->nbuckets = n;
}

void
kept_free(struct kept *k)
{
	struct file *f;

	if (!k)
		return;
	while ((f = TAILQ_FIRST(&k->oldest)))
		drop(k, find(k, &f->name));
	pthread_mutex_destroy(&k->lock);
	free(k->buckets);
	free(k);
}

/* Counts so much more, if there is room or can be made. */
static bool
take_room(struct kept *k, size_t need)
{
	struct file *f;

	while (atomic_fetch_add(&in_all, need) + need > KEPT_MAX) {
		atomic_fetch_sub(&in_all, need);
		if (!(f = TAILQ_FIRST(&k->oldest)))
			return false;
		drop(k, find(k, &f->name));
	}
	return true;
}

void
kept_put(struct kept *k, const struct kept_name *name, const void *p, size_t n)
{
	struct file *f, **at;

	if (!k || n > KEPT_FILE_MAX)
		return;
	LS_AUTOLOCK(&k->lock);
	if (*(at = find(k, name)))
		drop(k, at);
	if (!take_room(k, OVERHEAD + n))
		return;
	if (!(f = malloc(sizeof *f + n))) {
		atomic_fetch_sub(&in_all, OVERHEAD + n);
		return;
	}
	if (k->nfiles >= k->nbuckets)
		grow(k);
	at = bucket_of(k->buckets, k->nbuckets, name);
	*f = (struct file){.name = *name, .next = *at, .n = n};
	memcpy(f->bytes, p, n);
	*at = f;
	k->nfiles++;
	TAILQ_INSERT_TAIL(&k->oldest, f, link);
}

uint64_t
kept_size(struct kept *k, const struct kept_name *name)
{
	const struct file *f;

	if (!k)
		return 0;
	LS_AUTOLOCK(&k->lock);
	f = *find(k, name);
	return f ? f->n : 0;
}

bool
kept_get(struct kept *k, const struct kept_name *name, uint64_t size, uint64_t off, void *p,
	 size_t n, size_t *ret_n)
{
	const struct file *f;

	if (!k)
		return false;
	LS_AUTOLOCK(&k->lock);
	if (!(f = *find(k, name)) || f->n != size)
		return false;
	*ret_n = off >= f->n ? 0 : f->n - off < n ? f->n - (size_t)off : n;
	if (*ret_n)
		memcpy(p, f->bytes + off, *ret_n);
	return true;
}

void
kept_drop(struct kept *k, const struct kept_name *name)
{
	struct file **at;

	if (!k)
		return;
	LS_AUTOLOCK(&k->lock);
	if (*(at = find(k, name)))
		drop(k, at);
}

void
kept_drop_all(struct kept *k, const void *owner)
{
	struct file *f, *next;

	if (!k)
		return;
	LS_AUTOLOCK(&k->lock);
	for (f = TAILQ_FIRST(&k->oldest); f; f = next) {
		next = TAILQ_NEXT(f, link);
		if (f->name.owner == owner)
			drop(k, find(k, &f->name));
	}
}
