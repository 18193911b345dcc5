# tests/bench/run builds and uses it; make check does not.
EXTRA_PROGRAMS += tests/bench/bench
CLEANFILES += tests/bench/bench
tests_bench_bench_SOURCES = tests/bench/bench.c
EXTRA_DIST += tests/bench/downtime tests/bench/fleet tests/bench/history tests/bench/place.py tests/bench/run tests/bench/RESULTS.md
