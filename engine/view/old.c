/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/old.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/format/dbhdr.h"
#include "engine/format/wal.h"
#include "engine/view/lz4stream.h"
#include "engine/view/old_int.h"

#include <string.h>

enum { FRESH_MS = 1000, CHUNK = 64 << 10 };

int
old_new(struct store *store, struct old **ret, struct ls_err *err)
{
	struct old *o = calloc(1, sizeof *o);

	if (!o)
		return ls_err_set(err, -ENOMEM, "generations: out of memory");
	o->store = store;
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->building, NULL);
	*ret = o;
	return 0;
}

void
old_free(struct old *o)
{
	if (!o)
		return;
	generations_done(&o->generations);
	free(o->entries);
	pthread_mutex_destroy(&o->lock);
	pthread_mutex_destroy(&o->building);
	free(o);
}

/* ---- listing ---- */

/* Under the lock. The listing before is as good as none. */
static int
refresh(struct old *o, const struct store_call *call, struct ls_err *err)
{
	struct generations fresh = {0};
	int rc;

	if (o->listed_ms && clock_mono_ms() - o->listed_ms < FRESH_MS)
		return 0;
	if ((rc = generations_load(o->store, call, &fresh, err)) < 0)
		return rc;
	generations_done(&o->generations);
	o->generations = fresh;
	o->listed_ms = clock_mono_ms();
	return 0;
}

const struct generation *
old_generation(const struct old *o, const char *id)
{
	for (size_t i = 0; i < o->generations.n; i++)
		if (strcmp(o->generations.v[i].id, id) == 0)
			return &o->generations.v[i];
	return NULL;
}

int
old_generations(struct old *o, const struct store_call *call,
		char (**ret)[NAME03_GENERATION_LEN + 1], size_t *ret_n, struct ls_err *err)
{
	int rc;

	LS_AUTOLOCK(&o->lock);
	if ((rc = refresh(o, call, err)) < 0)
		return rc;
	*ret = ls_alloc_array(o->generations.n, sizeof **ret);
	if (!*ret)
		return ls_err_set(err, -ENOMEM, "generations: out of memory");
	*ret_n = o->generations.n;
	for (size_t i = 0; i < o->generations.n; i++)
		memcpy((*ret)[i], o->generations.v[i].id, sizeof **ret);
	return 0;
}

/* ---- what an object says ---- */

struct measured {
	uint64_t length;    /* uncompressed */
	uint32_t page_size; /* of the database in a snapshot */
	uint32_t commit;    /* of a segment: pages behind its last transaction */
};

/* Frame headers lie at fixed distances: the last one counts. */
struct frames {
	uint64_t next; /* where the next header begins */
	uint8_t raw[WAL_FRAME_HEADER_SIZE];
	size_t have;
};

static void
take_headers(struct frames *f, const uint8_t *p, size_t n, uint64_t at, uint32_t page_size,
	     uint32_t *commit)
{
	while (f->next + f->have < at + n) {
		uint64_t from = f->next + f->have;
		size_t want = sizeof f->raw - f->have, here = (size_t)(at + n - from);
		struct wal_frame frame;

		if (here > want)
			here = want;
		memcpy(f->raw + f->have, p + (from - at), here);
		f->have += here;
		if (f->have < sizeof f->raw)
			return;
		wal_frame_decode(f->raw, &frame);
		if (frame.commit)
			*commit = frame.commit;
		f->next += sizeof f->raw + page_size;
		f->have = 0;
	}
}

/* Reads a whole object. page_size 0: a snapshot, or only the length is wanted. */
static int
measure(struct old *o, const struct store_call *call, const char *key, uint64_t start,
	uint32_t page_size, struct measured *ret, struct ls_err *err)
{
	struct frames frames = {.next = start == 0 ? WAL_HEADER_SIZE : 0};
	ls_autofree uint8_t *buf = malloc(CHUNK);
	struct lz4stream *s = NULL;
	size_t n = CHUNK;
	int rc;

	*ret = (struct measured){0};
	if (!buf)
		return ls_err_set(err, -ENOMEM, "generations: out of memory");
	if ((rc = lz4stream_open(o->store, call, key, &s, err)) < 0)
		return rc;
	while (rc == 0 && n == CHUNK) {
		struct dbhdr h;

		rc = lz4stream_read(s, buf, CHUNK, &n, err);
		if (rc == 0 && ret->length == 0 && dbhdr_decode(buf, n, &h, NULL) == 0)
			ret->page_size = h.page_size;
		if (rc == 0 && page_size)
			take_headers(&frames, buf, n, ret->length, page_size, &ret->commit);
		ret->length += rc == 0 ? n : 0;
	}
	lz4stream_close(s);
	return rc;
}

/* ---- states ---- */

/* Under the lock. NULL: out of memory. */
static struct old_entry *
intern(struct old *o, const struct generation *g, const struct generations_object *obj,
       bool snapshot)
{
	struct old_entry *v = o->entries;

	for (size_t i = 0; i < o->n; i++)
		if (v[i].index == obj->index && v[i].start == obj->offset &&
		    v[i].snapshot == snapshot && v[i].stored == obj->size &&
		    v[i].time_ms == obj->time_ms && strcmp(v[i].generation, g->id) == 0)
			return &v[i];
	v = ls_grow_array(v, o->n + 1, sizeof *v);
	if (!v)
		return NULL;
	o->entries = v;
	v[o->n] = (struct old_entry){.index = obj->index,
				     .start = obj->offset,
				     .snapshot = snapshot,
				     .stored = obj->size,
				     .time_ms = obj->time_ms};
	memcpy(v[o->n].generation, g->id, sizeof v[o->n].generation);
	return &v[o->n++];
}

