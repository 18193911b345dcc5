#!/bin/sh
# The main job of litestream-c, from a clean clone, on a database of yours or on a small shop.
#
#   contrib/demo.sh [--s3] [any.db]
#
# Installs packages, builds, makes a working copy of any.db (or a shop database), replicates it to a
# directory (with --s3 to a bucket: a Ceph object gateway is started on this machine) while a writer
# changes it, mounts the replica, looks at two moments in time, copies one back and compares it with
# `litestream restore`. any.db itself is only read. Needs root for the packages and for the mount.
# Leaves nothing running, mounted or lying about.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
s3=no
[ "${1:-}" != --s3 ] || {
	s3=yes
	shift
}
source_db=${1:-}
work="" daemon="" writer="" mounted="" gateway=""

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '  $ %s\n' "$*"; "$@" 2>&1 | sed 's/^/    /'; }
die() { printf 'demo.sh: %s\n' "$*" >&2; exit 1; }

cleanup() {
	status=$?
	trap - EXIT
	[ -z "$writer" ] || kill "$writer" 2>/dev/null || :
	[ -z "$mounted" ] || umount "$mounted" || umount -l "$mounted" || :
	if [ -n "$daemon" ]; then
		kill "$daemon" 2>/dev/null || :
		wait "$daemon" || :
	fi
	[ "$status" -eq 0 ] || [ ! -f "$work/litestream.log" ] || {
		echo 'demo.sh: the last lines of the daemon'"'"'s log:' >&2
		tail -n 5 "$work/litestream.log" >&2
	}
	[ -z "$gateway" ] || "$top/tests/servers/rgw" down "$gateway"
	[ -z "$work" ] || rm -rf "$work"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Waits until a command succeeds, looking ten times a second for half a minute.
await() {
	what=$1
	shift
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || die "gave up waiting for $what"
		sleep 0.1
	done
}

[ -z "$source_db" ] || [ -r "$source_db" ] || die "cannot read '$source_db'"

say '1. Packages and build'
"$top/contrib/deps.sh" --build
echo '  building into build/ ...'
mkdir -p "$top/build"
build() {
	cd "$top"
	[ -x configure ] || autoreconf -fi
	cd build
	[ -f Makefile ] || ../configure -q
	make -s -j"$(nproc)"
}
(build) >"$top/build/demo.log" 2>&1 || die "the build failed, see $top/build/demo.log"
PATH=$top/build/tools:$top/build/fs:$PATH
show litestream version

work=$(mktemp -d /tmp/litestream-demo.XXXXXX)
db=$work/app.db
url=file://$work/backup
if [ "$s3" = yes ]; then
	say '1b. A bucket: a Ceph object gateway on this machine'
	"$top/contrib/deps.sh"
	port=7480
	gateway=$work/gateway
	"$top/tests/servers/rgw" up "$gateway" "$port"
	export AWS_ACCESS_KEY_ID=TESTKEY AWS_SECRET_ACCESS_KEY=TESTSECRET AWS_EC2_METADATA_DISABLED=true
	curl -sf --noproxy '*' -X PUT --aws-sigv4 aws:amz:us-east-1:s3 -u TESTKEY:TESTSECRET \
		-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "http://127.0.0.1:$port/backup" || die 'no bucket could be made'
	url="s3://backup/app?endpoint=http://127.0.0.1:$port"
	echo "    $url"
fi

say '2. A database in WAL mode'
if [ -n "$source_db" ]; then
	echo "  a working copy of $source_db (the original is not touched)"
	sqlite3 -readonly "$source_db" "VACUUM INTO '$db'" || die "'$source_db' is no SQLite database"
else
	echo '  a small shop: 200 customers, 2,000 orders'
	sqlite3 "$db" "
		CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT);
		CREATE TABLE purchase(id INTEGER PRIMARY KEY, customer INT, cents INT, item TEXT);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200)
			INSERT INTO customer SELECT i, 'customer '||i FROM n;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000)
			INSERT INTO purchase SELECT i, 1+i%200, 100+i*7%900, 'item '||(i%50) FROM n;"
fi
sqlite3 "$db" 'PRAGMA journal_mode=wal; CREATE TABLE IF NOT EXISTS demo_event(id INTEGER PRIMARY KEY, at TEXT, what TEXT)' >/dev/null
echo "    $(basename "$db"), $(du -h "$db" | cut -f1)"

say '3. Replicate it while a writer changes it'
echo "  \$ litestream replicate $db $url &"
litestream replicate "$db" "$url" >"$work/litestream.log" 2>&1 &
daemon=$!
(
	while :; do
		sqlite3 -cmd '.timeout 5000' "$db" \
			"INSERT INTO demo_event(at, what) VALUES(datetime('now'), 'written while replicating')"
		sleep 0.1
	done
) &
writer=$!
points() { [ "$(litestream ltx "$url" 2>/dev/null | wc -l)" -gt "$1" ]; }
await 'the first ten transactions in the replica' points 11
echo '  every commit is an object in the replica some milliseconds later:'
litestream ltx "$url" | sed -n '1,6p;6q' | sed 's/^/    /'

say '4. Mount the replica: every transaction is a read-only .db file'
mkdir "$work/mnt"
echo "  \$ mount.litestream $url $work/mnt      (installed: mount -t litestream ...)"
mount.litestream "$url" "$work/mnt"
mounted=$work/mnt
# shellcheck disable=SC2012 # names under a mount are plain
(cd "$mounted" && ls -l && echo && ls -l txid | sed -n '1,5p' && echo '...') | sed 's/^/    /'

say '5. Two moments in time, queried without restoring anything'
first=$(find "$mounted/txid" -name '*.db' | sort | sed -n 1p)
count() { sqlite3 -readonly "$1" 'SELECT count(*) FROM demo_event'; }
then_n=$(count "$first")
now_n=$(count "$mounted/latest.db")
echo "    $(basename "$first"): $then_n rows in demo_event"
echo "    latest.db:           $now_n rows in demo_event"
[ "$now_n" -gt "$then_n" ] || die 'the two moments do not differ'
more() { [ "$(count "$mounted/latest.db")" -gt "$now_n" ]; }
await 'newer transactions under the mount' more
echo "    latest.db, looked at again: $(count "$mounted/latest.db") rows: it follows the writer"
show sqlite3 -readonly "$mounted/latest.db" 'PRAGMA integrity_check'

say '6. Get one back: by cp from the mount, and by litestream restore'
point=$(find "$mounted/txid" -name '*.db' | sort | sed -n 5p)
txid=$(basename "$point" .db)
show cp "$point" "$work/by-cp.db"
show litestream restore -o "$work/by-restore.db" -txid "$txid" "$url"
(cd "$work" && show sha256sum by-cp.db by-restore.db)
cmp "$work/by-cp.db" "$work/by-restore.db" || die 'the two differ'
echo '    the same bytes.'

say '7. Stop everything, and prove that the last commit is in the replica'
kill "$writer"
wait "$writer" 2>/dev/null || :
writer=
umount "$mounted"
mounted=
kill "$daemon"
wait "$daemon" || die 'the final sync failed'
daemon=
litestream restore -o "$work/final.db" "$url"
live=$(count "$db")
back=$(count "$work/final.db")
echo "    the live database has $live rows in demo_event, the restored one $back"
[ "$live" = "$back" ] || die 'a commit is missing'

say 'Done.'
cat <<END
  A database was replicated while it was written, every transaction of it was
  readable under a mount point without restoring it, one moment was copied back in two ways
  with equal bytes, and after the stop the replica held every commit. Nothing is left behind.
END
