/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/view/object.h"

#include "engine/base/bytes.h"
#include "engine/base/job.h"
#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"

#include <inttypes.h>
#include <string.h>

enum { TAIL_BYTES = 4096 };

int
object_get(struct objects *os, const struct store_call *call, const struct object *o,
	   struct object_range range, struct ls_err *err)
{
	struct store_get g = {.key = o->key,
			      .off = o->base + range.off,
			      .len = range.len,
			      .etag = o->etag[0] ? o->etag : NULL};
	size_t n = 0;
	int rc = store_call_check(call, err);

	if (rc < 0)
		return rc;
	rc = store_get(objects_replica(os)->store, call, &g, range.buf, &n, NULL, err);
	if (rc == -ENOENT)
		return ls_err_set(err, -ESTALE, "'%s' is no longer in the replica", o->key);
	if (rc < 0)
		return rc;
	if (n < range.len)
		return ls_err_set(err, -EBADMSG, "'%s' is damaged: shorter than listed", o->key);
	return 0;
}

static bool
is_far(const struct objects *os)
{
	return store_is_far(objects_replica(os)->store);
}

static uint32_t
index_piece(const struct objects *os, uint64_t size)
{
	uint32_t whole = is_far(os) ? OBJECT_FAR_INDEX_WHOLE : OBJECT_INDEX_WHOLE;

	return size <= whole ? whole : is_far(os) ? OBJECT_FAR_INDEX_PIECE : OBJECT_INDEX_PIECE;
}

static int
decode_ends(const struct objects *os, struct object *o, const uint8_t *head, const uint8_t *tail,
	    struct ltx_trailer *trailer, struct ls_err *err)
{
	int rc;

	if ((rc = ltx_header_decode(head, &o->hdr, err)) < 0 ||
	    (rc = ltx_layout_decode(o->size, tail, &o->at, err)) < 0 ||
	    (rc = ltx_trailer_decode(&o->hdr, tail + 8, trailer, err)) < 0)
		return rc;
	if (o->hdr.min_txid != o->min || o->hdr.max_txid != o->max)
		return ls_err_set(err, -EBADMSG, "it holds TXIDs %016" PRIx64 " to %016" PRIx64,
				  o->hdr.min_txid, o->hdr.max_txid);
	o->checksum = trailer->file_checksum;
	o->piece = index_piece(os, o->at.index_size);
	o->npieces = (uint32_t)((o->at.index_size + o->piece - 1) / o->piece);
	return 0;
}

/* A snapshot holds every page: its index has to end with the last one. */
static int
check_last(const struct object *o, struct ls_err *err)
{
	uint32_t last = o->hdr.commit;

	if (last == dbhdr_lock_page(o->hdr.page_size))
		last--;
	if (ltx_is_snapshot(&o->hdr) && o->last_pgno != last)
		return ls_err_set(err, -EBADMSG, "a snapshot of %u pages that ends with page %u",
				  o->hdr.commit, o->last_pgno);
	return 0;
}

/* Every page against index and checksum. data: room for a page. */
static int
verify_pages(const struct object *o, const uint8_t *p, const struct object_piece *piece,
	     uint64_t file_checksum, uint8_t *data, struct ls_err *err)
{
	static const uint8_t zeros[LTX_END_SIZE];
	const uint8_t *end = p + o->at.index_offset - LTX_END_SIZE;
	uint64_t crc = crc64(0, p, LTX_HEADER_SIZE);
	struct ltx_page page = {.data = data};

	for (uint32_t i = 0; i < piece->n; i++) {
		const struct object_entry *e = &piece->e[i];
		size_t size = e[1].rel - e->rel;
		int rc = ltx_page_decode(p + piece->base + e->rel, size, &o->hdr, &page, &crc, err);

		if (rc < 0)
			return rc;
		if (page.pgno != e->pgno || page.stored != size)
			return ls_err_set(err, -EBADMSG, "page %u: index and frame disagree",
					  e->pgno);
	}
	crc = crc64(crc, end, (size_t)(p + o->size - end) - 8);
	if (memcmp(end, zeros, LTX_END_SIZE) != 0 || (crc | LTX_CHECKSUM_FLAG) != file_checksum)
		return ls_err_set(err, -EBADMSG, "file checksum mismatch");
	return 0;
}

/* Keeps the decoded index of a small object, unless it is there already; takes piece. */
static void
keep_piece(struct objects *os, const struct object *o, struct object_piece *piece)
{
	size_t size = sizeof *piece + (piece->n + 1) * sizeof piece->e[0];
	struct block *b = NULL;
	int rc = -EAGAIN;

	if (o->npieces == 1)
		rc = blockcache_pin(objects_pieces(os), NULL, o->id, 0, true, &b, NULL);
	if (rc == 1)
		blockcache_fill(objects_pieces(os), b, piece, size);
	else
		free(piece);
	blockcache_release(objects_pieces(os), b);
}

int
object_verify(struct objects *os, struct object *o, const uint8_t *p, uint8_t *page,
	      struct object_piece **ret, struct ls_err *err)
{
	struct object_piece *piece = NULL;
	struct object_index_part part = {0};
	struct ltx_trailer trailer;
	int rc;

