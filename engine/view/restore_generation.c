/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/restore_generation.h"

#include "engine/base/io.h"
#include "engine/format/dbhdr.h"
#include "engine/format/wal.h"
#include "engine/view/lz4stream.h"

#include <inttypes.h>

enum { CHUNK = 1 << 20 };

struct writing {
	struct store *store;
	const struct store_call *call;
	const struct restore_opts *opts;
	const struct generations_plan *plan;
	struct restore_out *out;
	struct restore_progress progress;
	uint64_t before; /* bytes of the objects before this one */
	uint64_t size;	 /* of the database */
	uint32_t page_size;
	uint8_t *buf; /* CHUNK */
};

static void
report(struct writing *w, const struct lz4stream *s)
{
	w->progress.done = w->before + lz4stream_taken(s);
	if (w->opts->progress)
		w->opts->progress(w->opts->progress_arg, &w->progress);
}

/* ---- the snapshot ---- */

static int
check_snapshot(struct writing *w, const char *key, size_t n, struct ls_err *err)
{
	struct dbhdr h;
	int rc = dbhdr_decode(w->buf, n, &h, err);

	if (rc < 0)
		return ls_err_wrap(err, -EBADMSG, "'%s' is damaged", key);
	w->page_size = h.page_size;
	return 0;
}

static int
copy_snapshot(struct writing *w, struct lz4stream *s, const char *key, struct ls_err *err)
{
	size_t n = CHUNK;
	int rc;

	while (n == CHUNK) {
		if ((rc = lz4stream_read(s, w->buf, CHUNK, &n, err)) < 0 ||
		    (w->size == 0 && n && (rc = check_snapshot(w, key, n, err)) < 0) ||
		    (n && (rc = restore_out_write(w->out, w->buf, n, w->size, err)) < 0))
			return rc;
		w->size += n;
		report(w, s);
	}
	if (w->page_size && w->size % w->page_size)
		return ls_err_set(err, -EBADMSG, "'%s' is damaged: it ends inside a page", key);
	return 0;
}

static int
write_snapshot(struct writing *w, struct ls_err *err)
{
	char key[GENERATIONS_KEY_MAX];
	struct lz4stream *s;
	int rc;

	generations_snapshot_key(w->plan->generation, w->plan->snapshot, key);
	if ((rc = lz4stream_open(w->store, w->call, key, &s, err)) < 0)
		return rc;
	rc = copy_snapshot(w, s, key, err);
	w->before += lz4stream_taken(s);
	lz4stream_close(s);
	return rc;
}

/* ---- one WAL ---- */

struct wal_state {
	struct wal_header hdr;
	struct wal_sum sum;
	uint64_t off;	 /* bytes so far */
	uint32_t commit; /* pages after the last transaction */
	bool open;	 /* the last frame was not the end of a transaction */
};

static int
damaged(const char *key, const struct wal_state *st, const char *why, struct ls_err *err)
{
	return ls_err_set(err, -EBADMSG, "'%s' is damaged: %s at offset %" PRIu64 " of the WAL",
			  key, why, st->off);
}

static int
begin_wal(struct writing *w, struct wal_state *st, const char *key, struct ls_err *err)
{
	if (wal_header_decode(w->buf, WAL_HEADER_SIZE, &st->hdr, err) < 0)
		return ls_err_wrap(err, -EBADMSG, "'%s' is damaged", key);
	if (w->page_size && st->hdr.page_size != w->page_size)
		return damaged(key, st, "another page size", err);
	w->page_size = st->hdr.page_size;
	st->sum = st->hdr.sum;
	st->off = WAL_HEADER_SIZE;
	return 0;
}

