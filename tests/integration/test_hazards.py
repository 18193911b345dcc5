# SPDX-License-Identifier: Apache-2.0
"""Rows of the hazard catalogue that have no better place: each test names its row (tests/HAZARDS.md)."""
import os
import stat
import subprocess
import sys

import pytest

import tap
from common import *


def equal(c, db, replica, shm):
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    restore(replica, os.path.join(shm, "r.db"))
    assert_same_database(db, os.path.join(shm, "r.db"))


def test_h03_own_checkpoints_send_no_full_file(place, shm):
    """However many checkpoints the daemon makes, there is one full image, the first."""
    db, replica = place
    c = connect(db)
    c.execute("PRAGMA wal_autocheckpoint=0")
    for _ in range(200):
        commit(c, size=4000)
    with Daemon(db, replica, os.path.join(shm, "log"), "-log-level", "debug").ready() as d:
        seen = lambda: len(re.findall("msg=checkpoint .*failures=0", d.text()))
        while seen() < 5:
            for _ in range(300):
                commit(c, size=3000)
        d.stop()
    assert d.text().count("caught up") == 1 and "full image" not in d.text().split("caught up")[1]
    full = os.path.getsize(db) // 4096
    sizes = [int(f["size"]) for f in ltx(replica, "0")][1:]
    assert sizes and len(ltx(replica, "9")) == 1
    assert max(sizes) < full * 4096 / 2, "no later file is as large as the database"
    equal(c, db, replica, shm)


def test_h29_an_application_without_busy_timeout(place, shm):
    """Our lock is held for parts of a millisecond: such an application is refused rarely, and its next try succeeds."""
    db, replica = place
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as d:
        c = sqlite3.connect(db, isolation_level=None, timeout=0)
        c.execute("PRAGMA synchronous=NORMAL")
        refused = in_a_row = 0
        for _ in range(20000):
            tries = 0
            while True:
                try:
                    c.execute("INSERT INTO t(k, v) VALUES(1, randomblob(400))")
                    break
                except sqlite3.OperationalError as e:
                    assert "locked" in str(e)
                    refused, tries = refused + 1, tries + 1
            in_a_row += tries > 0
        print(f"{in_a_row} of 20,000 commits were refused first, {refused} refusals")
        assert in_a_row < 1000, "one in twenty"
        d.stop()
    equal(c, db, replica, shm)


def test_h36_lost_events(place, shm):
    """A burst that is larger than any queue of events: nothing depends on them."""
    db, replica = place
    c = connect(db)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as d:
        os.kill(d.p.pid, 19)        # stopped: the kernel's queue of 16,384 events runs over
        for i in range(9000):
            with open(os.path.join(shm, f"x{i}"), "w", encoding="utf8"):
                pass
            os.unlink(os.path.join(shm, f"x{i}"))
        commit(c)
        os.kill(d.p.pid, 18)
        wait_for("the commit", lambda: len(txids(replica)) > 1, 60)
        d.stop()
    equal(c, db, replica, shm)


def test_h37_exclusive_locking(place, shm):
    """Waited for, said once, and healed when the application lets go."""
    db, replica = place
    c = connect(db)
    c.execute("PRAGMA locking_mode=EXCLUSIVE")
    commit(c)
    with Daemon(db, replica, os.path.join(shm, "log")) as d:
        d.wait_log("waiting for database")
        assert not os.path.exists(replica) or not os.listdir(replica)
        commit(c)
        c.close()
        c = connect(db)
        commit(c)
        d.ready().stop()
    assert d.text().count("waiting for database") == 1
    equal(c, db, replica, shm)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can")
def test_h38_files_belong_to_the_owner_of_the_database(place, shm):
    """A daemon of root beside an application of somebody else, who must be able to write on."""
    db, replica = place
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(db + suffix)
    os.chmod(shm, 0o755)
    os.chown(shm, 1234, 1234)
    os.chown(db, 1234, 1234)
    os.chmod(db, 0o640)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as d:
        for name in ("a.db-wal", "a.db-shm", ".a.db-litestream", ".a.db-litestream/position", ".a.db-litestream/ltx/0"):
            st = os.stat(os.path.join(shm, name))
            assert st.st_uid == 1234 and st.st_gid == 1234, name
        assert stat.S_IMODE(os.stat(db + "-wal").st_mode) == 0o640
        code = f"import sqlite3; c = sqlite3.connect({db!r}, isolation_level=None); c.execute('INSERT INTO t(k) VALUES(1)')"
        subprocess.run([sys.executable, "-c", code], user=1234, group=1234, check=True)
        d.stop()
    equal(connect(db), db, replica, shm)


