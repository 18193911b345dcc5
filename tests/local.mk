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
check-valgrind:
	$(MAKE) check TESTS='$(UNIT_TESTS)' LOG_COMPILER='valgrind -q --error-exitcode=9 --leak-check=full'
# What is worth its time in a sanitizer build: interoperation, golden files and mounts run in the other.
ASAN_TESTS = $(UNIT_TESTS) $(FAULT_TESTS) tests/integration/test_capture.py \
	tests/integration/test_cli.py tests/integration/test_flip.py \
	tests/integration/test_kill.py tests/integration/test_replicate.py
check-asan:
	$(MAKE) check TESTS='$(ASAN_TESTS)'
distcheck-quick:
	$(MAKE) distcheck TESTS='$(UNIT_TESTS)'
# The same suite with the long form of its longest tests.
check-long:
	LS_TEST_LONG=1 $(MAKE) check
.PHONY: check-long check-unit check-fault check-integration check-valgrind check-asan distcheck-quick
