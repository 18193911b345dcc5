# SPDX-License-Identifier: Apache-2.0
"""The order of an outage: the spool fills, capture stops, the WAL is given up; then all of it heals (engine.md 7.10)."""
import os
import shutil
import sys

import pytest

import tap
from common import *

SPOOL, WAL = 2000000, 6000000


@pytest.fixture
def place(shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    c.execute("CREATE TABLE w(id INTEGER PRIMARY KEY, v)")
    c.close()
    conf = os.path.join(shm, "c.yml")
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"dbs:\n  - path: {db}\n    spool-max-size: {SPOOL // 1000}KB\n    wal-max-size: {WAL // 1000000} MB\n"
                f"    replica:\n      path: {replica}\n")
    return db, replica, conf


def fill(c, mb):
    """Commits of 100 rows that LZ4 cannot make smaller, to each of which SQLite's automatic checkpoint belongs."""
    for _ in range(mb * 10):
        c.execute("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 100) INSERT INTO w(v) SELECT randomblob(1000) FROM s")


def fill_until(c, d, text, mb):
    """So much at most, a megabyte at a time, until the log has the text."""
    for _ in range(mb):
        fill(c, 1)
        if text in d.text():
            break
    d.wait_log(text)


def spool(shm, replica):
    """Bytes that wait; the newest file that the replica has stays here, too."""
    d = os.path.join(shm, ".a.db-litestream/ltx/0")
    return sum(os.path.getsize(os.path.join(d, n)) for n in os.listdir(d) if not os.path.exists(os.path.join(replica, "ltx/0", n)))


def equal(c, db, replica, shm):
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    c.close()
    restore(replica, os.path.join(shm, "r.db"), "-force")
    assert_same_database(db, os.path.join(shm, "r.db"))


def test_replica_away_until_everything_is_full(place, shm):
    db, replica, conf = place
    c = sqlite3.connect(db, isolation_level=None, timeout=30)
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf) as d:
        d.ready()
        fill(c, 1)
        wait_for("an upload", lambda: len(ltx(replica, "0")) > 1)
        os.rename(replica, replica + ".away")
        fill(c, 1)
        d.wait_log("replica sync error")
        fill_until(c, d, "the WAL is given up", 100)
        assert "the spool is filling up" in d.text() and "the spool is full" in d.text()
        assert spool(shm, replica + ".away") <= SPOOL, "a hard cap"
        before = os.path.getsize(db + "-wal")
        fill(c, 20)
        assert os.path.getsize(db + "-wal") <= before + 10000000, "the application resets its WAL by itself"
        os.rename(replica + ".away", replica)
        end = c.execute("SELECT max(id) FROM w").fetchone()[0]

        def healed():
            restore(replica, os.path.join(shm, "r.db"), "-force")
            with contextlib.closing(connect_ro(os.path.join(shm, "r.db"))) as r:
                return r.execute("SELECT max(id) FROM w").fetchone()[0] == end
        wait_for("everything in the replica", healed, 40)
        fill(c, 1)
        d.stop()
    equal(c, db, replica, shm)
    check_level0(replica)


def test_names_change_while_nothing_is_captured(place, shm):
    """The application ends, its file gets another name and its own again, and it goes on."""
    db, replica, conf = place
    c = sqlite3.connect(db, isolation_level=None, timeout=30)
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf) as d:
        d.ready()
        os.rename(replica, replica + ".away")
        fill_until(c, d, "the WAL is given up", 100)
        c.close()
        os.rename(db, db + ".x")
        os.rename(db + ".x", db)
        c = sqlite3.connect(db, isolation_level=None, timeout=30)
        fill(c, 1)
        os.rename(replica + ".away", replica)
        wait_for("an image", lambda: d.text().count("caught up") == 2, 40)
        d.stop()
    equal(c, db, replica, shm)


def test_stop_with_a_full_spool(place, shm):
    """The replica comes back while the daemon is ending: what waits, and what found no room, both go out."""
    db, replica, conf = place
    c = sqlite3.connect(db, isolation_level=None, timeout=30)
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf) as d:
        d.ready()
        os.rename(replica, replica + ".away")
        fill_until(c, d, "the spool is full", 20)
        os.rename(replica + ".away", replica)
        d.stop()
    equal(c, db, replica, shm)


def test_spool_is_bounded_before_the_first_upload(place, shm):
    """A replica that answers, but has not taken anything yet: what it lacks waits for it like later batches."""
    db, replica, conf = place
    c = sqlite3.connect(db, isolation_level=None, timeout=30)
    os.mkdir(replica)
    os.symlink("later", os.path.join(replica, "ltx"))
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf) as d:
        d.wait_log("replica sync error")
        fill_until(c, d, "the spool is full", 20)
        assert spool(shm, replica) <= SPOOL, "a hard cap"
        os.mkdir(os.path.join(replica, "later"))
        d.stop()
    equal(c, db, replica, shm)


if __name__ == "__main__":
    sys.exit(tap.main(__file__))


def test_a_file_that_comes_and_goes(shm):
    """Seen again and again while it is being opened; what stays in the end is replicated."""
    db, replica, other = (os.path.join(shm, n) for n in ("a.db", "rep", "other.db"))
    new_database(other).close()
    with Daemon(db, replica, os.path.join(shm, "log")) as daemon:
        daemon.wait_log("waiting for database")
        for _ in range(300):
            shutil.copyfile(other, db)
            remove_database(db)
        commit(new_database(db), 2)
        wait_for("the database in the replica", lambda: restore(replica, f"{shm}/r.db", ok=None).rc == 0 and check_state(f"{shm}/r.db") == 2)
        daemon.stop()


def test_a_copy_takes_its_time(shm):
    """Half of a database is malformed; it is replicated as soon as it is whole."""
    db, replica, other = (os.path.join(shm, n) for n in ("a.db", "rep", "other.db"))
    c = new_database(other)
    commit(c, 3, size=50000)
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    c.close()
    data = open(other, "rb").read()
    with Daemon(db, replica, os.path.join(shm, "log")) as daemon:
        daemon.wait_log("waiting for database")
        with open(db, "wb", buffering=0) as f:
            f.write(data[:len(data) // 2])
            daemon.wait_log("sync error.*malformed")
            f.write(data[len(data) // 2:])
        daemon.wait_log("caught up")
        daemon.stop()
    restore(replica, f"{shm}/r.db")
    assert check_state(f"{shm}/r.db") == 3
