# SPDX-License-Identifier: Apache-2.0
"""Object storage over a bad network: cut, stalled, truncated, refused, overloaded, answered after we gave up."""
import errno
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import tap
from s3 import *

LONG = bool(os.environ.get("LS_TEST_LONG"))


def through(gateway, proxy, bucket, **query):
    return gateway.url(bucket, endpoint=f"http://127.0.0.1:{proxy.port}", **{"timeout": "1s", **query})


def replica_of(gateway, bucket, shm, size=20000):
    db = os.path.join(shm, "a.db")
    c = new_database(db)
    commit(c, 5, size=size)
    once(db, gateway.url(bucket))
    return c, db


@pytest.mark.parametrize("harm", [503, 500, 429, "cut", "truncate", "refuse", "stall"])
def test_a_restore_gets_through(gateway, bucket, proxy, shm, harm):
    """Each request fails twice before it may succeed."""
    c, db = replica_of(gateway, bucket, shm, size=400000)
    seen = {}

    def fn(method, target):
        seen[target] = seen.get(target, 0) + 1
        return harm if seen[target] <= 2 and len(seen) <= 3 else None
    proxy.harm = fn
    out = os.path.join(shm, "out.db")
    restore(through(gateway, proxy, bucket), out)
    live_copy(db, os.path.join(shm, "live.db"))
    assert_same_database(out, os.path.join(shm, "live.db"))
    assert max(seen.values()) >= 3
    c.close()


@pytest.mark.parametrize("harm,text", [(403, "access denied"), (404, "no such bucket"), (418, "HTTP status 418")])
def test_what_does_not_pass_is_said_at_once(gateway, bucket, proxy, shm, harm, text):
    c, _ = replica_of(gateway, bucket, shm)
    c.close()
    proxy.harm = lambda method, target: harm
    out = os.path.join(shm, "out.db")
    p = litestream("restore", "-o", out, through(gateway, proxy, bucket), ok=False)
    assert text in p.err and not os.path.exists(out), p.err
    assert proxy.requests.total() <= 3


@pytest.mark.parametrize("harm", [403, 404])
def test_a_daemon_waits_for_the_repair_from_the_start_on(gateway, bucket, proxy, shm, harm):
    """As later, when a bucket refuses: only what is wrong with the database itself ends it."""
    db = os.path.join(shm, "a.db")
    c = new_database(db)
    proxy.harm = lambda method, target: harm
    with Daemon(db, through(gateway, proxy, bucket), os.path.join(shm, "log")) as daemon:
        daemon.wait_log("sync error")
        commit(c)
        proxy.harm = None
        daemon.ready().stop()
    restore(gateway.url(bucket), os.path.join(shm, "out.db"))
    assert check_state(os.path.join(shm, "out.db")) == 1
    c.close()


def test_one_request_for_a_commit_and_none_without(gateway, bucket, proxy, shm):
    db, conf, sock = (os.path.join(shm, n) for n in ("a.db", "c.yml", "s"))
    c = new_database(db)
    open(conf, "w").write(f"socket: {{enabled: true, path: {sock}}}\nprices: {{put: 1000}}\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{through(gateway, proxy, bucket)}'}}\n")
    d = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()
    litestream("sync", "-wait", "-socket", sock, db)
    d.wait_log("snapshot complete")
    proxy.clear()
    for i in range(3):
        commit(c)
        litestream("sync", "-wait", "-socket", sock, db)
        assert dict(proxy.requests) == {"PUT": i + 1}, proxy.log
    c.close()
    said = json.loads(litestream("list", "-json", "-socket", sock).out)["databases"][0]["storage"]
    puts, gets, lists = said["put"], said["get"], said["list"]
    assert puts == 5 and lists >= 2 and said["bytes_sent"] > 5 * 131 and said["delete"] == 0
    assert said["cost"] == pytest.approx(puts * 1 + gets * 0.0004 / 1000 + lists * 0.005 / 1000 + said["bytes_received"] * 0.09 / 1e9)
    assert f"{puts + gets + lists} requests, about {said['cost']:.4f}" in litestream("info", "-socket", sock).out
    d.stop()
    assert dict(proxy.requests) == {"PUT": 3}, proxy.log


