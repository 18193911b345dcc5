/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/capture_impl.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/format/dbhdr.h"
#include "engine/sync/bootid.h"

#include <inttypes.h>

enum { CLOCK_BACK_MS = 60000 };

/* Strictly rising, unless the clock went back so far that rising would be a lie for long. */
static int64_t
batch_time(struct capture *c)
{
	int64_t now = clock_wall_ms();

	if (now > c->pos.time_ms)
		return now;
	if (c->pos.time_ms - now > CLOCK_BACK_MS) {
		c->clock_back = true;
		return now;
	}
	return c->pos.time_ms + 1;
}

static int
check_growth(const struct capture *c, uint32_t commit, struct ls_err *err)
{
	const struct frames *f = &c->frames;
	uint32_t lock = dbhdr_lock_page(c->db->page_size);
	uint32_t want = c->pos.commit + 1;
	size_t i = f->n;

	while (i > 0 && f->v[i - 1].pgno > c->pos.commit)
		i--;
	for (; want <= commit; want++) {
		if (want == lock)
			continue;
		if (i == f->n || f->v[i].pgno != want)
			return ls_err_set(err, -ESTALE,
					  "page %u of the grown database is not in the "
					  "WAL",
					  want);
		i++;
	}
	return 0;
}

struct ltx_header
capture_header(struct capture *c, uint32_t commit, const struct position *to, uint32_t from_frame)
{
	uint64_t start = wal_frame_offset(c->db->page_size, from_frame);
	uint64_t end = wal_frame_offset(c->db->page_size, to->frame);

	return (struct ltx_header){.flags = LTX_NO_CHECKSUM,
				   .page_size = c->db->page_size,
				   .commit = commit,
				   .min_txid = c->next_txid,
				   .max_txid = c->next_txid,
				   .time_ms = batch_time(c),
				   .wal_offset = (int64_t)start,
				   .wal_size = (int64_t)(end - start),
				   .salts = to->salts};
}

/* Publishes what was staged: from here on the batch is ours. */
int
capture_publish(struct capture *c, struct stage_file *file, const struct ltx_header *h,
		struct position *to, struct ls_err *err)
{
	int rc = stage_commit(file, h->time_ms, err);

	if (rc < 0)
		return rc;
	to->txid = h->max_txid;
	to->time_ms = h->time_ms;
	to->commit = h->commit;
	to->complete = false;
	continuity_stamp(to, &c->db->st, bootid_get(), clock_wall_ms() * 1000000);
	if ((rc = position_store(&c->record, to, err)) < 0 ||
	    (!c->behind_barrier && (rc = position_sync(&c->record, err)) < 0))
		return rc;
	pagehash_commit(&c->hashes, to->txid);
	c->pos = *to;
	c->next_txid = to->txid + 1;
	c->may_differ = true;
	c->file_bytes += file->size;
	c->spool_used += file->size;
	return 0;
}

/* ---- increments ---- */

static int
encode_frames(struct capture *c, struct ltx_enc *e, struct ls_err *err)
{
	uint8_t page[PAGE_SIZE_MAX];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->frames.n; i++) {
		struct frame_ref ref = c->frames.v[i];

		if (ref.pgno == dbhdr_lock_page(c->db->page_size))
			continue;
		rc = frames_page(&c->frames, c->db, ref, page, err);
		if (rc == 0)
			rc = ltx_enc_page(e, ref.pgno, page, err);
		pagehash_put(&c->hashes, ref.pgno, page);
	}
	return rc;
}

/* After a start: is the WAL still of the generation that was judged? A pin on slot 0 lets a writer
 * restart it over frames that were committed before and are not captured. */
static int
check_judged(const struct capture *c, const struct walidx_header *hz, struct ls_err *err)
{
	const struct continuity_verdict *v = &c->resume;

	if (v->what == CONTINUITY_SAME || (v->what == CONTINUITY_APPEND && v->missed == 0) ||
	    wal_salts_equal(hz->salts, v->salts))
		return 0;
	return ls_err_set(err, -ESTALE, "the WAL was restarted before its tail was captured");
}

/* The same once the frames have been read: a restart is in the wal-index before the first frame is
 * overwritten. */
static int
check_read(const struct capture *c, struct ls_err *err)
{
	struct walidx_header hz;
	int rc;

	if (c->resume.what == CONTINUITY_SAME)
		return 0;
	rc = db_walidx(c->db, &hz, err);
	return rc < 0 ? rc : check_judged(c, &hz, err);
}

static int
write_batch(struct capture *c, struct position *to, struct ls_err *err)
{
	struct ltx_header h = capture_header(c, c->frames.commit, to, c->frames.first - 1);
	LS_AUTO(stage_abort) struct stage_file file = {.fd = -1};
	struct ltx_trailer t;
	struct ltx_enc e = {0};
	int rc = stage_begin(c->dir, h.max_txid, &file, err);

	if (rc == 0)
		rc = ltx_enc_begin(&e, &h, c->encoding, stage_write, &file, err);
	pagehash_begin(&c->hashes, false);
	if (rc == 0)
		rc = encode_frames(c, &e, err);
	if (rc == 0)
		rc = ltx_enc_end(&e, 0, &t, err);
	ltx_enc_done(&e);
	if (rc == 0)
		rc = check_read(c, err);
	return rc < 0 ? rc : capture_publish(c, &file, &h, to, err);
}

