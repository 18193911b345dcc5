INTEGRATION_TESTS += \
	tests/integration/test_capture.py \
	tests/integration/test_cli.py \
	tests/integration/test_differential.py \
	tests/integration/test_dir.py \
	tests/integration/test_downtime.py \
	tests/integration/test_flip.py \
	tests/integration/test_golden.py \
	tests/integration/test_hazards.py \
	tests/integration/test_interop.py \
	tests/integration/test_kill.py \
	tests/integration/test_levels.py \
	tests/integration/test_mount.py \
	tests/integration/test_replicas.py tests/integration/test_replicate.py \
	tests/integration/test_exec.py tests/integration/test_follow.py \
	tests/integration/test_outage.py tests/integration/test_rest.py \
	tests/integration/test_s3.py tests/integration/test_s3_access.py tests/integration/test_s3_faults.py \
	tests/integration/test_s3_lease.py \
	tests/integration/test_soak.py \
	tests/integration/test_socket.py \
	tests/integration/test_status.py tests/integration/test_v03.py tests/integration/test_verify.py

# With servers that only the long form needs (contrib/deps.sh --long).
LONG_TESTS = tests/integration/test_s3_swift.py

EXTRA_DIST += $(INTEGRATION_TESTS) $(LONG_TESTS) \
	tests/integration/common.py tests/integration/proxy.py tests/integration/s3.py \
	tests/integration/tap.py tests/integration/writer.py tests/servers/rgw tests/servers/h2 tests/servers/swift

check_PROGRAMS += tests/lib/paused_writer
tests_lib_paused_writer_SOURCES = tests/lib/paused_writer.c
