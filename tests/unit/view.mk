UNIT_TESTS += tests/unit/test_view tests/unit/test_view_damage
tests_unit_test_view_SOURCES = tests/unit/test_view.c \
	tests/unit/test_view_model.c tests/unit/test_view_model.h
tests_unit_test_view_damage_SOURCES = tests/unit/test_view_damage.c \
	tests/unit/test_view_model.c tests/unit/test_view_model.h
