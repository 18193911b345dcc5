UNIT_TESTS += tests/unit/test_crc64 tests/unit/test_ltx tests/unit/test_merge \
	tests/unit/test_name03 tests/unit/test_wal
tests_unit_test_crc64_SOURCES = tests/unit/test_crc64.c
tests_unit_test_ltx_SOURCES = tests/unit/test_ltx.c
tests_unit_test_merge_SOURCES = tests/unit/test_merge.c tests/unit/test_ltx_mem.h
tests_unit_test_name03_SOURCES = tests/unit/test_name03.c
tests_unit_test_wal_SOURCES = tests/unit/test_wal.c
EXTRA_DIST += tests/data
