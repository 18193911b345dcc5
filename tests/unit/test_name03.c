/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/format/name03.h"
#include "tests/lib/tap.h"

static void
test_snapshots(void)
{
	static const struct {
		const char *name;
		int64_t index; /* -1: refused */
	} rows[] = {
		{"00000000.snapshot.lz4", 0},
		{"000000ff.snapshot.lz4", 255},
		{"12345678.snapshot.lz4", 0x12345678},
		{"7fffffff.snapshot.lz4", 0x7fffffff},
		{"80000000.snapshot.lz4", -1},
		{"0000000.snapshot.lz4", -1},
		{"000000000.snapshot.lz4", -1},
		{"000000FF.snapshot.lz4", -1},
		{"000000ff.snapshot", -1},
		{"000000ff.snapshot.lz4.tmp", -1},
		{"0x0000ff.snapshot.lz4", -1},
		{"000000ff", -1},
		{"", -1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char name[NAME03_SNAPSHOT_LEN + 1];
		uint32_t index = 0;
		bool good = name03_snapshot_parse(rows[i].name, &index);

		ok(good ? index == rows[i].index : rows[i].index < 0, "'%s'", rows[i].name);
		if (good) {
			name03_snapshot_format(index, name);
			is_str(name, rows[i].name, "and back");
		}
	}
}

static void
test_segments(void)
{
	static const struct {
		const char *name;
		bool good;
		uint32_t index;
		uint64_t offset;
	} rows[] = {
		{"00000001_00001000.wal.lz4", true, 1, 4096},
		{"000000ff_f2345678.wal.lz4", true, 255, 0xf2345678},
		{"000000ff_123456789.wal.lz4", true, 255, 0x123456789},
		{"000000ff_123456789012345.wal.lz4", true, 255, 0x123456789012345},
		{"000000ff_7fffffffffffffff.wal.lz4", true, 255, INT64_MAX},
		{"000000ff_f234567812345678.wal.lz4", false, 0, 0},
		{"000000ff_00000000000000001.wal.lz4", false, 0, 0},
		{"000000ff_1234567.wal.lz4", false, 0, 0},
		{"f2345678_00000000.wal.lz4", false, 0, 0},
		{"0000001_00000000.wal.lz4", false, 0, 0},
		{"000000001_00000000.wal.lz4", false, 0, 0},
		{"000000FF_00000000.wal.lz4", false, 0, 0},
		{"000000ff_0000000F.wal.lz4", false, 0, 0},
		{"000000ff_00000000.wal", false, 0, 0},
		{"000000ff-00000000.wal.lz4", false, 0, 0},
		{"000000ff_", false, 0, 0},
		{"000000ff", false, 0, 0},
		{"", false, 0, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char name[NAME03_WAL_MAX + 1];
		uint32_t index = 0;
		uint64_t offset = 0;
		bool good = name03_wal_parse(rows[i].name, &index, &offset);

		ok(good == rows[i].good && index == rows[i].index && offset == rows[i].offset,
		   "'%s'", rows[i].name);
		if (good) {
			name03_wal_format(index, offset, name);
			is_str(name, rows[i].name, "and back");
		}
	}
}

static void
test_generations(void)
{
	ok(name03_is_generation("0123456789abcdef"), "16 digits");
	ok(!name03_is_generation("0123456789abcde"), "15");
	ok(!name03_is_generation("0123456789abcdef0"), "17");
	ok(!name03_is_generation("0123456789ABCDEF"), "upper case");
	ok(!name03_is_generation(""), "empty");
}

int
main(void)
{
	RUN(test_snapshots);
	RUN(test_segments);
	RUN(test_generations);
	return tap_done();
}
