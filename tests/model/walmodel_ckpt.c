/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/model/walmodel_impl.h"

#include "engine/base/bytes.h"

#include <string.h>

/* ---- checkpoints ---- */

static void
backfill_page(struct wm *m, uint32_t pgno, uint32_t safe)
{
	for (uint32_t k = safe; k > m->idx.backfill; k--) {
		if (m->pgno[k] != pgno)
			continue;
		m->db.page[pgno] = get_be64(m->wal.frame[k - 1] + WAL_FRAME_HEADER_SIZE);
		if (pgno > m->db.n)
			m->db.n = pgno;
		wm_touch_db(m);
		return;
	}
}

static bool
backfill(struct wm *m, uint32_t safe, bool die)
{
	if (safe <= m->idx.backfill)
		return true;
	wm_sync_wal(m);
	if (safe > m->backfilled)
		m->backfilled = safe;
	for (uint32_t p = 1; p <= m->idx.npages; p++) {
		if (die && wm_random(m, 4) == 0)
			return false;
		backfill_page(m, p, safe);
	}
	if (safe == m->idx.mx_frame) {
		m->db.n = m->idx.npages;
		wm_touch_db(m);
		m->synced_db = m->db;
	}
	m->idx.backfill = safe;
	return true;
}

void
wm_checkpoint(struct wm *m, struct wm_conn *c, enum wm_mode mode, bool die)
{
	if (!backfill(m, wm_safe_frame(m), die)) {
		wm_disconnect(m, c);
		return;
	}
	if (mode == WM_TRUNCATE && m->idx.backfill == m->idx.mx_frame && !wm_marks_held(m)) {
		uint32_t npages = wm_size(m);

		wm_restart_index(m, c);
		m->idx.npages = npages;
		wm_cut(m, 0);
	}
}

void
wm_close(struct wm *m, struct wm_conn *c)
{
	struct wm_conn was = *c;

	c->open = false;
	if (wm_anybody(m)) {
		*c = (struct wm_conn){0};
		return;
	}
	for (int i = 0; i < WM_READERS; i++)
		m->reader[i] = -1;
	backfill(m, m->idx.mx_frame, false);
	if (!was.persist || was.limit >= 0)
		wm_cut(m, 0);
	if (!was.persist) {
		memset(&m->wal, 0, sizeof m->wal);
		memset(&m->synced_wal, 0, sizeof m->wal);
	}
	wm_disconnect(m, c);
}

/* ---- disasters ---- */

void
wm_crash(struct wm *m)
{
	m->tx.active = false;
	for (int i = 0; i < WM_CONNS; i++)
		m->conn[i] = (struct wm_conn){0};
	for (int i = 0; i < WM_READERS; i++)
		m->reader[i] = -1;
	wm_nobody_left(m);
}

void
wm_power_failure(struct wm *m)
{
	struct wm_wal *w = &m->wal, *s = &m->synced_wal;

	m->reader[WM_ENGINE] = -1;
	wm_crash(m);
	m->boot++;
	for (uint32_t k = 0; k < WM_SLOTS; k++) {
		if (wm_random(m, 2))
			memcpy(w->frame[k], s->frame[k], WAL_FRAME_HEADER_SIZE);
		if (wm_random(m, 2))
			memcpy(w->frame[k] + WAL_FRAME_HEADER_SIZE,
			       s->frame[k] + WAL_FRAME_HEADER_SIZE, WM_PAGE_SIZE);
	}
	if (wm_random(m, 2)) {
		w->n = s->n;
		memset(w->frame + w->n, 0, (WM_SLOTS - w->n) * sizeof w->frame[0]);
	}
	for (uint32_t p = 1; p <= WM_PAGES; p++)
		if (wm_random(m, 2))
			m->db.page[p] = m->synced_db.page[p];
	if (wm_random(m, 2) && m->synced_db.n < m->db.n)
		m->db.n = m->synced_db.n;
	wm_sync_wal(m);
	m->synced_db = m->db;
}

void
wm_remove_wal(struct wm *m)
{
	memset(&m->wal, 0, sizeof m->wal);
	memset(&m->synced_wal, 0, sizeof m->wal);
	m->backfilled = 0;
}
