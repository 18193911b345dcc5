# SPDX-License-Identifier: Apache-2.0
"""Replicas of Litestream 0.3: listed and restored as that program does, beside LTX files, and never shortened."""
import glob
import json
import os
import subprocess
import sys
import time

import pytest

import tap
from common import *

OLD = "0.3.13"


def old_restore(program, replica, out, *args):
    remove_database(out)
    return run(program, "restore", "-o", out, *args, url(replica), ok=None)


def table(text):
    lines = text.splitlines()
    return [dict(zip(lines[0].split(), line.split())) for line in lines[1:]]


def write_old(shm, commits=60, db="a.db"):
    """A replica written by the old program, with several indexes and snapshots."""
    program = peer(OLD)
    db, replica, conf = os.path.join(shm, db), os.path.join(shm, "rep"), os.path.join(shm, "old.yml")
    c = new_database(db)
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"dbs: [{{path: {db}, monitor-interval: 20ms, min-checkpoint-page-count: 20, checkpoint-interval: 1s, "
                f"replicas: [{{path: {replica}, sync-interval: 30ms, snapshot-interval: 1500ms}}]}}]\n")
    log = open(os.path.join(shm, "old.log"), "a", encoding="utf8")
    p = subprocess.Popen([program, "replicate", "-config", conf], stdout=log, stderr=log)
    segments = lambda: sum("wal.lz4" in n for _, _, names in os.walk(replica) for n in names)
    try:
        wait_for("the first segment", segments)
        for i in range(commits):
            commit(c, 1, size=300 + i * 20)
            time.sleep(0.05)                    # its interval
        before = segments()
        commit(c)
        wait_for("the last segment", lambda: segments() > before)
        time.sleep(0.3)
    finally:
        p.terminate()
        p.wait()
        log.close()
    return program, c, db, replica


