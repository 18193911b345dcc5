# SPDX-License-Identifier: Apache-2.0
"""Both directions with the released programs: they restore what we wrote, we restore and mount what they wrote."""
import os
import signal
import subprocess
import sys

import pytest

import tap
from common import *

PEERS = ["0.5.17", "0.5.6"]


def peer_restore(program, replica, out, *args):
    if os.path.exists(out):
        os.unlink(out)
    run(program, "restore", "-o", out, *args, url(replica))


def write_ours(shm, encoding="frame", count=80):
    db, replica, conf = (os.path.join(shm, n) for n in ("a.db", "rep", "c.yml"))
    new_database(db).close()
    open(conf, "w").write(f"dbs:\n- path: {db}\n  replica:\n    path: {replica}\n    ltx-encoding: {encoding}\n")
    daemon = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()
    assert start_writer(db, 1, os.path.join(shm, "ledger"), count).wait(60) == 0
    daemon.stop()
    return db, replica


@pytest.mark.parametrize("version,encoding", [("0.5.17", "frame"), ("0.5.17", "block"), ("0.5.6", "frame")])
def test_they_restore_ours_at_every_txid(version, encoding, shm):
    program = peer(version)
    db, replica = write_ours(shm, encoding)
    a, b = os.path.join(shm, "a.out"), os.path.join(shm, "b.out")
    for t in txids(replica):
        peer_restore(program, replica, a, "-txid", t)
        restore(replica, b, "-txid", t)
        assert_same_database(a, b)
    peer_restore(program, replica, a)
    live_copy(db, os.path.join(shm, "live.db"))
    assert_same_database(a, os.path.join(shm, "live.db"))


def write_theirs(program, shm, rounds=25, slow=0.06):
    db, replica, conf = (os.path.join(shm, n) for n in ("p.db", "prep", "p.yml"))
    open(conf, "w").write(f"dbs:\n- path: {db}\n  monitor-interval: 20ms\n  replica:\n    path: {replica}\n    sync-interval: 20ms\n")
    c = new_database(db)
    p = subprocess.Popen([program, "replicate", "-config", conf], stdout=open(os.path.join(shm, "peer.log"), "w"), stderr=subprocess.STDOUT)
    wait_for("its first file", lambda: os.path.isdir(os.path.join(replica, "ltx", "0")) and os.listdir(os.path.join(replica, "ltx", "0")))
    for i in range(rounds):
        seen = len(os.listdir(os.path.join(replica, "ltx", "0")))
        c.execute("BEGIN")
        c.executemany("INSERT INTO t(k, v) VALUES(?, ?)", [(i, os.urandom(300))] * 3)
        c.execute(SEAL)
        c.execute("COMMIT")
        wait_for("its next file", lambda: len(os.listdir(os.path.join(replica, "ltx", "0"))) > seen)
    c.close()
    p.send_signal(signal.SIGTERM)
    p.wait(60)
    return db, replica


@pytest.mark.parametrize("version", PEERS)
def test_we_restore_and_mount_theirs(version, shm):
    program = peer(version)
    db, replica = write_theirs(program, shm)
    a, b = os.path.join(shm, "a.out"), os.path.join(shm, "b.out")
    with mounted(replica, os.path.join(shm, "m")) as m:
        for t in txids(replica):
            peer_restore(program, replica, a, "-txid", t)
            restore(replica, b, "-txid", t)
            assert_same_database(a, b)
            assert sha(f"{m}/txid/{t}.db") == sha(a)
    assert check_history(replica, shm, every=4) > 3


def test_their_extension_reads_ours(shm):
    extension = peer("vfs")
    db, replica = write_ours(shm, count=40)
    script = f".load {extension} sqlite3_litestreamvfs_init\n.open file:x.db?vfs=litestream\nSELECT n, count, sum FROM meta;\nSELECT count(*) FROM t;\nPRAGMA integrity_check;\n"
    p = subprocess.run(["sqlite3"], input=script, capture_output=True, text=True, timeout=60, env={**os.environ, "LITESTREAM_REPLICA_URL": url(replica), "LITESTREAM_LOG_FILE": os.path.join(shm, "vfs.log")})
    c = connect_ro(db)
    want = c.execute("SELECT n, count, sum FROM meta").fetchone()
    assert p.stdout.splitlines()[:3] == ["|".join(map(str, want)), str(want[1]), "ok"], p.stdout + p.stderr


@pytest.mark.parametrize("version", PEERS)
def test_take_over_in_mid_history(version, shm):
    """We go on where they stopped, with their state directory; then they go on where we stopped."""
    program = peer(version)
    db, replica = write_theirs(program, shm, rounds=8)
    before = txids(replica)
    daemon = Daemon(db, replica, os.path.join(shm, "log")).ready()
    ledger = os.path.join(shm, "ledger")
    assert start_writer(db, 3, ledger, 30).wait(60) == 0
    daemon.stop()
    ours = txids(replica)
    assert ours[-1] > before[-1]
    out, live = os.path.join(shm, "r.db"), os.path.join(shm, "live.db")
    restore(replica, out)
    live_copy(db, live)
    assert_same_database(live, out)
    p = subprocess.Popen([program, "replicate", db, url(replica)], stdout=open(os.path.join(shm, "peer.log"), "w"), stderr=subprocess.STDOUT)
    c = connect(db)
    for i in range(3):
        c.execute("BEGIN")
        c.execute("INSERT INTO t(k, v) VALUES(1, 'back')")
        c.execute(SEAL)
        c.execute("COMMIT")
    wait_for("their files after ours", lambda: txids(replica)[-1] > ours[-1])
    want = c.execute("SELECT n FROM meta").fetchone()[0]
    p.send_signal(signal.SIGTERM)
    p.wait(60)
    restore(replica, out)
    assert check_state(out) == want
    check_history(replica, shm, every=5)


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
