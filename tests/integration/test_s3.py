# SPDX-License-Identifier: Apache-2.0
"""Replicas in object storage, on a Ceph object gateway: what a user does with a directory works there, too."""
import json
import os
import subprocess
import sys

import pytest

import tap
from s3 import *


def test_contract(gateway):
    """What store.h promises, path style with signed bodies and host style without."""
    gateway.bucket("contract")
    p = run(os.path.join(TOP_BUILDDIR, "tests", "unit", "test_store_contract"), ok=None, timeout=300,
            env={**os.environ, "LS_TEST_S3": f"http://localhost:{gateway.port}"})
    assert p.rc == 0, "\n".join(l for l in p.out.splitlines() if not l.startswith("ok"))[-3000:] + p.err
    assert gateway.uploads("contract") == []


def test_once_and_back(gateway, bucket, shm):
    db, out = os.path.join(shm, "a.db"), os.path.join(shm, "out.db")
    c = new_database(db)
    commit(c, 5, size=20000)
    replica = gateway.url(bucket)
    once(db, replica)
    restore(replica, out)
    assert_same_database(out, live(db, shm))
    assert {k.split("/")[0] for k in gateway.keys(bucket)} == {"app"}
    assert [f["max_txid"] for f in ltx(replica)] and points(replica)
    assert "sound" in litestream("verify", replica).out
    assert "sound" in litestream("verify", "-deep", replica).out
    c.close()


def live(db, shm):
    out = os.path.join(shm, "live.db")
    live_copy(db, out)
    return out


def test_every_point(gateway, bucket, shm):
    db, replica = os.path.join(shm, "a.db"), gateway.url(bucket)
    new_database(db).close()
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    ledger = os.path.join(shm, "ledger")
    assert start_writer(db, 3, ledger, 60).wait(60) == 0
    daemon.stop()
    out = os.path.join(shm, "out.db")
    restore(replica, out)
    assert check_state(out) == last_committed(ledger)
    assert check_history(replica, shm) > 3


@pytest.mark.parametrize("path", ["a/b", "", "it's (a) path+ü"])
def test_names_of_objects(gateway, bucket, shm, path):
    """As the released program writes them: level as four hex digits, and a leading slash when the path is empty."""
    db = os.path.join(shm, "a.db")
    new_database(db).close()
    replica = gateway.url(bucket, urllib.parse.quote(path))
    once(db, replica)
    assert f"{path}/0000/0000000000000001-0000000000000001.ltx" in gateway.keys(bucket)
    restore(replica, os.path.join(shm, "out.db"))


def test_no_path_at_all(gateway, bucket, shm):
    db = os.path.join(shm, "a.db")
    new_database(db).close()
    replica = f"s3://{bucket}?endpoint={gateway.endpoint}"
    once(db, replica)
    assert "./0000/0000000000000001-0000000000000001.ltx" in gateway.keys(bucket)
    restore(replica, os.path.join(shm, "out.db"))


def test_large_objects_go_in_parts(gateway, bucket, shm):
    db, out = os.path.join(shm, "a.db"), os.path.join(shm, "out.db")
    c = connect(db)
    c.executescript("PRAGMA journal_mode=WAL; CREATE TABLE t(x);")
    for _ in range(40):
        c.execute("INSERT INTO t VALUES(randomblob(900000))")
    replica = gateway.url(bucket)
    once(db, replica)
    restore(replica, out)
    assert_same_database(out, live(db, shm))
    assert gateway.uploads(bucket) == []
    c.close()


# ---- the released program ----

def interiors(gateway, bucket):
    return [k for k in gateway.keys(bucket) if k.endswith(".interior")]


def rows_database(path, n, seed):
    c = connect(path)
    c.executescript("PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v BLOB); CREATE INDEX t_k ON t(k);")
    c.execute("BEGIN")
    c.executemany("INSERT INTO t VALUES(?, ?, randomblob(1000))", ((i, i * seed % n) for i in range(n)))
    c.execute("COMMIT")
    return c


