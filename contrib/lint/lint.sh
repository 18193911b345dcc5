#!/bin/sh
# make lint: the rules that a script can check. Run from the top of the source tree;
# $1 is the build directory (for the symbol rule), $2 the C compiler.
# shellcheck disable=SC2317 # the rules are called by name
set -u
build=$1
cc=$2
bad=0

rule() {
	printf 'lint: %s\n' "$1"
	shift
	"$@" || { bad=1; printf 'lint: FAILED\n'; }
}

sources=$(git ls-files '*.[ch]' 2>/dev/null || find engine fs tools tests -name '*.[ch]')
product=$(printf '%s\n' "$sources" | grep -E '^(engine|fs|tools)/')

format() {
	f=$(command -v clang-format-14 || command -v clang-format) || { echo 'clang-format is missing'; return 1; }
	# shellcheck disable=SC2086
	"$f" --dry-run -Werror $sources
}
layers() {
	# shellcheck disable=SC2086
	awk -f contrib/lint/layers.awk $product
}
sizes() {
	# shellcheck disable=SC2086
	awk -f contrib/lint/sizes.awk $product
}
banned() {
	# shellcheck disable=SC2086
	! grep -nE '\b(strcpy|strcat|sprintf|atoi|strtok|localtime|strerror|gets|alloca|usleep)\(' $product
}
line_comments() {
	# shellcheck disable=SC2086
	! grep -nE '^[^"]*[[:space:]]//|^//' $sources
}
spdx() {
	# shellcheck disable=SC2086
	missing=$(grep -L 'SPDX-License-Identifier: Apache-2.0' $sources)
	[ -z "$missing" ] || { echo "$missing"; return 1; }
}
# File system calls belong to engine/base/io.c. Exceptions: close() of scope-owned descriptors, the
# daemon set-up and the kernel's read-ahead switch in fs/mount.c, counters of eventfds.
syscalls() {
	# shellcheck disable=SC2046
	! grep -nE '^[^*]*(^|[^a-z_>.*])(open|openat|creat|pread|pwrite|unlink|rename|fsync|fdatasync|mkdir|opendir|stat|fstat|lstat|ftruncate)\(' \
		$(printf '%s\n' "$product" | grep -vE '^engine/base/io\.|^fs/mount\.c$')
}
# The first word of an exported symbol is the name of its file; base types carry ls_.
symbols() {
	wrong=$(for lib in "$build"/engine/libengine.a "$build"/tools/libtools.a "$build"/fs/libfs.a; do
		[ ! -f "$lib" ] || nm -A --defined-only -g "$lib" 2>/dev/null
	done | awk '{
		n = split($1, part, ":"); file = part[n - 1]; if (file == "") file = part[n - 2]
		sub(/^.*-/, "", file); sub(/\.o$/, "", file)
		sym = $NF
		stem = file; sub(/_.*/, "", stem)
		if ($(NF - 1) !~ /[TDBRC]/) next
		if (index(sym, file "_") == 1 || sym == file) next
		if (sym ~ /^ls_(err|buf)/ && file ~ /^(err|buf)$/) next
		if (index(sym, stem "_") == 1 || sym == stem) next
		if (file == "clock" && sym ~ /^backoff_/) next
		if (file ~ /^cmd_/ && sym ~ /^cmd_/) next
		print file ": " sym
	}')
	[ -z "$wrong" ] || { echo "$wrong"; return 1; }
}
headers() {
	rc=0
	for h in $(printf '%s\n' "$product" | grep '\.h$'); do
		# shellcheck disable=SC2046
		echo "#include \"$h\"" | "$cc" -std=gnu17 -I. -I"$build" $(pkg-config --cflags fuse3 2>/dev/null) \
			-fsyntax-only -x c - || { echo "$h does not stand alone"; rc=1; }
	done
	return "$rc"
}
machine_paths() {
	! git grep -nE '(^|[^A-Za-z0-9_.])/(work|farm)/' -- . ':!contrib/lint/lint.sh' 2>/dev/null
}
scripts() {
	command -v shellcheck >/dev/null || { echo 'shellcheck is missing'; return 1; }
	# shellcheck disable=SC2046
	shellcheck $(git ls-files '*.sh' .ci/run 2>/dev/null || echo contrib/*.sh)
}

rule 'clang-format' format
rule 'layers' layers
rule 'sizes' sizes
rule 'banned functions' banned
rule 'comments' line_comments
rule 'licence lines' spdx
rule 'system calls' syscalls
rule 'symbols' symbols
rule 'headers stand alone' headers
rule 'machine paths' machine_paths
rule 'shell scripts' scripts
exit $bad