def test_as_the_old_program_restores(shm):
    program, c, db, replica = write_old(shm)
    out, theirs = os.path.join(shm, "out.db"), os.path.join(shm, "theirs.db")
    for command in ("snapshots", "wal"):
        assert sorted(litestream(command, url(replica)).out.split("\n")) == sorted(run(program, command, url(replica)).out.split("\n"))
    ours, old = (table(t) for t in (litestream("generations", url(replica)).out, run(program, "generations", url(replica)).out))
    assert [(g["generation"], g["start"], g["end"]) for g in ours] == [(g["generation"], g["start"], g["end"]) for g in old]
    g = ours[0]["generation"]
    indexes = sorted({int(s["index"]) for s in table(litestream("wal", "-generation", g, url(replica)).out)})
    assert len(indexes) > 2
    assert old_restore(program, replica, theirs).rc == 0
    restore(replica, out)
    assert_same_database(theirs, out)
    n = check_state(out)
    assert n == c.execute("SELECT n FROM meta").fetchone()[0]
    last = 0
    for i in indexes:
        assert old_restore(program, replica, theirs, "-generation", g, "-index", f"{i:08x}").rc == 0
        restore(replica, out, "-generation", g, "-index", f"{i:x}")
        assert_same_database(theirs, out)
        assert check_state(out) >= last
        last = check_state(out)
    wal = f"{replica}/generations/{g}/wal"
    written = [os.stat(path).st_mtime_ns for path in glob.glob(f"{replica}/generations/{g}/*/*.lz4")]
    for name in sorted(os.listdir(wal))[::7]:
        t = os.stat(f"{wal}/{name}").st_mtime_ns // 10 ** 6 + 1
        while any(ns // 10 ** 6 == t and ns % 10 ** 6 for ns in written):
            t += 1      # to ours a moment is a millisecond, with all that was written in it; the old program cuts it
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t // 1000)) + f".{t % 1000:03d}Z"
        if old_restore(program, replica, theirs, "-timestamp", stamp).rc == 0:
            restore(replica, out, "-timestamp", stamp, "-integrity-check", "full")
            assert_same_database(theirs, out)
    p = litestream("restore", "-json", "-force", "-o", out, url(replica))
    assert '"txid": ""' in p.out
    p = litestream("restore", "-o", out + "2", "-timestamp", "2001-01-01T00:00:00Z", url(replica), ok=False)
    assert "no snapshots available" in p.err
    plan = json.loads(litestream("restore", "-dry-run", "-json", "-o", out + "2", url(replica)).out)
    assert plan["generation"] == g and "snapshot" in plan["files"][0]["name"]
    assert f"{len(plan['files'])} files, " in litestream("restore", "-dry-run", "-o", out + "2", url(replica)).out
    some = json.loads(litestream("restore", "-dry-run", "-json", "-generation", g, "-index", f"{indexes[1]:x}", "-o", out + "2", url(replica)).out)
    assert f"/{indexes[1]:08x}_" in some["files"][-1]["name"] and not os.path.exists(out + "2")


def test_taken_over(shm):
    """Ours goes on in the same folder: the newer format holds the latest state, the older one its own times."""
    program, c, db, replica = write_old(shm, 30)
    out = os.path.join(shm, "out.db")
    before = c.execute("SELECT n FROM meta").fetchone()[0]
    g = os.listdir(f"{replica}/generations")[0]
    t = max(os.stat(os.path.join(d, n)).st_mtime_ns for d, _, names in os.walk(f"{replica}/generations") for n in names) // 10 ** 6
    for _ in range(3):
        commit(c)
        once(db, replica)
    restore(replica, out)
    assert check_state(out) == before + 3
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t // 1000)) + f".{t % 1000:03d}Z"
    restore(replica, out, "-timestamp", stamp)
    assert check_state(out) == before
    restore(replica, out, "-generation", g)
    assert check_state(out) == before
    first = ltx(replica, "0")[0]["min_txid"]
    restore(replica, out, "-txid", first)
    assert check_state(out) == before + 1
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.rename(f"{replica}/ltx", os.path.join(shm, "ltx"))
    restore(replica, out)
    assert check_state(out) == before


def test_what_is_missing_or_damaged_is_refused(shm):
    program, c, db, replica = write_old(shm, 40)
    out = os.path.join(shm, "out.db")
    g = os.listdir(f"{replica}/generations")[0]
    wal = f"{replica}/generations/{g}/wal"
    for name in (n for d in (f"{replica}/generations/{g}/snapshots",) for n in sorted(os.listdir(d))[1:]):
        os.unlink(f"{replica}/generations/{g}/snapshots/{name}")    # all depends on the first one
    names = sorted(os.listdir(wal))
    inner = [n for n in names[1:-1] if any(m[:8] == n[:8] and m > n for m in names)]
    for name in inner[::5]:
        path = f"{wal}/{name}"
        good, st = open(path, "rb").read(), os.stat(path)
        for bad, says in ((None, "missing WAL"), (good[:-3], "damaged"), (good[:len(good) // 2] + b"\x55" + good[len(good) // 2 + 1:], "damaged"),
                          (b"age-encryption.org/v1\n" + good, "encrypted with age"), (b"", "damaged"), (good + b"x", "damaged")):
            os.unlink(path)
            if bad is not None:
                open(path, "wb").write(bad)
                os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
            p = litestream("restore", "-o", out, url(replica), ok=False)
            assert says in p.err and (bad is None or name in p.err), p.err
            assert not [n for n in os.listdir(shm) if n.startswith("out.db")]
            open(path, "wb").write(good)
            os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
    restore(replica, out)
    assert check_state(out) == c.execute("SELECT n FROM meta").fetchone()[0]


def test_mounted(shm):
    """Each snapshot and the end of each segment is a database, the same that a restore gives."""
    program, c, db, replica = write_old(shm, commits=25)
    mnt, out = os.path.join(shm, "mnt"), os.path.join(shm, "out.db")
    g = table(litestream("generations", url(replica)).out)[0]["generation"]
    segments = table(litestream("wal", "-generation", g, url(replica)).out)
    with mounted(replica, mnt) as m:
        assert os.listdir(m + "/generations") == [g]
        d = f"{m}/generations/{g}"
        listed = sorted(os.listdir(d))
        snapshots = [n for n in listed if n.endswith("-00000000.db")]
        assert len(snapshots) == len(table(litestream("snapshots", url(replica)).out))
        first = int(snapshots[0][:8], 16)
        assert len(listed) - len(snapshots) == len([s for s in segments if int(s["index"]) >= first])
        last = -1
        for name in listed:
            path = f"{d}/{name}"
            n = check_state(path)
            assert n >= last, name
            last = n
            assert os.stat(path).st_size == len(open(path, "rb").read())
            # The ends of indexes are what a restore to the index gives.
            index = name[:8]
            if name == [x for x in listed if x.startswith(index)][-1]:
                restore(replica, out, "-generation", g, "-index", index)
                assert_same_database(out, path)
        assert last == c.execute("SELECT n FROM meta").fetchone()[0]
        assert os.path.realpath(m + "/latest.db") == os.path.realpath(f"{d}/{listed[-1]}")
        assert check_state(m + "/latest.db") == last
        assert not os.path.exists(d + "/00000000-00000007.db") and not os.path.exists(m + "/generations/0123456789abcdef")
        with open(f"{d}/{listed[-1]}", "rb") as a, open(f"{d}/{listed[-1]}", "rb") as b:
            assert a.read() == b.read()
        assert sorted(os.listdir(m + "/raw/generations/" + g)) == ["snapshots", "wal"]
        # A segment that is missing ends what is behind it in its index.
        names = sorted(os.listdir(f"{replica}/generations/{g}/wal"))
        many = [n for n in names if sum(x[:8] == n[:8] for x in names) > 2]
        os.unlink(f"{replica}/generations/{g}/wal/{many[1]}")
        time.sleep(1.1)                         # the listing of the mount is as old at most
        broken = f"{d}/{sorted(x for x in os.listdir(d) if x[:8] == many[1][:8])[-1]}"
        with pytest.raises((sqlite3.DatabaseError, OSError)):
            check_state(broken)


@pytest.mark.parametrize("args,says", [
    (("-generation", "xyz"), "must be 16 hex digits"),
    (("-index", "zz"), "invalid hexadecimal format"),
    (("-index", "1", "-timestamp", "2026-01-01"), "cannot specify index & timestamp"),
    (("-index", "1", "-txid", "1"), "-txid selects in LTX files"),
    (("-generation", "0123456789abcdef"), "no generation '0123456789abcdef'"),
])
def test_bad_selectors(args, says, place, shm):
    db, replica = place
    once(db, replica)
    assert says in litestream("restore", "-o", os.path.join(shm, "x.db"), *args, url(replica), ok=False).err


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
