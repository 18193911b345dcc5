UNIT_TESTS += tests/unit/test_opt tests/unit/test_print
tests_unit_test_opt_SOURCES = tests/unit/test_opt.c
tests_unit_test_opt_LDADD = $(TOOLS_LIBS)
tests_unit_test_print_SOURCES = tests/unit/test_print.c
tests_unit_test_print_LDADD = $(TOOLS_LIBS)
UNIT_TESTS += tests/unit/test_child
tests_unit_test_child_SOURCES = tests/unit/test_child.c
tests_unit_test_child_LDADD = $(TOOLS_LIBS)
