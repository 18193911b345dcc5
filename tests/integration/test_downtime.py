# SPDX-License-Identifier: Apache-2.0
"""The application goes on while the daemon is down: what comes next continues with proof or begins anew, and restores to the live database."""
import contextlib
import os
import random
import subprocess
import sys

import pytest

import tap
from common import *


def write(c, r, n=1, size=200):
    for _ in range(n):
        c.execute("BEGIN IMMEDIATE")
        c.execute("INSERT INTO t(k, v) VALUES(?, ?)", (r.randrange(1000), r.randbytes(r.randrange(1, size))))
        if r.random() < .5:
            c.execute("UPDATE t SET v = ? WHERE id % 7 = ?", (r.randbytes(60), r.randrange(7)))
        c.execute(SEAL)
        c.execute("COMMIT")


def app(db, limit=None, cache=None):
    c = connect(db)
    c.execute("PRAGMA wal_autocheckpoint=0")
    if limit is not None:
        c.execute(f"PRAGMA journal_size_limit={limit}")
    if cache:
        c.execute(f"PRAGMA cache_size={cache}")
    return c


def passive(c):
    return c.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


class Case:
    """A database of small pages, an application, and a replica that has seen some restarts of the WAL."""

    def __init__(self, shm, seed=1, page_size=1024, limit=None):
        self.shm, self.r = shm, random.Random(seed)
        self.db, self.replica = (os.path.join(shm, n) for n in ("a.db", "rep"))
        new_database(self.db, page_size).close()
        self.c = app(self.db, limit)
        write(self.c, self.r, 60)
        self.resume("full image")
        for n in (30, 20, 8):       # each generation is shorter, so that frames of older ones stand behind it
            passive(self.c)
            write(self.c, self.r, n)
            self.resume()
        self.files = len(ltx(self.replica, "0"))

    def resume(self, *want):
        """The next run; want: what it has to say, any of these words. The replica restores to the live database."""
        p = once(self.db, self.replica)
        said = [w for w in ("resuming", "nothing of it is lost", "full image") if w in p.out]
        assert said and (not want or set(want) == set(said)), f"said {said}, wanted {want}\n{p.out}"
        out, live = os.path.join(self.shm, "r.db"), os.path.join(self.shm, "live.db")
        live_copy(self.db, live)
        restore(self.replica, out)
        assert_same_database(live, out)
        check_state(out)
        check_level0(self.replica)
        return said


APPEND, TAIL, IMAGE = ("resuming",), ("resuming", "nothing of it is lost"), ("full image",)


def test_nothing_happened(shm):
    Case(shm).resume(*APPEND)


def test_writes(shm):
    case = Case(shm)
    write(case.c, case.r, 3)
    case.resume(*APPEND)


def test_one_restart_is_proved(shm):
    """The tail that was missed and the new generation become one batch of the changed pages."""
    case = Case(shm)
    write(case.c, case.r, 5)
    passive(case.c)
    write(case.c, case.r, 1)
    case.resume(*TAIL)
    assert len(ltx(case.replica, "0")) == case.files + 1
    assert ltx(case.replica, "0")[-1]["size"] < os.path.getsize(case.db)
    write(case.c, case.r, 2)
    case.resume(*APPEND)
    check_history(case.replica, shm)


def test_one_restart_nothing_missed(shm):
    case = Case(shm)
    passive(case.c)
    write(case.c, case.r, 1)
    case.resume(*TAIL)


def test_one_restart_all_backfilled(shm):
    case = Case(shm)
    write(case.c, case.r, 5)
    passive(case.c)
    write(case.c, case.r, 1)
    passive(case.c)
    case.resume(*TAIL)


def test_one_restart_growth_and_shrinking(shm):
    case = Case(shm)
    case.c.execute("DELETE FROM t WHERE id % 9 <> 0")
    case.c.execute(SEAL)
    passive(case.c)
    case.c.execute("PRAGMA incremental_vacuum")
    write(case.c, case.r, 1)
    case.resume(*TAIL)
    write(case.c, case.r, 4, 9000)
    case.resume()


def test_recorded_frame_overwritten(shm):
    case = Case(shm)
    write(case.c, case.r, 2)
    passive(case.c)
    write(case.c, case.r, 20)
    case.resume(*IMAGE)


def test_two_restarts(shm):
    case = Case(shm)
    for _ in range(2):
        passive(case.c)
        write(case.c, case.r, 1)
    case.resume(*IMAGE)


def test_truncate(shm):
    case = Case(shm)
    write(case.c, case.r, 3)
    case.c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    write(case.c, case.r, 30)
    case.resume(*IMAGE)


