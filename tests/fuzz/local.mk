# One target per decoder of outside bytes. With --enable-fuzzers they are libFuzzer programs, without
# they replay tests/fuzz/seeds/NAME as a TAP test. `tests/fuzz/run SECONDS` fuzzes for real.
FUZZ_TARGETS += tests/fuzz/fuzz_aws_files tests/fuzz/fuzz_catalog tests/fuzz/fuzz_conf tests/fuzz/fuzz_dbhdr \
	tests/fuzz/fuzz_fuse_name tests/fuzz/fuzz_lease tests/fuzz/fuzz_s3_headers tests/fuzz/fuzz_ltx tests/fuzz/fuzz_ltx_index \
	tests/fuzz/fuzz_ltx_merge tests/fuzz/fuzz_ltx_name tests/fuzz/fuzz_ltx_page \
	tests/fuzz/fuzz_pack tests/fuzz/fuzz_position tests/fuzz/fuzz_s3_url tests/fuzz/fuzz_s3_xml tests/fuzz/fuzz_timex tests/fuzz/fuzz_url tests/fuzz/fuzz_wal \
	tests/fuzz/fuzz_walidx

if FUZZERS
FUZZ_MAIN =
check_PROGRAMS += $(FUZZ_TARGETS)
else
FUZZ_MAIN = tests/fuzz/replay_main.c
UNIT_TESTS += $(FUZZ_TARGETS)
endif
FUZZ_COMMON = $(FUZZ_MAIN) tests/fuzz/fuzz.h
FUZZ_LINK = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

tests_fuzz_fuzz_catalog_SOURCES = tests/fuzz/fuzz_catalog.c $(FUZZ_COMMON)
tests_fuzz_fuzz_catalog_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(FUZZ_COMMON)
tests_fuzz_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dbhdr_SOURCES = tests/fuzz/fuzz_dbhdr.c $(FUZZ_COMMON)
tests_fuzz_fuzz_dbhdr_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_fuse_name_SOURCES = tests/fuzz/fuzz_fuse_name.c fs/tree.c $(FUZZ_COMMON)
tests_fuzz_fuzz_fuse_name_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_ltx_SOURCES = tests/fuzz/fuzz_ltx.c $(FUZZ_COMMON)
tests_fuzz_fuzz_ltx_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_ltx_index_SOURCES = tests/fuzz/fuzz_ltx_index.c $(FUZZ_COMMON)
tests_fuzz_fuzz_ltx_index_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_ltx_merge_SOURCES = tests/fuzz/fuzz_ltx_merge.c $(FUZZ_COMMON)
tests_fuzz_fuzz_ltx_merge_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_ltx_name_SOURCES = tests/fuzz/fuzz_ltx_name.c $(FUZZ_COMMON)
tests_fuzz_fuzz_ltx_name_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_ltx_page_SOURCES = tests/fuzz/fuzz_ltx_page.c $(FUZZ_COMMON)
tests_fuzz_fuzz_ltx_page_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_pack_SOURCES = tests/fuzz/fuzz_pack.c $(FUZZ_COMMON)
tests_fuzz_fuzz_pack_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_position_SOURCES = tests/fuzz/fuzz_position.c $(FUZZ_COMMON)
tests_fuzz_fuzz_position_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_timex_SOURCES = tests/fuzz/fuzz_timex.c $(FUZZ_COMMON)
tests_fuzz_fuzz_timex_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_url_SOURCES = tests/fuzz/fuzz_url.c $(FUZZ_COMMON)
tests_fuzz_fuzz_url_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_wal_SOURCES = tests/fuzz/fuzz_wal.c $(FUZZ_COMMON)
tests_fuzz_fuzz_wal_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_walidx_SOURCES = tests/fuzz/fuzz_walidx.c $(FUZZ_COMMON)
tests_fuzz_fuzz_walidx_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_aws_files_SOURCES = tests/fuzz/fuzz_aws_files.c $(FUZZ_COMMON)
tests_fuzz_fuzz_aws_files_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_s3_url_SOURCES = tests/fuzz/fuzz_s3_url.c $(FUZZ_COMMON)
tests_fuzz_fuzz_s3_url_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_s3_xml_SOURCES = tests/fuzz/fuzz_s3_xml.c $(FUZZ_COMMON)
tests_fuzz_fuzz_s3_xml_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_s3_headers_SOURCES = tests/fuzz/fuzz_s3_headers.c $(FUZZ_COMMON)
tests_fuzz_fuzz_s3_headers_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_lease_SOURCES = tests/fuzz/fuzz_lease.c $(FUZZ_COMMON)
tests_fuzz_fuzz_lease_LDFLAGS = $(FUZZ_LINK)

EXTRA_DIST += tests/fuzz/run tests/fuzz/seeds
