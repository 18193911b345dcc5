/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/sync/frames.h"

#include "engine/base/io.h"
#include "engine/format/dbhdr.h"

#include <string.h>

enum { BUFFER = 1 << 20 };

void
frames_init(struct frames *f)
{
	*f = (struct frames){0};
}

void
frames_done(struct frames *f)
{
	free(f->v);
	free(f->buf);
	*f = (struct frames){0};
}

static int
lost(struct ls_err *err, const char *why, uint32_t frame)
{
	return ls_err_set(err, -ESTALE, "%s at WAL frame %u", why, frame);
}

static int
add(struct frames *f, uint32_t pgno, uint32_t frame, struct ls_err *err)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 1024;
		struct frame_ref *v = ls_grow_array(f->v, cap, sizeof *v);

		if (!v)
			return ls_err_set(err, -ENOMEM, "WAL frames: out of memory");
		f->v = v;
		f->cap = cap;
	}
	f->v[f->n++] = (struct frame_ref){pgno, frame};
	return 0;
}

static void
remember_salts(struct position *pos)
{
	if (!pos->salts.s1 && !pos->salts.s2)
		return;
	memmove(pos->history + 1, pos->history, sizeof pos->history - sizeof pos->history[0]);
	pos->history[0] = pos->salts;
	if (pos->nhistory < POSITION_SALT_HISTORY)
		pos->nhistory++;
}

/* The begin of a generation: its header has to be the one that the wal-index means. */
static int
begin_generation(const struct db *db, const struct walidx_header *hz, struct position *pos,
		 struct ls_err *err)
{
	uint8_t raw[WAL_HEADER_SIZE];
	struct wal_header h;
	size_t n = 0;
	int rc;

	if ((rc = io_pread(db->wal_fd, raw, sizeof raw, 0, &n, err)) < 0)
		return rc;
	rc = wal_header_decode(raw, n, &h, err);
	if (rc < 0 || !wal_salts_equal(h.salts, hz->salts))
		return ls_err_set(err, -EAGAIN, "WAL header is not that of the wal-index yet");
	if (h.page_size != db->page_size)
		return lost(err, "the page size has changed", 0);
	if (!wal_salts_equal(pos->salts, h.salts))
		remember_salts(pos);
	pos->salts = h.salts;
	pos->frame = 0;
	pos->sum = h.sum;
	pos->big_endian = h.big_endian;
	pos->chained = true;
	return 0;
}

/* What has been read of the transactions so far. */
struct walk {
	struct wal_sum sum;
	bool broken; /* behind frames without checksum: the next one that has one starts anew */
	bool unchained;
	bool at_horizon;    /* everything up to it was read */
	size_t committed_n; /* entries of f up to the last commit */
	uint32_t committed_frame, commit;
	struct wal_sum committed_sum;
	bool committed_broken; /* not known: that of the horizon, if it is there */
};

/* Whether frame k is one of those that SQLite committed without checksum (H85). The last one of a
 * transaction may be. */
static bool
is_bare(const struct db *db, const struct wal_frame *h, uint32_t k)
{
	return !h->salts.s1 && !h->salts.s2 && !h->sum.s0 && !h->sum.s1 && h->pgno &&
	       h->pgno == db_frame_pgno(db, k);
}

static int
take_frame(struct walk *w, const struct db *db, const struct position *pos, const uint8_t *p,
	   uint32_t k, struct wal_frame *ret, struct ls_err *err)
{
	struct wal_sum sum;

	wal_frame_decode(p, ret);
	if (is_bare(db, ret, k)) {
		w->broken = w->unchained = true;
		return 0;
	}
	if (!wal_salts_equal(ret->salts, pos->salts))
		return lost(err, "salts of another generation", k);
	sum = wal_frame_sum(w->sum, pos->big_endian, p, db->page_size);
	if (w->broken) {
		/* The chain starts anew from what this frame stores; the wal-index vouches for it.
		 */
		if (ret->pgno != db_frame_pgno(db, k))
			return lost(err, "wal-index and frame disagree", k);
		w->broken = false;
	} else if (!wal_sum_equal(sum, ret->sum)) {
		return lost(err, "checksum mismatch", k);
	}
	w->sum = ret->sum;
	if (ret->pgno == 0)
		return lost(err, "page number 0", k);
	return 0;
}

static int
read_chunk(struct frames *f, const struct db *db, uint32_t from, uint32_t to, struct ls_err *err)
{
	size_t frame_size = WAL_FRAME_HEADER_SIZE + (size_t)db->page_size;
	uint32_t n = (uint32_t)(BUFFER / frame_size);
	int rc;

	if (!f->buf && !(f->buf = malloc(BUFFER)))
		return ls_err_set(err, -ENOMEM, "WAL frames: out of memory");
	if (n > to - from + 1)
		n = to - from + 1;
	rc = io_pread_exact(db->wal_fd, f->buf, n * frame_size,
			    wal_frame_offset(db->page_size, from - 1), err);
	if (rc == -EBADMSG)
		return lost(err, "the WAL file is shorter than the wal-index says", from);
	f->buf_first = from;
	f->buf_n = rc == 0 ? n : 0;
	return rc;
}

