UNIT_TESTS += tests/unit/test_store_contract tests/unit/test_store_file tests/unit/test_store_threads
STORE_DRIVERS = tests/lib/store_drivers.c tests/lib/store_drivers.h
tests_unit_test_store_contract_SOURCES = tests/unit/test_store_contract.c $(STORE_DRIVERS)
tests_unit_test_store_file_SOURCES = tests/unit/test_store_file.c $(STORE_DRIVERS)
tests_unit_test_store_threads_SOURCES = tests/unit/test_store_threads.c $(STORE_DRIVERS)
UNIT_TESTS += tests/unit/test_s3_place
tests_unit_test_s3_place_SOURCES = tests/unit/test_s3_place.c
