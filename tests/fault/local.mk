# Fault loops: each call of a kind fails in turn, until none does.
FAULT_WRAP = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray \
	-Wl,--wrap=aligned_alloc,--wrap=posix_memalign,--wrap=strdup,--wrap=strndup \
	-Wl,--wrap=asprintf,--wrap=vasprintf
FAULT_LIB = tests/lib/fault.h tests/lib/fault_alloc.c tests/lib/fault_alloc.h \
	tests/lib/fault_io.c tests/lib/fault_io.h
FAULT_LINK = $(AM_LDFLAGS) $(FAULT_WRAP)

FAULT_TESTS += tests/fault/test_fault_store
tests_fault_test_fault_store_SOURCES = tests/fault/test_fault_store.c $(FAULT_LIB) $(STORE_DRIVERS)
tests_fault_test_fault_store_LDFLAGS = $(FAULT_LINK)
FAULT_TESTS += tests/fault/test_fault_catalog
tests_fault_test_fault_catalog_SOURCES = tests/fault/test_fault_catalog.c $(FAULT_LIB) \
	$(STORE_DRIVERS)
tests_fault_test_fault_catalog_LDFLAGS = $(FAULT_LINK)
FAULT_TESTS += tests/fault/test_fault_view
tests_fault_test_fault_view_SOURCES = tests/fault/test_fault_view.c $(FAULT_LIB) $(VIEW_MODEL)
tests_fault_test_fault_view_LDFLAGS = $(FAULT_LINK)
FAULT_TESTS += tests/fault/test_fault_sync
tests_fault_test_fault_sync_SOURCES = tests/fault/test_fault_sync.c $(FAULT_LIB) \
	tests/lib/world.c tests/lib/world.h
tests_fault_test_fault_sync_LDFLAGS = $(FAULT_LINK)

FAULT_TESTS += tests/fault/test_power
tests_fault_test_power_SOURCES = tests/fault/test_power.c $(FAULT_LIB) \
	tests/lib/power_io.c tests/lib/power_io.h tests/lib/world.c tests/lib/world.h
tests_fault_test_power_LDFLAGS = $(FAULT_LINK)

FAULT_TESTS += tests/fault/test_slow_disk
tests_fault_test_slow_disk_SOURCES = tests/fault/test_slow_disk.c $(FAULT_LIB) \
	tests/lib/world.c tests/lib/world.h
tests_fault_test_slow_disk_LDFLAGS = $(FAULT_LINK)

# The program with stores that fail at random, for test_soak.py.
check_PROGRAMS += tests/fault/litestream-failing
tests_fault_litestream_failing_SOURCES = tools/main.c tests/fault/failing_stores.c
tests_fault_litestream_failing_LDADD = $(TOOLS_LIBS)
tests_fault_litestream_failing_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=store_open