static int
walk_frames(struct frames *f, const struct db *db, const struct walidx_header *hz,
	    const struct position *pos, uint64_t max_bytes, struct walk *w, struct ls_err *err)
{
	size_t frame_size = WAL_FRAME_HEADER_SIZE + (size_t)db->page_size;
	uint64_t bytes = 0;
	uint32_t k = pos->frame + 1;
	int rc;

	while (k <= hz->mx_frame &&
	       (bytes < max_bytes || !w->committed_frame || w->committed_broken)) {
		if ((rc = read_chunk(f, db, k, hz->mx_frame, err)) < 0)
			return rc;
		for (uint32_t i = 0; i < f->buf_n; i++, k++) {
			struct wal_frame h;

			rc = take_frame(w, db, pos, f->buf + i * frame_size, k, &h, err);
			if (rc < 0 || (rc = add(f, h.pgno, k, err)) < 0)
				return rc;
			bytes += frame_size;
			if (!h.commit)
				continue;
			w->committed_frame = k;
			w->committed_n = f->n;
			w->committed_sum = w->sum;
			w->committed_broken = w->broken;
			w->commit = h.commit;
			if (bytes >= max_bytes && !w->broken)
				return 0;
		}
	}
	w->at_horizon = k > hz->mx_frame;
	return 0;
}

static int
by_page(const void *pa, const void *pb)
{
	const struct frame_ref *a = pa, *b = pb;

	if (a->pgno != b->pgno)
		return a->pgno < b->pgno ? -1 : 1;
	return a->frame > b->frame ? -1 : a->frame < b->frame;
}

/* Sorted, the newest frame of each page, none above the final size (H14). */
static void
reduce(struct frames *f)
{
	size_t n = 0;

	qsort(f->v, f->n, sizeof *f->v, by_page);
	for (size_t i = 0; i < f->n; i++)
		if ((n == 0 || f->v[n - 1].pgno != f->v[i].pgno) && f->v[i].pgno <= f->commit)
			f->v[n++] = f->v[i];
	f->n = n;
}

static int
check_end(const struct walidx_header *hz, const struct walk *w, struct ls_err *err)
{
	if (w->committed_frame != hz->mx_frame)
		return 0; /* cut at a commit before the horizon */
	if (w->commit != hz->npages)
		return lost(err, "the wal-index has another database size", hz->mx_frame);
	if (!w->committed_broken && !wal_sum_equal(w->committed_sum, hz->sum))
		return lost(err, "the wal-index has another checksum", hz->mx_frame);
	return 0;
}

int
frames_read(struct frames *f, const struct db *db, const struct walidx_header *hz,
	    struct position *pos, uint64_t max_bytes, struct ls_err *err)
{
	struct position next = *pos;
	struct walk w = {0};
	int rc;

	f->n = 0;
	f->unchained = false;
	f->buf_n = 0;
	if (hz->mx_frame == 0)
		return 0;
	if (hz->page_size != db->page_size)
		return lost(err, "the page size has changed", 0);
	if (!wal_salts_equal(hz->salts, pos->salts) || pos->frame == 0) {
		if ((rc = begin_generation(db, hz, &next, err)) < 0)
			return rc;
	} else if (hz->mx_frame < pos->frame) {
		return lost(err, "the database went back to an older state", hz->mx_frame);
	}
	if (hz->mx_frame == next.frame) {
		*pos = next;
		return 0;
	}
	w.sum = next.sum;
	if ((rc = walk_frames(f, db, hz, &next, max_bytes, &w, err)) < 0)
		return rc;
	if (!w.committed_frame || (w.at_horizon && w.committed_frame != hz->mx_frame))
		return lost(err, "the horizon is no commit", hz->mx_frame);
	if ((rc = check_end(hz, &w, err)) < 0)
		return rc;
	f->n = w.committed_n;
	f->first = next.frame + 1;
	f->last = w.committed_frame;
	f->commit = w.commit;
	f->unchained = w.unchained;
	next.frame = w.committed_frame;
	next.sum = w.committed_broken ? hz->sum : w.committed_sum;
	next.chained = next.chained && !w.unchained;
	reduce(f);
	*pos = next;
	return 0;
}

int
frames_add_file_pages(struct frames *f, const uint32_t *pages, size_t n, bool backfilled,
		      struct ls_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add(f, pages[i], 0, err);
	if (rc < 0)
		return rc;
	reduce(f);
	for (size_t i = 0; backfilled && i < f->n; i++)
		f->v[i].frame = 0;
	return 0;
}

static int
file_page(const struct db *db, uint32_t pgno, uint8_t *out, struct ls_err *err)
{
	size_t n = 0;
	int rc = db_read(db, out, db->page_size, (uint64_t)(pgno - 1) * db->page_size, &n, err);

	return rc == 0 && n < db->page_size
		       ? ls_err_set(err, -ESTALE, "page %u is not in the database file", pgno)
		       : rc;
}

int
frames_page(const struct frames *f, const struct db *db, struct frame_ref ref, uint8_t *out,
	    struct ls_err *err)
{
	size_t frame_size = WAL_FRAME_HEADER_SIZE + (size_t)db->page_size;
	uint64_t off = wal_frame_offset(db->page_size, ref.frame - 1) + WAL_FRAME_HEADER_SIZE;

	if (ref.frame == 0)
		return file_page(db, ref.pgno, out, err);
	if (ref.frame >= f->buf_first && ref.frame - f->buf_first < f->buf_n) {
		memcpy(out,
		       f->buf + (ref.frame - f->buf_first) * frame_size + WAL_FRAME_HEADER_SIZE,
		       db->page_size);
		return 0;
	}
	return io_pread_exact(db->wal_fd, out, db->page_size, off, err);
}
