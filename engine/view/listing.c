/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/listing.h"

#include "engine/replica/unpack.h"

#include <string.h>

enum { READ_TIMES_MAX = 1000 }; /* headers that a mere look reads */

static const char *
etag_of(const struct catalog_file *f)
{
	return f->etag ? f->etag : "";
}

static int
order(const struct catalog_file *a, const struct catalog_file *b)
{
	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (a->min != b->min)
		return a->min < b->min ? -1 : 1;
	return a->max < b->max ? -1 : a->max > b->max;
}

static bool
same_object(const struct catalog_file *a, const struct catalog_file *b)
{
	return a->size == b->size && strcmp(etag_of(a), etag_of(b)) == 0;
}

/* Calls fn for the files that both have. Both are sorted alike. */
static bool
any_common(const struct catalog *a, const struct catalog *b,
	   bool (*fn)(const struct catalog_file *, struct catalog_file *))
{
	for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
		int c = order(&a->files[i], &b->files[k]);

		if (c == 0 && fn(&a->files[i], &b->files[k]))
			return true;
		i += c <= 0;
		k += c >= 0;
	}
	return false;
}

static bool
take_time(const struct catalog_file *from, struct catalog_file *to)
{
	if (from->time_exact && !to->time_exact && same_object(from, to)) {
		to->time_ms = from->time_ms;
		to->time_exact = true;
	}
	return false;
}

static bool
was_replaced(const struct catalog_file *a, struct catalog_file *b)
{
	return !same_object(a, b);
}

static size_t
count_inexact(const struct catalog *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += !c->files[i].time_exact;
	return n;
}

/* Files are sorted by level: the last one that is set has the lowest. */
static void
note_files(struct listing *l)
{
	for (size_t k = l->cat.n; k-- > 0;) {
		size_t i = catalog_point_at(l->points, l->n, l->cat.files[k].max);

		if (i < l->n && l->points[i].txid == l->cat.files[k].max)
			l->notes[i].file = (uint32_t)k;
	}
}

/* Takes cat, also on failure. */
static int
listing_new(struct catalog *cat, struct listing **ret, struct ls_err *err)
{
	struct listing *l = calloc(1, sizeof *l);
	int rc;

	if (!l) {
		catalog_done(cat);
		return ls_err_set(err, -ENOMEM, "listing: out of memory");
	}
	atomic_init(&l->refs, 1);
	pthread_mutex_init(&l->lock, NULL);
	l->cat = *cat;
	*cat = (struct catalog){0};
	l->exact = count_inexact(&l->cat) == 0;
	if ((rc = catalog_points(&l->cat, &l->points, &l->n, err)) < 0) {
		listing_unref(l);
		return rc;
	}
	l->notes = ls_alloc_array(l->n, sizeof *l->notes);
	if (!l->notes) {
		listing_unref(l);
		return ls_err_set(err, -ENOMEM, "listing: out of memory");
	}
	note_files(l);
	*ret = l;
	return 0;
}

/* What was read of a file holds as long as it is that file. */
static void
take_notes(struct listing *old, struct listing *l)
{
	LS_AUTOLOCK(&old->lock);

	for (size_t i = 0, k = 0; i < old->n && k < l->n;) {
		const struct catalog_file *a = &old->cat.files[old->notes[i].file];
		const struct catalog_file *b = &l->cat.files[l->notes[k].file];

		if (a->max == b->max && order(a, b) == 0 && same_object(a, b)) {
			uint32_t file = l->notes[k].file;

			l->notes[k] = old->notes[i];
			l->notes[k].file = file;
		}
		if (a->max < b->max)
			i++;
		else if (b->max < a->max)
			k++;
		else
			i++, k++;
	}
}

int
listing_load(const struct replica *r, const struct store_call *call, struct listing *old,
	     struct listing **ret, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	size_t inexact;
	int rc;

	if ((rc = catalog_load(r, call, &cat, err)) < 0 ||
	    (rc = unpack_all(&cat, r, call, old ? &old->cat : NULL, err)) < 0)
		return rc;
	if (old)
		any_common(&old->cat, &cat, take_time);
	inexact = count_inexact(&cat);
	/* Over a network that takes longer than a look may: history_at() reads them. */
	if (inexact && inexact <= READ_TIMES_MAX && !store_is_far(r->store) &&
	    (rc = catalog_fill_times(&cat, r, call, err)) < 0)
		return rc;
	if ((rc = listing_new(&cat, ret, err)) == 0 && old)
		take_notes(old, *ret);
	return rc;
}

int
listing_exact(const struct replica *r, const struct store_call *call, struct listing *l,
	      struct listing **ret, struct ls_err *err)
{
	LS_AUTO(catalog_done) struct catalog cat = {0};
	int rc;

	for (size_t i = 0; i < l->cat.total; i++)
		if ((rc = catalog_add(&cat, &l->cat.files[i], err)) < 0)
			return rc;
	catalog_sort(&cat);
	if ((rc = catalog_fill_times(&cat, r, call, err)) < 0 ||
	    (rc = listing_new(&cat, ret, err)) < 0)
		return rc;
	take_notes(l, *ret);
	(*ret)->exact = true; /* what is damaged or gone stays as it is */
	return 0;
}

struct listing *
listing_ref(struct listing *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

void
listing_unref(struct listing *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	catalog_done(&l->cat);
	free(l->points);
	free(l->notes);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

bool
listing_differs(const struct listing *a, const struct listing *b)
{
	if (a->n != b->n)
		return true;
	for (size_t i = 0; i < a->n; i++)
		if (a->points[i].txid != b->points[i].txid ||
		    a->points[i].time_ms != b->points[i].time_ms ||
		    a->points[i].snapshot != b->points[i].snapshot)
			return true;
	return any_common(&a->cat, (struct catalog *)(uintptr_t)&b->cat, was_replaced);
}

int
listing_find(const struct listing *l, uint64_t txid, size_t *ret, struct ls_err *err)
{
	size_t i = catalog_point_at(l->points, l->n, txid);
	struct plan plan = {0};
	int rc;

	if (i < l->n && l->points[i].txid == txid) {
		*ret = i;
		return 0;
	}
	rc = listing_plan(l, txid, &plan, err);
	plan_done(&plan);
	return rc < 0 ? rc : ls_err_set(err, -ENOENT, "no such point");
}

int
listing_plan(const struct listing *l, uint64_t txid, struct plan *ret, struct ls_err *err)
{
	struct plan_target target = {.txid = txid};

	if (txid == 0)
		return ls_err_set(err, -ENOENT, "no such point");
	return plan_build(&l->cat, &target, ret, err);
}

static uint64_t
mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

uint64_t
listing_stamp(const struct catalog_file *const *files, size_t n)
{
	uint64_t h = 0x6c73;

	for (size_t i = 0; i < n; i++) {
		const struct catalog_file *f = files[i];

		h = mix(mix(mix(mix(h, f->level), f->min), f->max), f->size);
		for (const char *p = etag_of(f); *p; p++)
			h = mix(h, (unsigned char)*p);
	}
	return h;
}
