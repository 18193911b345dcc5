/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/base/bytes.h"
#include "engine/format/dbhdr.h"
#include "engine/format/walidx.h"
#include "tests/unit/test_ltx_mem.h"

#include <sqlite3.h>

/* Numbers of the index in the machine's byte order. */
static void
put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static void
seal(uint8_t *p)
{
	uint32_t s0 = 0, s1 = 0;

	for (int i = 0; i < 40; i += 8) {
		s0 += get32(p + i) + s1;
		s1 += get32(p + i + 4) + s0;
	}
	put32(p + 40, s0);
	put32(p + 44, s1);
	memcpy(p + 48, p, 48);
}

static void
make(uint8_t *p, uint16_t size16)
{
	memset(p, 0, WALIDX_HEADER_SIZE);
	put32(p, 3007000);
	put32(p + 8, 77);
	p[12] = 1;
	memcpy(p + 14, &size16, sizeof size16);
	put32(p + 16, 5000);
	put32(p + 20, 9);
	put32(p + 24, 0xaaaa);
	put32(p + 28, 0xbbbb);
	put_be32(p + 32, 0x11223344);
	put_be32(p + 36, 0x55667788);
	seal(p);
	put32(p + 96, 12);
	put32(p + 128, 34);
	for (uint32_t i = 0; i < WALIDX_READ_MARKS; i++)
		put32(p + 100 + 4 * i, i ? i : UINT32_MAX);
}

static void
test_fields(void)
{
	uint8_t p[WALIDX_HEADER_SIZE];
	struct walidx_header h;

	make(p, 4096);
	is_int(walidx_decode(p, &h, NULL), 0, "decoded");
	ok(h.page_size == 4096 && h.mx_frame == 5000 && h.npages == 9 && h.change == 77, "numbers");
	ok(h.sum.s0 == 0xaaaa && h.sum.s1 == 0xbbbb, "running checksum");
	ok(h.salts.s1 == 0x11223344 && h.salts.s2 == 0x55667788, "salts");
	ok(h.backfill == 12 && h.attempted == 34 && h.marks[0] == UINT32_MAX && h.marks[4] == 4,
	   "marks");
	ok(!h.big_endian, "byte order");
	walidx_copy_mark(p, 2, 4);
	ok(walidx_decode(p, &h, NULL) == 0 && h.marks[4] == 2 && h.marks[3] == 3, "a mark moved");
	make(p, 1);
	ok(walidx_decode(p, &h, NULL) == 0 && h.page_size == 65536, "1 means 65536");
}

static void
test_refused(void)
{
	uint8_t p[WALIDX_HEADER_SIZE];
	struct walidx_header h;
	int torn = 0;

	for (int i = 0; i < 96; i++) {
		make(p, 4096);
		p[i] ^= 1;
		torn += walidx_decode(p, &h, NULL) == -EAGAIN;
	}
	is_int(torn, 96, "a change in either copy: read again");
	make(p, 4096);
	put32(p + 16, 5001);
	memcpy(p + 48, p, 48);
	is_int(walidx_decode(p, &h, NULL), -EAGAIN, "both copies, wrong checksum");
	memset(p, 0, sizeof p);
	is_int(walidx_decode(p, &h, NULL), -EAGAIN, "zeros: not initialised");
	make(p, 4096);
	put32(p, 3007001);
	seal(p);
	is_int(walidx_decode(p, &h, NULL), -EBADMSG, "other version");
	make(p, 100);
	is_int(walidx_decode(p, &h, NULL), -EBADMSG, "page size 100");
	put32(p + 16, 0);
	seal(p);
	is_int(walidx_decode(p, &h, NULL), 0, "no frames: page size does not matter yet");
}

