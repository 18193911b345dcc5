/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot, 512 bytes, big-endian:
 *
 *   off size                                off size
 *     0    8  "LSPOSIT1"                     92    4  flags: 1 big-endian sums, 2 chained,
 *     8    4  version, 1                             4 complete
 *    12    4  zero                           96    8  database size
 *    16    8  sequence                      104    8  its mtime, ns
 *    24    8  TXID                          112    8  its ctime, ns
 *    32    8  time, ms                      120    8  taken at, ns
 *    40    8  device                        128    4  n older salt pairs
 *    48    8  inode                         132   64  the pairs, newest first
 *    56    4  page size                     504    8  CRC-64 of [0,504)
 *    60    4  commit
 *    64    8  salts
 *    72    4  frame
 *    76    8  running checksum
 *    84    8  boot
 *
 * Two slots; a write goes to the one that is not the newest.
 */
#include "config.h"

#include "engine/sync/position.h"

#include "engine/base/bytes.h"
#include "engine/base/io.h"
#include "engine/format/crc64.h"
#include "engine/format/dbhdr.h"

enum { POSITION_VERSION = 1, CRC_AT = 504, FLAG_BIG = 1, FLAG_CHAINED = 2, FLAG_COMPLETE = 4 };

static void
put_pair(uint8_t *p, uint32_t a, uint32_t b)
{
	put_be32(p, a);
	put_be32(p + 4, b);
}

void
position_encode(const struct position *p, uint64_t seq, uint8_t out[POSITION_SLOT_SIZE])
{
	memset(out, 0, POSITION_SLOT_SIZE);
	memcpy(out, "LSPOSIT1", 8);
	put_be32(out + 8, POSITION_VERSION);
	put_be64(out + 16, seq);
	put_be64(out + 24, p->txid);
	put_be64(out + 32, (uint64_t)p->time_ms);
	put_be64(out + 40, p->dev);
	put_be64(out + 48, p->ino);
	put_be32(out + 56, p->page_size);
	put_be32(out + 60, p->commit);
	put_pair(out + 64, p->salts.s1, p->salts.s2);
	put_be32(out + 72, p->frame);
	put_pair(out + 76, p->sum.s0, p->sum.s1);
	put_be64(out + 84, p->boot);
	put_be32(out + 92, (p->big_endian ? FLAG_BIG : 0u) | (p->chained ? FLAG_CHAINED : 0u) |
				   (p->complete ? FLAG_COMPLETE : 0u));
	put_be64(out + 96, p->db_size);
	put_be64(out + 104, (uint64_t)p->db_mtime_ns);
	put_be64(out + 112, (uint64_t)p->db_ctime_ns);
	put_be64(out + 120, (uint64_t)p->taken_ns);
	put_be32(out + 128, p->nhistory);
	for (uint32_t i = 0; i < p->nhistory && i < POSITION_SALT_HISTORY; i++)
		put_pair(out + 132 + 8 * i, p->history[i].s1, p->history[i].s2);
	put_be64(out + CRC_AT, crc64(0, out, CRC_AT));
}

int
position_decode(const uint8_t in[POSITION_SLOT_SIZE], struct position *ret, uint64_t *ret_seq,
		struct ls_err *err)
{
	uint32_t flags = get_be32(in + 92);
	struct position p = {0};

	if (memcmp(in, "LSPOSIT1", 8) != 0 || get_be64(in + CRC_AT) != crc64(0, in, CRC_AT))
		return ls_err_set(err, -EBADMSG, "position record is damaged");
	if (get_be32(in + 8) != POSITION_VERSION)
		return ls_err_set(err, -EINVAL,
				  "position record of version %u: it was written by a newer "
				  "litestream-c",
				  get_be32(in + 8));
	p.txid = get_be64(in + 24);
	p.time_ms = (int64_t)get_be64(in + 32);
	p.dev = get_be64(in + 40);
	p.ino = get_be64(in + 48);
	p.page_size = get_be32(in + 56);
	p.commit = get_be32(in + 60);
	p.salts = (struct wal_salts){get_be32(in + 64), get_be32(in + 68)};
	p.frame = get_be32(in + 72);
	p.sum = (struct wal_sum){get_be32(in + 76), get_be32(in + 80)};
	p.boot = get_be64(in + 84);
	p.big_endian = flags & FLAG_BIG;
	p.chained = flags & FLAG_CHAINED;
	p.complete = flags & FLAG_COMPLETE;
	p.db_size = get_be64(in + 96);
	p.db_mtime_ns = (int64_t)get_be64(in + 104);
	p.db_ctime_ns = (int64_t)get_be64(in + 112);
	p.taken_ns = (int64_t)get_be64(in + 120);
	p.nhistory = get_be32(in + 128);
	if (p.txid == 0 || !dbhdr_page_size_ok(p.page_size) || p.nhistory > POSITION_SALT_HISTORY)
		return ls_err_set(err, -EBADMSG, "position record makes no sense");
	for (uint32_t i = 0; i < p.nhistory; i++)
		p.history[i] =
			(struct wal_salts){get_be32(in + 132 + 8 * i), get_be32(in + 136 + 8 * i)};
	*ret = p;
	*ret_seq = get_be64(in + 16);
	return 0;
}

int
position_open(const char *path, mode_t mode, struct position_file *ret_file, struct position *ret,
	      bool *ret_found, struct ls_err *err)
{
	uint8_t raw[2][POSITION_SLOT_SIZE] = {{0}};
	ls_autoclose int fd = io_open(path, O_RDWR | O_CREAT, mode, err);
	uint64_t best = 0;
	size_t n = 0;
	int rc;

	if (fd < 0)
		return fd;
	*ret_found = false;
	if ((rc = io_pread(fd, raw, sizeof raw, 0, &n, err)) < 0)
		return ls_err_wrap(err, rc, "'%s'", path);
	for (int i = 0; i < 2; i++) {
		struct position p;
		uint64_t seq = 0;

		rc = position_decode(raw[i], &p, &seq, err);
		if (rc == -EINVAL)
			return ls_err_wrap(err, rc, "'%s'", path);
		if (rc == 0 && (!*ret_found || seq > best)) {
			*ret = p;
			best = seq;
			*ret_found = true;
		}
	}
	*ret_file = (struct position_file){.fd = ls_steal_fd(&fd), .seq = best};
	return 0;
}

int
position_reopen(const char *path, struct position_file *f, struct ls_err *err)
{
	int fd = f->fd >= 0 ? f->fd : io_open(path, O_RDWR, 0, err);

	if (fd < 0)
		return fd;
	f->fd = fd;
	return 0;
}

int
position_store(struct position_file *f, const struct position *p, struct ls_err *err)
{
	uint8_t raw[POSITION_SLOT_SIZE];
	uint64_t seq = f->seq + 1;
	int rc;

	position_encode(p, seq, raw);
	rc = io_pwrite(f->fd, raw, sizeof raw, (seq & 1) * POSITION_SLOT_SIZE, err);
	if (rc < 0)
		return ls_err_wrap(err, rc, "position record");
	f->seq = seq;
	f->unsynced = true;
	return 0;
}

int
position_sync(struct position_file *f, struct ls_err *err)
{
	int rc = f->unsynced ? io_fdatasync(f->fd, "position", err) : 0;

	if (rc == 0)
		f->unsynced = false;
	return rc;
}

void
position_close(struct position_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}
