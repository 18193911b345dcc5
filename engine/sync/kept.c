/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/kept.h"

#include "engine/base/auto.h"

#include <pthread.h>
#include <search.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/queue.h>

struct file {
	struct kept_name name; /* first: the tree is searched by it */
	TAILQ_ENTRY(file) link;
	size_t n;
	uint8_t bytes[];
};

enum { OVERHEAD = sizeof(struct file) + 48 }; /* with its node in the tree */

struct kept {
	pthread_mutex_t lock;
	TAILQ_HEAD(, file) oldest;
	void *tree;
};

static atomic_size_t in_all;

static int
compare(const void *pa, const void *pb)
{
	const struct kept_name *a = pa, *b = pb;

	if (a->owner != b->owner)
		return (uintptr_t)a->owner < (uintptr_t)b->owner ? -1 : 1;
	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (a->max != b->max)
		return a->max < b->max ? -1 : 1;
	return a->min < b->min ? -1 : a->min > b->min;
}

struct kept *
kept_new(void)
{
	struct kept *k = calloc(1, sizeof *k);

	if (!k)
		return NULL;
	pthread_mutex_init(&k->lock, NULL);
	TAILQ_INIT(&k->oldest);
	return k;
}

static struct file *
find(const struct kept *k, const struct kept_name *name)
{
	struct file *const *node = tfind(name, &k->tree, compare);

	return node ? *node : NULL;
}

static void
drop(struct kept *k, struct file *f)
{
	tdelete(&f->name, &k->tree, compare);
	TAILQ_REMOVE(&k->oldest, f, link);
	atomic_fetch_sub(&in_all, OVERHEAD + f->n);
	free(f);
}

void
kept_free(struct kept *k)
{
	struct file *f;

	if (!k)
		return;
	while ((f = TAILQ_FIRST(&k->oldest)))
		drop(k, f);
	pthread_mutex_destroy(&k->lock);
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
		drop(k, f);
	}
	return true;
}

void
kept_put(struct kept *k, const struct kept_name *name, const void *p, size_t n)
{
	struct file *f;

	if (!k || n > KEPT_FILE_MAX)
		return;
	LS_AUTOLOCK(&k->lock);
	if ((f = find(k, name)))
		drop(k, f);
	if (!take_room(k, OVERHEAD + n))
		return;
	f = malloc(sizeof *f + n);
	if (f) {
		f->name = *name;
		f->n = n;
		memcpy(f->bytes, p, n);
	}
	if (!f || !tsearch(&f->name, &k->tree, compare)) {
		atomic_fetch_sub(&in_all, OVERHEAD + n);
		free(f);
		return;
	}
	TAILQ_INSERT_TAIL(&k->oldest, f, link);
}

uint64_t
kept_size(struct kept *k, const struct kept_name *name)
{
	const struct file *f;

	if (!k)
		return 0;
	LS_AUTOLOCK(&k->lock);
	f = find(k, name);
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
	if (!(f = find(k, name)) || f->n != size)
		return false;
	*ret_n = off >= f->n ? 0 : f->n - off < n ? f->n - (size_t)off : n;
	if (*ret_n)
		memcpy(p, f->bytes + off, *ret_n);
	return true;
}

void
kept_drop(struct kept *k, const struct kept_name *name)
{
	struct file *f;

	if (!k)
		return;
	LS_AUTOLOCK(&k->lock);
	if ((f = find(k, name)))
		drop(k, f);
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
			drop(k, f);
	}
}