@pytest.mark.parametrize("size", [1, 100000])
def test_writing_without_a_pause(gateway, bucket, proxy, shm, size):
    """Not more than a request a sync-interval, after the few that go at once."""
    db, conf = os.path.join(shm, "a.db"), os.path.join(shm, "c.yml")
    c = new_database(db)
    open(conf, "w").write(f"dbs:\n- path: {db}\n  replica: {{url: '{through(gateway, proxy, bucket)}', sync-interval: 500ms}}\n")
    d = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()
    d.wait_log("snapshot complete")
    proxy.clear()
    start = time.monotonic()
    while time.monotonic() < start + 3:
        c.execute("INSERT INTO t(k, v) VALUES(1, randomblob(?))", (size,))
        time.sleep(0.01)        # the pace of the writer
    c.close()
    took = time.monotonic() - start
    d.stop()
    puts = {line.split("?")[0] for line in proxy.log if line.startswith("PUT")}     # parts of one object are one
    assert len(puts) <= took / 0.5 + 8, (took, proxy.log)


def test_object_lock(gateway, proxy, shm):
    """A bucket that keeps each object for a day: Content-MD5 is sent where it is wanted, and what is deleted is only hidden."""
    bucket = f"locked-{os.getpid()}"
    gateway.request("PUT", f"/{bucket}", headers={"x-amz-bucket-object-lock-enabled": "true"})
    gateway.request("PUT", f"/{bucket}", {"object-lock": ""}, b'<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                    b"<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention>"
                    b"</Rule></ObjectLockConfiguration>")
    proxied = f"http://127.0.0.1:{proxy.port}"
    db, conf, out = (os.path.join(shm, n) for n in ("a.db", "c.yml", "out.db"))
    c = new_database(db)
    commit(c, 3, size=4000000)      # in parts, too
    open(conf, "w").write("levels: [{interval: 1s}, {interval: 2s}]\nl0-retention: 1s\nl0-retention-check-interval: 1s\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{gateway.url(bucket, endpoint=proxied)}', sync-interval: 100ms}}\n")
    proxy.demand = re.compile(rb"\r\ncontent-md5: ", re.I)
    d = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()

    def expired():
        commit(c)
        return gateway.request("GET", f"/{bucket}", {"versions": ""})[1].count(b"<DeleteMarker>") > 3
    wait_for("deleted objects", expired, 60)
    c.close()
    d.stop()
    assert "error" not in d.text() and "refuses" not in d.text(), d.text()
    restore(gateway.url(bucket), out)
    live_copy(db, os.path.join(shm, "live.db"))
    assert_same_database(out, os.path.join(shm, "live.db"))


def test_nothing_is_fetched_that_was_here(gateway, bucket, proxy, shm):
    """Levels and packs are made of what was sent a moment ago."""
    db, conf, out = (os.path.join(shm, n) for n in ("a.db", "c.yml", "out.db"))
    c = new_database(db)
    open(conf, "w").write("levels: [{interval: 1s}]\nl0-retention: 2s\nl0-retention-check-interval: 1s\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{through(gateway, proxy, bucket, timeout='30s')}', sync-interval: 50ms}}\n")
    d = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()
    d.wait_log("snapshot complete")
    proxy.clear()

    def merged():
        commit(c)
        return len(gateway.keys(bucket, "app/0001/")) >= 2 and len(gateway.keys(bucket, "app/fine/")) >= 2
    wait_for("levels and packs", merged, 60)
    kept = os.path.join(shm, ".a.db-litestream", "replicas", "s3", "recent")
    wait_for("nothing to be kept", lambda: not os.listdir(kept), 60)
    assert "GET" not in {line.split()[0] for line in proxy.log if "list-type" not in line}, proxy.log
    d.stop()
    restore(gateway.url(bucket), out)
    live_copy(db, os.path.join(shm, "live.db"))
    c.close()
    assert_same_database(out, os.path.join(shm, "live.db"))


