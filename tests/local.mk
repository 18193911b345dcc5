# Lists: UNIT_TESTS, FAULT_TESTS, MODEL_TESTS (C programs), INTEGRATION_TESTS (scripts), FUZZ_TARGETS.
include tests/unit/base.mk
include tests/unit/format.mk
include tests/unit/store.mk
include tests/unit/replica.mk
include tests/unit/conf.mk
include tests/unit/view.mk
include tests/unit/sync.mk
include tests/unit/tools.mk
if HAVE_FUSE
include tests/unit/fs.mk
endif
include tests/fault/local.mk
include tests/model/local.mk
include tests/fuzz/local.mk
include tests/integration/local.mk
include tests/bench/local.mk

check_PROGRAMS += $(UNIT_TESTS) $(FAULT_TESTS) $(MODEL_TESTS)
TESTS = $(UNIT_TESTS) $(FAULT_TESTS) $(MODEL_TESTS) $(INTEGRATION_TESTS)
TEST_EXTENSIONS = .sh .py
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = $(PYTHON)
AM_TESTS_ENVIRONMENT = \
	TOP_SRCDIR='$(abs_top_srcdir)'; TOP_BUILDDIR='$(abs_top_builddir)'; \
	MALLOC_PERTURB_=165; export TOP_SRCDIR TOP_BUILDDIR MALLOC_PERTURB_;

EXTRA_DIST += tests/lib/tap.h

check-unit:
	$(MAKE) check TESTS='$(UNIT_TESTS)'
check-fault:
	$(MAKE) check TESTS='$(FAULT_TESTS)'
check-integration:
	$(MAKE) check TESTS='$(INTEGRATION_TESTS)'
# What costs seconds there; "make check-valgrind VALGRIND_TESTS='...'" for others.
VALGRIND_TESTS = tests/unit/test_catalog_log tests/unit/test_child tests/unit/test_conf tests/unit/test_conf_files \
	tests/unit/test_conf_dir tests/unit/test_continuity tests/unit/test_job \
	tests/unit/test_plan tests/unit/test_position tests/unit/test_restore \
	tests/unit/test_store_contract tests/unit/test_timers tests/unit/test_url
VALGRIND = valgrind -q --error-exitcode=9 --leak-check=full
check-valgrind: all
	printf '#!/bin/sh\nexec $(VALGRIND) %s "$$@"\n' '$(abs_builddir)/tools/litestream' >tools/valgrind.sh
	chmod +x tools/valgrind.sh
	$(MAKE) check TESTS='$(VALGRIND_TESTS)' LOG_COMPILER='$(VALGRIND)'
	LS_TEST_PROGRAM='$(abs_builddir)/tools/valgrind.sh' $(MAKE) check \
		TESTS='tests/integration/test_socket.py'
CLEANFILES += tools/valgrind.sh
# What has threads, in a build with --enable-sanitizers=thread. Two tests of test_replicate.py cannot
# pass there: the checker's own thread wakes up, and capture is slower than the writer.
TSAN_TESTS = tests/unit/test_job tests/unit/test_kept tests/unit/test_store_threads tests/unit/test_view \
	tests/integration/test_capture.py tests/integration/test_dir.py \
	tests/integration/test_exec.py tests/integration/test_levels.py \
	tests/integration/test_mount.py tests/integration/test_outage.py \
	tests/integration/test_s3.py tests/integration/test_s3_lease.py \
	tests/integration/test_socket.py tests/integration/test_status.py
check-tsan:
	TSAN_OPTIONS='halt_on_error=1 exitcode=66' $(MAKE) check TESTS='$(TSAN_TESTS)'
# What is worth its time in a sanitizer build: interoperation, golden files and mounts run in the other.
ASAN_TESTS = $(UNIT_TESTS) $(FAULT_TESTS) tests/integration/test_capture.py \
	tests/integration/test_cli.py tests/integration/test_flip.py \
	tests/integration/test_kill.py tests/integration/test_levels.py \
	tests/integration/test_replicate.py tests/integration/test_s3.py \
	tests/integration/test_s3_access.py tests/integration/test_s3_faults.py \
	tests/integration/test_s3_lease.py
check-asan:
	$(MAKE) check TESTS='$(ASAN_TESTS)'
distcheck-quick:
	$(MAKE) distcheck TESTS='$(UNIT_TESTS)'
# The same suite with the long form of its longest tests, and with a second kind of server.
check-long:
	LS_TEST_LONG=1 $(MAKE) check TESTS='$(TESTS) $(LONG_TESTS)'
	$(MAKE) check-fuzz
# Ten minutes for each decoder of what a server, a file of credentials or a URL says.
FUZZ_SECONDS = 600
check-fuzz:
	$(srcdir)/tests/fuzz/run $(FUZZ_SECONDS) s3_xml s3_headers aws_files s3_url lease
.PHONY: check-fuzz check-tsan check-long check-unit check-fault check-integration check-valgrind check-asan distcheck-quick
