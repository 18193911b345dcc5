# Unit tests of engine/sync.
UNIT_TESTS += tests/unit/test_position tests/unit/test_continuity tests/unit/test_pagehash tests/unit/test_kept
tests_unit_test_position_SOURCES = tests/unit/test_position.c
tests_unit_test_continuity_SOURCES = tests/unit/test_continuity.c
tests_unit_test_pagehash_SOURCES = tests/unit/test_pagehash.c
tests_unit_test_kept_SOURCES = tests/unit/test_kept.c
