/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/replica/generations.h"

#include "engine/base/timex.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- listing ---- */

#define ROOT "generations/"

enum { ROOT_LEN = sizeof ROOT - 1 };

static int
append(struct generations_object **v, size_t *n, const struct generations_object *o,
       struct ls_err *err)
{
	/* Room for a power of two. */
	if ((*n & (*n - 1)) == 0) {
		struct generations_object *grown =
			ls_grow_array(*v, *n ? *n * 2 : 1, sizeof *grown);

		if (!grown)
			return ls_err_set(err, -ENOMEM, "generations: out of memory");
		*v = grown;
	}
	(*v)[(*n)++] = *o;
	return 0;
}

static struct generation *
find_or_add(struct generations *g, const char *id, struct ls_err *err)
{
	struct generation *v;

	/* Objects are listed in the order of their names. */
	if (g->n && memcmp(g->v[g->n - 1].id, id, NAME03_GENERATION_LEN) == 0)
		return &g->v[g->n - 1];
	v = ls_grow_array(g->v, g->n + 1, sizeof *v);
	if (!v) {
		ls_err_set(err, -ENOMEM, "generations: out of memory");
		return NULL;
	}
	g->v = v;
	v[g->n] = (struct generation){.created_ms = INT64_MAX, .updated_ms = INT64_MIN};
	memcpy(v[g->n].id, id, NAME03_GENERATION_LEN);
	return &v[g->n++];
}

static int
add_entry(void *arg, const struct store_entry *e, struct ls_err *err)
{
	struct generations_object o = {.size = e->meta.size, .time_ms = e->meta.time_ms};
	const char *id = e->key + ROOT_LEN, *rest = id + NAME03_GENERATION_LEN;
	char name[NAME03_GENERATION_LEN + 1] = "";
	struct generation *g;
	bool snapshot;

	if (strlen(id) <= NAME03_GENERATION_LEN)
		return 0;
	memcpy(name, id, NAME03_GENERATION_LEN);
	snapshot =
		strncmp(rest, "/snapshots/", 11) == 0 && name03_snapshot_parse(rest + 11, &o.index);
	if (!name03_is_generation(name) ||
	    (!snapshot &&
	     !(strncmp(rest, "/wal/", 5) == 0 && name03_wal_parse(rest + 5, &o.index, &o.offset))))
		return 0;
	if (!(g = find_or_add(arg, name, err)))
		return -ENOMEM;
	if (o.time_ms < g->created_ms)
		g->created_ms = o.time_ms;
	if (o.time_ms > g->updated_ms)
		g->updated_ms = o.time_ms;
	return snapshot ? append(&g->snapshots, &g->nsnapshots, &o, err)
			: append(&g->segments, &g->nsegments, &o, err);
}

static int
by_place(const void *pa, const void *pb)
{
	const struct generations_object *a = pa, *b = pb;

	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

static int
by_creation(const void *pa, const void *pb)
{
	const struct generation *a = pa, *b = pb;

	if (a->created_ms != b->created_ms)
		return a->created_ms < b->created_ms ? -1 : 1;
	return strcmp(a->id, b->id);
}

int
generations_load(struct store *store, const struct store_call *call, struct generations *ret,
		 struct ls_err *err)
{
	struct generations g = {0};
	int rc = store_list(store, call, ROOT, NULL, add_entry, &g, err);

	if (rc < 0) {
		generations_done(&g);
		return ls_err_wrap(err, rc, "list replica");
	}
	for (size_t i = 0; i < g.n; i++) {
		if (g.v[i].nsnapshots)
			qsort(g.v[i].snapshots, g.v[i].nsnapshots, sizeof g.v[i].snapshots[0],
			      by_place);
		if (g.v[i].nsegments)
			qsort(g.v[i].segments, g.v[i].nsegments, sizeof g.v[i].segments[0],
			      by_place);
	}
	if (g.n)
		qsort(g.v, g.n, sizeof g.v[0], by_creation);
	*ret = g;
	return 0;
}

void
generations_done(struct generations *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->v[i].snapshots);
		free(g->v[i].segments);
	}
	free(g->v);
	*g = (struct generations){0};
}

