# tests/bench/run builds and uses it; make check does not.
EXTRA_PROGRAMS += tests/bench/bench tests/bench/link
CLEANFILES += tests/bench/bench tests/bench/link
tests_bench_bench_SOURCES = tests/bench/bench.c
tests_bench_link_SOURCES = tests/bench/link.c
EXTRA_DIST += tests/bench/downtime tests/bench/fleet tests/bench/history tests/bench/place.py tests/bench/run tests/bench/s3 tests/bench/RESULTS.md
