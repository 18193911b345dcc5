/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/model/walmodel_impl.h"

#include "engine/base/bytes.h"

#include <string.h>

enum { TICK_NS = 4000000 };

uint32_t
wm_random(struct wm *m, uint32_t n)
{
	uint64_t z = m->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) >> 32) % n;
}

/*
 * What no page had before. Spread over all bits: of small numbers the WAL's checksum, which only
 * adds, finds two frames equal that are not (page 2 with commit 2 and content 19, page 3 with
 * commit 0 and content 20).
 */
uint64_t
wm_new_content(struct wm *m)
{
	uint64_t z = ++m->content * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

struct wal_salts
wm_random_salts(struct wm *m)
{
	return (struct wal_salts){wm_random(m, UINT32_MAX), wm_random(m, UINT32_MAX) | 1};
}

void
wm_init(struct wm *m, uint64_t seed)
{
	memset(m, 0, sizeof *m);
	m->rng = seed;
	m->boot = 1;
	m->now_ns = UINT64_C(1000000000000);
	m->db_time_ns = m->now_ns;
	m->db.n = 2;
	m->db.page[1] = wm_new_content(m);
	m->db.page[2] = wm_new_content(m);
	m->synced_db = m->db;
	for (int i = 0; i <= WM_READERS; i++)
		m->reader[i] = -1;
}

void
wm_pass_time(struct wm *m, uint64_t ns)
{
	m->now_ns += ns;
}

void
wm_touch_db(struct wm *m)
{
	m->db_time_ns = m->now_ns / TICK_NS * TICK_NS;
}

/* ---- the WAL file ---- */

void
wm_cut(struct wm *m, uint32_t bytes)
{
	uint32_t n = bytes < WAL_HEADER_SIZE ? 0 : (bytes - WAL_HEADER_SIZE) / WM_FRAME;

	if (n >= m->wal.n)
		return;
	m->wal.partial = bytes > WAL_HEADER_SIZE && (bytes - WAL_HEADER_SIZE) % WM_FRAME != 0;
	m->wal.n = n;
	memset(m->wal.frame + n, 0, (WM_SLOTS - n) * sizeof m->wal.frame[0]);
	if (bytes < WAL_HEADER_SIZE)
		m->wal.has_header = false;
	if (m->synced_wal.n > n) {
		m->synced_wal.n = n;
		memset(m->synced_wal.frame + n, 0, (WM_SLOTS - n) * sizeof m->wal.frame[0]);
	}
	if (bytes < WAL_HEADER_SIZE)
		m->synced_wal.has_header = false;
}

void
wm_sync_wal(struct wm *m)
{
	m->synced_wal = m->wal;
}

uint8_t *
wm_frame_at(struct wm *m, uint32_t k)
{
	if (k > m->wal.n) {
		m->wal.n = k;
		m->wal.partial = false;
	}
	return m->wal.frame[k - 1];
}

/* ---- the wal-index ---- */

static void
recover(struct wm *m, uint32_t *ret_nckpt)
{
	struct wal_sum sum = m->wal.header.sum;
	struct wal_frame f;

	memset(&m->idx, 0, sizeof m->idx);
	memset(m->pgno, 0, sizeof m->pgno);
	m->idx.npages = m->db.n;
	*ret_nckpt = 0;
	if (!m->wal.has_header)
		return;
	*ret_nckpt = m->wal.header.checkpoint_seq;
	m->idx.salts = m->wal.header.salts;
	m->idx.sum = sum;
	for (uint32_t k = 1; k <= m->wal.n; k++) {
		const uint8_t *p = m->wal.frame[k - 1];

		wal_frame_decode(p, &f);
		sum = wal_frame_sum(sum, false, p, WM_PAGE_SIZE);
		if (!wal_salts_equal(f.salts, m->idx.salts) || !wal_sum_equal(f.sum, sum))
			break;
		m->pgno[k] = f.pgno;
		if (!f.commit)
			continue;
		m->idx.mx_frame = k;
		m->idx.npages = f.commit;
		m->idx.sum = sum;
	}
	if (m->idx.mx_frame < m->backfilled)
		m->damaged = true;
}

static uint32_t
attach(struct wm *m)
{
	uint32_t nckpt = 0;

	if (!m->shm)
		recover(m, &nckpt);
	m->shm = true;
	return nckpt;
}

void
wm_attach(struct wm *m)
{
	attach(m);
}

bool
wm_anybody(const struct wm *m)
{
	for (int i = 0; i < WM_CONNS; i++)
		if (m->conn[i].open)
			return true;
	return m->reader[WM_ENGINE] >= 0;
}

struct wm_conn *
wm_open(struct wm *m)
{
	for (int i = 0; i < WM_CONNS; i++) {
		if (m->conn[i].open)
			continue;
		m->conn[i] = (struct wm_conn){.open = true, .limit = -1};
		m->conn[i].nckpt = attach(m);
		return &m->conn[i];
	}
	return NULL;
}

void
wm_nobody_left(struct wm *m)
{
	if (wm_anybody(m))
		return;
	m->shm = false;
	for (int i = 0; i < WM_READERS; i++)
		m->reader[i] = -1;
}

void
wm_pin(struct wm *m, int reader)
{
	m->reader[reader] = m->idx.backfill == m->idx.mx_frame ? 0 : (int)m->idx.mx_frame;
}

void
wm_unpin(struct wm *m, int reader)
{
	m->reader[reader] = -1;
	wm_nobody_left(m);
}

bool
wm_marks_held(const struct wm *m)
{
	for (int i = 0; i <= WM_READERS; i++)
		if (m->reader[i] > 0)
			return true;
	return false;
}

/* How far a checkpoint may go. */
uint32_t
wm_safe_frame(const struct wm *m)
{
	uint32_t safe = m->idx.mx_frame;

	for (int i = 0; i <= WM_READERS; i++) {
		if (m->reader[i] == 0)
			return m->idx.backfill;
		if (m->reader[i] > 0 && (uint32_t)m->reader[i] < safe)
			safe = (uint32_t)m->reader[i];
	}
	return safe;
}

void
wm_restart_index(struct wm *m, struct wm_conn *c)
{
	c->nckpt++;
	m->idx.mx_frame = m->idx.backfill = 0;
	m->idx.salts = (struct wal_salts){m->idx.salts.s1 + 1, wm_random(m, UINT32_MAX) | 1};
}

void
wm_disconnect(struct wm *m, struct wm_conn *c)
{
	*c = (struct wm_conn){0};
	wm_nobody_left(m);
}

/* ---- reading ---- */

uint32_t
wm_size(const struct wm *m)
{
	return m->idx.mx_frame ? m->idx.npages : m->db.n;
}

uint64_t
wm_page(const struct wm *m, uint32_t pgno)
{
	for (uint32_t k = m->idx.mx_frame; k >= 1; k--)
		if (m->pgno[k] == pgno)
			return get_be64(m->wal.frame[k - 1] + WAL_FRAME_HEADER_SIZE);
	return pgno <= m->db.n ? m->db.page[pgno] : 0;
}

void
wm_stat(const struct wm *m, struct stat *ret)
{
	*ret = (struct stat){.st_dev = 1, .st_ino = 2, .st_size = m->db.n * WM_PAGE_SIZE};
	ret->st_mtim.tv_sec = ret->st_ctim.tv_sec = (time_t)(m->db_time_ns / 1000000000);
	ret->st_mtim.tv_nsec = ret->st_ctim.tv_nsec = (long)(m->db_time_ns % 1000000000);
}