static int
apply_frame(struct writing *w, struct wal_state *st, const char *key, struct ls_err *err)
{
	struct wal_frame f;
	int rc;

	wal_frame_decode(w->buf, &f);
	st->sum = wal_frame_sum(st->sum, st->hdr.big_endian, w->buf, w->page_size);
	if (!wal_salts_equal(f.salts, st->hdr.salts) || !wal_sum_equal(f.sum, st->sum))
		return damaged(key, st, "frame checksum mismatch", err);
	if (f.pgno == 0)
		return damaged(key, st, "page 0", err);
	rc = restore_out_write(w->out, w->buf + WAL_FRAME_HEADER_SIZE, w->page_size,
			       (uint64_t)(f.pgno - 1) * w->page_size, err);
	st->off += WAL_FRAME_HEADER_SIZE + w->page_size;
	st->open = f.commit == 0;
	if (f.commit)
		st->commit = f.commit;
	return rc;
}

static int
apply_stream(struct writing *w, struct wal_state *st, struct lz4stream *s, const char *key,
	     struct ls_err *err)
{
	size_t want, n;
	int rc;

	for (;;) {
		want = st->off ? WAL_FRAME_HEADER_SIZE + w->page_size : WAL_HEADER_SIZE;
		if ((rc = lz4stream_read(s, w->buf, want, &n, err)) < 0 || n == 0)
			return rc;
		if (n < want)
			return damaged(key, st, "it ends inside a frame", err);
		rc = st->off ? apply_frame(w, st, key, err) : begin_wal(w, st, key, err);
		if (rc < 0)
			return rc;
		report(w, s);
	}
}

static int
apply_segment(struct writing *w, struct wal_state *st, const struct generations_object *o,
	      struct ls_err *err)
{
	char key[GENERATIONS_KEY_MAX];
	struct lz4stream *s;
	int rc;

	if (o->offset != st->off)
		return ls_err_set(err, -ENODATA,
				  "missing WAL segment: %s/%08" PRIx32 ":%016" PRIx64
				  ", the next one is at %016" PRIx64,
				  w->plan->generation->id, o->index, st->off, o->offset);
	generations_segment_key(w->plan->generation, o, key);
	if ((rc = lz4stream_open(w->store, w->call, key, &s, err)) < 0)
		return rc;
	rc = apply_stream(w, st, s, key, err);
	w->before += lz4stream_taken(s);
	lz4stream_close(s);
	if (rc == 0 && st->open)
		return damaged(key, st, "it ends inside a transaction", err);
	return rc;
}

/* The file gets the size of the last transaction, as after a checkpoint. */
static int
end_wal(struct writing *w, const struct wal_state *st, struct ls_err *err)
{
	if (st->commit == 0)
		return 0;
	w->size = (uint64_t)st->commit * w->page_size;
	return io_ftruncate(w->out->fd, w->size, err);
}

static int
apply_segments(struct writing *w, struct ls_err *err)
{
	const struct generations_object *o = w->plan->segments;
	struct wal_state st = {0};
	int rc;

	for (size_t i = 0; i < w->plan->n; i++) {
		if (i && o[i].index != o[i - 1].index) {
			if ((rc = end_wal(w, &st, err)) < 0)
				return rc;
			st = (struct wal_state){0};
		}
		if ((rc = apply_segment(w, &st, &o[i], err)) < 0)
			return rc;
	}
	return end_wal(w, &st, err);
}

int
restore_generation(struct store *store, const struct store_call *call,
		   const struct restore_opts *opts, const struct generations_plan *plan,
		   struct restore_out *out, uint64_t *ret_size, uint32_t *ret_page_size,
		   struct ls_err *err)
{
	ls_autofree uint8_t *buf = malloc(CHUNK);
	struct writing w = {.store = store,
			    .call = call,
			    .opts = opts,
			    .plan = plan,
			    .out = out,
			    .buf = buf,
			    .progress = {.total = plan->snapshot->size}};
	int rc;

	if (!buf)
		return ls_err_set(err, -ENOMEM, "restore: out of memory");
	for (size_t i = 0; i < plan->n; i++)
		w.progress.total += plan->segments[i].size;
	if ((rc = write_snapshot(&w, err)) < 0 || (rc = apply_segments(&w, err)) < 0)
		return rc;
	*ret_size = w.size;
	*ret_page_size = w.page_size;
	return 0;
}
