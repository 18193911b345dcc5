UNIT_TESTS += tests/unit/test_history tests/unit/test_restore \
	tests/unit/test_view tests/unit/test_view_damage
VIEW_MODEL = tests/unit/test_view_model.c tests/unit/test_view_model.h
tests_unit_test_history_SOURCES = tests/unit/test_history.c $(VIEW_MODEL)
tests_unit_test_restore_SOURCES = tests/unit/test_restore.c $(VIEW_MODEL)
tests_unit_test_view_SOURCES = tests/unit/test_view.c $(VIEW_MODEL)
tests_unit_test_view_damage_SOURCES = tests/unit/test_view_damage.c $(VIEW_MODEL)
