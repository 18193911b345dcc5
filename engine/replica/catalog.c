/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/replica/catalog.h"

#include "engine/base/job.h"
#include "engine/format/ltx.h"
#include "engine/format/pack.h"

#include <stdio.h>
#include <string.h>

enum { FILES_MAX = 100 * 1000 * 1000 };

int
catalog_reserve(struct catalog *c, struct ls_err *err)
{
	size_t cap = c->cap ? c->cap * 2 : 64;
	struct catalog_file *files;

	if (c->total < c->cap)
		return 0;
	if (c->total >= FILES_MAX)
		return ls_err_set(err, -ENOMEM, "catalog: more than %d files", FILES_MAX);
	files = ls_grow_array(c->files, cap, sizeof *files);
	if (!files)
		return ls_err_set(err, -ENOMEM, "catalog: out of memory");
	c->files = files;
	c->cap = cap;
	return 0;
}

/* Room in the catalog, and a copy of the etag or NULL. */
static int
prepare(struct catalog *c, const struct catalog_file *f, char **ret_etag, struct ls_err *err)
{
	int rc = catalog_reserve(c, err);

	*ret_etag = NULL;
	if (rc < 0 || !f->etag || !*f->etag)
		return rc;
	*ret_etag = strdup(f->etag);
	return *ret_etag ? 0 : ls_err_set(err, -ENOMEM, "catalog: out of memory");
}

int
catalog_add(struct catalog *c, const struct catalog_file *f, struct ls_err *err)
{
	char *etag;
	int rc = prepare(c, f, &etag, err);

	if (rc < 0)
		return rc;
	c->files[c->total] = *f;
	c->files[c->total++].etag = etag;
	return 0;
}

static int
compare(const void *pa, const void *pb)
{
	const struct catalog_file *a = pa, *b = pb;

	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (a->min != b->min)
		return a->min < b->min ? -1 : 1;
	return a->max < b->max ? -1 : a->max > b->max;
}

void
catalog_sort(struct catalog *c)
{
	size_t i = 0;

	if (c->total)
		qsort(c->files, c->total, sizeof *c->files, compare);
	for (int level = 0; level <= REPLICA_PACKS + 1; level++) {
		while (i < c->total && c->files[i].level < level)
			i++;
		c->first[level] = i;
	}
	c->n = c->first[REPLICA_PACKS];
}

