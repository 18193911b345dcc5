/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interior b-tree pages of a snapshot once more, as an object beside it (replica.h): the mount
 * gets them with one request, where they lie megabytes apart in the snapshot. Only in storage where
 * a request takes its time; without it nothing is lost, so a failure is none of the snapshot's.
 *
 * An interior page begins with 2 or 5 (https://sqlite.org/fileformat2.html, "B-tree Pages"), page 1
 * behind the database header. A page of another kind that begins so by chance does no harm.
 */
#include "config.h"

#include "engine/base/io.h"
#include "engine/base/log.h"
#include "engine/format/dbhdr.h"
#include "engine/format/ltx_dec.h"
#include "engine/sync/upload_impl.h"

enum {
	WORTH_IT = 8 << 20,  /* stored bytes of a snapshot, from which on */
	MOST_BYTES = 4 << 20 /* of it; of a database with more of them, those that come first */
};

static bool
is_interior(const struct ltx_page *page)
{
	uint8_t kind = page->data[page->pgno == 1 ? DBHDR_SIZE : 0];

	return kind == 2 || kind == 5;
}

static int
source_out(void *arg, uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	return io_pread(((const struct upload_out *)arg)->fd, p, n, off, ret_n, err);
}

static int
copy_interior(struct ltx_dec *d, struct ltx_enc *e, const struct store_call *call,
	      struct ls_err *err)
{
	struct ltx_page page;
	const uint8_t *stored = NULL;
	int rc;

	while ((rc = ltx_dec_next(d, &page, &stored, err)) == 0)
		if ((is_interior(&page) && e->offset + page.stored <= MOST_BYTES &&
		     (rc = ltx_enc_stored(e, &page, stored, err)) < 0) ||
		    (rc = store_call_check(call, err)) < 0)
			return rc;
	return rc < 0 ? rc : 0;
}

/* The last bytes of the snapshot: its checksum is in every bit of it. */
static int
read_checksum(struct upload_out *snapshot, const struct ltx_header *h, uint64_t *ret,
	      struct ls_err *err)
{
	uint8_t raw[LTX_TRAILER_SIZE];
	struct ltx_trailer t;
	int rc = io_pread_exact(snapshot->fd, raw, sizeof raw, snapshot->size - sizeof raw, err);

	if (rc < 0 || (rc = ltx_trailer_decode(h, raw, &t, err)) < 0)
		return rc;
	*ret = t.file_checksum;
	return 0;
}

static int
write_interior(struct upload_out *snapshot, struct ltx_dec *d, struct upload_out *o,
	       const struct store_call *call, uint32_t *ret_pages, struct ls_err *err)
{
	struct ltx_header h = *ltx_dec_header(d);
	struct ltx_trailer t;
	struct ltx_enc e;
	int rc;

	if ((rc = read_checksum(snapshot, &h, &h.node_id, err)) < 0)
		return rc;
	h.min_txid = h.max_txid = h.max_txid + 1;
	rc = ltx_enc_begin(&e, &h, LTX_FRAME, upload_out_write, o, err);
	if (rc == 0)
		rc = copy_interior(d, &e, call, err);
	*ret_pages = e.npages;
	if (rc == 0)
		rc = ltx_enc_end(&e, 0, &t, err);
	ltx_enc_done(&e);
	return rc;
}

static int
put_interior(struct upload *u, const struct store_call *call, const char *tmp,
	     struct upload_out *snapshot, const struct catalog_file *f, struct ls_err *err)
{
	LS_AUTO(upload_out_close) struct upload_out o = {.fd = -1, .spill_fd = -1};
	char key[REPLICA_KEY_MAX];
	struct store_put p = {.key = key, .time_ms = f->time_ms};
	struct ltx_dec *d = NULL;
	uint32_t pages = 0;
	int rc;

	if ((rc = upload_out_open(u, tmp, &o, err)) < 0 ||
	    (rc = ltx_dec_open(source_out, snapshot, snapshot->size, &d, err)) < 0)
		return rc;
	rc = write_interior(snapshot, d, &o, call, &pages, err);
	ltx_dec_close(d);
	if (rc < 0 || pages == 0)
		return rc;
	replica_interior_key(f->max, key);
	return upload_out_store_as(u, call, &o, &p, err);
}

void
upload_interior(struct upload *u, const struct store_call *call, const char *tmp,
		struct upload_out *snapshot, const struct catalog_file *f)
{
	struct ls_err err;

	if (!store_is_far(u->store) || snapshot->size < WORTH_IT)
		return;
	if (put_interior(u, call, tmp, snapshot, f, &err) < 0)
		log_write(LOG_DEBUG, "interior pages not stored", LOG_STR("path", u->conf->url),
			  LOG_TXID("txid", f->max), LOG_STR("error", err.msg));
}