/* Under the lock. */
static int
find_end(struct old *o, const struct store_call *call, const struct generation *g, size_t i,
	 struct old_entry *e, struct ls_err *err)
{
	const struct generations_object *s = &g->segments[i];
	char key[GENERATIONS_KEY_MAX];
	struct measured m;
	int rc;

	if (i + 1 < g->nsegments && s[1].index == s->index)
		e->end = s[1].offset;
	if (e->end)
		return 0;
	generations_segment_key(g, s, key);
	if ((rc = measure(o, call, key, s->offset, 0, &m, err)) < 0)
		return rc;
	e->end = s->offset + m.length;
	return 0;
}

static struct old_state
state_of(const struct old *o, const struct old_entry *e)
{
	return (struct old_state){.id = (uint32_t)(e - o->entries),
				  .index = e->index,
				  .end = e->end,
				  .time_ms = e->time_ms,
				  .size = e->size};
}

static int
by_place(const void *pa, const void *pb)
{
	const struct old_state *a = pa, *b = pb;

	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	return a->end < b->end ? -1 : a->end > b->end;
}

int
old_states(struct old *o, const struct store_call *call, const char *generation,
	   struct old_state **ret, size_t *ret_n, struct ls_err *err)
{
	ls_autofree struct old_state *v = NULL;
	const struct generation *g;
	struct old_entry *e;
	size_t n = 0;
	int rc;

	LS_AUTOLOCK(&o->lock);
	if ((rc = refresh(o, call, err)) < 0)
		return rc;
	if (!(g = old_generation(o, generation)))
		return ls_err_set(err, -ENOENT, "no such generation");
	if (!(v = ls_alloc_array(g->nsnapshots + g->nsegments, sizeof *v)))
		return ls_err_set(err, -ENOMEM, "generations: out of memory");
	for (size_t i = 0; i < g->nsnapshots; i++) {
		if (!(e = intern(o, g, &g->snapshots[i], true)))
			return ls_err_set(err, -ENOMEM, "generations: out of memory");
		v[n++] = state_of(o, e);
	}
	/* Before the first snapshot there is nothing that segments could be applied to. */
	for (size_t i = 0; i < g->nsegments; i++) {
		if (!g->nsnapshots || g->segments[i].index < g->snapshots[0].index)
			continue;
		if (!(e = intern(o, g, &g->segments[i], false)))
			return ls_err_set(err, -ENOMEM, "generations: out of memory");
		if ((rc = find_end(o, call, g, i, e, err)) < 0)
			return rc;
		v[n++] = state_of(o, e);
	}
	qsort(v, n, sizeof *v, by_place);
	*ret = ls_steal_ptr(&v);
	*ret_n = n;
	return 0;
}

static void
key_of(const struct old_entry *e, char key[GENERATIONS_KEY_MAX])
{
	struct generations_object obj = {.index = e->index, .offset = e->start};
	struct generation g = {0};

	memcpy(g.id, e->generation, sizeof g.id);
	if (e->snapshot)
		generations_snapshot_key(&g, &obj, key);
	else
		generations_segment_key(&g, &obj, key);
}

/* The page size is that of the snapshot before. Under the lock. */
static int
find_page_size(struct old *o, const struct store_call *call, struct old_entry *e,
	       struct ls_err *err)
{
	const struct generation *g = old_generation(o, e->generation);
	struct generations_target t = {
		.generation = e->generation, .by_index = true, .index = e->index};
	struct generations_plan p;
	char key[GENERATIONS_KEY_MAX];
	uint8_t raw[DBHDR_SIZE];
	struct lz4stream *s;
	struct dbhdr h;
	size_t n = 0;
	int rc;

	if (!g)
		return ls_err_set(err, -ESTALE, "the generation is gone");
	if ((rc = generations_plan(&o->generations, &t, &p, err)) < 0)
		return rc;
	generations_snapshot_key(g, p.snapshot, key);
	if ((rc = lz4stream_open(o->store, call, key, &s, err)) < 0)
		return rc;
	if ((rc = lz4stream_read(s, raw, sizeof raw, &n, err)) == 0)
		rc = dbhdr_decode(raw, n, &h, err);
	lz4stream_close(s);
	if (rc == 0)
		e->page_size = h.page_size;
	return rc;
}

int
old_stat(struct old *o, const struct store_call *call, uint32_t id, struct old_state *ret,
	 struct ls_err *err)
{
	char key[GENERATIONS_KEY_MAX];
	struct old_entry *e;
	struct measured m;
	int rc = 0;

	LS_AUTOLOCK(&o->lock);
	if (id >= o->n)
		return ls_err_set(err, -ESTALE, "unknown state");
	e = &o->entries[id];
	if (!e->size) {
		key_of(e, key);
		if (!e->snapshot && !e->page_size && (rc = find_page_size(o, call, e, err)) < 0)
			return rc;
		rc = measure(o, call, key, e->start, e->page_size, &m, err);
		if (rc < 0)
			return rc;
		e->size = e->snapshot ? m.length : (uint64_t)m.commit * e->page_size;
	}
	*ret = state_of(o, e);
	return 0;
}
