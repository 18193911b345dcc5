# SPDX-License-Identifier: Apache-2.0
"""replicate: -once, the daemon, starts and stops, idleness, strange files."""
import contextlib
import mmap
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import time

import pytest

import tap
from common import *


def test_once(place, shm):
    db, replica = place
    once(db, replica)
    assert [(f["level"], f["min_txid"][-1], f["max_txid"][-1]) for f in ltx(replica)] == [(0, "1", "1"), (9, "1", "1")]
    c = connect(db)
    commit(c, 3)
    once(db, replica)
    assert txids(replica)[-1].endswith("2")
    once(db, replica)
    assert txids(replica)[-1].endswith("2"), "nothing changed, so nothing is uploaded"
    restore(replica, os.path.join(shm, "r.db"))
    assert check_state(os.path.join(shm, "r.db")) == 3


def test_once_without_a_database(shm):
    p = once(os.path.join(shm, "none.db"), os.path.join(shm, "rep"), ok=False)
    assert "waiting for data" in p.err and "does not exist" in p.err
    assert not os.path.exists(os.path.join(shm, "rep")) and not os.path.exists(os.path.join(shm, "none.db"))


def test_every_isolated_commit_is_a_txid(place, shm):
    db, replica = place
    c = connect(db)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        for i in range(10):
            before = len(ltx(replica, "0"))
            commit(c)
            wait_for("the commit in the replica", lambda: len(ltx(replica, "0")) > before)
        daemon.stop()
    assert len(txids(replica)) == 11
    check_history(replica, shm)


def test_restart_without_a_change_uploads_nothing(place, shm):
    db, replica = place
    c = connect(db)
    commit(c)
    for _ in range(3):
        with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
            daemon.stop()
    assert len(txids(replica)) == 1
    commit(c)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        daemon.stop()
    files = ltx(replica, "0")
    assert len(files) == 2 and files[1]["size"] < files[0]["size"] * 2, "the second one is an increment"
    assert "resuming" in daemon.text()


def test_stop_in_the_first_moments_loses_nothing(place, shm):
    """H87: a stop right after the start still replicates everything that was committed."""
    db, replica = place
    c = connect(db)
    for ms in (0, 1, 2, 4, 8, 16, 32, 64, 128):
        commit(c)
        with Daemon(db, replica, os.path.join(shm, "log")) as daemon:
            wait_for("its signal handlers", lambda: int(re.search(r"SigCgt:\s+(\w+)", open(f"/proc/{daemon.p.pid}/status").read()).group(1), 16) & 1 << 14)
            time.sleep(ms / 1000)       # the moment of the stop is what is tested
            daemon.stop()
        restore(replica, os.path.join(shm, "r.db"))
        assert check_state(os.path.join(shm, "r.db")) == c.execute("SELECT n FROM meta").fetchone()[0], ms


def test_stop_under_load(place, shm):
    db, replica = place
    ledger = os.path.join(shm, "ledger")
    for seed in range(6):
        w = start_writer(db, seed, ledger)
        with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
            known = last_committed(ledger)
            daemon.stop()
            assert "signal=terminated" in daemon.text()
        w.kill()
        w.wait()
        restore(replica, os.path.join(shm, "r.db"))
        assert check_state(os.path.join(shm, "r.db")) >= known


def switches(pid):
    """How often its threads have gone to sleep."""
    total = 0
    for t in os.listdir(f"/proc/{pid}/task"):
        total += int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", open(f"/proc/{pid}/task/{t}/status").read()).group(1))
    return total


def wait_until_asleep(pid):
    def asleep():
        before = switches(pid)
        time.sleep(1.5)     # a stretch of idleness, longer than an interval, is what is looked for
        return switches(pid) == before
    wait_for("a quiet process", asleep)


