# Models: explicit states and random histories instead of files and processes.
MODEL_WAL = tests/model/engmodel.c tests/model/engmodel.h \
	tests/model/walmodel.c tests/model/walmodel.h tests/model/walmodel_ckpt.c \
	tests/model/walmodel_impl.h tests/model/walmodel_tx.c

MODEL_TESTS += tests/model/test_continuity_random
tests_model_test_continuity_random_SOURCES = tests/model/test_continuity_random.c $(MODEL_WAL)
MODEL_TESTS += tests/model/test_continuity_all
tests_model_test_continuity_all_SOURCES = tests/model/test_continuity_all.c $(MODEL_WAL)
MODEL_TESTS += tests/model/test_pins
tests_model_test_pins_SOURCES = tests/model/test_pins.c \
	tests/model/states.c tests/model/states.h
