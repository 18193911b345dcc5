/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of level 0 -> one pack. */
#include "config.h"

#include "engine/format/pack.h"
#include "engine/sync/upload_impl.h"

enum { CHUNK = 256 << 10 };

struct packing {
	struct upload *u;
	const struct store_call *call;
	struct upload_out *out;
	uint8_t *chunk;
};

/* What the batch says itself counts, not what a listing said. */
static int
check_header(const uint8_t *raw, size_t n, const struct catalog_file *f, struct pack_file *ret,
	     struct ls_err *err)
{
	struct ltx_header h;
	int rc;

	if (n < LTX_HEADER_SIZE)
		return ls_err_set(err, -EBADMSG, "shorter than an LTX header");
	if ((rc = ltx_header_decode(raw, &h, err)) < 0)
		return rc;
	if (h.min_txid != f->min || h.max_txid != f->max)
		return ls_err_set(err, -EBADMSG, "it holds other TXIDs than its name says");
	*ret = (struct pack_file){
		.min = f->min, .max = f->max, .size = f->size, .time_ms = h.time_ms};
	return 0;
}

static int
copy(struct packing *p, const struct catalog_file *f, struct pack_file *ret, struct ls_err *err)
{
	char key[REPLICA_KEY_MAX];
	int rc = 0;

	catalog_key(&p->u->replica, f, key);
	for (uint64_t off = 0; rc == 0 && off < f->size;) {
		size_t want = f->size - off < CHUNK ? (size_t)(f->size - off) : CHUNK, n = 0;

		rc = upload_read(p->u, p->call, f, off, p->chunk, want, &n, err);
		if (rc < 0)
			break;
		if (n < want)
			rc = ls_err_set(err, -EBADMSG, "shorter than it was");
		else if (off == 0)
			rc = check_header(p->chunk, n, f, ret, err);
		if (rc == 0)
			rc = upload_out_write(p->out, p->chunk, n, err);
		off += n;
	}
	return rc < 0 ? ls_err_wrap(err, rc, "'%s'", key) : 0;
}

int
upload_pack(struct upload *u, const struct store_call *call, const struct levels_work *w,
	    struct upload_out *out, struct catalog_file *ret, size_t *ret_lost, struct ls_err *err)
{
	ls_autofree struct pack_file *v = ls_alloc_array(w->n, sizeof *v);
	ls_autofree uint8_t *head = ls_alloc_array(1, pack_head_size(w->n));
	ls_autofree uint8_t *chunk = malloc(CHUNK);
	struct packing p = {.u = u, .call = call, .out = out, .chunk = chunk};
	int rc;

	if (!v || !head || !chunk)
		return ls_err_set(err, -ENOMEM, "pack: out of memory");
	if ((rc = upload_out_open(u, UPLOAD_LEVEL_TMP, out, err)) < 0 ||
	    (rc = upload_out_write(out, head, pack_head_size(w->n), err)) < 0)
		return rc;
	for (size_t i = 0; i < w->n; i++) {
		*ret_lost = i;
		if ((rc = copy(&p, &w->in[i], &v[i], err)) < 0)
			return rc;
	}
	pack_encode(v, w->n, head);
	*ret = (struct catalog_file){.level = REPLICA_PACKS,
				     .min = v[0].min,
				     .max = v[w->n - 1].max,
				     .time_exact = true};
	for (size_t i = 0; i < w->n; i++)
		ret->time_ms = v[i].time_ms > ret->time_ms ? v[i].time_ms : ret->time_ms;
	return upload_out_rewrite(out, head, pack_head_size(w->n), err);
}
