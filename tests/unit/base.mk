UNIT_TESTS += tests/unit/test_err tests/unit/test_io tests/unit/test_job tests/unit/test_log \
	tests/unit/test_timers tests/unit/test_timex tests/unit/test_url
tests_unit_test_err_SOURCES = tests/unit/test_err.c
tests_unit_test_io_SOURCES = tests/unit/test_io.c
tests_unit_test_job_SOURCES = tests/unit/test_job.c
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_timers_SOURCES = tests/unit/test_timers.c
tests_unit_test_timex_SOURCES = tests/unit/test_timex.c
tests_unit_test_url_SOURCES = tests/unit/test_url.c
