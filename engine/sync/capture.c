/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/capture.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/format/dbhdr.h"
#include "engine/sync/bootid.h"

#include <inttypes.h>

enum { CLOCK_BACK_MS = 60000, PROGRESS_PAGES = 4096, IMAGE_CHUNK = 1 << 20 };

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

static struct ltx_header
header_for(struct capture *c, uint32_t commit, const struct position *to, uint32_t from_frame)
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
static int
publish(struct capture *c, struct stage_file *file, const struct ltx_header *h, struct position *to,
	struct ls_err *err)
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
	c->pos = *to;
	c->next_txid = to->txid + 1;
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
	}
	return rc;
}

static int
write_batch(struct capture *c, struct position *to, struct ls_err *err)
{
	struct ltx_header h = header_for(c, c->frames.commit, to, c->frames.first - 1);
	LS_AUTO(stage_abort) struct stage_file file = {.fd = -1};
	struct ltx_trailer t;
	struct ltx_enc e = {0};
	int rc = stage_begin(c->dir, h.max_txid, &file, err);

	if (rc == 0)
		rc = ltx_enc_begin(&e, &h, c->encoding, stage_write, &file, err);
	if (rc == 0)
		rc = encode_frames(c, &e, err);
	if (rc == 0)
		rc = ltx_enc_end(&e, 0, &t, err);
	ltx_enc_done(&e);
	return rc < 0 ? rc : publish(c, &file, &h, to, err);
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

static void
resumed(struct capture *c)
{
	continuity_done(&c->resume);
	c->resume = (struct continuity_verdict){.what = CONTINUITY_SAME};
}

/* The first capture after a start: is it still about the generation that was judged? A pin on slot
 * 0 lets a writer restart the WAL over frames that were committed before and are not captured. */
static int
resume(struct capture *c, const struct walidx_header *hz, unsigned *batches, struct ls_err *err)
{
	const struct continuity_verdict *v = &c->resume;
	int rc;

	if (v->what == CONTINUITY_SAME || (v->what == CONTINUITY_APPEND && v->missed == 0))
		return 0;
	if (!wal_salts_equal(hz->salts, v->salts))
		return ls_err_set(err, -ESTALE,
				  "the WAL was restarted before its tail was captured");
	if (v->what != CONTINUITY_TAIL)
		return 0;
	if ((rc = capture_missed(c, hz, batches, err)) == 0)
		resumed(c);
	return rc;
}

int
capture_tail(struct capture *c, uint64_t max_batch_bytes, unsigned *ret_batches, struct ls_err *err)
{
	struct walidx_header hz;
	bool more = true;
	int rc;

	*ret_batches = 0;
	if ((rc = db_pin_next(c->db, err)) < 0)
		return rc;
	/* Read after the pin: its mark is at or before this horizon. */
	if ((rc = db_walidx(c->db, &hz, err)) == 0) {
		c->seen = hz;
		rc = resume(c, &hz, ret_batches, err);
		while (rc == 0 && more)
			rc = capture_batch(c, &hz, max_batch_bytes, ret_batches, &more, err);
	}
	if (rc == 0) {
		resumed(c);
		db_pin_swap(c->db);
	} else {
		db_pin_cancel(c->db);
	}
	return rc;
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

/* ---- full image ---- */

struct image {
	struct capture *c;
	struct walidx_header hz;
	struct position to;
	uint32_t commit;
	bool overlay; /* frames hold newer versions than the file */
	uint8_t *chunk;
	uint32_t chunk_first, chunk_n; /* pages in chunk */
};

/* Size in pages: the wal-index if the WAL holds a commit, else the database header if it can be
 * trusted, else the file (H82). */
static int
image_size(struct image *im, struct ls_err *err)
{
	struct capture *c = im->c;
	uint8_t raw[DBHDR_SIZE];
	struct dbhdr hdr;
	struct stat st;
	size_t n = 0;
	int rc;

	if (im->hz.mx_frame) {
		im->commit = im->hz.npages;
		return 0;
	}
	if ((rc = io_fstat(c->db->db_fd, &st, err)) < 0 ||
	    (rc = io_pread(c->db->db_fd, raw, sizeof raw, 0, &n, err)) < 0 ||
	    (rc = dbhdr_decode(raw, n, &hdr, err)) < 0)
		return rc;
	im->commit = hdr.npages && hdr.change_counter == hdr.version_valid_for
			     ? hdr.npages
			     : (uint32_t)((uint64_t)st.st_size / hdr.page_size);
	return 0;
}

/* A page of the database file, read ahead in chunks. */
static int
file_page(struct image *im, uint32_t pgno, const uint8_t **ret, struct ls_err *err)
{
	uint32_t ps = im->c->db->page_size;
	int rc;

	if (pgno < im->chunk_first || pgno - im->chunk_first >= im->chunk_n) {
		uint32_t n = IMAGE_CHUNK / ps;
		size_t got = 0;

		rc = io_pread(im->c->db->db_fd, im->chunk, (size_t)n * ps,
			      (uint64_t)(pgno - 1) * ps, &got, err);
		if (rc < 0)
			return ls_err_wrap(err, rc, "database file");
		im->chunk_first = pgno;
		im->chunk_n = (uint32_t)(got / ps);
		if (im->chunk_n == 0)
			return ls_err_set(err, -ESTALE, "page %u is not in the database file",
					  pgno);
	}
	*ret = im->chunk + (size_t)(pgno - im->chunk_first) * ps;
	return 0;
}

static int
encode_image(struct image *im, struct ltx_enc *e, struct ls_err *err)
{
	struct capture *c = im->c;
	const struct frames *f = &c->frames;
	uint32_t lock = dbhdr_lock_page(c->db->page_size);
	uint8_t page[PAGE_SIZE_MAX];
	size_t i = 0;
	int rc = 0;

	for (uint32_t pgno = 1; rc == 0 && pgno <= im->commit; pgno++) {
		const uint8_t *p = page;

		while (im->overlay && i < f->n && f->v[i].pgno < pgno)
			i++;
		if (pgno == lock)
			continue;
		if (im->overlay && i < f->n && f->v[i].pgno == pgno)
			rc = frames_page(f, c->db, f->v[i], page, err);
		else
			rc = file_page(im, pgno, &p, err);
		if (rc == 0)
			rc = ltx_enc_page(e, pgno, p, err);
		if (pgno % PROGRESS_PAGES == 0) {
			if (c->progress)
				c->progress(c->progress_arg, pgno, im->commit);
			if (stop_fired(c->stop))
				return ls_err_set(err, -ECANCELED, "stopped");
		}
	}
	return rc;
}

static int
write_image(struct image *im, struct ls_err *err)
{
	struct capture *c = im->c;
	struct ltx_header h = header_for(c, im->commit, &im->to, im->to.frame);
	LS_AUTO(stage_abort) struct stage_file file = {.fd = -1};
	ls_autoclose int spill_fd = -1;
	struct stage_spill spill;
	struct ltx_trailer t;
	struct ltx_enc e = {0};
	int rc = stage_begin(c->dir, h.max_txid, &file, err);

	if (rc == 0)
		rc = stage_spill_open(c->dir, &spill_fd, err);
	if (rc == 0)
		rc = ltx_enc_begin(&e, &h, c->encoding, stage_write, &file, err);
	e.spill = stage_spill_init(&spill, spill_fd);
	if (rc == 0)
		rc = encode_image(im, &e, err);
	if (rc == 0)
		rc = ltx_enc_end(&e, 0, &t, err);
	ltx_enc_done(&e);
	return rc < 0 ? rc : publish(c, &file, &h, &im->to, err);
}

static int
take_image(struct image *im, struct ls_err *err)
{
	struct capture *c = im->c;
	int rc = db_walidx(c->db, &im->hz, err);

	if (rc < 0)
		return rc;
	c->seen = im->hz;
	/* With everything backfilled the file alone is the state, and a pin on slot 0 would let the
	 * next writer overwrite the frames while we read them. Otherwise no restart is possible
	 * before all frames up to the horizon are in the file and we have moved on. */
	im->overlay = im->hz.backfill < im->hz.mx_frame;
	im->to = (struct position){.page_size = c->db->page_size,
				   .salts = im->hz.salts,
				   .sum = im->hz.sum,
				   .big_endian = im->hz.big_endian,
				   .chained = true};
	c->frames.n = 0;
	if (im->overlay) {
		im->to.frame = 0;
		rc = frames_read(&c->frames, c->db, &im->hz, &im->to, UINT64_MAX, err);
	} else {
		im->to.frame = im->hz.mx_frame;
		im->to.chained = im->hz.mx_frame == 0; /* nobody has looked at the frames */
	}
	if (rc < 0 || (rc = image_size(im, err)) < 0)
		return rc == -ESTALE ? ls_err_wrap(err, -EIO, "WAL is damaged") : rc;
	return write_image(im, err);
}

int
capture_image(struct capture *c, struct ls_err *err)
{
	struct image im = {.c = c};
	int rc;

	if ((rc = db_pin_next(c->db, err)) < 0)
		return rc;
	im.chunk = malloc(IMAGE_CHUNK);
	rc = im.chunk ? take_image(&im, err) : ls_err_set(err, -ENOMEM, "image: out of memory");
	free(im.chunk);
	if (rc == 0) {
		resumed(c);
		db_pin_swap(c->db);
	} else {
		db_pin_cancel(c->db);
	}
	return rc;
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
	if ((rc = io_fstat(c->db->db_fd, &st, err)) < 0)
		return rc;
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
	continuity_done(&c->resume);
	position_close(&c->record);
}
