# SPDX-License-Identifier: Apache-2.0
"""restore -f: a database that goes on with its replica, while others read it (H75, H76)."""
import os
import random
import sys
import threading

import pytest

import tap
from common import *


@pytest.fixture
def place(shm):
    p = type("Place", (), {})()
    p.shm, p.db, p.replica = shm, os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    p.out, p.log = os.path.join(shm, "out.db"), os.path.join(shm, "log")
    p.c = new_database(p.db)
    return p


class Follower:
    def __init__(self, p, *args, interval="5ms", source=None):
        self.p, self.log = p, p.log + ".follow"
        with open(self.log, "ab") as f:
            self.start = f.tell()
            self.proc = subprocess.Popen([LITESTREAM, "restore", "-f", "-follow-interval", interval, "-o", p.out, *args, *(source or [url(p.replica)])],
                                         stdin=subprocess.DEVNULL, stdout=f, stderr=f, env={**os.environ, "LOG_LEVEL": "debug"})

    def text(self):
        with open(self.log, encoding="utf8") as f:
            f.seek(self.start)
            return f.read()

    def wait_log(self, pattern):
        def seen():
            assert self.proc.poll() is None or re.search(pattern, self.text()), "it ended:\n" + self.text()
            return re.search(pattern, self.text())
        return wait_for(f"'{pattern}' in the log", seen)

    def ready(self):
        self.wait_log("msg=following")
        return self

    def reaches(self, n):
        wait_for(f"state {n}; log:\n" + self.text(), lambda: read_state(self.p.out) >= n)

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        assert self.proc.wait(30) == 0, self.text()
        assert "follow mode stopped" in self.text()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.proc.kill()
        self.proc.wait()


def read_state(path, full=False):
    """As an application reads it: a plain connection that waits for the lock."""
    c = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=30)
    with contextlib.closing(c):
        c.execute("BEGIN")
        n, *said = c.execute("SELECT n, count, sum, bytes FROM meta").fetchone()
        found = list(c.execute("SELECT count(*), ifnull(sum(id * 7 + k), 0), ifnull(sum(length(v)), 0) FROM t").fetchone())
        assert said == found, f"state {n} is torn: {said} against {found}"
        if full:
            assert c.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return n


def sidecar(p):
    return open(p.out + "-txid").read()


def assert_followed(p):
    """The same rows and pages as the replica's newest state, but for the header of page 1."""
    out = os.path.join(p.shm, "r.db")
    restore(p.replica, out)
    size = int.from_bytes(open(out, "rb").read(18)[16:], "big")
    a, b = pages(out, 65536 if size == 1 else size), pages(p.out, 65536 if size == 1 else size)
    assert len(a) == len(b) and a[1:] == b[1:] and a[0][100:] == b[0][100:]
    assert b[0][18:20] == b"\1\1"
    assert sidecar(p) == txids(p.replica)[-1] + "\n"


def test_goes_on_with_readers_beside(place):
    p = place
    commit(p.c, 5, 3000)
    seen, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            try:
                seen.append(read_state(p.out))
            except BaseException as e:  # shown by the test
                seen.append(e)
                return

    with Daemon(p.db, p.replica, p.log) as d:
        d.ready()
        wait_for("a backup", lambda: os.path.isdir(p.replica) and points(p.replica))
        with Follower(p).ready() as f:
            t = threading.Thread(target=read)
            t.start()
            wait_for("some states", lambda: [commit(p.c, 1, 500)] and seen and (len(set(map(str, seen))) > 5 or isinstance(seen[-1], BaseException)))
            d.stop()
            n = p.c.execute("SELECT n FROM meta").fetchone()[0]
            f.reaches(n)
            stop.set()
            t.join()
            f.stop()
    assert all(isinstance(s, int) for s in seen), seen[-1]
    assert seen == sorted(seen), "only forwards"
    assert_followed(p)
    assert read_state(p.out, full=True) == n


def test_resumes(place):
    p = place
    commit(p.c, 3)
    once(p.db, p.replica)
    with Follower(p).ready() as f:
        f.stop()
    assert sidecar(p) == txids(p.replica)[-1] + "\n"
    commit(p.c, 3)
    once(p.db, p.replica)
    with Follower(p).ready() as f:
        assert "resuming follow mode" in f.text()
        f.reaches(6)
        f.stop()
    assert_followed(p)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(place, seed):
    """SQLite finds one committed state after each kill, and the follower goes on."""
    p, rnd = place, random.Random(seed)
    p.c.execute("PRAGMA wal_autocheckpoint=100")
    commit(p.c, 20, 20000)
    last = 0
    with Daemon(p.db, p.replica, p.log) as d:
        d.ready()
        wait_for("a backup", lambda: os.path.isdir(p.replica) and points(p.replica))
        with Follower(p).ready() as f:
            f.stop()
        for _ in range(25):
            with Follower(p, interval="1ms") as f:
                for _ in range(rnd.randint(1, 4)):
                    p.c.execute("BEGIN")
                    p.c.execute("UPDATE t SET v = randomblob(length(v)) WHERE id % 3 = ?", (rnd.randint(0, 2),))
                    p.c.execute(SEAL)
                    p.c.execute("COMMIT")
                time.sleep(rnd.random() * 0.03)  # when it dies, not how long something takes
                f.proc.kill()
                f.proc.wait()
            c = sqlite3.connect(p.out, timeout=30)  # may roll back
            with contextlib.closing(c):
                assert c.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
                n = c.execute("SELECT n FROM meta").fetchone()[0]
            assert read_state(p.out) == n >= last
            last = n
        with Follower(p).ready() as f:
            f.reaches(p.c.execute("SELECT n FROM meta").fetchone()[0])
            f.stop()
        d.stop()
    assert_followed(p)
    assert not os.path.exists(p.out + "-journal")


