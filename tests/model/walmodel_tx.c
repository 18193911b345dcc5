/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/model/walmodel_impl.h"

#include "engine/base/bytes.h"

#include <string.h>

static void
encode(struct wm *m, uint32_t k, uint32_t pgno, uint32_t commit)
{
	uint8_t *p = wm_frame_at(m, k);

	put_be32(p, pgno);
	put_be32(p + 4, commit);
	if (m->tx.recksum) {
		memset(p + 8, 0, 16);
		return;
	}
	put_be32(p + 8, m->idx.salts.s1);
	put_be32(p + 12, m->idx.salts.s2);
	m->tx.sum = wal_frame_sum(m->tx.sum, false, p, WM_PAGE_SIZE);
	put_be32(p + 16, m->tx.sum.s0);
	put_be32(p + 20, m->tx.sum.s1);
}

static void
write_header(struct wm *m)
{
	struct wal_header *h = &m->wal.header;
	uint8_t raw[24] = {0};

	put_be32(raw + 12, m->tx.conn->nckpt);
	put_be32(raw + 16, m->idx.salts.s1);
	put_be32(raw + 20, m->idx.salts.s2);
	*h = (struct wal_header){.page_size = WM_PAGE_SIZE,
				 .checkpoint_seq = m->tx.conn->nckpt,
				 .salts = m->idx.salts,
				 .sum = wal_sum_update((struct wal_sum){0, 0}, false, raw, 24)};
	m->wal.has_header = true;
	m->backfilled = 0;
	wm_sync_wal(m);
}

bool
wm_begin(struct wm *m, struct wm_conn *c)
{
	struct wm_tx *t = &m->tx;

	if (m->idx.mx_frame + 3 * WM_PAGES + 20 > WM_SLOTS &&
	    (m->idx.backfill < m->idx.mx_frame || wm_marks_held(m)))
		return false;
	if (m->idx.backfill > 0 && m->idx.backfill == m->idx.mx_frame && !wm_marks_held(m))
		wm_restart_index(m, c);
	*t = (struct wm_tx){.active = true,
			    .conn = c,
			    .first = m->idx.mx_frame + 1,
			    .mx = m->idx.mx_frame,
			    .sum = m->idx.sum,
			    .npages = wm_size(m)};
	if (m->idx.mx_frame == 0) {
		/* The wal-index keeps the size for readers without frames. */
		m->idx.npages = t->npages;
		if (c->nckpt == 0)
			m->idx.salts = wm_random_salts(m);
		write_header(m);
		t->sum = m->wal.header.sum;
		t->restarted = true;
	}
	return true;
}

static uint32_t
own_frame(const struct wm *m, uint32_t pgno)
{
	for (uint32_t k = m->tx.mx; k >= m->tx.first; k--)
		if (m->pgno[k] == pgno)
			return k;
	return 0;
}

static void
put_page(struct wm *m, uint32_t pgno, uint32_t commit)
{
	struct wm_tx *t = &m->tx;
	uint32_t k = commit ? 0 : own_frame(m, pgno);

	if (k) {
		put_be64(wm_frame_at(m, k) + WAL_FRAME_HEADER_SIZE, t->page[pgno]);
		if (!t->recksum || k < t->recksum)
			t->recksum = k;
		return;
	}
	k = ++t->mx;
	put_be64(wm_frame_at(m, k) + WAL_FRAME_HEADER_SIZE, t->page[pgno]);
	encode(m, k, pgno, commit);
	m->pgno[k] = pgno;
}

void
wm_write(struct wm *m, uint32_t pgno, bool spill)
{
	struct wm_tx *t = &m->tx;

	t->has[pgno] = true;
	t->page[pgno] = wm_new_content(m);
	if (pgno > t->npages)
		t->npages = pgno;
	if (spill && t->mx + WM_PAGES < WM_SLOTS)
		put_page(m, pgno, 0);
}