def test_deletes_are_refused(gateway, bucket, proxy, shm):
    """Locked objects: said once, not asked again and again, and all else goes on."""
    db, conf, out = (os.path.join(shm, n) for n in ("a.db", "c.yml", "out.db"))
    c = new_database(db)
    open(conf, "w").write("levels: [{interval: 1s}, {interval: 2s}]\nl0-retention: 1s\nl0-retention-check-interval: 1s\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{through(gateway, proxy, bucket)}', sync-interval: 100ms}}\n")
    proxy.harm = lambda method, target: 403 if method == "POST" and "delete" in target or method == "DELETE" else None
    d = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()

    def merged():
        commit(c)
        return len([k for k in gateway.keys(bucket, "app/0002/")]) >= 3
    wait_for("files of level 2", merged, 60)
    c.close()
    d.stop()
    assert d.text().count("the storage refuses to delete") == 1 and "compaction failed" not in d.text()
    assert len([line for line in proxy.log if line.startswith("DELETE") or "?delete" in line]) == 1, proxy.log
    restore(gateway.url(bucket), out)
    live_copy(db, os.path.join(shm, "live.db"))
    assert_same_database(out, os.path.join(shm, "live.db"))


def test_deletes_that_are_not_done(gateway, bucket, proxy, shm):
    """A storage that says "deleted" and keeps the object: the audit finds it, and it is deleted again."""
    db, conf = os.path.join(shm, "a.db"), os.path.join(shm, "c.yml")
    c = new_database(db)
    open(conf, "w").write("levels: [{interval: 1s}]\nl0-retention: 1s\nl0-retention-check-interval: 1s\nvalidation: {interval: 1s}\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{through(gateway, proxy, bucket, timeout='30s')}', sync-interval: 100ms}}\n")
    said = []

    def harm(method, target):
        if "?delete" in target and not said:
            said.append(gateway.keys(bucket, "app/0000/"))
            return 200
        return None
    proxy.harm = harm
    d = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()
    d.wait_log("snapshot complete")

    def deletes():
        commit(c)
        return said
    wait_for("a delete", deletes, 60)
    old = set(said[0][:-1])
    wait_for("the old batches to go", lambda: not old & set(gateway.keys(bucket, "app/0000/")), 60)
    c.close()
    d.stop()
    assert "appeared in the replica" in d.text()


def test_a_delete_that_hangs_holds_nothing_back(gateway, bucket, proxy, shm):
    db, conf, sock = (os.path.join(shm, n) for n in ("a.db", "c.yml", "s"))
    c = new_database(db)
    open(conf, "w").write("levels: [{interval: 1s}]\nl0-retention: 1s\nl0-retention-check-interval: 1s\n"
                          f"socket: {{enabled: true, path: {sock}}}\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{through(gateway, proxy, bucket)}', sync-interval: 100ms}}\n")
    hangs = []

    def harm(method, target):
        if method == "DELETE" or "?delete" in target:
            hangs.append(target)
            return "stall"
        return None
    proxy.harm = harm
    d = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()

    def merged():
        commit(c)
        return len(gateway.keys(bucket, "app/0001/")) >= 2
    wait_for("level 1", merged, 60)
    wait_for("a delete", lambda: len(hangs) >= 4, 60)   # by now it is tried for the third time
    commit(c)
    litestream("sync", "-wait", "-timeout", "15", "-socket", sock, db)
    c.close()
    proxy.harm = None
    d.stop()