def test_vacuum(shm):
    case = Case(shm)
    case.c.execute("VACUUM")
    passive(case.c)
    write(case.c, case.r, 1)
    case.resume()


def test_last_connection_closed(shm):
    case = Case(shm)
    write(case.c, case.r, 3)
    case.c.close()
    assert not os.path.exists(case.db + "-wal")
    case.resume(*IMAGE)
    case.c = app(case.db)
    write(case.c, case.r, 3)
    case.resume()


def test_closed_without_a_write(shm):
    """R0 does not hold: the last close wrote the WAL's frames into the database file."""
    case = Case(shm)
    case.c.close()
    case.resume(*IMAGE)


def test_wal_deleted(shm):
    case = Case(shm)
    write(case.c, case.r, 3)
    case.c.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
    keep, case.c = case.c, None
    for suffix in ("-wal", "-shm"):
        os.unlink(case.db + suffix)
    case.resume(*IMAGE)
    del keep


def test_rollback_leftovers(shm):
    """A spill that was rolled back leaves frames behind the horizon, some of them without salts."""
    case = Case(shm)
    c = app(case.db, cache=5)
    write(c, case.r, 2)
    c.execute("BEGIN")
    for _ in range(4):
        c.execute("UPDATE t SET v = randomblob(250)")
    c.execute("ROLLBACK")
    passive(c)
    write(c, case.r, 1)
    case.resume()


@pytest.mark.parametrize("cut", [0, 1, 5])
def test_cut_at_a_frame(cut, shm):
    """journal_size_limit cuts the WAL at the border of a frame: where it ends proves nothing."""
    case = Case(shm, limit=32)
    frame = 1024 + 24
    have = (os.path.getsize(case.db + "-wal") - 32) // frame
    case.c.execute(f"PRAGMA journal_size_limit={32 + (have + cut) * frame}")
    write(case.c, case.r, 20)
    passive(case.c)
    write(case.c, case.r, 1)
    case.resume(*IMAGE)


def test_crash_of_the_application(shm):
    case = Case(shm)
    script = f"""
import os, random, sys
sys.dont_write_bytecode = True
sys.path.insert(0, {HERE!r})
import test_downtime as d
c = d.app({case.db!r})
r = random.Random(5)
d.write(c, r, 4)
d.passive(c)
d.write(c, r, 1)
c.execute("BEGIN")
c.execute("PRAGMA cache_size=5")
c.execute("UPDATE t SET v = randomblob(200)")
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "TOP_SRCDIR": TOP_SRCDIR, "TOP_BUILDDIR": TOP_BUILDDIR})
    case.resume()


def step(case, conns, r):
    c = r.choice(conns)
    k = r.random()
    if k < .5:
        write(c, r, r.randrange(1, 4), r.choice((50, 3000)))
    elif k < .6:
        c.execute("BEGIN IMMEDIATE")
        c.execute("DELETE FROM t WHERE id % 5 = ?", (r.randrange(5),))
        c.execute(SEAL)
        c.execute("COMMIT")
    elif k < .68:
        c.execute("BEGIN IMMEDIATE")
        for _ in range(r.randrange(1, 4)):
            c.execute("UPDATE t SET v = randomblob(300)")
        c.execute("ROLLBACK")
    elif k < .70:
        c.execute("VACUUM")
    elif k < .88:
        passive(c)
    elif k < .92:
        c.execute(f"PRAGMA wal_checkpoint({r.choice(('FULL', 'RESTART', 'TRUNCATE'))})").fetchall()
    elif k < .97:
        conns.append(app(case.db, r.choice((None, None, 0, 9000, 32 + 1048 * r.randrange(60))), r.choice((None, 5))))
    elif len(conns) > 1:
        conns.remove(c)
        c.close()


@pytest.mark.parametrize("seed", range(8))
def test_random(seed, shm):
    """Real histories with several connections, 12 times down and up each; the seed is the parameter."""
    case = Case(shm, seed)
    r, conns, said = random.Random(seed), [case.c], {}
    for _ in range(12):
        for _ in range(r.choice((1, 2, 3, 6, 15))):
            with contextlib.suppress(sqlite3.OperationalError):
                step(case, conns, r)
        if r.random() < .1:
            for c in conns:
                c.close()
            conns = [app(case.db)]
        what = " + ".join(case.resume())
        said[what] = said.get(what, 0) + 1
    print(said)
    check_history(case.replica, shm, every=3)


def test_the_wal_is_restarted_while_its_tail_is_captured(place, shm):
    """What was missed is all in the database file, so that a writer may begin the WAL anew over the frames that are being read."""
    db, replica = place
    log, out = os.path.join(shm, "log"), os.path.join(shm, "out.db")
    c = connect(db)
    c.execute("PRAGMA wal_autocheckpoint=0")
    c.execute("CREATE TABLE big(id INTEGER PRIMARY KEY, v BLOB)")
    c.executemany("INSERT INTO big VALUES(?, ?)", ((i, os.urandom(3900)) for i in range(6000)))
    commit(c)
    Daemon(db, replica, log).ready().stop()
    for _ in range(4):
        c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        commit(c)
        daemon = Daemon(db, replica, log).ready()
        litestream("ltx", url(replica))
        daemon.kill()
        c.execute("BEGIN")
        c.execute("UPDATE big SET v = randomblob(3900)")
        c.execute(SEAL)
        c.execute("COMMIT")
        c.execute("PRAGMA wal_checkpoint(PASSIVE)")
        daemon = Daemon(db, replica, log)
        daemon.wait_log("resuming|full image")
        for _ in range(40):
            commit(c, size=3000)
        daemon.stop()
    c.close()
    for t in txids(replica):
        restore(replica, out, "-txid", t)
        check_state(out)


if __name__ == "__main__":
    sys.exit(tap.main(__file__))


# ---- re-base by difference (decisions.md 10) ----

@pytest.fixture
def large(shm):
    """A replicated database of 3,000 pages whose daemon ended clean."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    c.execute("CREATE TABLE big(id INTEGER PRIMARY KEY, v)")
    c.execute("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 10000) INSERT INTO big(v) SELECT randomblob(1100) FROM s")
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    once(db, replica)
    return c, db, replica


