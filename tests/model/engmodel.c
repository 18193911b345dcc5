/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/model/engmodel.h"

#include "engine/base/bytes.h"

#include <string.h>

const char *
em_fault_name(enum em_fault fault)
{
	static const char *const names[EM_FAULTS] = {
		[EM_SOUND] = "sound",
		[EM_END_PROVES] = "the end of the file proves",
		[EM_ANY_BOOT] = "power failures are overlooked",
		[EM_ALWAYS_CHAINED] = "frames without checksum are overlooked",
		[EM_ZERO_PROVES] = "zero salts prove",
		[EM_ONLY_SALTS] = "the recorded checksum is not compared",
	};

	return names[fault];
}

/* As frames.c: checks frames from+1..mx. *ret_bare: some have no checksum. */
static bool
frames_verify(const struct wm *m, struct wal_sum sum, uint32_t from, bool *ret_bare)
{
	bool broken = false;

	*ret_bare = false;
	if (m->idx.mx_frame > m->wal.n)
		return false;
	for (uint32_t k = from + 1; k <= m->idx.mx_frame; k++) {
		const uint8_t *p = m->wal.frame[k - 1];
		struct wal_frame f;

		wal_frame_decode(p, &f);
		if (!f.salts.s1 && !f.salts.s2 && !f.sum.s0 && !f.sum.s1 && f.pgno == m->pgno[k]) {
			broken = *ret_bare = true;
			continue;
		}
		if (!wal_salts_equal(f.salts, m->idx.salts))
			return false;
		sum = wal_frame_sum(sum, false, p, WM_PAGE_SIZE);
		if (broken ? f.pgno != m->pgno[k] : !wal_sum_equal(sum, f.sum))
			return false;
		sum = f.sum;
		broken = false;
	}
	return broken || wal_sum_equal(sum, m->idx.sum);
}

static void
stamp(struct em *e, const struct wm *m, bool complete)
{
	struct stat st;

	wm_stat(m, &st);
	continuity_stamp(&e->pos, &st, m->boot, (int64_t)m->now_ns);
	e->pos.complete = complete;
}

static void
take_page(struct em *e, const struct wm *m, uint32_t pgno)
{
	e->page[pgno] = wm_page(m, pgno);
}

static void
image(struct em *e, const struct wm *m)
{
	bool overlay = m->idx.backfill < m->idx.mx_frame, bare = false, good = true;

	e->npages = wm_size(m);
	for (uint32_t p = 1; p <= e->npages; p++)
		take_page(e, m, p);
	if (overlay)
		good = frames_verify(m, m->wal.header.sum, 0, &bare);
	e->unreadable += !good;
	e->pos = (struct position){.txid = 1,
				   .page_size = WM_PAGE_SIZE,
				   .salts = m->idx.salts,
				   .frame = m->idx.mx_frame,
				   .sum = m->idx.sum,
				   .chained = overlay ? good && !bare : m->idx.mx_frame == 0};
	stamp(e, m, false);
}

static void
remember(struct position *pos)
{
	if (!pos->salts.s1 && !pos->salts.s2)
		return;
	memmove(pos->history + 1, pos->history, sizeof pos->history - sizeof pos->history[0]);
	pos->history[0] = pos->salts;
	if (pos->nhistory < POSITION_SALT_HISTORY)
		pos->nhistory++;
}

/* The frames after the position, or of the new generation. False: they do not verify. */
static bool
increment(struct em *e, const struct wm *m)
{
	bool begin = !wal_salts_equal(e->pos.salts, m->idx.salts) || e->pos.frame == 0;
	uint32_t from = begin ? 0 : e->pos.frame;
	struct wal_sum sum = begin ? m->wal.header.sum : e->pos.sum;
	bool bare;

	if (m->idx.mx_frame == 0 || (!begin && m->idx.mx_frame == from))
		return true;
	if (!wal_salts_equal(m->wal.header.salts, m->idx.salts) || m->idx.mx_frame < from ||
	    !frames_verify(m, sum, from, &bare))
		return false;
	for (uint32_t k = from + 1; k <= m->idx.mx_frame; k++)
		take_page(e, m, m->pgno[k]);
	e->npages = m->idx.npages;
	if (!wal_salts_equal(e->pos.salts, m->idx.salts))
		remember(&e->pos);
	e->pos.salts = m->idx.salts;
	e->pos.frame = m->idx.mx_frame;
	e->pos.sum = m->idx.sum;
	e->pos.chained = (begin || e->pos.chained) && !bare;
	stamp(e, m, false);
	return true;
}