size_t
catalog_place(const struct catalog *c, const struct catalog_file *f)
{
	size_t lo = 0, hi = c->total;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(&c->files[mid], f) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
is_at(const struct catalog *c, size_t i, const struct catalog_file *f)
{
	return i < c->total && compare(&c->files[i], f) == 0;
}

int
catalog_insert(struct catalog *c, const struct catalog_file *f, bool *ret_new, struct ls_err *err)
{
	size_t i = catalog_place(c, f);
	char *etag;
	int rc = prepare(c, f, &etag, err);

	if (rc < 0)
		return rc;
	*ret_new = !is_at(c, i, f);
	if (*ret_new) {
		memmove(&c->files[i + 1], &c->files[i], (c->total++ - i) * sizeof *c->files);
		for (int level = f->level + 1; level <= REPLICA_PACKS + 1; level++)
			c->first[level]++;
		c->n = c->first[REPLICA_PACKS];
	} else {
		free(c->files[i].etag);
	}
	c->files[i] = *f;
	c->files[i].etag = etag;
	return 0;
}

bool
catalog_remove(struct catalog *c, const struct catalog_file *f)
{
	size_t i = catalog_place(c, f);

	if (!is_at(c, i, f))
		return false;
	free(c->files[i].etag);
	memmove(&c->files[i], &c->files[i + 1], (--c->total - i) * sizeof *c->files);
	for (int level = f->level + 1; level <= REPLICA_PACKS + 1; level++)
		c->first[level]--;
	c->n = c->first[REPLICA_PACKS];
	return true;
}

const struct catalog_file *
catalog_find(const struct catalog *c, const struct catalog_file *f)
{
	size_t i = catalog_place(c, f);

	return is_at(c, i, f) ? &c->files[i] : NULL;
}

const struct catalog_file *
catalog_snapshot(const struct catalog *c, uint64_t txid)
{
	const struct catalog_file key = {.level = LTX_LEVEL_SNAPSHOT, .min = 1, .max = txid};

	return catalog_find(c, &key);
}

void
catalog_done(struct catalog *c)
{
	for (size_t i = 0; i < c->total; i++)
		free(c->files[i].etag);
	free(c->files);
	*c = (struct catalog){0};
}

/* One listing of those that make up a catalog. */
struct loading {
	const struct replica *r;
	const struct store_call *call;
	char prefix[REPLICA_KEY_MAX];
	struct catalog found, interior; /* of the snapshots that end at max */
};

static int
add_entry(void *arg, const struct store_entry *e, struct ls_err *err)
{
	struct loading *l = arg;
	struct catalog_file f = {
		.size = e->meta.size, .time_ms = e->meta.time_ms, .time_exact = e->meta.time_exact};
	int level;

	if (replica_interior_parse(e->key, &f.max))
		return catalog_add(&l->interior, &f, err);
	if (!replica_key_parse(l->r, e->key, &level, &f.min, &f.max))
		return 0;
	f.level = (uint8_t)level;
	f.etag = (char *)(uintptr_t)e->meta.etag; /* copied */
	return catalog_add(&l->found, &f, err);
}

static int
load_one(void *arg, size_t i, struct ls_err *err)
{
	struct loading *l = (struct loading *)arg + i;

	return store_list(l->r->store, l->call, l->prefix, NULL, add_entry, l, err);
}

/* Moves what is in from behind what is in c. */
static int
append(struct catalog *c, struct catalog *from, struct ls_err *err)
{
	for (size_t i = 0; i < from->total; i++) {
		int rc = catalog_reserve(c, err);

		if (rc < 0)
			return rc;
		c->files[c->total++] = from->files[i];
		from->files[i].etag = NULL;
	}
	return 0;
}

static void
set_interior(struct catalog *c, struct catalog *from)
{
	for (size_t i = 0; i < from->total; i++) {
		const struct catalog_file *f = catalog_snapshot(c, from->files[i].max);

		if (f)
			c->files[f - c->files].interior = from->files[i].size;
	}
	catalog_done(from);
}

int
catalog_load(const struct replica *r, const struct store_call *call, struct catalog *ret,
	     struct ls_err *err)
{
	struct loading l[2] = {{.r = r, .call = call}, {.r = r, .call = call}};
	int rc;

	snprintf(l[0].prefix, sizeof l[0].prefix, "%s", replica_levels_prefix(r));
	replica_level_prefix(r, REPLICA_PACKS, l[1].prefix);
	rc = job_each(2, r->store->ops->parallel, load_one, l, err);
	if (rc == 0)
		rc = append(&l[0].found, &l[1].found, err);
	catalog_done(&l[1].found);
	if (rc < 0) {
		catalog_done(&l[0].found);
		catalog_done(&l[1].interior);
		return ls_err_wrap(err, rc, "list replica");
	}
	catalog_sort(&l[0].found);
	set_interior(&l[0].found, &l[1].interior);
	*ret = l[0].found;
	return 0;
}

void
catalog_key(const struct replica *r, const struct catalog_file *f, char out[REPLICA_KEY_MAX])
{
	if (f->pack_max)
		replica_key(r, REPLICA_PACKS, f->pack_min, f->pack_max, out);
	else
		replica_key(r, f->level, f->min, f->max, out);
}

int
catalog_get(const struct replica *r, const struct store_call *call, const struct catalog_file *f,
	    uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	uint64_t left = off < f->size ? f->size - off : 0;
	char key[REPLICA_KEY_MAX];
	struct store_get g = {.key = key,
			      .off = f->off + off,
			      .len = f->pack_max && left < n ? (size_t)left : n,
			      .etag = f->etag && *f->etag ? f->etag : NULL};

	*ret_n = 0;
	if (g.len == 0)
		return 0;
	catalog_key(r, f, key);
	return store_get(r->store, call, &g, p, ret_n, NULL, err);
}

uint64_t
catalog_max_txid(const struct catalog *c)
{
	uint64_t max = 0;

	for (size_t i = 0; i < c->n; i++)
		if (c->files[i].max > max)
			max = c->files[i].max;
	return max;
}

/* Ascending max; the highest level first where two end alike. */
static int
by_end(const void *pa, const void *pb)
{
	const struct catalog_file *a = *(const struct catalog_file *const *)pa;
	const struct catalog_file *b = *(const struct catalog_file *const *)pb;

	if (a->max != b->max)
		return a->max < b->max ? -1 : 1;
	return (a->level < b->level) - (a->level > b->level);
}

int
catalog_points(const struct catalog *c, struct catalog_point **ret, size_t *ret_n,
	       struct ls_err *err)
{
	ls_autofree const struct catalog_file **ends = ls_alloc_array(c->n, sizeof *ends);
	ls_autofree struct catalog_point *points = ls_alloc_array(c->n, sizeof *points);
	uint64_t reached = 0;
	size_t n = 0;

	if (!ends || !points)
		return ls_err_set(err, -ENOMEM, "points: out of memory");
	for (size_t i = 0; i < c->n; i++)
		ends[i] = &c->files[i];
	qsort(ends, c->n, sizeof *ends, by_end);
	/* T is restorable if a file ends there and begins at most one after the last restorable
	 * TXID below T: the longest chain over files that end at or before T. */
	for (size_t i = 0; i < c->n; i++) {
		const struct catalog_file *f = ends[i];
		struct catalog_point *last = n ? &points[n - 1] : NULL;

		if (f->min - 1 > (f->level == LTX_LEVEL_SNAPSHOT ? 0 : reached))
			continue;
		if (last && last->txid == f->max) {
			last->snapshot |= f->level == LTX_LEVEL_SNAPSHOT;
			if (f->time_ms < last->time_ms)
				last->time_ms = f->time_ms;
			if (f->size < last->size)
				last->size = f->size;
			continue;
		}
		points[n++] = (struct catalog_point){.txid = f->max,
						     .time_ms = f->time_ms,
						     .size = f->size,
						     .level = f->level,
						     .snapshot = f->level == LTX_LEVEL_SNAPSHOT};
		reached = f->max;
	}
	*ret = ls_steal_ptr(&points);
	*ret_n = n;
	return 0;
}

size_t
catalog_point_at(const struct catalog_point *v, size_t n, uint64_t txid)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v[mid].txid < txid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int
catalog_commits(const struct catalog *c, const struct replica *r, const struct store_call *call,
		const struct catalog_point *points, size_t n, uint32_t *ret, struct ls_err *err)
{
	memset(ret, 0, n * sizeof *ret);
	for (size_t i = 0; i < c->n; i++) {
		const struct catalog_file *f = &c->files[i];
		size_t at = catalog_point_at(points, n, f->max), got = 0;
		uint8_t raw[LTX_HEADER_SIZE];
		struct ltx_header h;
		int rc;

		if (at == n || points[at].txid != f->max || ret[at])
			continue;
		rc = catalog_get(r, call, f, 0, raw, sizeof raw, &got, err);
		if (rc < 0 && rc != -ENOENT && rc != -ESTALE)
			return rc;
		if (rc == 0 && got == sizeof raw && ltx_header_decode(raw, &h, NULL) == 0)
			ret[at] = h.commit;
	}
	return 0;
}
