# SPDX-License-Identifier: Apache-2.0
"""One writer at a time: the lease of a replica, standing by, taking over."""
import json
import os
import signal
import time

import pytest

import tap
from s3 import *

TTL = "3s"
MANY_TURNS = 12 if os.environ.get("LS_TEST_LONG") else 3


@pytest.fixture
def hosts(gateway, bucket, shm):
    """Two hosts with a copy of the database each, and one replica."""
    dirs = [os.path.join(shm, n) for n in "ab"]
    for d in dirs:
        os.mkdir(d)
    return [Host(d, gateway.url(bucket, lease=TTL), gateway.url(bucket)) for d in dirs]


class Host:
    def __init__(self, d, replica, plain):
        self.db, self.log, self.replica, self.plain = f"{d}/app.db", f"{d}/log", replica, plain
        self.out = f"{d}/out.db"

    def create(self, n=3):
        c = new_database(self.db)
        commit(c, n)
        return c

    def start(self, *args):
        return Daemon(self.db, self.replica, self.log, *args)

    def config(self, **keys):
        path = self.db + ".yml"
        with open(path, "w", encoding="utf8") as f:
            json.dump({"dbs": [{"path": self.db, "replica": {"url": self.plain, **keys}}]}, f)
        return Daemon(None, None, self.log, config=path)

    def replicated(self):
        """Number of the newest state in the replica; 0: it has none yet."""
        if not points_or_none(self.plain):
            return 0
        restore(self.plain, self.out)
        return check_state(self.out)


def lock(gateway, bucket):
    return json.loads(gateway.request("GET", f"/{bucket}/app/lock.json")[1])


def test_second_host_stands_by(gateway, bucket, hosts):
    a, b = hosts
    c = a.create()
    with a.start().ready() as first, b.start("-restore-if-db-not-exists") as second:
        second.wait_log("standby: the lease is somebody else's.*has the lease")
        held = lock(gateway, bucket)
        assert held["owner"].endswith(f":{first.p.pid}") and held["generation"] == 1
        commit(c, 4)
        first.stop()            # gives the lease back
        c.close()
        second.wait_log("lease acquired.*number=2", 3)
        second.ready()
        assert check_state(b.db) == 7, "it begins with all that the other one has replicated"
        c = connect(b.db)
        commit(c, 2)
        second.stop()
        assert b.replicated() == 9
        assert "sound" in litestream("verify", a.plain).out
        assert lock(gateway, bucket)["expires_at"].startswith("1970")


def test_a_host_that_stops_breathing(gateway, bucket, hosts):
    """It is frozen in the middle of its work; what it would send when it wakes is not sent, and it stands by."""
    a, b = hosts
    c = a.create()
    with a.start().ready() as first, b.start("-restore-if-db-not-exists") as second:
        wait_for("the first state", lambda: points(a.plain))
        second.wait_log("standby: the lease")
        first.p.send_signal(signal.SIGSTOP)
        commit(c, 1)            # nobody will ever see this one
        start = time.monotonic()
        second.wait_log("lease acquired.*number=2", 20)
        assert time.monotonic() - start > 1, "not before it has run out"
        second.ready()
        other = connect(b.db)
        commit(other, 5)
        wait_for("states of the second host", lambda: b.replicated() == 8)
        first.p.send_signal(signal.SIGCONT)
        first.wait_log("lease lost")
        commit(c, 3)
        first.wait_log("standing by")
        second.stop()
        first.wait_log("lease acquired.*number=3")
        first.wait_log("full image")    # its own history goes on behind the other's
        wait_for("states of the first host", lambda: a.replicated() == 7)
        first.stop()
    assert "sound" in litestream("verify", a.plain).out
    states = []
    for t in points(a.plain):
        restore(a.plain, a.out, "-txid", t)
        states.append(check_state(a.out))
    assert states[-1] == 7 and 8 in states and sorted(states[:states.index(8) + 1]) == states[:states.index(8) + 1]


def test_killed_and_started_again(gateway, bucket, hosts):
    """The same state directory: no need to wait until its own lease runs out."""
    a, _ = hosts
    a.replica = gateway.url(bucket, lease="1h")
    c = a.create()
    for i in range(3):
        d = a.start().ready()
        commit(c, 1)
        wait_for("the commit", lambda: a.replicated() == 4 + i)
        assert lock(gateway, bucket)["generation"] == i + 1
        d.kill()
    c.close()


def test_killed_for_good(gateway, bucket, hosts):
    a, b = hosts
    a.create().close()
    with a.start() as first:
        first.ready()
        wait_for("the first state", lambda: points(a.plain))
        with b.start("-restore-if-db-not-exists") as second:
            second.wait_log("standby: the lease")
            first.kill()
            second.wait_log("lease acquired.*number=2", 20)
            second.ready().stop()
    assert b.replicated() == 3