void
wm_shrink(struct wm *m, uint32_t npages)
{
	struct wm_tx *t = &m->tx;

	t->npages = npages;
	for (uint32_t p = npages + 1; p <= WM_PAGES; p++)
		t->has[p] = false;
	wm_write(m, 1, false);
}

void
wm_savepoint(struct wm *m)
{
	struct wm_tx *t = &m->tx;

	t->save.set = true;
	t->save.mx = t->mx;
	t->save.npages = t->npages;
	t->save.sum = t->sum;
	memcpy(t->save.has, t->has, sizeof t->has);
	memcpy(t->save.page, t->page, sizeof t->page);
}

void
wm_rollback_to(struct wm *m)
{
	struct wm_tx *t = &m->tx;

	if (!t->save.set)
		return;
	if (t->save.mx < t->mx) {
		t->mx = t->save.mx;
		t->sum = t->save.sum;
		if (m->savepoint_fixed && t->recksum > t->mx)
			t->recksum = 0;
	}
	t->npages = t->save.npages;
	memcpy(t->has, t->save.has, sizeof t->has);
	memcpy(t->page, t->save.page, sizeof t->page);
}

static void
rewrite_checksums(struct wm *m)
{
	struct wm_tx *t = &m->tx;
	uint32_t k = t->recksum;
	struct wal_frame f;

	if (k == 1) {
		t->sum = m->wal.header.sum;
	} else {
		wal_frame_decode(m->wal.frame[k - 2], &f);
		t->sum = f.sum;
	}
	t->recksum = 0;
	for (; k <= t->mx; k++) {
		wal_frame_decode(m->wal.frame[k - 1], &f);
		encode(m, k, f.pgno, f.commit);
	}
}

static bool
stale_in_wal(const struct wm *m, uint32_t pgno)
{
	uint32_t k = own_frame(m, pgno);

	return !k || get_be64(m->wal.frame[k - 1] + WAL_FRAME_HEADER_SIZE) != m->tx.page[pgno];
}

/* The pages that the file does not have yet; the last one carries the mark. */
static void
write_commit(struct wm *m)
{
	struct wm_tx *t = &m->tx;
	uint32_t last = 0;

	for (uint32_t p = 1; p <= t->npages; p++)
		if (t->has[p] && stale_in_wal(m, p))
			last = p;
	if (!last) {
		wm_write(m, 1, false);
		last = 1;
	}
	for (uint32_t p = 1; p < last; p++)
		if (t->has[p] && stale_in_wal(m, p))
			put_page(m, p, 0);
	put_page(m, last, t->npages);
	if (t->recksum)
		rewrite_checksums(m);
}

void
wm_end(struct wm *m, enum wm_end how)
{
	struct wm_tx *t = &m->tx;

	t->active = false;
	if (how == WM_ROLLBACK)
		return;
	write_commit(m);
	if (how == WM_PHANTOM)
		return;
	if (t->conn->full)
		wm_sync_wal(m);
	if (t->restarted && t->conn->limit >= 0) {
		uint32_t end = WAL_HEADER_SIZE + t->mx * WM_FRAME;

		wm_cut(m, (uint32_t)t->conn->limit > end ? (uint32_t)t->conn->limit : end);
	}
	m->idx.mx_frame = t->mx;
	m->idx.npages = t->npages;
	m->idx.sum = t->sum;
	m->idx.change++;
}

void
wm_kill_writer(struct wm *m, uint32_t pgno)
{
	uint8_t *p = wm_frame_at(m, m->tx.mx + 1);
	uint8_t head[16];
	uint32_t n = wm_random(m, 25);

	/* Salts and checksum of what would have come are of no importance: they never match. */
	put_be32(head, pgno);
	put_be32(head + 4, 0);
	put_be32(head + 8, m->idx.salts.s1);
	put_be32(head + 12, m->idx.salts.s2);
	memcpy(p, head, n < 16 ? n : 16);
	if (n > 16)
		memset(p + 16, 0x5a, n - 16);
	m->tx.active = false;
	wm_disconnect(m, m->tx.conn);
}