void
em_capture(struct em *e, struct wm *m)
{
	if (!increment(e, m))
		image(e, m);
	wm_pin(m, WM_ENGINE);
}

void
em_stop(struct em *e, struct wm *m, bool clean)
{
	if (clean) {
		em_capture(e, m);
		if (m->idx.backfill == m->idx.mx_frame)
			stamp(e, m, true);
	}
	e->up = false;
	wm_unpin(m, WM_ENGINE);
}

struct reader {
	const struct wm *m;
	enum em_fault fault;
};

static int
read_frame(void *arg, uint32_t k, uint8_t *raw, struct ls_err *err)
{
	const struct reader *r = arg;
	const struct wm *m = r->m;
	const uint8_t *p = m->wal.frame[k - 1];

	(void)err;
	if (k > m->wal.n && r->fault != EM_END_PROVES)
		return 0;
	if (k <= m->wal.n)
		memcpy(raw, p, WM_FRAME);
	if (k > m->wal.n || (r->fault == EM_ZERO_PROVES && !get_be64(raw + 8))) {
		put_be32(raw, 1);
		put_be32(raw + 8, m->idx.salts.s1 - 3);
	}
	return 1;
}

static void
decide(struct em *e, const struct wm *m, enum em_fault fault, struct continuity_verdict *ret)
{
	struct reader r = {m, fault};
	struct stat st;
	struct continuity_now now = {.db = &st,
				     .page_size = WM_PAGE_SIZE,
				     .boot = fault == EM_ANY_BOOT ? e->pos.boot : m->boot,
				     .walidx = &m->idx,
				     .has_header = m->wal.has_header,
				     .header = m->wal.header,
				     .frames = {read_frame, &r}};
	uint8_t raw[WM_FRAME];
	struct wal_frame f;

	wm_stat(m, &st);
	if (fault == EM_ALWAYS_CHAINED)
		e->pos.chained = true;
	if (fault == EM_ONLY_SALTS && e->pos.frame && read_frame(&r, e->pos.frame, raw, NULL)) {
		wal_frame_decode(raw, &f);
		e->pos.sum = f.sum;
	}
	if (continuity_decide(&e->pos, &now, ret, NULL) < 0)
		*ret = (struct continuity_verdict){.what = CONTINUITY_REBASE, .why = "error"};
}

static bool
equal(const struct em *e, const struct wm *m)
{
	if (e->npages != wm_size(m))
		return false;
	for (uint32_t p = 1; p <= e->npages; p++)
		if (e->page[p] != wm_page(m, p))
			return false;
	return true;
}

struct em_verdict
em_start(struct em *e, struct wm *m, enum em_fault fault)
{
	struct em_verdict ret = {.what = CONTINUITY_REBASE, .why = "first capture"};
	struct continuity_verdict v = {.what = CONTINUITY_REBASE, .why = "first capture"};

	wm_attach(m);
	wm_pin(m, WM_ENGINE);
	e->up = true;
	if (e->pos.txid)
		decide(e, m, fault, &v);
	ret.what = v.what;
	ret.why = v.why;
	if (v.what != CONTINUITY_REBASE && !increment(e, m)) {
		ret.fell_back = true;
		image(e, m);
	}
	if (v.what == CONTINUITY_TAIL)
		for (size_t i = 0; i < v.tail.n; i++)
			if (v.tail.pages[i] <= WM_PAGES)
				take_page(e, m, v.tail.pages[i]);
	if (v.what == CONTINUITY_REBASE)
		image(e, m);
	ret.wrong = !equal(e, m);
	continuity_done(&v);
	em_capture(e, m);
	return ret;
}