/* One batch; *ret_more: the horizon is further on. */
static int
capture_batch(struct capture *c, const struct walidx_header *hz, uint64_t max_bytes,
	      unsigned *batches, bool *ret_more, struct ls_err *err)
{
	struct position to = c->pos;
	int rc = frames_read(&c->frames, c->db, hz, &to, max_bytes, err);

	*ret_more = false;
	if (rc < 0)
		return rc;
	if (c->frames.n == 0) {
		c->pos = to; /* a new generation without a commit yet, or nothing at all */
		return 0;
	}
	c->unchained |= c->frames.unchained;
	if ((rc = capture_room(c, c->frames.n * (uint64_t)c->db->page_size, err)) < 0 ||
	    (rc = check_growth(c, c->frames.commit, err)) < 0 ||
	    (rc = write_batch(c, &to, err)) < 0)
		return rc;
	c->wal_bytes += (uint64_t)(c->frames.last - c->frames.first + 1) *
			(WAL_FRAME_HEADER_SIZE + (uint64_t)c->db->page_size);
	++*batches;
	*ret_more = to.frame < hz->mx_frame;
	return 0;
}

/* R2: the pages of the old generation's tail and all of the new one's, as they are now. */
static int
capture_missed(struct capture *c, const struct walidx_header *hz, unsigned *batches,
	       struct ls_err *err)
{
	const struct tailproof *tail = &c->resume.tail;
	struct position to = c->pos;
	int rc = frames_read(&c->frames, c->db, hz, &to, UINT64_MAX, err);

	if (rc == 0 && c->frames.n == 0)
		rc = ls_err_set(err, -ESTALE, "the new generation of the WAL is empty");
	if (rc == 0)
		rc = frames_add_file_pages(&c->frames, tail->pages, tail->n,
					   hz->backfill == hz->mx_frame, err);
	if (rc < 0 || (rc = check_growth(c, c->frames.commit, err)) < 0 ||
	    (rc = write_batch(c, &to, err)) < 0)
		return rc;
	c->unchained |= c->frames.unchained;
	++*batches;
	return 0;
}

void
capture_resumed(struct capture *c)
{
	continuity_done(&c->resume);
	c->resume = (struct continuity_verdict){.what = CONTINUITY_SAME};
}

/* The first capture after a start. */
static int
resume(struct capture *c, const struct walidx_header *hz, unsigned *batches, struct ls_err *err)
{
	int rc;

	if ((rc = check_judged(c, hz, err)) < 0 || c->resume.what != CONTINUITY_TAIL)
		return rc;
	if ((rc = capture_missed(c, hz, batches, err)) == 0)
		capture_resumed(c);
	return rc;
}

static int
capture_to_horizon(struct capture *c, uint64_t max_batch_bytes, unsigned *batches,
		   struct ls_err *err)
{
	struct walidx_header hz;
	bool more = true;
	int rc = db_walidx(c->db, &hz, err);

	if (rc < 0)
		return rc;
	c->seen = hz;
	rc = resume(c, &hz, batches, err);
	while (rc == 0 && more)
		rc = capture_batch(c, &hz, max_batch_bytes, batches, &more, err);
	return rc;
}

int
capture_tail(struct capture *c, uint64_t max_batch_bytes, unsigned *ret_batches, struct ls_err *err)
{
	int rc;

	*ret_batches = 0;
	if ((rc = db_pin_next(c->db, err)) < 0)
		return rc;
	/* Read after the pin: its mark is at or before this horizon. */
	if ((rc = capture_to_horizon(c, max_batch_bytes, ret_batches, err)) < 0) {
		db_pin_cancel(c->db);
		return rc;
	}
	capture_resumed(c);
	db_pin_swap(c->db);
	return 0;
}

int
capture_last(struct capture *c, uint64_t max_batch_bytes, unsigned *ret_batches, struct ls_err *err)
{
	*ret_batches = 0;
	return capture_to_horizon(c, max_batch_bytes, ret_batches, err);
}

int
capture_room(const struct capture *c, uint64_t bytes, struct ls_err *err)
{
	if (!c->spool_used || c->spool_used + bytes <= c->spool_max)
		return 0;
	return ls_err_set(err, -ENOSPC,
			  "the spool is full: %" PRIu64 " bytes wait for the replica "
			  "(spool-max-size %" PRIu64 "); capture goes on when it is back",
			  c->spool_used, c->spool_max);
}

uint32_t
capture_pending(const struct capture *c)
{
	const struct walidx_header *hz = &c->seen;

	return wal_salts_equal(hz->salts, c->pos.salts) ? hz->mx_frame - c->pos.frame
							: hz->mx_frame;
}

int
capture_rest(struct capture *c, struct ls_err *err)
{
	struct walidx_header hz;
	struct position p = c->pos;
	struct stat st;
	int rc;

	if ((rc = db_walidx(c->db, &hz, err)) < 0)
		return rc;
	if (!p.txid || p.complete || hz.backfill != hz.mx_frame ||
	    (hz.mx_frame && (!wal_salts_equal(hz.salts, p.salts) || hz.mx_frame != p.frame)))
		return 0;
	if ((rc = io_stat(c->db->conf->path, &st, err)) < 0)
		return rc;
	if (!io_same_file(&st, &c->db->st))
		return 0;
	continuity_stamp(&p, &st, bootid_get(), clock_wall_ms() * 1000000);
	p.complete = true;
	if ((rc = position_store(&c->record, &p, err)) < 0 ||
	    (rc = position_sync(&c->record, err)) < 0)
		return rc;
	c->pos = p;
	return 0;
}

void
capture_done(struct capture *c)
{
	frames_done(&c->frames);
	pagehash_close(&c->hashes);
	continuity_done(&c->resume);
	position_close(&c->record);
}
