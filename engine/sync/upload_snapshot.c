/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot that goes with a full image: made of the local file, so that the replica need not be
 * read, and sent beside the batches that follow; where nothing leads to the image, before it. */
#include "config.h"

#include "engine/base/io.h"
#include "engine/format/ltx_dec.h"
#include "engine/sync/upload_impl.h"

static int
source_local(void *arg, uint64_t off, void *p, size_t n, size_t *ret_n, struct ls_err *err)
{
	return io_pread(((struct upload_local *)arg)->fd, p, n, off, ret_n, err);
}

static int
copy_pages(struct ltx_dec *d, struct ltx_enc *e, const struct store_call *call, struct ls_err *err)
{
	struct ltx_page page;
	const uint8_t *stored = NULL;
	int rc;

	while ((rc = ltx_dec_next(d, &page, &stored, err)) == 0)
		if ((rc = ltx_enc_stored(e, &page, stored, err)) < 0 ||
		    (rc = store_call_check(call, err)) < 0)
			return rc;
	return rc < 0 ? rc : 0;
}

static int
write_snapshot(struct upload_local *from, struct upload_out *o, const struct store_call *call,
	       struct ls_err *err)
{
	struct ltx_dec *d = NULL;
	struct ltx_trailer t;
	struct ltx_header h;
	struct ltx_enc e;
	int rc = ltx_dec_open(source_local, from, from->size, &d, err);

	if (rc < 0)
		return rc;
	h = *ltx_dec_header(d);
	h.min_txid = 1;
	rc = ltx_enc_begin(&e, &h, LTX_FRAME, upload_out_write, o, err);
	e.spill = o->index;
	if (rc == 0)
		rc = copy_pages(d, &e, call, err);
	if (rc == 0)
		rc = ltx_enc_end(&e, 0, &t, err);
	ltx_enc_done(&e);
	ltx_dec_close(d);
	return rc < 0 ? ls_err_wrap(err, rc, "local file '%s'", from->path) : 0;
}

struct catalog_file
upload_snapshot_file(uint64_t txid, int64_t time_ms)
{
	return (struct catalog_file){.min = 1,
				     .max = txid,
				     .level = LTX_LEVEL_SNAPSHOT,
				     .time_ms = time_ms,
				     .time_exact = true};
}

static int
put_snapshot(struct upload *u, const struct store_call *call, struct upload_local *from,
	     uint64_t txid, pthread_mutex_t *lock, struct ls_err *err)
{
	LS_AUTO(upload_out_close) struct upload_out o = {.fd = -1, .spill_fd = -1};
	struct catalog_file f = upload_snapshot_file(txid, from->time_ms);
	bool put = false;
	int rc;

	if ((rc = upload_out_open(u, UPLOAD_LEVEL_TMP, &o, err)) < 0 ||
	    (rc = write_snapshot(from, &o, call, err)) < 0 ||
	    (rc = upload_out_publish(u, call, &o, &f, lock, &put, err)) < 0)
		return rc == -ENOENT ? upload_tell_absence(u, call, err) : rc;
	if (put)
		upload_interior(u, call, UPLOAD_LEVEL_INTERIOR_TMP, &o, &f);
	return 0;
}

int
upload_snapshot(struct upload *u, pthread_mutex_t *lock, const struct store_call *call,
		uint64_t *ret_txid, struct ls_err *err)
{
	LS_AUTO(upload_local_close) struct upload_local from = {.fd = -1};
	uint64_t txid;
	int rc;

	pthread_mutex_lock(lock);
	txid = *ret_txid = u->info.image;
	pthread_mutex_unlock(lock);
	if (!txid)
		return 0;
	rc = upload_local_open(u->dir, txid, &from, err);
	if (rc == 0)
		rc = put_snapshot(u, call, &from, txid, lock, err);
	else if (rc == -ENOENT || rc == -EBADMSG)
		rc = 0; /* it is merged of what the replica has */
	LS_AUTOLOCK(lock);
	if (rc == 0 && u->info.image == txid)
		u->info.image = 0;
	return rc;
}

int
upload_snapshot_put(struct upload *u, const struct store_call *call, struct upload_out *o,
		    struct catalog_file *f, struct ls_err *err)
{
	int rc = upload_out_put(u, call, o, f, err);

	if (rc < 0)
		return rc;
	u->info.has_base = u->info.whole = true;
	upload_interior(u, call, UPLOAD_SNAPSHOT_INTERIOR_TMP, o, f);
	return 0;
}

int
upload_snapshot_first(struct upload *u, const struct store_call *call, struct upload_local *from,
		      uint64_t txid, struct ls_err *err)
{
	LS_AUTO(upload_out_close) struct upload_out o = {.fd = -1, .spill_fd = -1};
	struct catalog_file f = upload_snapshot_file(txid, from->time_ms);
	int rc;

	if (catalog_find(catalog_log_catalog(u->log), &f))
		return 0;
	if ((rc = upload_out_open(u, UPLOAD_SNAPSHOT_TMP, &o, err)) < 0 ||
	    (rc = write_snapshot(from, &o, call, err)) < 0 ||
	    (rc = upload_snapshot_put(u, call, &o, &f, err)) < 0)
		return rc;
	u->info.remote_max = txid;
	return 0;
}