static void
test_regions(void)
{
	static uint32_t region[WALIDX_REGION_SIZE / 4];

	is_u64(walidx_region(1), 0, "first frame");
	is_u64(walidx_region(4062), 0, "last of region 0");
	is_u64(walidx_region(4063), 1, "first of region 1");
	is_u64(walidx_region(4062 + 4096), 1, "last of region 1");
	is_u64(walidx_region(4062 + 4097), 2, "first of region 2");
	is_u64(walidx_region(UINT32_MAX), (UINT32_MAX - 4063) / 4096 + 1, "largest frame");
	for (uint32_t i = 0; i < WALIDX_REGION_SIZE / 4; i++)
		region[i] = i;
	is_u64(walidx_frame_pgno(region, 1), 34, "frame 1 stands behind the header");
	is_u64(walidx_frame_pgno(region, 4062), 4095, "last of region 0");
	is_u64(walidx_frame_pgno(region, 4063), 0, "first of region 1");
	is_u64(walidx_frame_pgno(region, 4062 + 4096), 4095, "last of region 1");
	is_u64(walidx_frame_pgno(region, 4062 + 4097), 0, "first of region 2");
}

/* SQLite's own files: the index says of each frame what the WAL says, over three regions. */
static void
check_against_wal(const struct ls_buf *shm, const struct ls_buf *wal)
{
	struct walidx_header h;
	struct wal_header wh;
	struct wal_frame f = {0};
	uint32_t copy[WALIDX_HEADER_SIZE / 4], differ = 0;
	uint8_t out[WALIDX_HEADER_SIZE];
	int rc;

	memcpy(copy, shm->p, sizeof copy);
	walidx_copy(copy, out);
	rc = walidx_decode(out, &h, NULL);
	is_int(rc, 0, "index");
	rc = wal_header_decode(wal->p, wal->len, &wh, NULL);
	is_int(rc, 0, "WAL");
	ok(h.page_size == 512 && h.big_endian == wh.big_endian &&
		   wal_salts_equal(h.salts, wh.salts),
	   "they agree about page size, byte order and salts");
	ok(h.mx_frame > 4062 + 4096, "%u frames", h.mx_frame);
	for (uint32_t k = 1; k <= h.mx_frame; k++) {
		uint64_t at = wal_frame_offset(512, k - 1);
		size_t region = (size_t)walidx_region(k) * WALIDX_REGION_SIZE;

		if (at + WAL_FRAME_HEADER_SIZE > wal->len ||
		    region + WALIDX_REGION_SIZE > shm->len) {
			differ++;
			continue;
		}
		wal_frame_decode(wal->p + at, &f);
		differ += walidx_frame_pgno(shm->p + region, k) != f.pgno;
	}
	is_u64(differ, 0, "page number of each frame");
	ok(f.commit == h.npages && wal_sum_equal(f.sum, h.sum), "last frame is the horizon");
}

static void
read_side_file(const char *db, const char *suffix, struct ls_buf *ret)
{
	ls_autofree char *text = NULL;
	char path[4096];
	size_t n = 0;
	struct ls_err err = {0};

	ls_buf_init(ret, 64 << 20);
	snprintf(path, sizeof path, "%s%s", db, suffix);
	if (io_read_file(path, 64 << 20, &text, &n, &err) < 0 || ls_buf_append(ret, text, n) < 0)
		printf("# %s\n", err.msg);
}

static void
test_live(void)
{
	LS_AUTO(ls_buf_done) struct ls_buf shm = {0}, wal = {0};
	char dir[] = "/tmp/test_walidx.XXXXXX", path[sizeof dir + 8];
	sqlite3 *db = NULL;
	int rc;

	if (!ok(mkdtemp(dir) != NULL, "directory"))
		return;
	snprintf(path, sizeof path, "%s/db", dir);
	rc = sqlite3_open(path, &db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db,
				  "pragma page_size = 512; pragma journal_mode = wal;"
				  "pragma wal_autocheckpoint = 0; pragma synchronous = off;"
				  "create table t (x);"
				  "with recursive n(i) as (select 1 union all select i + 1 from n "
				  "limit 5000) insert into t select zeroblob(900) from n;",
				  NULL, NULL, NULL);
	is_int(rc, SQLITE_OK, "database");
	read_side_file(path, "-shm", &shm);
	read_side_file(path, "-wal", &wal);
	if (shm.len >= WALIDX_HEADER_SIZE)
		check_against_wal(&shm, &wal);
	sqlite3_close(db);
	unlink(path);
	rmdir(dir);
}

int
main(void)
{
	RUN(test_fields);
	RUN(test_refused);
	RUN(test_regions);
	RUN(test_live);
	return tap_done();
}