def rows_at_random(where, n, seed):
    c = connect_ro(f"{where}/latest.db")
    for i in range(0, n, n // 40):
        assert c.execute("SELECT k FROM t WHERE id = ?", (i,)).fetchone() == (i * seed % n,)
        assert c.execute("SELECT length(v) FROM t WHERE k = ?", (i,)).fetchone() == (1000,)
    c.close()


def test_interior_pages_come_at_once(gateway, bucket, proxy, shm):
    """A row is one request, though its way through the tree lies scattered over the snapshot."""
    n, db, where = 20000, os.path.join(shm, "a.db"), os.path.join(shm, "m")
    c = rows_database(db, n, 7919)
    once(db, gateway.url(bucket))
    assert interiors(gateway, bucket) == ["app/fine/0000000000000001.interior"]
    with mounted(gateway.url(bucket, endpoint=f"http://127.0.0.1:{proxy.port}"), where):
        connect_ro(f"{where}/latest.db").execute("SELECT count(*) FROM sqlite_schema").fetchone()
        proxy.clear()
        rows_at_random(where, n, 7919)
        assert proxy.requests["GET"] <= 40 * 3, proxy.log      # a leaf of the table; one of the index, and of the table behind it
        run("cmp", f"{where}/latest.db", live(db, shm))
    # What was changed since comes from the newer objects.
    c.execute("UPDATE t SET k = k + ?", (n,))
    c.execute("UPDATE t SET k = k - ?", (n,))
    once(db, gateway.url(bucket))
    with mounted(gateway.url(bucket), where):
        rows_at_random(where, n, 7919)
        run("cmp", f"{where}/latest.db", live(db, shm))
    c.close()


@pytest.mark.parametrize("what", ["garbage", "another snapshot's", "cut", "gone"])
def test_interior_pages_that_are_wrong(gateway, bucket, shm, what):
    n, db, where, key = 12000, os.path.join(shm, "a.db"), os.path.join(shm, "m"), "app/fine/0000000000000001.interior"
    rows_database(db, n, 7919).close()
    once(db, gateway.url(bucket))
    data = gateway.request("GET", f"/{bucket}/{key}")[1]
    if what == "another snapshot's":
        other = os.path.join(shm, "b.db")
        rows_database(other, n, 7907).close()
        once(other, gateway.url(bucket, "other"))
        data = gateway.request("GET", f"/{bucket}/other/{key[4:]}")[1]
    elif what == "garbage":
        data = data[:1000] + os.urandom(len(data) - 2000) + data[-1000:]
    elif what == "cut":
        data = data[:-100]
    if what == "gone":
        gateway.request("DELETE", f"/{bucket}/{key}")
    else:
        gateway.request("PUT", f"/{bucket}/{key}", body=data)
    with mounted(gateway.url(bucket), where):
        rows_at_random(where, n, 7919)
        assert connect_ro(f"{where}/latest.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_interior_pages_go_with_their_snapshot(gateway, bucket, shm):
    db, conf = os.path.join(shm, "a.db"), os.path.join(shm, "c.yml")
    c = rows_database(db, 12000, 7919)
    open(conf, "w").write(f"snapshot: {{interval: 1h, retention: 1s}}\ndbs:\n- path: {db}\n  replica: {{url: '{gateway.url(bucket)}'}}\n")
    for i in range(3):
        c.execute("UPDATE t SET k = k + 1 WHERE id = 5")
        time.sleep(1.1)         # the retention, by which snapshots expire
        litestream("replicate", "-once", "-force-snapshot", "-enforce-retention", "-config", conf)
        snapshots = {k[9 + 17:-4] for k in gateway.keys(bucket, "app/0009/")}
        assert {k[len("app/fine/"):-len(".interior")] for k in interiors(gateway, bucket)} == snapshots
    assert f"{1:016x}" not in snapshots and f"{3:016x}" in snapshots
    c.close()


def test_they_restore_ours(gateway, bucket, shm):
    program = peer("0.5.17")
    db, replica = os.path.join(shm, "a.db"), gateway.url(bucket)
    new_database(db).close()
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    assert start_writer(db, 5, os.path.join(shm, "ledger"), 30).wait(60) == 0
    daemon.stop()
    a, b = os.path.join(shm, "a.out"), os.path.join(shm, "b.out")
    for t in txids(replica)[::4]:
        remove_database(a)
        run(program, "restore", "-o", a, "-txid", t, replica)
        restore(replica, b, "-txid", t)
        assert_same_database(a, b)


def test_we_restore_theirs_and_go_on(gateway, bucket, shm):
    program = peer("0.5.17")
    db, replica = os.path.join(shm, "a.db"), gateway.url(bucket)
    ledger = os.path.join(shm, "ledger")
    new_database(db).close()
    conf = os.path.join(shm, "p.yml")
    open(conf, "w").write(f"dbs:\n- path: {db}\n  replica:\n    type: s3\n    bucket: {bucket}\n    path: app\n    endpoint: {gateway.endpoint}\n"
                          f"    access-key-id: {KEY}\n    secret-access-key: {SECRET}\n    sync-interval: 50ms\n")
    theirs = subprocess.Popen([program, "replicate", "-config", conf], stdout=open(os.path.join(shm, "peer.log"), "w"), stderr=subprocess.STDOUT)
    wait_for("their first object", lambda: gateway.keys(bucket))
    assert start_writer(db, 5, ledger, 20).wait(60) == 0
    theirs.terminate()
    theirs.wait(60)
    out = os.path.join(shm, "out.db")
    restore(replica, out)
    assert check_state(out) == last_committed(ledger)
    # Ours takes over with the same file, and they read what it wrote.
    daemon = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()
    assert start_writer(db, 6, ledger, 20).wait(60) == 0
    daemon.stop()
    remove_database(out)
    run(program, "restore", "-o", out, replica)
    assert_same_database(out, live(db, shm))
    assert check_history(replica, shm) > 3


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