@pytest.mark.parametrize("end", ["the storage is well again", "killed", "stopped", "the spool is full"])
def test_a_snapshot_that_fails_holds_nothing_back(gateway, bucket, proxy, shm, end):
    db, conf, sock, out = (os.path.join(shm, n) for n in ("a.db", "c.yml", "s", "out.db"))
    c = new_database(db)
    commit(c, 5, size=100000)
    open(conf, "w").write(f"socket: {{enabled: true, path: {sock}}}\nspool-max-size: 4MB\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{through(gateway, proxy, bucket)}', sync-interval: 100ms}}\n")
    tries = []

    def harm(method, target):
        if "/app/0009/" in target:
            tries.append(target)
            return 503
        return None
    proxy.harm = harm
    log = os.path.join(shm, "log")
    d = Daemon(None, None, log, config=conf).ready()
    wait_for("the snapshot to fail", lambda: len(tries) >= 2)
    for _ in range(30 if end == "the spool is full" else 1):    # the image stays here, and counts
        commit(c, size=300000)
        litestream("sync", "-wait", "-timeout", "20", "-socket", sock, db)
    assert not gateway.keys(bucket, "app/0009/")
    if end == "killed":
        d.kill()
        d = Daemon(None, None, log, config=conf).ready()
    elif end == "stopped":              # all is there that was committed
        d.stop()
        p = litestream("replicate", "-once", "-config", conf, ok=None)
        assert p.rc == 0, p.err
        d = Daemon(None, None, log, config=conf).ready()
    proxy.harm = None
    wait_for("the snapshot", lambda: gateway.keys(bucket, "app/0009/"), 120)
    d.stop()
    restore(gateway.url(bucket), out)
    live_copy(db, os.path.join(shm, "live.db"))
    assert_same_database(out, os.path.join(shm, "live.db"))
    c.close()


def test_an_image_that_nothing_leads_to(gateway, bucket, proxy, shm):
    """The replica has lost an object. The image is there once its snapshot is, and not before."""
    db, conf, sock, out = (os.path.join(shm, n) for n in ("a.db", "c.yml", "s", "out.db"))
    c = new_database(db)
    for _ in range(5):
        commit(c)
        once(db, gateway.url(bucket))
    gateway.request("DELETE", "/{}/{}".format(bucket, next(k for k in gateway.keys(bucket, "app/0000/") if "3-" in k)))
    open(conf, "w").write(f"socket: {{enabled: true, path: {sock}}}\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{through(gateway, proxy, bucket)}', sync-interval: 100ms}}\n")
    shutil.rmtree(f"{shm}/.a.db-litestream")
    commit(c)
    proxy.harm = lambda method, target: 503 if "/app/0009/" in target and method == "PUT" else None
    with Daemon(None, None, os.path.join(shm, "log"), config=conf) as d:
        d.wait_log("caught up")
        litestream("sync", "-wait", "-timeout", "3", "-socket", sock, db, ok=False)
        proxy.harm = None
        litestream("sync", "-wait", "-socket", sock, db)
        restore(gateway.url(bucket), out)
        assert check_state(out) == 6
        commit(c, 2)
        d.stop()
    restore(gateway.url(bucket), out)
    assert check_state(out) == 8
    c.close()


def random_harm(rnd, one_in=5):
    kinds = ["cut", "stall", "truncate", 500, 503, 429, "late", "refuse"]
    return lambda method, target: rnd.choice(kinds) if rnd.randrange(one_in) == 0 else None