def test_idle(place, shm, monkeypatch):
    """Nothing is written, nothing is asked, and the process sleeps: 4 wakeups a minute at most."""
    monkeypatch.delenv("MALLOC_PERTURB_", raising=False)    # it touches what would never be mapped
    db, replica = place
    keeper = connect(db)
    commit(keeper)
    conf = os.path.join(shm, "c.yml")
    with open(conf, "w", encoding="utf8") as f:     # short intervals: what they bring is over soon
        f.write(f"levels: [{{interval: 1s}}]\ndbs: [{{path: {db}, replica: {{path: {replica}}}}}]\n")
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready() as daemon:
        pid = daemon.p.pid
        wait_until_asleep(pid)
        files = {p: (os.stat(p).st_size, os.stat(p).st_mtime_ns, sha(p)) for p in (db, db + "-wal")}
        before, start = switches(pid), time.monotonic()
        time.sleep(8)
        woken, seconds = switches(pid) - before, time.monotonic() - start
        # Event thread and, at the fallback look, nobody else: two wakeups in 30 s.
        assert woken <= 2 + seconds // 15, f"{woken} wakeups in {seconds:.1f} s"
        assert files == {p: (os.stat(p).st_size, os.stat(p).st_mtime_ns, sha(p)) for p in files}
        assert len(txids(replica)) == 1
        # How much of the shared libraries is mapped is the page cache's choice, not ours.
        own = int(re.search(r"RssAnon:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))
        assert SANITIZED or own <= 2048, f"{own} kB"
        daemon.stop()


def test_a_checkpoint_that_its_process_died_of(place, shm):
    """It looks as if it were under way, for ever: that is no reason to stay awake."""
    db, replica = place
    c = connect(db)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        commit(c, 5)
        with open(db + "-shm", "r+b") as f, mmap.mmap(f.fileno(), 136) as walidx:
            frames, = struct.unpack_from("=I", walidx, 16)
            struct.pack_into("=I", walidx, 128, frames - 1)
        commit(c)
        wait_until_asleep(daemon.p.pid)
        daemon.stop()
    check_history(replica, shm)
    c.close()


def test_what_a_rollback_left_in_the_wal(place, shm):
    """A large transaction is in the file before it is committed; one that is not is no reason to stay awake."""
    db, replica = place
    c = connect(db)
    c.execute("PRAGMA cache_size=10")
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        commit(c, 5)
        c.execute("BEGIN")
        c.executemany("INSERT INTO t(k, v) VALUES(?, ?)", [(i, b"x" * 3000) for i in range(100)])
        c.execute("ROLLBACK")
        wait_until_asleep(daemon.p.pid)
        before = points(replica)
        commit(c)
        wait_for("the commit in the replica", lambda: points(replica)[-1] > before[-1], 5)
        daemon.stop()
    check_history(replica, shm)
    c.close()


def test_schema_is_untouched(place, shm):
    db, replica = place
    before = connect(db).execute("SELECT * FROM sqlite_schema").fetchall()
    once(db, replica)
    assert connect(db).execute("SELECT * FROM sqlite_schema").fetchall() == before


def test_rollback_journal_mode(shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    connect(db).executescript("CREATE TABLE t(x)")
    p = once(db, replica)
    assert "switched to WAL mode" in p.out
    assert connect(db).execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_journal_mode_keep(shm):
    db, replica, conf = (os.path.join(shm, n) for n in ("a.db", "rep", "c.yml"))
    connect(db).executescript("CREATE TABLE t(x)")
    open(conf, "w").write(f"dbs:\n- path: {db}\n  journal-mode: keep\n  monitor-interval: 50ms\n  replica:\n    path: {replica}\n")
    with Daemon(None, None, os.path.join(shm, "log"), config=conf) as daemon:
        daemon.wait_log("journal-mode: keep")
        assert connect(db).execute("PRAGMA journal_mode").fetchone()[0] == "delete"
        connect(db).execute("PRAGMA journal_mode=wal")
        daemon.wait_log("caught up")
        daemon.stop()


def test_database_that_comes_later(shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    with Daemon(db, replica, os.path.join(shm, "log")) as daemon:
        daemon.wait_log("waiting for database")
        c = new_database(db)
        commit(c)
        daemon.wait_log("caught up")
        daemon.stop()
    restore(replica, os.path.join(shm, "r.db"))
    assert check_state(os.path.join(shm, "r.db")) == 1


@pytest.mark.parametrize("page_size", [4096, 1024])
def test_database_replaced_while_running(page_size, place, shm):
    """H33, H88, H89: the new file is taken as a whole, nothing of the old one is mixed in."""
    db, replica = place
    c = connect(db)
    commit(c, 5)
    other = os.path.join(shm, "other.db")
    o = new_database(other, page_size)
    commit(o, 2)
    o.close()
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        os.rename(other, db)
        for suffix in ("-wal", "-shm"):
            if os.path.exists(db + suffix):
                os.unlink(db + suffix)
        daemon.wait_log("replaced")
        n = connect(db)
        commit(n, 2)
        wait_for("the new one in the replica", lambda: restore(replica, os.path.join(shm, "r.db"), ok=None).rc == 0 and check_state(os.path.join(shm, "r.db")) == 4)
        daemon.stop()
    live_copy(db, os.path.join(shm, "live.db"))
    restore(replica, os.path.join(shm, "r.db"))
    assert_same_database(os.path.join(shm, "live.db"), os.path.join(shm, "r.db"))
    restore(replica, os.path.join(shm, "first.db"), "-txid", "1")
    assert check_state(os.path.join(shm, "first.db")) == 5


@pytest.mark.parametrize("suffixes", [["-wal"], ["-shm"], ["-wal", "-shm"]])
def test_sidecars_removed_while_running(suffixes, place, shm):
    """Somebody tidies up while nobody has the database open. What was captured before stays a point."""
    db, replica = place
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        with contextlib.closing(connect(db)) as c:
            c.execute("PRAGMA wal_autocheckpoint=0")
            commit(c, 5)
        wait_for("the commits in the replica", lambda: restore(replica, os.path.join(shm, "r.db")) and check_state(os.path.join(shm, "r.db")) == 5)
        for suffix in suffixes:
            os.unlink(db + suffix)
        daemon.wait_log("was replaced or removed")
        with contextlib.closing(connect(db)) as c:
            lost = 5 - c.execute("SELECT n FROM meta").fetchone()[0]     # what only the -wal had is gone for SQLite, too
            assert lost >= 0 and ("-wal" in suffixes or lost == 0)
            commit(c, 4)
            wait_for("the new commits in the replica", lambda: restore(replica, os.path.join(shm, "r.db"), ok=None).rc == 0 and
                     check_state(os.path.join(shm, "r.db")) == 9 - lost)
        daemon.stop()
    live_copy(db, os.path.join(shm, "live.db"))
    restore(replica, os.path.join(shm, "r.db"))
    assert_same_database(os.path.join(shm, "live.db"), os.path.join(shm, "r.db"))
    had = []
    for t in points(replica):
        restore(replica, os.path.join(shm, "point.db"), "-txid", t)
        had.append(check_state(os.path.join(shm, "point.db")))
    assert 5 in had and had[-1] == 9 - lost


def test_symbolic_link(shm):
    """SQLite keeps -wal and -shm beside the file that a link leads to. When it leads to another one, that is taken."""
    link, replica, log, conf = (os.path.join(shm, n) for n in ("a.db", "rep", "log", "c.yml"))
    for name, states in (("one", 3), ("two", 7)):
        os.mkdir(f"{shm}/{name}")
        commit(new_database(f"{shm}/{name}/real.db"), states)
    os.symlink("one/real.db", link)

    def replicated():
        return restore(replica, f"{shm}/r.db", ok=None).rc == 0 and check_state(f"{shm}/r.db")

    with open(conf, "w", encoding="utf8") as f:
        f.write(f"dbs: [{{path: {link}, replica: {{path: {replica}}}}}]\n")
    once(link, replica)
    assert replicated() == 3
    with Daemon(None, None, log, config=conf).ready() as d:
        c = connect(link)
        commit(c, 5)
        wait_for("what was committed", lambda: replicated() == 8)
        assert json.loads(litestream("status", "-json", "-config", conf).out)[0]["wal_size"] != "0 B"
        state = {"one": 8, "two": 7}
        for i, name in enumerate(("two", "one") * 4):
            os.symlink(f"{name}/real.db", link + "2")
            os.rename(link + "2", link)
            wait_for("the other one", lambda: d.text().count("was replaced") == i + 1, 15)
            commit(connect(link))
            state[name] += 1
            wait_for("its state", lambda: replicated() == state[name], 15)
        d.stop()


def test_second_daemon_is_refused(place, shm):
    db, replica = place
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        p = once(db, replica, ok=False)
        assert "another litestream" in p.err and f"pid {daemon.p.pid}" in p.err
        daemon.stop()


def test_replica_that_vanished_is_not_made_again(place, shm):
    """H86, decisions 16: a mount point without its file system is not a place for a backup."""
    db, replica = place
    once(db, replica)
    shutil.rmtree(replica)
    commit(connect(db))
    p = run(LITESTREAM, "replicate", "-once", db, url(replica), ok=None, timeout=90)
    assert p.rc == 1 and "not created again" in p.err and not os.path.exists(replica)


def test_replica_gone_and_back_while_running(place, shm):
    db, replica = place
    c = connect(db)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        os.rename(replica, replica + ".away")
        commit(c, 3)
        daemon.wait_log("replica sync error")
        os.rename(replica + ".away", replica)
        daemon.wait_log("replica sync recovered")
        daemon.stop()
    restore(replica, os.path.join(shm, "r.db"))
    assert check_state(os.path.join(shm, "r.db")) == 3
    check_level0(replica)


@pytest.mark.parametrize("what", ["all", "position", "ltx", "replicas"])
def test_local_state_removed(what, place, shm):
    """H90: the state directory is a cache; without it history goes on in one line."""
    db, replica = place
    c = connect(db)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        commit(c, 3)
        daemon.stop()
    state = os.path.join(shm, ".a.db-litestream")
    if what == "all":
        shutil.rmtree(state)
    elif what == "position":
        os.unlink(os.path.join(state, "position"))
    else:
        shutil.rmtree(os.path.join(state, what))
    commit(c, 2)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        commit(c, 1)
        daemon.stop()
    restore(replica, os.path.join(shm, "r.db"))
    assert check_state(os.path.join(shm, "r.db")) == 6
    check_history(replica, shm)


@pytest.mark.parametrize("junk,text", [
    (b"this is no database, but long enough to hold a header " * 4, "not a SQLite database"),
    (bytes(range(256)) * 20, "not a SQLite database"),
], ids=["text", "bytes"])
def test_not_a_database(junk, text, shm):
    db = os.path.join(shm, "a.db")
    open(db, "wb").write(junk)
    p = once(db, os.path.join(shm, "rep"), ok=False)
    assert text in p.err + p.out
    assert open(db, "rb").read() == junk


def test_a_reader_of_long_standing(place, shm):
    """The WAL cannot be reset below a reader; nothing is lost, and no files are made for nothing (H22)."""
    db, replica = place
    reader = connect(db)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM meta").fetchone()
    c = connect(db)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        for _ in range(30):
            c.execute("BEGIN")
            c.executemany("INSERT INTO t(k, v) VALUES(?, ?)", [(1, b"x" * 3000)] * 60)
            c.execute(SEAL)
            c.execute("COMMIT")
        reader.execute("ROLLBACK")
        daemon.stop()
    check_level0(replica)
    restore(replica, os.path.join(shm, "r.db"))
    assert check_state(os.path.join(shm, "r.db")) == 30


if __name__ == "__main__":
    sys.exit(tap.main(__file__))


def wal_salts(db):
    with open(db + "-wal", "rb") as f:
        return f.read(24)[16:24]


@pytest.mark.parametrize("auto", [0, 1000])
def test_wal_stays_short_and_checkpoints_are_given_back(auto, place, shm):
    """A busy application's WAL is begun anew while it writes without a pause; a calm one may do it itself."""
    db, replica = place
    seen = set()
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        with subprocess.Popen([sys.executable, "-c", """
import select, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
c.execute(f"PRAGMA wal_autocheckpoint={sys.argv[2]}")
c.execute("PRAGMA synchronous=NORMAL")
while not select.select([sys.stdin], [], [], 0)[0]:
    for i in range(100):
        c.execute("INSERT INTO t(k, v) VALUES(1, hex(randomblob(400)))")
""", db, str(auto)], stdin=subprocess.PIPE) as w:
            def third():
                assert os.path.getsize(db + "-wal") < 4 << 30
                seen.add(wal_salts(db))
                return len(seen) > 2
            wait_for("the third WAL", third, 120)
            w.stdin.close()
        assert w.returncode == 0
        c = connect(db)
        wait_for("a checkpoint by the application", lambda: c.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0] == 0)
        daemon.stop()
    restore(replica, os.path.join(shm, "r.db"))
    c.close()
    assert_same_database(db, os.path.join(shm, "r.db"))


def test_another_writer_in_the_replica_stops_capture(place, shm):
    """decisions.md 9: two writers would ruin each other's history, so ours ends and says why."""
    db, replica = place
    c = connect(db)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as daemon:
        os.makedirs(os.path.join(replica, "ltx/0"), exist_ok=True)
        with open(os.path.join(replica, "ltx/0/0000000000000002-0000000000000002.ltx"), "wb") as f:
            f.write(b"written by somebody else")
        commit(c)
        assert daemon.p.wait(30) == 1, "the only database is not replicated any more"
    log = open(os.path.join(shm, "log")).read()
    assert "capture is stopped" in log and "another program" in log
    assert open(os.path.join(replica, "ltx/0/0000000000000002-0000000000000002.ltx"), "rb").read() == b"written by somebody else"