def lose_continuity(c):
    c.execute("UPDATE big SET v = randomblob(1100) WHERE id BETWEEN 5000 AND 5020")
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    c.execute("INSERT INTO big(v) VALUES('x')")


def newest(replica):
    f = max(ltx(replica, "0"), key=lambda f: f["max_txid"])
    return int(f["max_txid"], 16), f["size"]


def same(db, replica, shm):
    restore(replica, os.path.join(shm, "r.db"), "-force")
    live_copy(db, os.path.join(shm, "copy.db"))
    assert_same_database(os.path.join(shm, "copy.db"), os.path.join(shm, "r.db"))


def test_rebase_sends_what_differs(large, shm):
    c, db, replica = large
    for i in range(2, 6):
        lose_continuity(c)
        once(db, replica)
        txid, size = newest(replica)
        assert txid == i and size < 0.015 * os.path.getsize(db), "1.5 % of the database"
        same(db, replica, shm)
    assert len(ltx(replica, "9")) == 1, "a difference is no snapshot"
    check_level0(replica)


def test_rebase_after_vacuum_and_shrinking(large, shm):
    c, db, replica = large
    c.execute("DELETE FROM big WHERE id > 3000")
    c.execute("VACUUM")
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    once(db, replica)
    same(db, replica, shm)
    c.execute("INSERT INTO big(v) SELECT randomblob(1100) FROM big")
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    once(db, replica)
    same(db, replica, shm)
    check_level0(replica)


def test_nothing_differs_nothing_is_sent(large):
    c, db, replica = large
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.utime(db)
    once(db, replica)
    assert newest(replica)[0] == 1


@pytest.mark.parametrize("harm", ["removed", "cut", "zeros", "older", "killed"])
def test_page_hashes_that_cannot_be_believed(harm, large, shm):
    """Then the whole database goes out; what is restored is right in any case."""
    c, db, replica = large
    path = os.path.join(shm, ".a.db-litestream/pagehash")
    with open(path, "rb") as f:
        before = f.read()
    if harm == "older":
        c.execute("INSERT INTO big(v) VALUES('y')")
        once(db, replica)
        with open(path, "wb") as f:
            f.write(before)
    elif harm == "killed":
        with Daemon(db, replica, os.path.join(shm, "log")).ready() as d:
            c.execute("INSERT INTO big(v) VALUES('y')")
            wait_for("a batch", lambda: newest(replica)[0] > 1)
            d.kill()
    elif harm == "removed":
        os.unlink(path)
    else:
        with open(path, "r+b") as f:
            if harm == "cut":
                f.truncate(100)
            else:
                f.write(bytes(64))
    lose_continuity(c)
    once(db, replica)
    if harm != "cut":
        assert newest(replica)[1] > 0.4 * os.path.getsize(db)
    same(db, replica, shm)
    lose_continuity(c)
    once(db, replica)
    assert newest(replica)[1] < 0.015 * os.path.getsize(db), "the table is whole again"
    same(db, replica, shm)
