# SPDX-License-Identifier: Apache-2.0
"""Several replicas of one database: each at its own pace; one that is away holds back neither the others nor the WAL."""
import json
import os
import random
import sys

import pytest

import tap
from common import *


@pytest.fixture
def place(shm):
    p = type("Place", (), {})()
    p.shm, p.db = shm, os.path.join(shm, "a.db")
    p.one, p.two = os.path.join(shm, "one"), os.path.join(shm, "two")
    p.conf, p.log = os.path.join(shm, "c.yml"), os.path.join(shm, "log")
    p.sock = os.path.join(shm, "s.sock")
    configure(p)
    new_database(p.db).close()
    return p


def configure(p, names=("one", "two"), extra=""):
    replicas = "".join(f"      - name: {n}\n        path: {os.path.join(p.shm, n)}\n" for n in names)
    with open(p.conf, "w", encoding="utf8") as f:
        f.write(f"socket:\n  enabled: true\n  path: {p.sock}\ndbs:\n  - path: {p.db}\n{extra}    replicas:\n{replicas}")


def start(p, *args):
    return Daemon(p.db, p.one, p.log, *args, config=p.conf)


def newest(replica, p):
    out = os.path.join(p.shm, "r.db")
    restore(replica, out, "-force")
    return check_state(out)


def state(p):
    c = connect(p.db)
    with contextlib.closing(c):
        return c.execute("SELECT n FROM meta").fetchone()[0]


def wait_same(p, *replicas):
    for r in replicas:
        wait_for(f"everything in {r}", lambda r=r: os.path.isdir(r) and ltx(r) and newest(r, p) == state(p), 40)


@contextlib.contextmanager
def both_have(p, c, commits):
    """A daemon that has brought these into both replicas."""
    with start(p) as d:
        d.ready()
        commit(c, commits)
        wait_same(p, p.one, p.two)
        yield d


def cut_off(replica):
    """Away: nothing can be found or made there."""
    os.rename(replica, replica + ".away")


def bring_back(replica):
    os.rename(replica + ".away", replica)


def test_both_get_every_transaction(place, shm):
    p = place
    c = connect(p.db)
    with start(p) as d:
        d.ready()
        commit(c, 30)
        litestream("sync", "-wait", "-socket", p.sock, p.db)
        d.stop()
    assert txids(p.one) == txids(p.two)
    for r in (p.one, p.two):
        assert newest(r, p) == 30
        check_history(r, shm)


def test_several_urls_as_arguments(place, shm):
    p = place
    c = connect(p.db)
    commit(c, 3)
    litestream("replicate", "-once", p.db, url(p.one), url(p.two))
    assert newest(p.one, p) == newest(p.two, p) == 3
    r = litestream("replicate", "-once", p.db, url(p.one), url(p.one), ok=False)
    assert r.rc == 1 and "twice" in r.err


def test_names(place, shm):
    p = place
    configure(p, ("one", "one"))
    assert 'duplicate replica name: "one"' in litestream("databases", "-config", p.conf, ok=False).err
    configure(p)
    assert re.search(r"a.db +one,two", litestream("databases", "-config", p.conf).out)
    litestream("replicate", "-once", "-config", p.conf)
    r = litestream("restore", "-config", p.conf, "-replica", "three", "-o", os.path.join(shm, "x.db"), p.db, ok=False)
    assert r.rc == 1 and 'replica "three" not found for database' in r.err


def test_one_that_is_away_holds_nothing_back(place, shm):
    p = place
    c = connect(p.db)
    with both_have(p, c, 5) as d:
        cut_off(p.two)
        commit(c, 20)
        wait_same(p, p.one)
        status = json.loads(litestream("status", "-json", "-config", p.conf).out)
        assert status, "answers"
        r = litestream("sync", "-wait", "-timeout", "1", "-socket", p.sock, p.db, ok=False)
        assert r.rc != 0, "not in every replica"
        for _ in range(30):
            commit(c, 1, 200000)
        wait_same(p, p.one)
        assert os.path.getsize(p.db + "-wal") < 20000000, "the WAL is reset"
        bring_back(p.two)
        wait_same(p, p.two)
        litestream("sync", "-wait", "-socket", p.sock, p.db)
        d.stop()
    assert txids(p.one) == txids(p.two), "it got every batch"


def test_away_at_the_start(place, shm):
    """The other one is captured to from the first moment; what it lacks waits, and follows."""
    p = place
    c = connect(p.db)
    with both_have(p, c, 5) as d:
        d.stop()
    cut_off(p.two)
    commit(c, 5)
    with start(p) as d:
        d.ready()
        commit(c, 5)
        wait_same(p, p.one)
        bring_back(p.two)
        d.wait_log("replica is back")
        commit(c, 5)
        wait_same(p, p.one, p.two)
        d.stop()
    assert txids(p.one) == txids(p.two)


