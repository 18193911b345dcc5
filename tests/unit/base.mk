UNIT_TESTS += tests/unit/test_err tests/unit/test_io tests/unit/test_job
tests_unit_test_err_SOURCES = tests/unit/test_err.c
tests_unit_test_io_SOURCES = tests/unit/test_io.c
tests_unit_test_job_SOURCES = tests/unit/test_job.c