def test_one_in_five(gateway, bucket, proxy, shm):
    """One request in five is harmed while the daemon writes, merges, is killed, and others restore: nothing is lost or doubled."""
    seed = int(os.environ.get("LS_TEST_SEED", "1"))
    rnd = random.Random(seed)
    db, conf, out, ledger = (os.path.join(shm, n) for n in ("a.db", "c.yml", "out.db", "ledger"))
    new_database(db).close()
    replica = through(gateway, proxy, bucket)
    open(conf, "w").write("levels: [{interval: 1s}, {interval: 3s}]\nl0-retention: 2s\nl0-retention-check-interval: 1s\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{replica}', sync-interval: 20ms}}\n")
    proxy.harm = random_harm(rnd)
    wanted, end = (10000, time.monotonic() + 1500) if LONG else (200, time.monotonic() + 30)
    n, slowest = 0, 0
    while proxy.requests.total() < wanted and time.monotonic() < end:
        d = Daemon(None, None, os.path.join(shm, "log"), config=conf)
        w = start_writer(db, seed * 1000 + n, ledger)
        before = proxy.requests.total()
        wait_for("requests", lambda: proxy.requests.total() > before + 60, 90)
        start = time.monotonic()
        p = litestream("restore", "-o", out, "-force", replica, ok=None, timeout=600)
        slowest = max(slowest, time.monotonic() - start)
        if p.rc == 0:
            check_state(out)
        w.kill()
        w.wait()
        d.kill()
        n += 1
    proxy.harm = None
    litestream("replicate", "-once", "-config", conf)
    restore(gateway.url(bucket), out)
    assert check_state(out) >= last_committed(ledger)
    assert check_history(gateway.url(bucket), shm, every=5) > 3
    print(f"# {proxy.requests.total()} requests, {n} kills, slowest restore {slowest:.1f} s, {len(gateway.keys(bucket))} objects")


def test_the_gateway_goes_and_comes_back(gateway, bucket, proxy, shm):
    db, ledger = os.path.join(shm, "a.db"), os.path.join(shm, "ledger")
    new_database(db).close()
    d = Daemon(db, through(gateway, proxy, bucket), os.path.join(shm, "log")).ready()
    proxy.harm = lambda method, target: "refuse"
    w = start_writer(db, 7, ledger, 50)
    assert w.wait(60) == 0, "no commit waits for storage"
    d.wait_log("replica sync error", 60)
    proxy.harm = None
    d.wait_log("replica sync recovered", 60)
    d.stop()
    out = os.path.join(shm, "out.db")
    restore(gateway.url(bucket), out)
    assert check_state(out) == last_committed(ledger)


@pytest.mark.parametrize("lease", ["false", "3s"])
def test_busy_at_the_start(gateway, bucket, proxy, shm, lease):
    """503 to all that is asked, for longer than it is asked at once: the database waits, and is not given up."""
    db, out = os.path.join(shm, "a.db"), os.path.join(shm, "out.db")
    c = new_database(db)
    commit(c, 2)
    proxy.harm = lambda method, target: 503
    with Daemon(db, through(gateway, proxy, bucket) + f"&lease={lease}", os.path.join(shm, "log")) as d:
        d.wait_log("sync error")
        wait_for("more requests", lambda: proxy.requests.total() > 8)
        assert proxy.requests.total() < 100, "it does not ask again at once"
        proxy.harm = None
        d.ready()
        commit(c, 2)
        d.stop()
        assert "another litestream" not in d.text()
    restore(gateway.url(bucket), out)
    assert check_state(out) == 4
    c.close()


def test_a_dead_bucket_holds_nothing_back(gateway, bucket, proxy, shm):
    """From the start on: the directory gets every commit, and the bucket catches up when it is there."""
    db, conf, near, ledger = (os.path.join(shm, n) for n in ("a.db", "c.yml", "near", "ledger"))
    new_database(db).close()
    open(conf, "w").write(f"dbs:\n- path: {db}\n  replicas:\n  - path: {near}\n  - url: '{through(gateway, proxy, bucket)}'\n")
    proxy.harm = lambda method, target: "refuse"
    with Daemon(None, None, os.path.join(shm, "log"), config=conf) as d:
        d.wait_log("replica sync error")
        assert start_writer(db, 7, ledger, 30).wait(60) == 0
        wait_for("its commits in the directory", lambda: os.path.isdir(near) and ltx(near) and
                 (restore(near, os.path.join(shm, "near.db")) and check_state(os.path.join(shm, "near.db")) == last_committed(ledger)))
    proxy.harm = None
    litestream("replicate", "-once", "-config", conf)
    restore(gateway.url(bucket), os.path.join(shm, "far.db"))
    assert check_state(os.path.join(shm, "far.db")) == last_committed(ledger)


