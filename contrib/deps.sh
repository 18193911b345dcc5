#!/bin/sh
# Installs what building and testing litestream-c needs on Debian 12. Does nothing when all is there.
#
#   contrib/deps.sh [--build | --long]
#     --build: without the tools that only the tests need; --long: with those of make check-long
set -eu

build='gcc make autoconf automake pkg-config libsqlite3-dev liblz4-dev libyaml-dev libjansson-dev
	libmicrohttpd-dev libcurl4-openssl-dev libssl-dev libexpat1-dev
	libfuse3-dev fuse3 scdoc sqlite3 xz-utils'
tests='valgrind python3 python3-pytest python3-venv python3-pip clang-format-14 clang-14 libclang-rt-14-dev
	llvm-14 shellcheck lz4 procps radosgw ceph-mon ceph-osd uuid-runtime curl openssl apache2'

long='swift-proxy swift-account swift-container swift-object memcached'

wanted=$build
[ "${1:-}" = --build ] || wanted="$build $tests"
[ "${1:-}" != --long ] || wanted="$wanted $long"

missing=
for p in $wanted; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "deps.sh: install these as root:$missing" >&2
		exit 1
	}
	as_root=sudo
fi
echo "deps.sh: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086 # lists of words
if ! { $as_root apt-get update -q && $as_root apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "deps.sh: apt-get failed, its output is in $log" >&2
	exit 1
fi
rm -f "$log"
