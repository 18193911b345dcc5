UNIT_TESTS += tests/unit/test_crc64 tests/unit/test_dbhdr tests/unit/test_ltx \
	tests/unit/test_ltx_big tests/unit/test_ltx_frame tests/unit/test_ltx_hostile \
	tests/unit/test_ltx_index tests/unit/test_merge tests/unit/test_merge_random \
	tests/unit/test_name03 tests/unit/test_wal tests/unit/test_walidx
tests_unit_test_crc64_SOURCES = tests/unit/test_crc64.c
tests_unit_test_dbhdr_SOURCES = tests/unit/test_dbhdr.c
tests_unit_test_ltx_SOURCES = tests/unit/test_ltx.c
tests_unit_test_ltx_big_SOURCES = tests/unit/test_ltx_big.c tests/unit/test_ltx_mem.h
tests_unit_test_ltx_frame_SOURCES = tests/unit/test_ltx_frame.c tests/unit/test_ltx_mem.h
tests_unit_test_ltx_hostile_SOURCES = tests/unit/test_ltx_hostile.c tests/unit/test_ltx_mem.h
tests_unit_test_ltx_index_SOURCES = tests/unit/test_ltx_index.c tests/unit/test_ltx_mem.h
tests_unit_test_merge_SOURCES = tests/unit/test_merge.c tests/unit/test_merge_set.h \
	tests/unit/test_ltx_mem.h
tests_unit_test_merge_random_SOURCES = tests/unit/test_merge_random.c \
	tests/unit/test_merge_set.h tests/unit/test_ltx_mem.h
tests_unit_test_name03_SOURCES = tests/unit/test_name03.c
tests_unit_test_wal_SOURCES = tests/unit/test_wal.c tests/unit/test_ltx_mem.h
tests_unit_test_walidx_SOURCES = tests/unit/test_walidx.c tests/unit/test_ltx_mem.h
EXTRA_DIST += tests/data