class Mute:
    """A server that takes connections and requests, and says nothing."""

    def __init__(self):
        self.s, self.all = socket.create_server(("127.0.0.1", 0), backlog=512), []
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        with contextlib.suppress(OSError):
            while True:
                self.all.append(self.s.accept()[0])

    def close(self):
        for s in [self.s, *self.all]:
            s.close()


def test_a_bucket_without_an_answer_holds_nothing_back(gateway, bucket, shm):
    """Nor those of other databases, of which each has one directory and two buckets."""
    mute, dbs = Mute(), [os.path.join(shm, f"{i}.db") for i in range(8)]
    conf, log = os.path.join(shm, "c.yml"), os.path.join(shm, "log")
    with open(conf, "w", encoding="utf8") as f:
        f.write("dbs:\n")
        for i, db in enumerate(dbs):
            commit(new_database(db))
            f.write(f"- path: {db}\n  replicas:\n"
                    f"  - {{name: mute, url: '{gateway.url(bucket, path=f'mute{i}', endpoint=f'http://127.0.0.1:{mute.port}')}'}}\n"
                    f"  - {{name: far, url: '{gateway.url(bucket, path=f'far{i}')}'}}\n"
                    f"  - {{name: near, path: {shm}/near{i}}}\n")
    with Daemon(None, None, log, config=conf) as d:
        d.wait_log("waiting for the storage to answer")
        for i in range(len(dbs)):
            wait_for("the other two", lambda: os.path.isdir(f"{shm}/near{i}/ltx/0") and gateway.keys(bucket, f"far{i}/0000/"), 50)
    mute.close()


def test_no_answer_is_said(bucket, gateway, shm):
    """And not waited for again and again."""
    mute = Mute()
    p = litestream("restore", "-o", os.path.join(shm, "out.db"), gateway.url(bucket, endpoint=f"http://127.0.0.1:{mute.port}", timeout="6s"), ok=False)
    assert "waiting for the storage to answer" in p.out and "too slow" in p.err, p.out + p.err
    assert len(mute.all) <= 2, "the two listings"
    mute.close()


# ---- the mount ----

def test_mount(gateway, bucket, proxy, shm):
    need_fuse()
    c, db = replica_of(gateway, bucket, shm, size=400000)
    with mounted(through(gateway, proxy, bucket), os.path.join(shm, "m")) as m:
        live_copy(db, os.path.join(shm, "live.db"))
        assert sha(f"{m}/latest.db") == sha(os.path.join(shm, "live.db"))
        before = proxy.requests.total()
        assert check_state(f"{m}/latest.db") == 5
        assert proxy.requests.total() == before, "what was read is not fetched again"
    c.close()


def test_a_dead_server_is_a_timeout(gateway, bucket, proxy, shm):
    """Never EIO; and a reader that is killed is gone at once."""
    need_fuse()
    c, _ = replica_of(gateway, bucket, shm, size=3000000)
    with mounted(through(gateway, proxy, bucket, timeout="60s"), os.path.join(shm, "m"), "timeout=2s") as m:
        f = os.open(f"{m}/latest.db", os.O_RDONLY)
        proxy.harm = lambda method, target: "stall"
        with pytest.raises(OSError) as e:
            os.pread(f, 4096, 9000000)
        assert e.value.errno == errno.ETIMEDOUT
        p = subprocess.Popen(["dd", f"if={m}/latest.db", "of=/dev/null", "bs=4096", "skip=3000", "count=1"], stderr=subprocess.DEVNULL)
        wait_for("its read", lambda: "fuse" in open(f"/proc/{p.pid}/wchan").read() or p.poll() is not None)
        p.send_signal(signal.SIGKILL)
        p.wait(10)
        proxy.harm = None
        assert len(os.pread(f, 4096, 9000000)) == 4096
        os.close(f)
    c.close()


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
