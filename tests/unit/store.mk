UNIT_TESTS += tests/unit/test_store_contract
STORE_DRIVERS = tests/lib/store_drivers.c tests/lib/store_drivers.h
tests_unit_test_store_contract_SOURCES = tests/unit/test_store_contract.c $(STORE_DRIVERS)
