#!/bin/sh
# Installs what is needed, builds litestream-c and runs every test. .ci/run is this script.
#
#   contrib/check.sh [--quick]    --quick: without sanitizers, valgrind and distcheck
#
# Ends with "N passed, N failed, N skipped". With CI=true a skipped test fails the run, but for those
# that want ../shared where that folder is absent.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
jobs=$(nproc)
quick=no
[ "${1:-}" != --quick ] || quick=yes
failed=0

step() { printf '\n== %s\n' "$*"; }

# What failed in the run whose output is FILE, each with what it said.
failures() {
	grep -aE '^(FAIL|ERROR|XPASS):' "$1" || return 0
	grep -aoE '^(FAIL|ERROR): [^ ]+' "$1" | sort -u | while read -r _ name; do
		echo "-- $name"
		for log in "$name.log" "${name%.py}.log"; do
			[ ! -f "$log" ] || grep -aE '^(not ok|#|==|ERROR)' "$log" | grep -aA 40 -E 'not ok|^==|ERROR' | tail -n 60 | cut -c 1-300
		done
	done
}

# make, without a line for each file that is compiled.
build() { make -s V=0 -j"$jobs" all >build.log || { tail -n 50 build.log; return 1; }; }

"$top/contrib/deps.sh"
step 'the released program, as a judge'
"$top/contrib/peer.sh"

cd "$top"
[ -x configure ] || autoreconf -fi >/dev/null
mkdir -p build build-asan build-tsan

step 'build'
cd "$top/build"
[ -f Makefile ] || ../configure -q --enable-werror PYTHON=/usr/bin/python3
build

step 'lint'
make -s lint || failed=$((failed + 1))

step 'tests'
make -s -k check V=0 >check.log 2>&1 || failed=$((failed + 1))
failures check.log

if [ "$quick" = no ]; then
	step 'tests under ASan and UBSan'
	cd "$top/build-asan"
	[ -f Makefile ] ||
		../configure -q --enable-werror --enable-sanitizers CFLAGS='-g -O1' PYTHON=/usr/bin/python3
	build
	make -s -k check-asan V=0 >check.log 2>&1 || failed=$((failed + 1))
	failures check.log

	step 'threads under TSan'
	cd "$top/build-tsan"
	[ -f Makefile ] ||
		../configure -q --enable-werror --enable-sanitizers=thread CFLAGS='-g -O1' PYTHON=/usr/bin/python3
	build
	make -s -k check-tsan V=0 >check.log 2>&1 || failed=$((failed + 1))
	failures check.log

	step 'valgrind'
	cd "$top/build"
	make -s -k check-valgrind V=0 >valgrind.log 2>&1 || failed=$((failed + 1))
	failures valgrind.log

	step 'distcheck'
	cd "$top/build"
	make -s distcheck-quick >distcheck.log 2>&1 || {
		failed=$((failed + 1))
		tail -n 30 distcheck.log
	}
fi

step 'result'
cd "$top"
cat build/check.log build-asan/check.log build-tsan/check.log build/valgrind.log >build/all.log 2>/dev/null || :
count() { grep -ac "^$1" build/all.log || :; }
named() { grep -ac "^PASS: tests/integration/$1" build/check.log || :; }
echo "interoperation checks: $(named test_interop)"
echo "golden checks: $(named test_golden)"
echo "mount checks: $(named test_mount)"
passed=$(count 'PASS:')
bad=$(($(count 'FAIL:') + $(count 'ERROR:')))
skipped=$(count 'SKIP:')
grep -a '^SKIP:' build/all.log || :
if [ "${CI:-}" = true ]; then
	unwanted=$(grep -a '^SKIP:' build/all.log | grep -avc 'shared' || :)
	[ "$unwanted" = 0 ] || {
		echo "$unwanted tests were skipped, which CI does not accept"
		failed=$((failed + 1))
	}
fi
[ "$bad" -gt 0 ] || bad=$failed
echo "$passed passed, $bad failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$bad" -eq 0 ]
