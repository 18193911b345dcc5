/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/pagemap.h"

enum { ENTRIES_MAX = 4 << 20, COMPACT_MIN = 64 << 10 };

/* The map while it is built. */
struct builder {
	struct pagemap *m;
	size_t cap;
	size_t clean; /* entries [0, clean) are sorted and without doubles */
};

static int
compare(const void *pa, const void *pb)
{
	const struct pagemap_entry *a = pa, *b = pb;

	if (a->pgno != b->pgno)
		return a->pgno < b->pgno ? -1 : 1;
	return a->object < b->object ? -1 : a->object > b->object;
}

/* Sorts; of each page the newest stays. */
static void
compact(struct builder *b)
{
	struct pagemap_entry *e = b->m->entries;
	size_t n = 0;

	if (b->m->nentries)
		qsort(e, b->m->nentries, sizeof *e, compare);
	for (size_t i = 0; i < b->m->nentries; i++)
		if (n == 0 || e[n - 1].pgno != e[i].pgno)
			e[n++] = e[i];
	b->m->nentries = b->clean = n;
}

static int
reserve(struct builder *b, size_t more, struct ls_err *err)
{
	struct pagemap *m = b->m;
	struct pagemap_entry *v;

	if (m->nentries + more > b->cap && m->nentries > b->clean * 2 + COMPACT_MIN)
		compact(b);
	if (m->nentries + more <= b->cap)
		return 0;
	b->cap = (m->nentries + more) * 3 / 2;
	v = ls_grow_array(m->entries, b->cap, sizeof *v);
	if (!v)
		return ls_err_set(err, -ENOMEM, "page map: out of memory");
	m->entries = v;
	return 0;
}

static int
merge(struct builder *b, struct object_cursor *c, uint32_t i, struct ls_err *err)
{
	struct pagemap *m = b->m;
	const struct object_piece *piece;
	int rc = object_index_piece(c, m->objs[i], 0, &piece, err);

	if (rc < 0 || (rc = reserve(b, piece->n, err)) < 0)
		return rc;
	for (uint32_t k = 0; k < piece->n && piece->e[k].pgno <= m->limit[i]; k++) {
		uint64_t off = piece->base + piece->e[k].rel;
		uint32_t size = piece->e[k + 1].rel - piece->e[k].rel;

		m->entries[m->nentries++] = (struct pagemap_entry){piece->e[k].pgno, i,
								   off << PAGEMAP_SIZE_BITS | size};
	}
	return 0;
}

static int
check_sizes(const struct pagemap *m, struct ls_err *err)
{
	uint32_t want = m->objs[0]->hdr.page_size;

	for (size_t i = 1; i < m->n; i++)
		if (m->objs[i]->hdr.page_size != want)
			return ls_err_set(err, -EBADMSG,
					  "'%s' has pages of %u bytes, newer objects of %u",
					  m->objs[i]->key, m->objs[i]->hdr.page_size, want);
	return 0;
}

static int
fill(struct builder *b, struct object_cursor *c, struct ls_err *err)
{
	struct pagemap *m = b->m;
	uint32_t limit = m->objs[0]->hdr.commit;
	int rc = check_sizes(m, err);

	for (size_t i = 0; rc == 0 && i < m->n; i++) {
		m->limit[i] = limit;
		if (m->objs[i]->npieces == 1 && m->nentries < ENTRIES_MAX)
			rc = merge(b, c, (uint32_t)i, err);
		else
			m->asked[m->nasked++] = (uint32_t)i;
		if (m->objs[i]->hdr.commit < limit)
			limit = m->objs[i]->hdr.commit;
	}
	return rc;
}

int
pagemap_build(struct objects *os, const struct store_call *call, struct object **objs, size_t n,
	      struct pagemap *ret, struct ls_err *err)
{
	struct pagemap m = {.objs = objs, .n = n};
	struct object_cursor c = {.os = os, .call = call};
	struct builder b = {.m = &m};
	struct pagemap_entry *v;
	int rc;

	m.limit = ls_alloc_array(n, sizeof *m.limit);
	m.asked = ls_alloc_array(n, sizeof *m.asked);
	if (!m.limit || !m.asked)
		rc = ls_err_set(err, -ENOMEM, "page map: out of memory");
	else
		rc = fill(&b, &c, err);
	object_index_done(&c);
	if (rc < 0) {
		pagemap_done(&m);
		return rc;
	}
	compact(&b);
	v = ls_grow_array(m.entries, m.nentries, sizeof *v);
	if (v)
		m.entries = v;
	*ret = m;
	return 0;
}

void
pagemap_done(struct pagemap *m)
{
	free(m->limit);
	free(m->asked);
	free(m->entries);
	*m = (struct pagemap){0};
}

void
pagemap_reader_init(struct pagemap_reader *r, const struct pagemap *m, struct objects *os,
		    const struct store_call *call)
{
	*r = (struct pagemap_reader){.m = m};
	for (size_t i = 0; i < PAGEMAP_CURSORS; i++)
		r->cursors[i] = (struct object_cursor){.os = os, .call = call};
}

void
pagemap_reader_done(struct pagemap_reader *r)
{
	for (size_t i = 0; i < PAGEMAP_CURSORS; i++)
		object_index_done(&r->cursors[i]);
}

static const struct pagemap_entry *
search(const struct pagemap *m, uint32_t pgno)
{
	size_t lo = 0, hi = m->nentries;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->entries[mid].pgno < pgno)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->nentries && m->entries[lo].pgno == pgno ? &m->entries[lo] : NULL;
}

int
pagemap_find(struct pagemap_reader *r, uint32_t pgno, const struct object **ret_obj,
	     struct object_loc *ret, struct ls_err *err)
{
	const struct pagemap *m = r->m;
	const struct pagemap_entry *e = search(m, pgno);

	for (size_t k = 0; k < m->nasked; k++) {
		uint32_t i = m->asked[k];
		int rc;

		if ((e && e->object < i) || pgno > m->limit[i])
			break;
		rc = object_index_find(&r->cursors[k % PAGEMAP_CURSORS], m->objs[i], pgno, ret,
				       err);
		if (rc == 0)
			*ret_obj = m->objs[i];
		if (rc <= 0)
			return rc;
	}
	if (!e)
		return ls_err_set(err, -ENODATA,
				  "page %u is in no file of the backup: it is damaged", pgno);
	*ret_obj = m->objs[e->object];
	*ret = (struct object_loc){.off = e->at >> PAGEMAP_SIZE_BITS,
				   .size = (uint32_t)(e->at & ((1 << PAGEMAP_SIZE_BITS) - 1)),
				   .pgno = pgno};
	return 0;
}
