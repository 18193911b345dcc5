/* SPDX-License-Identifier: Apache-2.0 */
/* The whole database as one batch, or what of it differs from the last one. */
#include "config.h"

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/format/dbhdr.h"
#include "engine/sync/bootid.h"
#include "engine/sync/capture_impl.h"

#include <inttypes.h>

enum { PROGRESS_PAGES = 4096, IMAGE_CHUNK = 1 << 20 };

struct image {
	struct capture *c;
	struct walidx_header hz;
	struct position to;
	uint32_t commit;
	bool overlay;	  /* frames hold newer versions than the file */
	bool differs;	  /* only pages that are not those of the last batch */
	uint32_t written; /* pages */
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
	uint64_t size;
	size_t n = 0;
	int rc;

	if (im->hz.mx_frame) {
		im->commit = im->hz.npages;
		return 0;
	}
	if ((rc = db_size(c->db, &size, err)) < 0 ||
	    (rc = db_read(c->db, raw, sizeof raw, 0, &n, err)) < 0 ||
	    (rc = dbhdr_decode(raw, n, &hdr, err)) < 0)
		return rc;
	im->commit = hdr.npages && hdr.change_counter == hdr.version_valid_for
			     ? hdr.npages
			     : (uint32_t)(size / hdr.page_size);
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

		rc = db_read(im->c->db, im->chunk, (size_t)n * ps, (uint64_t)(pgno - 1) * ps, &got,
			     err);
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
encode_page(struct image *im, struct ltx_enc *e, uint32_t pgno, const uint8_t *page,
	    struct ls_err *err)
{
	struct capture *c = im->c;

	if (im->differs && pgno <= c->pos.commit && pagehash_same(&c->hashes, pgno, page))
		return 0;
	pagehash_put(&c->hashes, pgno, page);
	im->written++;
	return ltx_enc_page(e, pgno, page, err);
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
			rc = encode_page(im, e, pgno, p, err);
		if (pgno % PROGRESS_PAGES == 0) {
			if (c->progress)
				c->progress(c->progress_arg, pgno, im->commit);
			if (stop_fired(c->stop))
				return ls_err_set(err, -ECANCELED, "stopped");
		}
	}
	return rc;
}

/* Nothing differs: no new TXID, but the WAL is another one. */
static int
move_position(struct image *im, struct ls_err *err)
{
	struct capture *c = im->c;
	struct position to = im->to;
	int rc;

	to.txid = c->pos.txid;
	to.time_ms = c->pos.time_ms;
	to.commit = c->pos.commit;
	continuity_stamp(&to, &c->db->st, bootid_get(), clock_wall_ms() * 1000000);
	if ((rc = position_store(&c->record, &to, err)) < 0 ||
	    (rc = position_sync(&c->record, err)) < 0)
		return rc;
	pagehash_commit(&c->hashes, to.txid);
	c->pos = to;
	return 0;
}

static int
write_image(struct image *im, struct ls_err *err)
{
	struct capture *c = im->c;
	struct ltx_header h = capture_header(c, im->commit, &im->to, im->to.frame);
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
	pagehash_begin(&c->hashes, !im->differs);
	if (rc == 0)
		rc = encode_image(im, &e, err);
	if (rc == 0 && im->differs && im->written == 0 && im->commit == c->pos.commit) {
		ltx_enc_done(&e);
		return move_position(im, err);
	}
	if (rc == 0)
		rc = ltx_enc_end(&e, 0, &t, err);
	ltx_enc_done(&e);
	return rc < 0 ? rc : capture_publish(c, &file, &h, &im->to, err);
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

	im.differs = c->may_differ && c->hashes.usable && !c->hashes.open_batch &&
		     c->hashes.txid == c->pos.txid && c->next_txid == c->pos.txid + 1 &&
		     c->pos.page_size == c->db->page_size;

	if ((rc = db_pin_next(c->db, err)) < 0)
		return rc;
	im.chunk = malloc(IMAGE_CHUNK);
	rc = im.chunk ? take_image(&im, err) : ls_err_set(err, -ENOMEM, "image: out of memory");
	free(im.chunk);
	c->image_differs = im.differs;
	c->image_pages = im.written;
	if (rc == 0) {
		capture_resumed(c);
		db_pin_swap(c->db);
	} else {
		db_pin_cancel(c->db);
	}
	return rc;
}