def test_a_replica_that_is_new_gets_a_full_backup(place, shm):
    """While the database is written, and nothing is sent twice to the one that has everything."""
    p = place
    configure(p, ("one",))
    c = connect(p.db)
    with start(p) as d:
        d.ready()
        commit(c, 20, 5000)
        wait_same(p, p.one)
        d.stop()
    before = {f: os.stat(os.path.join(p.one, "ltx/9", f)).st_size for f in os.listdir(os.path.join(p.one, "ltx/9"))}
    configure(p)
    w = start_writer(p.db, 1, os.path.join(shm, "ledger"))
    try:
        with start(p) as d:
            d.wait_log("replica needs a full backup.*replica=two")
            d.wait_log("snapshot complete.*replica=two")
            wait_for("commits", lambda: last_committed(os.path.join(shm, "ledger")) > 50)
            w.kill()
            w.wait()
            litestream("sync", "-wait", "-socket", p.sock, p.db)
            d.stop()
    finally:
        w.kill()
        w.wait()
    assert set(os.listdir(os.path.join(p.one, "ltx/9"))) == set(before), "one needed no other backup"
    last = txids(p.one)[-1]
    assert txids(p.two)[-1] == last
    for t in reachable(p.two):
        restore(p.one, os.path.join(shm, "x1.db"), "-txid", t, "-force")
        restore(p.two, os.path.join(shm, "x2.db"), "-txid", t, "-force")
        assert_same_database(os.path.join(shm, "x1.db"), os.path.join(shm, "x2.db"))
    assert litestream("verify", "-deep", "-replica", "two", "-config", p.conf, p.db).out.endswith("sound\n")


def test_left_behind_when_the_spool_is_full(place, shm):
    """It is not waited for any more, and goes on from a full backup when it is back; the other one lacks nothing."""
    p = place
    configure(p, extra="    spool-max-size: 1MB\n")
    c = connect(p.db)
    with both_have(p, c, 5) as d:
        cut_off(p.two)
        for _ in range(80):
            commit(c, 1, 50000)
        d.wait_log("replica needs a full backup.*replica=two.*spool")
        wait_same(p, p.one)
        spool = os.path.join(shm, ".a.db-litestream/ltx/0")
        wait_for("the spool is empty but for the newest", lambda: len(os.listdir(spool)) <= 2)
        bring_back(p.two)
        d.wait_log("snapshot complete.*replica=two")
        commit(c, 5)
        wait_same(p, p.two)
        litestream("sync", "-wait", "-socket", p.sock, p.db)
        d.stop()
    assert txids(p.one)[-1] == txids(p.two)[-1]
    check_history(p.one, shm)
    check_history(p.two, shm)


def test_one_that_was_emptied_or_replaced(place, shm):
    p = place
    c = connect(p.db)
    with both_have(p, c, 10) as d:
        d.stop()
    for n in os.listdir(os.path.join(p.two, "ltx/9")) + os.listdir(os.path.join(p.two, "ltx/0")):
        for level in "09":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(p.two, "ltx", level, n))
    with both_have(p, c, 10) as d:
        shutil.move(p.two, p.two + ".old")
        os.makedirs(p.two)  # another disk is mounted there
        commit(c, 10)
        wait_same(p, p.one, p.two)
        d.stop()
    check_history(p.one, shm)
    assert litestream("verify", "-replica", "two", "-config", p.conf, p.db).out.endswith("sound\n")


@pytest.mark.parametrize("ours", [0, 2, 5, 8])
@pytest.mark.parametrize("away", [False, True])
def test_a_foreign_history_in_the_second_one(ours, away, place, shm):
    """It is shorter than ours, as long, or longer: all go on behind it, and what it holds stays."""
    p = place
    other = os.path.join(shm, "other.db")
    o = new_database(other)
    for _ in range(5):
        commit(o, 1)
        once(other, p.two)
    old = {f: sha(os.path.join(p.two, "ltx/0", f)) for f in os.listdir(os.path.join(p.two, "ltx/0"))}
    c = connect(p.db)
    for _ in range(ours):
        commit(c)
        once(p.db, p.one)
    if away:
        cut_off(p.two)
        open(p.two, "w").close()        # so that it is not made anew
    with start(p) as d:
        d.ready()
        if away:
            os.unlink(p.two)
            bring_back(p.two)
        commit(c, 3)
        wait_same(p, p.one, p.two)
        litestream("sync", "-wait", "-socket", p.sock, p.db)
        d.stop()
    assert txids(p.one)[-1] == txids(p.two)[-1]
    assert old.items() <= {f: sha(os.path.join(p.two, "ltx/0", f)) for f in os.listdir(os.path.join(p.two, "ltx/0"))}.items(), "nothing of it was overwritten"