def test_over_a_gap(place):
    """What leads on from there was merged away or has expired: the difference to the newest state is applied."""
    p = place
    commit(p.c, 30, 4000)
    once(p.db, p.replica)
    with Follower(p).ready() as f:
        f.stop()
        inode = os.stat(p.out).st_ino
    for _ in range(5):
        commit(p.c, 2, 4000)
        once(p.db, p.replica)
    p.c.execute("DELETE FROM t WHERE id < 20")
    p.c.execute(SEAL)
    once(p.db, p.replica, "-force-snapshot")
    for level in ("0", "1"):
        d = os.path.join(p.replica, "ltx", level)
        for n in os.listdir(d) if os.path.isdir(d) else []:
            os.unlink(os.path.join(d, n))
    with Follower(p).ready() as f:
        f.reaches(41)
        f.stop()
    assert_followed(p)
    assert os.stat(p.out).st_ino == inode, "those who have it open see it"


def test_shrinks_grows_and_changes_its_page_size(place):
    p = place
    commit(p.c, 100, 3000)
    with Daemon(p.db, p.replica, p.log) as d:
        d.ready()
        wait_for("a backup", lambda: os.path.isdir(p.replica) and points(p.replica))
        with Follower(p).ready() as f:
            p.c.execute("DELETE FROM t WHERE id > 10")
            p.c.execute(SEAL)
            p.c.execute("VACUUM")
            n = p.c.execute("SELECT n FROM meta").fetchone()[0]
            f.reaches(n)
            commit(p.c, 50, 3000)
            f.reaches(n + 50)
            d.stop()
            p.c.executescript("PRAGMA journal_mode=DELETE; PRAGMA page_size=1024; VACUUM; PRAGMA journal_mode=WAL")
            p.c.execute("INSERT INTO t(k, v) VALUES(1, 'x')")
            p.c.execute(SEAL)
            once(p.db, p.replica)
            f.reaches(n + 51)
            f.stop()
    wait_for("the last step", lambda: sidecar(p) == txids(p.replica)[-1] + "\n")
    assert_followed(p)
    assert read_state(p.out, full=True) == n + 51


def test_refuses_what_is_not_its_own(place):
    p = place
    once(p.db, p.replica)
    other = new_database(p.out)
    commit(other, 3)
    other.close()
    r = litestream("restore", "-f", "-o", p.out, url(p.replica), ok=False)
    assert "cannot resume follow mode" in r.err and check_state(p.out) == 3
    with Follower(p, "-force").ready() as f:
        f.reaches(0)
        f.stop()
    assert_followed(p)
    for flag in (["-txid", "0000000000000001"], ["-timestamp", "2020-01-01T00:00:00Z"]):
        r = litestream("restore", "-f", *flag, "-o", p.out, url(p.replica), ok=False)
        assert f"cannot use follow mode with {flag[0]}" in r.err
    assert "cannot use -dry-run with -f" in litestream("restore", "-f", "-dry-run", "-o", p.out, url(p.replica), ok=False).err


def test_heals_when_somebody_writes_into_it(place):
    p = place
    commit(p.c, 5)
    once(p.db, p.replica)
    with Follower(p).ready() as f:
        commit(p.c, 1)
        once(p.db, p.replica)
        f.reaches(6)
        c = sqlite3.connect(p.out, isolation_level=None, timeout=30)
        c.execute("DELETE FROM t")
        c.close()
        commit(p.c, 1)
        once(p.db, p.replica)
        wait_for("the next step", lambda: sidecar(p) == txids(p.replica)[-1] + "\n")
        f.stop()
    assert_followed(p)
    assert read_state(p.out, full=True) == 7


def test_replica_away_and_back(place):
    p = place
    commit(p.c, 5)
    once(p.db, p.replica)
    with Follower(p).ready() as f:
        os.rename(p.replica, p.replica + ".away")
        f.wait_log("follow: error applying updates")
        os.rename(p.replica + ".away", p.replica)
        f.wait_log("follow: recovered")
        commit(p.c, 1)
        once(p.db, p.replica)
        f.reaches(6)
        f.stop()
    assert f.text().count("follow: error applying updates") == 1, "said once"


def test_of_a_configuration_with_several_replicas(place, shm):
    p = place
    two, conf = os.path.join(shm, "two"), os.path.join(shm, "c.yml")
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"dbs:\n  - path: {p.db}\n    replicas:\n      - name: one\n        path: {p.replica}\n      - name: two\n        path: {two}\n")
    litestream("replicate", "-once", "-config", conf)
    with Follower(p, "-config", conf, source=[p.db]).ready() as f:
        os.rename(p.replica, p.replica + ".away")
        with Daemon(p.db, p.replica, p.log, config=conf) as d:
            d.wait_log("resuming")
            commit(p.c, 3)
            f.reaches(3)
            f.stop()
            d.kill()


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
