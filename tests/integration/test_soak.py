# SPDX-License-Identifier: Apache-2.0
"""A long day in a minute: writers, checkpoints, VACUUM, kills, downtime, a replica that comes and goes. The ledger of
what SQLite acknowledged is the truth.

LITESTREAM_TEST_SEED replays a day's decisions (not its timing). LS_TEST_LONG makes it ten minutes.
"""
import os
import random
import shutil
import signal
import sys
import time

import pytest

import tap
from s3 import *

SECONDS = 600 if os.environ.get("LS_TEST_LONG") else 30
KINDS = ["insert"] * 6 + ["update"] * 3 + ["delete"] * 2 + ["rollback", "checkpoint", "big", "vacuum"]


class Folder:
    """A replica in a directory."""
    program = LITESTREAM

    def __init__(self, path):
        self.url = self.for_daemon = path


class FailingFolder(Folder):
    """It is unmounted now and then, and of the calls that the daemon makes of it one in thirty fails."""
    program = FAILING

    def take_away(self):
        if os.path.exists(self.url):
            os.rename(self.url, self.url + ".away")
            return True
        return False

    def give_back(self):
        os.rename(self.url + ".away", self.url)


class Bucket:
    """A replica in a bucket: one request in ten is harmed, and now and then all of them are."""
    program = LITESTREAM

    def __init__(self, gateway, proxy, r):
        name = gateway.bucket()
        self.url, self.proxy, self.r = gateway.url(name), proxy, r
        self.for_daemon = gateway.url(name, endpoint=f"http://127.0.0.1:{proxy.port}", timeout="2s", lease="3s")
        self.give_back()

    def take_away(self):
        self.proxy.harm = lambda method, target: "refuse"
        return True

    def give_back(self):
        kinds = ["cut", "truncate", 500, 503, "late", "refuse"]
        self.proxy.harm = lambda method, target: self.r.choice(kinds) if self.r.randrange(10) == 0 else None


class Day:
    def __init__(self, shm, seed, place, failing):
        self.r, self.shm, self.place, self.failing = random.Random(seed), shm, place, failing
        self.db, self.ledger, self.log = (os.path.join(shm, name) for name in ("a.db", "ledger", "log"))
        self.replica = place.url
        new_database(self.db, page_size=self.r.choice((512, 1024, 4096)), auto_vacuum=self.r.choice((0, 2))).close()
        self.daemon, self.writers, self.away = None, [], False
        self.kills = self.checks = self.outages = 0

    def start_daemon(self):
        if self.daemon is None or self.daemon.p.poll() is not None:
            self.daemon = Daemon(self.db, self.place.for_daemon, self.log, program=self.place.program, env=self.env())

    def env(self):
        return dict(os.environ, LS_TEST_SEED=str(self.r.randrange(1 << 30)))

    def start_writer(self):
        if len(self.writers) < 3:
            self.writers.append(start_writer(self.db, self.r.randrange(1 << 30), self.ledger, 1 << 30, *KINDS))

    def kill_daemon(self):
        if self.daemon:
            self.daemon.kill()
            self.kills += 1

    def stop_daemon(self):
        """Whether it ended with status 0: what was committed before is in the replica."""
        if self.daemon is None or self.daemon.p.poll() is not None or self.away:
            return False
        self.daemon.ready().p.send_signal(signal.SIGTERM)
        status = self.daemon.p.wait(60)
        assert status == 0 or (status == 1 and self.place.program == FAILING), f"exit {status}\n" + self.daemon.text()
        return status == 0

    def finish(self):
        """Whatever fails, one run succeeds at last; what was committed is in the replica then."""
        def once():
            return run(self.place.program, "replicate", "-once", self.db, url(self.place.for_daemon), ok=None, env=self.env())
        wait_for("a run that succeeds", lambda: once().rc == 0)

    def kill_writer(self):
        if self.writers:
            w = self.writers.pop(self.r.randrange(len(self.writers)))
            w.kill()
            w.wait()
            self.kills += 1

    def end_writers(self):
        """All of them at once, as when a machine's services are stopped; the last close may remove the WAL."""
        while self.writers:
            self.kill_writer()
        with contextlib.closing(connect(self.db)) as c:
            c.execute("PRAGMA wal_checkpoint(%s)" % self.r.choice(("PASSIVE", "TRUNCATE", "RESTART")))

    def outage(self):
        if self.failing and not self.away and self.place.take_away():
            self.away = True
            self.outages += 1

    def repair(self):
        if self.away:
            self.place.give_back()
            self.away = False

    def check(self):
        """Everything stops; what the ledger says is in the replica, byte for byte."""
        self.repair()
        while self.writers:
            self.kill_writer()
        said = last_committed(self.ledger)
        done = self.r.random() < 0.5 and self.stop_daemon()
        self.kill_daemon()
        if not done or self.r.random() < 0.5:
            self.finish()
        out, live = os.path.join(self.shm, "r.db"), os.path.join(self.shm, "live.db")
        restore(self.replica, out)
        live_copy(self.db, live)
        assert_same_database(live, out)
        assert check_state(out) >= said, "a committed transaction is lost"
        self.checks += 1

    def run(self, seconds):
        acts = [(self.start_daemon, 8), (self.start_writer, 8), (self.kill_daemon, 2), (self.stop_daemon, 1), (self.kill_writer, 4),
                (self.end_writers, 1), (self.outage, 1), (self.repair, 2)]
        end = time.monotonic() + seconds
        next_check = time.monotonic() + 5
        while time.monotonic() < end:
            self.r.choices([a for a, _ in acts], [w for _, w in acts])[0]()
            time.sleep(self.r.random() ** 3 * 0.5)      # the random moment
            if time.monotonic() > next_check:
                self.check()
                next_check = time.monotonic() + 5 + seconds / 60
        self.check()


@pytest.mark.parametrize("kind", ["steady", "failing", "bucket"])
def test_soak(kind, shm, request):
    seed = int(os.environ.get("LITESTREAM_TEST_SEED") or time.time())
    print("seed", seed)
    place = (FailingFolder if kind == "failing" else Folder)(os.path.join(shm, "rep"))
    if kind == "bucket":
        place = Bucket(request.getfixturevalue("gateway"), request.getfixturevalue("proxy"), random.Random(seed))
    day = Day(shm, seed, place, kind != "steady")
    try:
        day.run(SECONDS)
    except BaseException:
        keep = tempfile.mkdtemp(prefix="soak-failed-", dir="/tmp")
        shutil.copytree(shm, keep, dirs_exist_ok=True)
        print("seed", seed, "kept in", keep)
        raise
    finally:
        day.kill_daemon()
        while day.writers:
            day.kill_writer()
    states = check_history(day.replica, shm, every=1 + len(txids(day.replica)) // 60)
    if SECONDS < 300:       # later level 1 has what expires in level 0
        check_level0(day.replica)
    assert (kind == "failing") == ("injected failure" in open(day.log).read())
    assert "sound" in litestream("verify", url(day.replica)).out
    print(f"seed {seed}: {last_committed(day.ledger)} commits, {day.kills} kills, {day.outages} outages, {day.checks} comparisons, "
          f"{states} TXIDs restored")
    assert last_committed(day.ledger) > 20 and day.checks > 1


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
