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

struct out {
	int fd;
	uint64_t off;
	struct ls_buf pending;
	int spill_fd;
};

static int
flush(struct out *o, struct ls_err *err)
{
	int rc = io_pwrite(o->fd, o->pending.p, o->pending.len, o->off, err);

	o->off += o->pending.len;
	o->pending.len = 0;
	return rc;
}

static int
sink_out(void *arg, const void *p, size_t n, struct ls_err *err)
{
	struct out *o = arg;
	int rc;

	if (o->pending.len + n > o->pending.max && (rc = flush(o, err)) < 0)
		return rc;
	if (n > o->pending.max) { /* the page index of a large database */
		rc = io_pwrite(o->fd, p, n, o->off, err);
		o->off += n;
		return rc;
	}
	return ls_buf_append(&o->pending, p, n) < 0
		       ? ls_err_set(err, -ENOMEM, "snapshot: out of memory")
		       : 0;
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
write_snapshot(struct upload_local *from, struct out *o, const struct store_call *call,
	       struct ls_err *err)
{
	struct stage_spill spill;
	struct ltx_dec *d = NULL;
	struct ltx_trailer t;
	struct ltx_header h;
	struct ltx_enc e;
	int rc = ltx_dec_open(source_local, from, from->size, &d, err);

	if (rc < 0)
		return rc;
	h = *ltx_dec_header(d);
	h.min_txid = 1;
	rc = ltx_enc_begin(&e, &h, LTX_FRAME, sink_out, o, err);
	e.spill = stage_spill_init(&spill, o->spill_fd);
	if (rc == 0)
		rc = copy_pages(d, &e, call, err);
	if (rc == 0)
		rc = ltx_enc_end(&e, 0, &t, err);
	if (rc == 0)
		rc = flush(o, err);
	ltx_enc_done(&e);
	ltx_dec_close(d);
	return rc < 0 ? ls_err_wrap(err, rc, "local file '%s'", from->path) : 0;
}

static int
put_snapshot(struct upload *u, const struct store_call *call, const char *tmp,
	     struct upload_local *from, struct ls_err *err)
{
	struct out o = {.spill_fd = -1};
	struct upload_local l = {.time_ms = from->time_ms, .path = (char *)(uintptr_t)tmp};
	struct catalog_file f = {.min = 1,
				 .level = LTX_LEVEL_SNAPSHOT,
				 .time_ms = from->time_ms,
				 .time_exact = true};
	int rc;

	o.fd = io_open(tmp, O_RDWR | O_CREAT | O_TRUNC, u->dir->file_mode, err);
	if (o.fd < 0)
		return o.fd;
	ls_buf_init(&o.pending, 1 << 20);
	if ((rc = stage_spill_open(u->dir, &o.spill_fd, err)) == 0)
		rc = write_snapshot(from, &o, call, err);
	if (rc == 0)
		rc = io_fsync(o.fd, tmp, err);
	if (rc == 0) {
		l.fd = o.fd;
		l.size = f.size = o.off;
	}
	ls_buf_done(&o.pending);
	if (rc == 0) {
		f.max = u->info.acked;
		rc = upload_put(u, call, &l, &f, err);
	}
	if (o.spill_fd >= 0)
		close(o.spill_fd);
	close(o.fd);
	return rc;
}

int
upload_snapshot(struct upload *u, const struct store_call *call, uint64_t txid, struct ls_err *err)
{
	LS_AUTO(upload_local_close) struct upload_local from = {.fd = -1};
	ls_autofree char *tmp = io_join(u->dir->path, "snapshot.tmp");
	int rc, ignored;

	if (!tmp)
		return ls_err_set(err, -ENOMEM, "snapshot: out of memory");
	if (u->info.acked != txid)
		return ls_err_set(err, -EINVAL, "snapshot of %016" PRIx64 " before its upload",
				  txid);
	if ((rc = upload_same_root(u, call, err)) < 0 ||
	    (rc = upload_local_open(u->dir, txid, &from, err)) < 0)
		return rc;
	rc = put_snapshot(u, call, tmp, &from, err);
	ignored = io_unlink(tmp, NULL);
	(void)ignored;
	if (rc == 0)
		u->info.has_base = true;
	return rc;
}
