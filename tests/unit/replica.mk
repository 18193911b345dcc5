UNIT_TESTS += tests/unit/test_catalog_log tests/unit/test_levels tests/unit/test_plan tests/unit/test_plan_random \
	tests/unit/test_replica tests/unit/test_unpack
tests_unit_test_catalog_log_SOURCES = tests/unit/test_catalog_log.c
tests_unit_test_levels_SOURCES = tests/unit/test_levels.c
tests_unit_test_plan_SOURCES = tests/unit/test_plan.c
tests_unit_test_plan_random_SOURCES = tests/unit/test_plan_random.c
tests_unit_test_replica_SOURCES = tests/unit/test_replica.c $(STORE_DRIVERS)
tests_unit_test_unpack_SOURCES = tests/unit/test_unpack.c $(STORE_DRIVERS)
EXTRA_DIST += tests/lib/rnd.h
