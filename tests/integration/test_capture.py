# SPDX-License-Identifier: Apache-2.0
"""Live databases under many kinds of writers: every TXID is one committed state, the last one is the live database."""
import fcntl
import os
import struct
import subprocess
import sys

import pytest

import tap
from common import *


def finish(db, replica, shm, ledger, daemon, every=3):
    daemon.stop()
    out, live = os.path.join(shm, "r.db"), os.path.join(shm, "live.db")
    restore(replica, out)
    live_copy(db, live)
    assert_same_database(live, out)
    assert check_state(out) == last_committed(ledger)
    check_level0(replica)
    return check_history(replica, shm, every)


def run_writers(db, replica, shm, seeds, count, *kinds):
    ledger = os.path.join(shm, "ledger")
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    writers = [start_writer(db, s, ledger, count, *kinds) for s in seeds]
    for w in writers:
        assert w.wait(120) == 0
    return finish(db, replica, shm, ledger, daemon)


@pytest.mark.parametrize("page_size", [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])
def test_page_sizes(page_size, shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    new_database(db, page_size).close()
    assert run_writers(db, replica, shm, [page_size], 120) > 0


def test_three_writers(shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    new_database(db).close()
    run_writers(db, replica, shm, [1, 2, 3], 120)


# In bursts, so that a daemon under a sanitizer is not left behind for ever.
FLOOD = """
import sqlite3, sys, time
c = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
for i in range(10 ** 9):
    c.execute("INSERT INTO flood VALUES(?, ?, ?)", (int(sys.argv[2]), i, "x" * (i % 200)))
    if i % 3000 == 2999:
        time.sleep(1)
"""


def flooded(path):
    """How many commits of each writer there are: the first ones, without a hole."""
    c = connect_ro(path)
    assert c.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = c.execute("SELECT w, count(*), max(i) + 1 FROM flood GROUP BY w").fetchall()
    c.close()
    assert all(n == last for _, n, last in rows)
    return {w: n for w, n, _ in rows}


def test_writers_take_turns(shm):
    """Three at full speed: a checkpoint now and then is theirs, and the pin stands behind frames that are not captured
    yet. Nothing is lost when the daemon is killed then, and no state is torn."""
    db, replica, log = (os.path.join(shm, n) for n in ("a.db", "rep", "log"))
    c = connect(db)
    c.execute("PRAGMA journal_mode=WAL")
    c.execute("CREATE TABLE flood(w INTEGER, i INTEGER, v TEXT)")
    daemon = Daemon(db, replica, log, "-log-level", "debug").ready()
    writers = [subprocess.Popen([sys.executable, "-c", FLOOD, db, str(w)]) for w in range(3)]
    for last in (False, False, True):
        daemon.wait_log(" turns=[1-9]", 120)
        if not last:
            daemon.kill()
            daemon = Daemon(db, replica, log, "-log-level", "debug").ready()
    for w in writers:
        w.kill()
        w.wait()
    daemon.stop()
    out, before = os.path.join(shm, "r.db"), {}
    for txid in reachable(replica)[::20]:
        restore(replica, out, "-txid", txid)
        now = flooded(out)
        assert all(now.get(w, 0) >= n for w, n in before.items())
        before = now
        remove_database(out)
    restore(replica, out)
    assert flooded(out) == flooded(db) and len(flooded(db)) == 3
    c.close()


def test_application_checkpoints_all_modes(shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    new_database(db).close()
    run_writers(db, replica, shm, [4, 5], 150, "insert", "update", "checkpoint", "checkpoint")


def test_the_checkpoint_of_an_application_is_not_kept_waiting(shm):
    """FULL, RESTART and TRUNCATE wait for readers with the write lock in their hands: for the pin it must not be long.

    One that begins in the microseconds in which the pin moves may find its slot taken, and SQLite waits for that slot,
    though the frames are no reason any more: such a one, a few in a thousand, still waits out its busy timeout.
    """
    db, replica, ledger = (os.path.join(shm, n) for n in ("a.db", "rep", "ledger"))
    new_database(db).close()
    c, unlucky = sqlite3.connect(db, isolation_level=None, timeout=1), 0
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    for i in range(30):
        for mode in ("FULL", "RESTART", "TRUNCATE"):
            commit(c)
            if i % 2:
                wait_for("the commit in the replica", lambda: points(replica)[-1:] > last[-1:])
            if i % 10 == 9:
                time.sleep(0.3)     # the daemon is to look no more of its own accord
            last = points(replica)
            unlucky += c.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
    assert unlucky < 5, f"{unlucky} of 90"
    with open(ledger, "w", encoding="utf8") as f:
        f.write("90\n")
    c.close()
    finish(db, replica, shm, ledger, daemon)


def test_nor_is_it_by_a_long_sync_interval(shm):
    db, replica, conf = (os.path.join(shm, n) for n in ("a.db", "rep", "c.yml"))
    new_database(db).close()
    c, unlucky = sqlite3.connect(db, isolation_level=None, timeout=1), 0
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"dbs: [{{path: {db}, replica: {{path: {replica}, sync-interval: 1h}}}}]\n")
    daemon = Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready()
    for i in range(12):
        for mode in ("FULL", "RESTART", "TRUNCATE"):
            commit(c, 1 + i % 3)
            if i % 4 == 3:
                time.sleep(0.1)     # the daemon is to look no more of its own accord
            unlucky += c.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
    assert unlucky < 4, f"{unlucky} of 36"
    c.close()
    daemon.stop()
    check_history(replica, shm)


def test_vacuum(shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    new_database(db).close()
    run_writers(db, replica, shm, [6], 100, "insert", "big", "delete", "delete", "vacuum")


def test_auto_vacuum(shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    new_database(db, auto_vacuum=1).close()
    run_writers(db, replica, shm, [7], 150, "insert", "big", "delete", "delete")


def test_rollback_and_spill(shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    new_database(db).close()
    run_writers(db, replica, shm, [8, 9], 100, "insert", "rollback", "big")


@pytest.mark.parametrize("seed", range(4))
def test_savepoints_with_bare_frames(seed, shm):
    """H85: SQLite before 3.51 commits frames without checksum after ROLLBACK TO with a small cache."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    new_database(db).close()
    script = os.path.join(shm, "spill.py")
    with open(script, "w") as f:
        f.write(f"""
import random, sqlite3, sys
sys.path.insert(0, {HERE!r})
from writer import SEAL
r = random.Random({seed})
c = sqlite3.connect({db!r}, isolation_level=None)
c.execute("PRAGMA cache_size=5")
c.execute("PRAGMA wal_autocheckpoint=0")
for i in range(60):
    c.execute("BEGIN")
    c.executemany("INSERT INTO t(k, v) VALUES(?, ?)", [(r.randrange(99), r.randbytes(700)) for _ in range(30)])
    c.execute("SAVEPOINT s")
    c.execute("UPDATE t SET v = ?, k = k + 1", (r.randbytes(600),))
    c.executemany("INSERT INTO t(k, v) VALUES(?, ?)", [(r.randrange(99), r.randbytes(900)) for _ in range(80)])
    c.execute("ROLLBACK TO s")
    c.execute("UPDATE t SET k = k + 2 WHERE id % 3 = 0")
    c.execute("DELETE FROM t WHERE id % 5 = 0 AND (SELECT count(*) FROM t) > 300")
    c.execute(SEAL)
    n = c.execute("SELECT n FROM meta").fetchone()[0]
    c.execute("COMMIT")
    open({os.path.join(shm, 'ledger')!r}, "a").write("%d\\n" % n)
print("ready", flush=True)
sys.stdin.read()
""")
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    w = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert w.stdout.readline() == "ready\n"
    # The wal-index is all that vouches for these frames: take the truth through SQLite, before the writer goes.
    c = connect(db)
    want = c.execute("SELECT n, count, sum, bytes FROM meta").fetchone()
    daemon.stop()
    c.close()
    w.communicate()
    out = os.path.join(shm, "r.db")
    restore(replica, out)
    assert check_state(out) == 60
    assert connect_ro(out).execute("SELECT n, count, sum, bytes FROM meta").fetchone() == want
    check_history(replica, shm)


def test_a_commit_without_checksum(shm):
    """H85: of a short transaction after a long ROLLBACK TO the frame with the commit mark may be one of those, too."""
    db, replica, page_size, bare = os.path.join(shm, "a.db"), os.path.join(shm, "rep"), 1024, 0
    new_database(db, page_size).close()
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    c = connect(db)
    c.execute("PRAGMA cache_size=10")
    c.execute("PRAGMA wal_autocheckpoint=0")
    for i in range(12):
        if i % 4 == 3:
            commit(c)
        c.execute("BEGIN")
        last = c.execute("SELECT ifnull(max(id), 0) FROM t").fetchone()[0]
        c.execute("SAVEPOINT s")
        c.executemany("INSERT INTO t(k, v) VALUES(?, ?)", [(n, b"x" * 300) for n in range(200)])
        c.execute("UPDATE t SET v = ? WHERE id > ?", (b"y" * 300, last + 20))
        c.execute("ROLLBACK TO s")
        c.execute(SEAL)
        c.execute("COMMIT")
        with open(db + "-shm", "rb") as shm_file, open(db + "-wal", "rb") as wal:
            frame, = struct.unpack_from("=I", shm_file.read(136), 16)
            wal.seek(32 + (frame - 1) * (page_size + 24))
            pgno, size, *rest = struct.unpack(">6I", wal.read(24))
            bare += size > 0 and rest == [0] * 4
        if i % 2:
            wait_for("the commit in the replica", lambda: points(replica)[-1:] > had[-1:])
        had = points(replica)
    assert bare > 0 or sqlite3.sqlite_version_info >= (3, 51)
    daemon.stop()
    assert daemon.text().count("full image") == 1 and "continuity is lost" not in daemon.text()
    out = os.path.join(shm, "r.db")
    restore(replica, out)
    assert check_state(out) == 15
    check_history(replica, shm)
    c.close()


def test_large_transaction(shm):
    """One transaction larger than every limit: 100 MB of WAL in one batch, memory within 32 MB."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    c.execute("BEGIN")
    c.executemany("INSERT INTO t(k, v) VALUES(?, ?)", ((i, bytes(str(i), "ascii") * 500) for i in range(25000)))
    c.execute(SEAL)
    c.execute("COMMIT")
    wait_for("the transaction in the replica", lambda: len(ltx(replica, "0")) > 1)
    peak = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{daemon.p.pid}/status").read()).group(1))
    open(os.path.join(shm, "ledger"), "w").write("1\n")
    finish(db, replica, shm, os.path.join(shm, "ledger"), daemon)
    assert SANITIZED or peak <= 32 * 1024, f"{peak} kB"


def marks(path, pid=None):
    """The read marks 0..4 of a -shm file that are locked, by anybody or by one process."""
    ino, found = os.stat(path + "-shm").st_ino, set()
    with open("/proc/locks", encoding="utf8") as f:
        for w in map(str.split, f):
            if "->" in w or w[1] not in ("POSIX", "OFDLCK") or w[3] != "READ" or int(w[5].split(":")[-1]) != ino:
                continue
            if pid in (None, int(w[4])):
                last = 127 if w[7] == "EOF" else int(w[7])
                found.update(byte - 123 for byte in range(max(int(w[6]), 123), min(last, 127) + 1))
    return found


def test_pins_leave_the_low_marks(shm):
    """A writer tries mark 1 first, at each commit. Where readers have all of the others, a pin makes do."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    readers = []

    def commit():
        n = len(ltx(replica, "0"))
        c.executescript(f"BEGIN; INSERT INTO t(k, v) VALUES(1, 'x'); {SEAL}; COMMIT")
        wait_for("the commit in the replica", lambda: len(ltx(replica, "0")) > n)

    for _ in range(20):
        commit()
        wait_for("a high mark", lambda: marks(db, daemon.p.pid) & {3, 4})
        assert not marks(db, daemon.p.pid) & {1, 2}
    for _ in range(5):
        readers.append(connect(db))
        readers[-1].execute("BEGIN")
        readers[-1].execute("SELECT count(*) FROM t").fetchall()
        commit()
    assert marks(db) >= {1, 2, 3, 4}
    for r in readers:
        r.close()
    c.close()
    daemon.stop()
    check_history(replica, shm)


def is_marked(fd):
    """Whether another process has a lock on a read mark, by one system call: a longer /proc/locks is not one moment."""
    layout = "hhqqi4x"
    told = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 123, 5, 0))
    return struct.unpack(layout, told)[0] != fcntl.F_UNLCK


def test_a_pin_at_every_instant(shm):
    """O5, sampled while writers and checkpoints run."""
    db, replica, ledger = (os.path.join(shm, n) for n in ("a.db", "rep", "ledger"))
    new_database(db).close()
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    w = start_writer(db, 3, ledger, 400)
    samples = 0
    with open(db + "-shm", "r+b") as f:
        while w.poll() is None:
            assert is_marked(f.fileno()), f"no pin at sample {samples}"
            samples += 1
    assert samples > 50
    finish(db, replica, shm, ledger, daemon, every=20)


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
