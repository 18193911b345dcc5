/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/format/pack.h"

#include "engine/base/bytes.h"
#include "engine/format/crc64.h"
#include "engine/format/ltx.h"

#include <string.h>

enum { PACK_VERSION = 1, CRC_AT = 56 };

static const char magic[8] = {'L', 'T', 'X', 'P', 'A', 'C', 'K', '1'};

size_t
pack_head_size(size_t nfiles)
{
	return PACK_HEADER_SIZE + nfiles * PACK_ENTRY_SIZE;
}

static uint64_t
checksum(const uint8_t *raw, size_t nfiles)
{
	uint64_t crc = crc64(0, raw, CRC_AT);

	return crc64(crc, raw + PACK_HEADER_SIZE, nfiles * PACK_ENTRY_SIZE);
}

void
pack_encode(struct pack_file *v, size_t n, uint8_t *out)
{
	uint64_t off = pack_head_size(n);
	int64_t latest = v[0].time_ms;

	memset(out, 0, PACK_HEADER_SIZE);
	memcpy(out, magic, sizeof magic);
	for (size_t i = 0; i < n; i++) {
		uint8_t *e = out + pack_head_size(i);

		put_be64(e, v[i].max);
		put_be64(e + 8, v[i].size);
		put_be64(e + 16, (uint64_t)v[i].time_ms);
		v[i].off = off;
		off += v[i].size;
		latest = v[i].time_ms > latest ? v[i].time_ms : latest;
	}
	put_be32(out + 8, PACK_VERSION);
	put_be32(out + 12, (uint32_t)n);
	put_be64(out + 16, v[0].min);
	put_be64(out + 24, v[n - 1].max);
	put_be64(out + 32, off);
	put_be64(out + 40, (uint64_t)latest);
	put_be64(out + CRC_AT, checksum(out, n));
}

int
pack_header_decode(const uint8_t raw[PACK_HEADER_SIZE], struct pack_header *ret, struct ls_err *err)
{
	struct pack_header h = {.n = get_be32(raw + 12),
				.min = get_be64(raw + 16),
				.max = get_be64(raw + 24),
				.size = get_be64(raw + 32),
				.time_ms = (int64_t)get_be64(raw + 40)};

	if (memcmp(raw, magic, sizeof magic) != 0)
		return ls_err_set(err, -EBADMSG, "not a pack");
	if (get_be32(raw + 8) != PACK_VERSION)
		return ls_err_set(err, -EINVAL, "written by a newer litestream-c (pack version %u)",
				  get_be32(raw + 8));
	if (h.n < 1 || h.n > PACK_FILES_MAX || h.min < 1 || h.min > h.max ||
	    get_be64(raw + 48) != 0)
		return ls_err_set(err, -EBADMSG, "pack header is damaged");
	*ret = h;
	return 0;
}

int
pack_decode(const uint8_t *raw, uint64_t object_size, struct pack_file *ret, struct ls_err *err)
{
	struct pack_header h;
	uint64_t off, txid;
	int rc = pack_header_decode(raw, &h, err);

	if (rc < 0)
		return rc;
	if (get_be64(raw + CRC_AT) != checksum(raw, h.n))
		return ls_err_set(err, -EBADMSG, "pack index checksum mismatch");
	off = pack_head_size(h.n);
	txid = h.min;
	for (uint32_t i = 0; i < h.n; i++) {
		const uint8_t *e = raw + pack_head_size(i);
		struct pack_file f = {.min = txid,
				      .max = get_be64(e),
				      .off = off,
				      .size = get_be64(e + 8),
				      .time_ms = (int64_t)get_be64(e + 16)};

		if (f.min < 1 || f.max < f.min || f.max > h.max || f.size < LTX_SIZE_MIN ||
		    off > object_size || f.size > object_size - off)
			return ls_err_set(err, -EBADMSG, "pack entry %u is damaged", i);
		off += f.size;
		txid = f.max + 1;
		ret[i] = f;
	}
	if (txid - 1 != h.max || off != h.size || off != object_size)
		return ls_err_set(err, -EBADMSG, "pack is not what its header says");
	return 0;
}
