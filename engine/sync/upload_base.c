/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot of the live database. */
#include "config.h"

#include "engine/format/dbhdr.h"
#include "engine/sync/held.h"
#include "engine/sync/upload_impl.h"

enum { CHUNK = 1 << 20 };

static int
encode_pages(struct held *from, struct ltx_enc *e, const struct store_call *call,
	     struct ls_err *err)
{
	uint32_t size = from->db.page_size, step = CHUNK / size, lock = dbhdr_lock_page(size), n;
	ls_autofree uint8_t *chunk = malloc(CHUNK);
	int rc = chunk ? 0 : ls_err_set(err, -ENOMEM, "base: out of memory");

	for (uint32_t at = 1; rc == 0 && at <= from->npages; at += n) {
		size_t got;

		n = from->npages - at < step ? from->npages - at + 1 : step;
		if ((rc = store_call_check(call, err)) == 0)
			rc = held_read(from, at, n, chunk, &got, err);
		for (uint32_t i = 0; rc == 0 && i < n; i++)
			if (at + i != lock)
				rc = ltx_enc_page(e, at + i, chunk + (size_t)i * size, err);
	}
	return rc;
}

static int
write_base(struct held *from, struct upload_out *o, const struct store_call *call,
	   enum ltx_encoding encoding, struct ls_err *err)
{
	struct ltx_header h = {.flags = LTX_NO_CHECKSUM,
			       .page_size = from->db.page_size,
			       .commit = from->npages,
			       .min_txid = 1,
			       .max_txid = from->txid,
			       .time_ms = from->time_ms};
	struct ltx_trailer t;
	struct ltx_enc e;
	int rc = ltx_enc_begin(&e, &h, encoding, upload_out_write, o, err);

	e.spill = o->index;
	if (rc == 0)
		rc = encode_pages(from, &e, call, err);
	if (rc == 0)
		rc = ltx_enc_end(&e, 0, &t, err);
	ltx_enc_done(&e);
	return rc;
}

int
upload_base(struct upload *u, const struct store_call *call, struct held *from, struct ls_err *err)
{
	LS_AUTO(upload_out_close) struct upload_out o = {.fd = -1, .spill_fd = -1};
	struct catalog_file f = upload_snapshot_file(from->txid, from->time_ms);
	int rc;

	if ((rc = upload_same_root(u, call, err)) < 0 ||
	    (rc = upload_out_open(u, UPLOAD_SNAPSHOT_TMP, &o, err)) < 0 ||
	    (rc = write_base(from, &o, call, u->conf->encoding, err)) < 0)
		return rc;
	held_end(from); /* the transfer may take long */
	return upload_snapshot_put(u, call, &o, &f, err);
}