@contextlib.contextmanager
def small_disk(shm):
    disk = os.path.join(shm, "disk")
    os.mkdir(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_h58_a_full_disk_stops_the_spool_not_the_application(shm):
    """Database, WAL and state directory on a small disk, the replica away: capture stops, then gives up the WAL, and no
    commit of the application fails."""
    replica = os.path.join(shm, "rep")
    with small_disk(shm) as disk:
        db = os.path.join(disk, "a.db")
        c = new_database(db)
        with Daemon(db, replica, os.path.join(shm, "log")).ready() as d:
            wait_for("the first state", lambda: os.path.exists(replica) and txids(replica))
            os.rename(replica, replica + ".away")
            for word in ("nearly full", "the WAL is given up"):
                while word not in d.text():
                    commit(c, size=5000)
                    c.execute("DELETE FROM t WHERE id < (SELECT max(id) FROM t) - 50")
            for _ in range(3000):
                commit(c, size=5000)
                c.execute("DELETE FROM t WHERE id < (SELECT max(id) FROM t) - 50")
            os.rename(replica + ".away", replica)
            d.wait_log("replica sync recovered", 60)
            d.stop()
        equal(c, db, replica, shm)
        c.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_h58_a_long_wal_that_was_reset_is_room(shm):
    """SQLite writes a WAL file again from its begin and never shortens it: what it takes of a small disk is no shortage."""
    replica = os.path.join(shm, "rep")
    with small_disk(shm) as disk:
        db = os.path.join(disk, "a.db")
        c = new_database(db)
        c.execute("PRAGMA wal_autocheckpoint=0")
        while os.path.getsize(db + "-wal") < 104 << 20:
            commit(c, size=100000)
            c.execute("DELETE FROM t")
        c.execute("PRAGMA wal_checkpoint(RESTART)")
        with Daemon(db, replica, os.path.join(shm, "log")).ready() as d:
            commit(c)
            wait_for("two transactions", lambda: os.path.exists(replica) and len(txids(replica)) >= 2)
            assert os.path.getsize(db + "-wal") >= 104 << 20
            d.stop()
        equal(c, db, replica, shm)
        c.close()


def test_h82_a_file_longer_than_the_database(place, shm):
    """Room that SQLite has made in advance (SQLITE_FCNTL_CHUNK_SIZE) is not part of the database."""
    db, replica = place
    commit(connect(db))
    connect(db).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = connect(db).execute("PRAGMA page_count").fetchone()[0]
    with open(db, "ab") as f:
        f.truncate(1 << 20)
    once(db, replica)
    restore(replica, os.path.join(shm, "r.db"))
    assert os.path.getsize(os.path.join(shm, "r.db")) == pages * 4096
    assert check_state(os.path.join(shm, "r.db")) == 1


def test_h84_a_writer_paused_inside_a_commit(place, shm):
    """A generation of the WAL begins in the wal-index before its header is in the file. Looks at each such moment find
    nothing to do and no error; what is committed then is captured."""
    db, replica = place
    conf, sock = os.path.join(shm, "c.yml"), os.path.join(shm, "ctl.sock")
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"socket: {{enabled: true, path: {sock}}}\ndbs: [{{path: {db}, replica: {{path: {replica}}}}}]\n")
    c = connect(db)
    commit(c, 3, size=5000)
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready() as d:
        d.wait_log("control socket listening")
        sync = lambda: json.loads(litestream("sync", "-wait", "-json", "-socket", sock, db).out)["txid"]
        for n in range(4, 8):
            sync()
            assert c.execute("PRAGMA wal_checkpoint").fetchone()[0] == 0
            before = sync()     # and the pin is where the WAL may be restarted
            w = subprocess.Popen([os.path.join(os.environ["TOP_BUILDDIR"], "tests/lib/paused_writer"), db,
                                  f"BEGIN; INSERT INTO t(k, v) VALUES(1, randomblob(9000)); {SEAL}; COMMIT"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            writes = []
            while (line := w.stdout.readline()) != "done\n":
                assert line, "the writer failed"
                writes.append(tuple(map(int, line.split())))
                assert sync() == before, "nothing is committed yet"
                w.stdin.write("go\n")
                w.stdin.flush()
            assert writes[0] == (0, 32), "the WAL was not restarted"
            assert sync() == before + 1
            w.stdin.close()
            assert w.wait() == 0
            restore(replica, os.path.join(shm, "r.db"))
            assert check_state(os.path.join(shm, "r.db")) == n
        d.stop()
    assert "continuity is lost" not in d.text() and "sync error" not in d.text()


def test_a_forgotten_restore(place, shm):
    """A new machine, an empty database made by the application: said, appended, and the old one can be had back."""
    db, replica = place
    c = connect(db)
    for _ in range(20):
        commit(c)
    once(db, replica)
    before = txids(replica)[-1]
    c.close()
    for name in os.listdir(shm):
        if name != "rep":
            subprocess.run(["rm", "-rf", os.path.join(shm, name)], check=True)
    c = new_database(db)
    commit(c)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as d:
        d.wait_log(f"was a restore forgotten.*state_before={before}")
        d.stop()
    restore(replica, os.path.join(shm, "r.db"))
    assert check_state(os.path.join(shm, "r.db")) == 1
    restore(replica, os.path.join(shm, "r.db"), "-txid", before)
    assert check_state(os.path.join(shm, "r.db")) == 20


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