void
generations_snapshot_key(const struct generation *g, const struct generations_object *o,
			 char out[GENERATIONS_KEY_MAX])
{
	char name[NAME03_SNAPSHOT_LEN + 1];

	name03_snapshot_format(o->index, name);
	snprintf(out, GENERATIONS_KEY_MAX, ROOT "%s/snapshots/%s", g->id, name);
}

void
generations_segment_key(const struct generation *g, const struct generations_object *o,
			char out[GENERATIONS_KEY_MAX])
{
	char name[NAME03_WAL_MAX + 1];

	name03_wal_format(o->index, o->offset, name);
	snprintf(out, GENERATIONS_KEY_MAX, ROOT "%s/wal/%s", g->id, name);
}

/* ---- planning ---- */

static bool
snapshot_fits(const struct generations_object *o, const struct generations_target *t)
{
	return (!t->by_index || o->index <= t->index) && (!t->by_time || o->time_ms <= t->time_ms);
}

/* The newest snapshot that fits; by index the one with the highest. */
static void
choose_snapshot(const struct generations *g, const struct generations_target *t,
		struct generations_plan *ret)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct generation *gen = &g->v[i];

		if (t->generation && strcmp(gen->id, t->generation) != 0)
			continue;
		for (size_t k = 0; k < gen->nsnapshots; k++) {
			const struct generations_object *o = &gen->snapshots[k];

			if (!snapshot_fits(o, t) ||
			    (ret->snapshot && o->time_ms < ret->snapshot->time_ms))
				continue;
			ret->snapshot = o;
			ret->generation = gen;
		}
	}
}

static int
nothing_fits(const struct generations *g, const struct generations_target *t, struct ls_err *err)
{
	bool known = !t->generation;

	for (size_t i = 0; i < g->n; i++)
		known |= t->generation && strcmp(g->v[i].id, t->generation) == 0;
	if (!known)
		return ls_err_set(err, -ENOENT, "no generation '%s' in the replica", t->generation);
	return ls_err_set(err, -ENOENT,
			  t->by_time	? "no snapshots available at or before that time"
			  : t->by_index ? "no snapshots available at or before that index"
					: "no snapshots available");
}

static int
missing_index(const struct generation *g, uint32_t index, struct ls_err *err)
{
	return ls_err_set(err, -ENODATA, "missing WAL index: %s/%08" PRIx32, g->id, index);
}

/* From the snapshot's index on without a gap, and each from its start. */
static int
choose_segments(const struct generations_target *t, struct generations_plan *p, struct ls_err *err)
{
	const struct generation *g = p->generation;
	uint32_t next = p->snapshot->index;
	size_t i = 0;

	while (i < g->nsegments && g->segments[i].index < next)
		i++;
	p->segments = g->segments + i;
	p->time_ms = p->snapshot->time_ms;
	for (; i < g->nsegments; i++) {
		const struct generations_object *o = &g->segments[i];

		if ((t->by_index && o->index > t->index) || (t->by_time && o->time_ms > t->time_ms))
			break;
		if (o->offset == 0 && o->index != next)
			return missing_index(g, next, err);
		if (o->offset && o->index + 1 != next)
			return missing_index(g, o->index, err);
		next = o->index + 1;
		if (o->time_ms > p->time_ms)
			p->time_ms = o->time_ms;
		p->n++;
	}
	if (t->by_index && t->index >= next && t->index != p->snapshot->index)
		return missing_index(g, t->index, err);
	return 0;
}

int
generations_plan(const struct generations *g, const struct generations_target *t,
		 struct generations_plan *ret, struct ls_err *err)
{
	*ret = (struct generations_plan){0};
	choose_snapshot(g, t, ret);
	if (!ret->snapshot)
		return nothing_fits(g, t, err);
	return choose_segments(t, ret, err);
}
