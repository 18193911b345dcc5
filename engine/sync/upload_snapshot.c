/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot that goes with a full image. */
#include "config.h"

#include "engine/base/io.h"
#include "engine/format/ltx_dec.h"
#include "engine/sync/upload_impl.h"

#include <inttypes.h>

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

static int
put_snapshot(struct upload *u, const struct store_call *call, struct upload_local *from,
	     struct ls_err *err)
{
	LS_AUTO(upload_out_close) struct upload_out o = {.fd = -1, .spill_fd = -1};
	struct catalog_file f = {.min = 1,
				 .max = u->info.acked,
				 .level = LTX_LEVEL_SNAPSHOT,
				 .time_ms = from->time_ms,
				 .time_exact = true};
	int rc;

	if ((rc = upload_out_open(u, UPLOAD_SNAPSHOT_TMP, &o, err)) < 0 ||
	    (rc = write_snapshot(from, &o, call, err)) < 0)
		return rc;
	if ((rc = upload_out_put(u, call, &o, &f, err)) == 0)
		upload_interior(u, call, UPLOAD_SNAPSHOT_INTERIOR_TMP, &o, &f);
	return rc;
}

int
upload_snapshot(struct upload *u, const struct store_call *call, uint64_t txid, struct ls_err *err)
{
	LS_AUTO(upload_local_close) struct upload_local from = {.fd = -1};
	int rc;

	if (u->info.acked != txid)
		return ls_err_set(err, -EINVAL, "snapshot of %016" PRIx64 " before its upload",
				  txid);
	if (catalog_snapshot(catalog_log_catalog(u->log), txid))
		return 0; /* merged from the same files */
	if ((rc = upload_same_root(u, call, err)) < 0 ||
	    (rc = upload_local_open(u->dir, txid, &from, err)) < 0)
		return rc;
	if ((rc = put_snapshot(u, call, &from, err)) == 0)
		u->info.has_base = true;
	return rc;
}