def test_restore_takes_the_newest_and_fails_over(place, shm):
    p = place
    c = connect(p.db)
    with both_have(p, c, 5) as d:
        cut_off(p.one)
        commit(c, 5)
        wait_same(p, p.two)
        d.kill()
    bring_back(p.one)
    out = os.path.join(shm, "out.db")
    r = litestream("restore", "-json", "-config", p.conf, "-o", out, p.db)
    assert "replica=two" in r.err and check_state(out) == 10, "the newest"
    assert check_state_of(p, "one", out) == 5, "the one that is named"
    # The best one is damaged: that shows in the middle.
    name = sorted(os.listdir(os.path.join(p.two, "ltx/0")))[-2]
    with open(os.path.join(p.two, "ltx/0", name), "r+b") as f:
        f.seek(150)
        f.write(b"damage")
    r = litestream("restore", "-json", "-force", "-config", p.conf, "-o", out, p.db)
    assert "trying the next replica" in r.err and check_state(out) == 5
    # One does not answer at all.
    cut_off(p.two)
    r = litestream("restore", "-json", "-force", "-config", p.conf, "-o", out, p.db)
    assert "does not answer" in r.err and check_state(out) == 5
    r = litestream("points", "-config", p.conf, p.db)
    assert "replica=one" in r.err
    # None has a backup, and one cannot be asked: that is not "no backup".
    shutil.rmtree(p.one)
    os.makedirs(p.one)
    os.unlink(out)
    r = litestream("restore", "-if-replica-exists", "-config", p.conf, "-o", out, p.db, ok=False)
    assert r.rc == 1 and not os.path.exists(out)


def check_state_of(p, name, out):
    litestream("restore", "-force", "-replica", name, "-config", p.conf, "-o", out, p.db)
    return check_state(out)


def test_mount_takes_the_newest(place, shm):
    need_fuse()
    p = place
    c = connect(p.db)
    litestream("replicate", "-once", "-config", p.conf)
    commit(c, 3)
    configure(p, ("two",))
    litestream("replicate", "-once", "-config", p.conf)
    configure(p)
    for opts, n in (((), 3), (("replica=one",), 0)):
        mnt = os.path.join(shm, "mnt")
        os.makedirs(mnt, exist_ok=True)
        run(MOUNT, p.db, mnt, "-o", ",".join((f"config={p.conf}", *opts)))
        try:
            assert check_state(os.path.join(mnt, "latest.db")) == n
        finally:
            run("umount", mnt)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kills_and_absences(place, shm, seed):
    """Daemon and writer are killed and replicas go and come at random: in the end both have everything."""
    p = place
    rnd = random.Random(seed)
    configure(p, extra="    spool-max-size: 300KB\n")
    ledger = os.path.join(shm, "ledger")
    away = set()
    w = None
    for i in range(12):
        with start(p) as d:
            if not w or w.poll() is not None:
                w = start_writer(p.db, seed * 100 + i, ledger)
            before = last_committed(ledger)
            wait_for("commits", lambda: last_committed(ledger) > before + rnd.randint(1, 60))
            for r in (p.one, p.two):
                if r in away and rnd.random() < 0.6:
                    bring_back(r)
                    away.remove(r)
                elif not away and os.path.isdir(r) and rnd.random() < 0.4:
                    cut_off(r)
                    away.add(r)
            before = last_committed(ledger)
            wait_for("commits", lambda: last_committed(ledger) > before + rnd.randint(1, 60))
            if rnd.random() < 0.3:
                w.kill()
                w.wait()
            d.kill()
    for r in away:
        bring_back(r)
    w.kill()
    w.wait()
    litestream("replicate", "-once", "-config", p.conf)
    assert newest(p.one, p) == newest(p.two, p) == state(p) >= last_committed(ledger)
    for r in (p.one, p.two):
        for t in reachable(r)[::7]:
            restore(r, os.path.join(shm, "x.db"), "-txid", t, "-force")
            check_state(os.path.join(shm, "x.db"), full=False)


@pytest.mark.parametrize("n", range(3, 6))
def test_two_histories_are_not_mixed(place, shm, n):
    """Each replica saw what the other did not, under the same TXIDs: what follows the one is never sent to the other."""
    p = place

    def go_on(count, *names):
        configure(p, names)
        for _ in range(count):
            commit(c, size=30000)
            litestream("replicate", "-once", "-config", p.conf)
    c = connect(p.db)
    go_on(2, "one", "two")
    go_on(3, "two")
    go_on(n, "one")
    go_on(2, "two")
    go_on(1, "one", "two")
    c.close()
    assert newest(p.one, p) == newest(p.two, p) == state(p)
    for r in (p.one, p.two):
        for t in reachable(r):
            restore(r, os.path.join(shm, "x.db"), "-txid", t)
            check_state(os.path.join(shm, "x.db"))


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