@pytest.mark.parametrize("key", ["lease", "state directory"])
def test_standby_exit(hosts, key):
    a, b = hosts
    c = a.create()
    lease = {"lease": TTL} if key == "lease" else {}
    with a.config(**lease) as first:
        first.ready()
        if key == "lease":
            new_database(b.db).close()
            p = b.config(standby="exit", **lease)
            assert p.p.wait(30) == 1
            assert f":{first.p.pid} has the lease of this replica" in p.text()
        else:
            p = a.config(standby="exit")
            assert p.p.wait(30) == 1 and "another litestream" in p.text()
            with a.config(standby="wait") as second:
                second.wait_log("standing by.*another litestream")
                first.stop()
                second.ready()
                commit(c, 2)
                second.stop()
                assert a.replicated() == 5


def test_application_ends_with_its_lease(hosts):
    """Both hosts run the application under replicate -exec; only one of them at a time is to write."""
    a, b = hosts
    a.create().close()
    with a.start("-exec", "sleep 1000") as first:
        first.ready()
        wait_for("the first state", lambda: points(a.plain))
        with b.start("-restore-if-db-not-exists", "-exec", "sleep 1001") as second:
            second.wait_log("standby: the lease")
            assert run("pgrep", "-P", second.p.pid, ok=None).rc == 1, "no application while standing by"
            first.p.send_signal(signal.SIGSTOP)
            second.wait_log("lease acquired", 20)
            wait_for("its application", lambda: run("pgrep", "-P", second.p.pid, ok=None).rc == 0)
            first.p.send_signal(signal.SIGCONT)
            assert first.p.wait(60) == 1 and "lease lost" in first.text()
            second.stop()


def test_the_storage_is_away(gateway, bucket, hosts, proxy):
    """The lease runs out with nobody to take it: commits wait, nothing is lost, and it goes on by itself."""
    a, _ = hosts
    a.replica = gateway.url(bucket, endpoint=f"http://127.0.0.1:{proxy.port}", lease=TTL)
    c = a.create()
    with a.start() as d:
        d.ready()
        wait_for("the first state", lambda: points(a.plain))
        proxy.harm = lambda method, target: "refuse"
        d.wait_log("lease not renewed")
        commit(c, 3)
        d.wait_log("replica sync error.*lease", 20)
        proxy.harm = None
        wait_for("the commits", lambda: a.replicated() == 6)
        assert "full image" not in d.text().split("lease not renewed")[1]
        d.stop()


def test_answers_are_lost(gateway, bucket, hosts, proxy):
    """Every third answer is: a renewal that was done is not taken for somebody else's."""
    a, _ = hosts
    a.replica = gateway.url(bucket, endpoint=f"http://127.0.0.1:{proxy.port}", lease=TTL)
    c = a.create()
    n = [0]

    def harm(method, target):
        n[0] += 1
        return "late" if n[0] % 3 == 0 else None
    proxy.harm = harm
    with a.start() as d:
        d.ready()
        for i in range(20):
            commit(c, 1)
            wait_for("the commit", lambda: int((points_or_none(a.plain) or ["0"])[-1], 16) > i)
        wait_for("twenty states", lambda: a.replicated() == 23)
        d.stop()
        assert "lease lost" not in d.text() and "full image" not in d.text().split("caught up")[1]


def test_server_that_does_not_compare(gateway, bucket, hosts, proxy):
    """A provider that takes every conditional write would let two hosts write."""
    a, _ = hosts
    a.replica = gateway.url(bucket, endpoint=f"http://127.0.0.1:{proxy.port}", lease=TTL)
    proxy.strip = re.compile(rb"\r\nif-(none-)?match: [^\r]*", re.I)
    a.create().close()
    with a.start() as d:
        d.wait_log("does not compare before it writes.*remove 'lease'")
        assert not points_or_none(a.plain)
    assert not [k for k in gateway.keys(bucket) if k.endswith("lock.json")]


def points_or_none(replica):
    p = litestream("points", "-json", replica, ok=None)
    return p.rc == 0 and [point["txid"] for point in json.loads(p.out)["points"]]


def test_hosts_in_turns(gateway, bucket, hosts):
    """Killed while they write; each point of the replica is a state of one of them, and the newest is the last one's."""
    a, b = hosts
    a.create(1).close()
    for turn in range(MANY_TURNS * 2):
        me = (a, b)[turn % 2]
        remove_database(me.db)
        if turn == 0:
            new_database(me.db).close()
        with me.start("-restore-if-db-not-exists") as d:
            d.wait_log(f"lease acquired.*number={turn + 1}", 20)
            d.ready()
            before = check_state(me.db)
            c = connect(me.db)
            commit(c, 10)
            wait_for("the commits", lambda: me.replicated() == before + 10)
            c.close()
            d.kill() if turn % 3 == 1 else d.stop()
    assert a.replicated() == MANY_TURNS * 20
    assert "sound" in litestream("verify", a.plain).out


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
