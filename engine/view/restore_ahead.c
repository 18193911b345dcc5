/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore_ahead.h"

#include "engine/base/job.h"
#include "engine/format/ltx.h"

#include <string.h>

enum { WINDOW = 128, BUDGET = 16 << 20, THREADS_MAX = 64 };

struct slot {
	struct restore_ahead_item item;
	unsigned pending; /* of its two ranges */
	struct ls_err *err;
};

struct restore_ahead {
	struct replica *replica;
	const struct store_call *call;
	const struct catalog_file *const *files;
	struct slot *slots;
	size_t n;
	pthread_t threads[THREADS_MAX];
	unsigned nthreads;

	pthread_mutex_t lock; /* for the rest, and slots */
	pthread_cond_t changed;
	size_t next;  /* range to fetch: 2 * file, 2 * file + 1 */
	size_t taken; /* files */
	size_t bytes; /* fetched or under way, not taken */
	bool closing;
};

/* The two ranges of a file; len 0: none. */
static void
range_of(const struct catalog_file *f, unsigned which, uint64_t *off, size_t *len)
{
	bool whole = f->size <= RESTORE_AHEAD_WHOLE;

	*off = which ? f->size - RESTORE_AHEAD_END : 0;
	*len = whole ? (which ? 0 : (size_t)f->size) : which ? RESTORE_AHEAD_END : LTX_HEADER_SIZE;
}

static int
fetch(struct restore_ahead *a, const struct catalog_file *f, unsigned which, uint8_t **ret,
      size_t *ret_n, struct ls_err *err)
{
	uint64_t off;
	size_t len, n = 0;
	uint8_t *p;
	int rc;

	range_of(f, which, &off, &len);
	if (len == 0)
		return 0;
	if (!(p = malloc(len)))
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	if ((rc = catalog_get(a->replica, a->call, f, off, p, len, &n, err)) == 0 && n < len)
		rc = ls_err_set(err, -EBADMSG, "object is shorter than listed");
	if (rc < 0) {
		free(p);
		return rc;
	}
	*ret = p;
	*ret_n = n;
	return 0;
}

/* Under the lock: the range to fetch, after waiting; false: there is nothing more to do. */
static bool
choose(struct restore_ahead *a, size_t *ret)
{
	for (;;) {
		size_t file = a->next / 2, len;
		uint64_t off;

		if (a->closing || file >= a->n)
			return false;
		range_of(a->files[file], a->next % 2, &off, &len);
		if (file < a->taken + WINDOW && (a->bytes + len <= BUDGET || file == a->taken)) {
			a->bytes += len;
			*ret = a->next++;
			return true;
		}
		pthread_cond_wait(&a->changed, &a->lock);
	}
}

static void *
work(void *arg)
{
	struct restore_ahead *a = arg;
	size_t i;

	pthread_mutex_lock(&a->lock);
	while (choose(a, &i)) {
		struct slot *s = &a->slots[i / 2];
		struct ls_err err = {0};
		uint8_t *p = NULL;
		size_t n = 0;
		int rc;

		pthread_mutex_unlock(&a->lock);
		rc = fetch(a, a->files[i / 2], i % 2, &p, &n, &err);
		pthread_mutex_lock(&a->lock);
		if (i % 2) {
			s->item.tail = p;
			s->item.ntail = n;
		} else {
			s->item.head = p;
			s->item.nhead = n;
		}
		if (rc < 0 && !s->err && (s->err = malloc(sizeof *s->err)))
			*s->err = err;
		s->pending--;
		pthread_cond_broadcast(&a->changed);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

int
restore_ahead_new(struct replica *r, const struct store_call *call,
		  const struct catalog_file *const *files, size_t n, struct restore_ahead **ret,
		  struct ls_err *err)
{
	unsigned threads = r->store->ops->parallel;
	struct restore_ahead *a;
	int rc = 0;

	*ret = NULL;
	if (!store_is_far(r->store) || n == 0)
		return 0;
	if (!(a = calloc(1, sizeof *a)))
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	*a = (struct restore_ahead){.replica = r, .call = call, .files = files, .n = n};
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	if (!(a->slots = ls_alloc_array(n, sizeof *a->slots)))
		rc = ls_err_set(err, -ENOMEM, "restore: out of memory");
	for (size_t i = 0; rc == 0 && i < n; i++)
		a->slots[i].pending = 2;
	while (rc == 0 && a->nthreads < threads && a->nthreads < 2 * n && a->nthreads < THREADS_MAX)
		if ((rc = job_thread(&a->threads[a->nthreads], "restore-ahead", work, a, err)) == 0)
			a->nthreads++;
	if (rc < 0) {
		restore_ahead_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

int
restore_ahead_take(struct restore_ahead *a, struct restore_ahead_item *ret, struct ls_err *err)
{
	LS_AUTOLOCK(&a->lock);
	struct slot *s = &a->slots[a->taken];
	int rc = 0;

	while (s->pending)
		pthread_cond_wait(&a->changed, &a->lock);
	if (s->err) {
		rc = s->err->code;
		if (err)
			*err = *s->err;
	}
	for (unsigned which = 0; which < 2; which++) {
		uint64_t off;
		size_t len;

		range_of(a->files[a->taken], which, &off, &len);
		a->bytes -= len;
	}
	a->taken++;
	pthread_cond_broadcast(&a->changed);
	if (rc < 0)
		return rc;
	*ret = s->item;
	s->item = (struct restore_ahead_item){0};
	return 0;
}

void
restore_ahead_item_done(struct restore_ahead_item *it)
{
	free(it->head);
	free(it->tail);
	*it = (struct restore_ahead_item){0};
}

void
restore_ahead_free(struct restore_ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->closing = true;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	while (a->nthreads)
		pthread_join(a->threads[--a->nthreads], NULL);
	for (size_t i = 0; a->slots && i < a->n; i++) {
		restore_ahead_item_done(&a->slots[i].item);
		free(a->slots[i].err);
	}
	free(a->slots);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