	if ((rc = decode_ends(os, o, p, p + o->size - LTX_TAIL_SIZE, &trailer, err)) < 0)
		return rc;
	part.p = p + o->at.index_offset;
	part.n = (size_t)o->at.index_size;
	part.limit = o->at.index_size;
	if ((rc = object_index_decode(o, &part, &piece, err)) < 0)
		return rc;
	o->last_pgno = piece->n ? piece->e[piece->n - 1].pgno : 0;
	rc = verify_pages(o, p, piece, trailer.file_checksum, page, err);
	if (rc == 0)
		rc = check_last(o, err);
	if (rc < 0)
		free(piece);
	else
		*ret = piece;
	return rc;
}

static int
load_small(struct objects *os, const struct store_call *call, struct object *o, struct ls_err *err)
{
	struct object_scratch *s = objects_scratch(os);
	struct object_piece *piece = NULL;
	ls_autofree uint8_t *own = NULL;
	uint8_t *p = s ? s->raw : NULL;
	int rc;

	if (s && o->size > sizeof s->raw)
		p = own = malloc((size_t)o->size);
	if (!p) {
		objects_scratch_put(os, s);
		return ls_err_set(err, -ENOMEM, "out of memory");
	}
	rc = object_get(os, call, o, (struct object_range){0, (size_t)o->size, p}, err);
	if (rc == 0)
		rc = object_verify(os, o, p, s->page, &piece, err);
	if (rc == 0)
		keep_piece(os, o, piece);
	objects_scratch_put(os, s);
	return rc;
}

/* The last entries of a long index, from the end of the object. */
static int
read_last(struct object *o, const uint8_t *tail, struct ls_err *err)
{
	struct object_piece *piece = NULL;
	struct object_index_part part = {
		.p = tail, .n = TAIL_BYTES - LTX_TAIL_SIZE, .limit = o->at.index_size};
	size_t skip = 0;
	int rc;

	if (o->at.index_size <= part.n) {
		part.p += part.n - o->at.index_size;
		part.n = (size_t)o->at.index_size;
	} else {
		if (ltx_index_sync(part.p, part.n, &o->hdr, &o->at, &skip, NULL) < 0)
			return ls_err_set(err, -EBADMSG, "page index is not in order");
		part.p += skip;
		part.n -= skip;
		part.first = part.at = o->at.index_size - part.n;
	}
	if ((rc = object_index_decode(o, &part, &piece, err)) < 0)
		return rc;
	o->last_pgno = piece->n ? piece->e[piece->n - 1].pgno : 0;
	free(piece);
	return check_last(o, err);
}

/* The header; from afar with what comes behind it, where the first pages are. */
static int
load_head(struct objects *os, const struct store_call *call, const struct object *o,
	  uint8_t head[LTX_HEADER_SIZE], struct ls_err *err)
{
	struct blockcache *cache = objects_blocks(os);
	struct block *b = NULL;
	uint8_t *data;
	int rc;

	if (!is_far(os))
		return object_get(os, call, o, (struct object_range){0, LTX_HEADER_SIZE, head},
				  err);
	if ((rc = blockcache_pin(cache, call, o->id, 0, false, &b, err)) < 0)
		return rc;
	if (rc == 1) {
		if (!(data = malloc(OBJECT_BLOCK)))
			rc = ls_err_set(err, -ENOMEM, "out of memory");
		else
			rc = object_get(os, call, o, (struct object_range){0, OBJECT_BLOCK, data},
					err);
		if (rc < 0) {
			free(data);
			blockcache_abandon(cache, b);
			return rc;
		}
		blockcache_fill(cache, b, data, OBJECT_BLOCK);
	}
	memcpy(head, b->data, LTX_HEADER_SIZE);
	blockcache_release(cache, b);
	return 0;
}

/* Both ends of a large object. */
struct ends {
	struct objects *os;
	const struct store_call *call;
	const struct object *o;
	uint8_t head[LTX_HEADER_SIZE], tail[TAIL_BYTES];
};

static int
load_end(void *arg, size_t i, struct ls_err *err)
{
	struct ends *e = arg;
	const struct object *o = e->o;

	if (i == 0)
		return load_head(e->os, e->call, o, e->head, err);
	return object_get(e->os, e->call, o,
			  (struct object_range){o->size - sizeof e->tail, sizeof e->tail, e->tail},
			  err);
}

static int
load_large(struct objects *os, const struct store_call *call, struct object *o, struct ls_err *err)
{
	struct ends e = {.os = os, .call = call, .o = o};
	struct ltx_trailer trailer;
	int rc = job_each(2, is_far(os) ? 2 : 1, load_end, &e, err);

	if (rc < 0 || (rc = decode_ends(os, o, e.head, e.tail + sizeof e.tail - LTX_TAIL_SIZE,
					&trailer, err)) < 0)
		return rc;
	return read_last(o, e.tail, err);
}

int
object_load(struct objects *os, const struct store_call *call, struct object *o, struct ls_err *err)
{
	if (o->size < LTX_SIZE_MIN)
		return ls_err_set(err, -EBADMSG, "%" PRIu64 " bytes are too short for an LTX file",
				  o->size);
	return o->size <= OBJECT_SMALL ? load_small(os, call, o, err)
				       : load_large(os, call, o, err);
}
