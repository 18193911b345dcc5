INTEGRATION_TESTS += \
	tests/integration/test_capture.py \
	tests/integration/test_kill.py \
	tests/integration/test_golden.py

EXTRA_DIST += $(INTEGRATION_TESTS) \
	tests/integration/common.py tests/integration/tap.py tests/integration/writer.py
