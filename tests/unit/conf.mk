UNIT_TESTS += tests/unit/test_conf
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c tests/unit/test_conf_load.h

UNIT_TESTS += tests/unit/test_conf_files
tests_unit_test_conf_files_SOURCES = tests/unit/test_conf_files.c tests/unit/test_conf_load.h

UNIT_TESTS += tests/unit/test_conf_scalar
tests_unit_test_conf_scalar_SOURCES = tests/unit/test_conf_scalar.c

UNIT_TESTS += tests/unit/test_conf_dir
tests_unit_test_conf_dir_SOURCES = tests/unit/test_conf_dir.c

FAULT_TESTS += tests/fault/test_fault_conf
tests_fault_test_fault_conf_SOURCES = tests/fault/test_fault_conf.c $(FAULT_LIB)
tests_fault_test_fault_conf_LDFLAGS = $(FAULT_LINK)
