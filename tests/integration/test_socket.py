# SPDX-License-Identifier: Apache-2.0
"""The control socket: sync -wait, info, list."""
import json
import os
import shutil
import socket
import stat
import sys
import threading

import tap
from common import *


@contextlib.contextmanager
def daemon(shm, db, replica, sync_interval="1h"):
    """With tokens so rare that nothing goes out by itself after the first one."""
    conf, sock = os.path.join(shm, "c.yml"), os.path.join(shm, "ctl.sock")
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"socket:\n  enabled: true\n  path: {sock}\ndbs:\n  - path: {db}\n    replica:\n"
                f"      path: {replica}\n      sync-interval: {sync_interval}\n")
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf) as d:
        d.wait_log("control socket listening")
        d.ready()
        d.sock = sock
        yield d


def test_sync_wait_means_in_the_replica(place, shm):
    db, replica = place
    c = connect(db)
    with daemon(shm, db, replica) as d:
        for i in range(1, 20):
            commit(c)
            p = json.loads(litestream("sync", "-wait", "-json", "-socket", d.sock, db).out)
            assert p["db_path"] == db and p["txid"] == p["replica_txid"]
            restore(replica, os.path.join(shm, "r.db"), "-force")
            assert check_state(os.path.join(shm, "r.db")) == i
        d.stop()


def test_many_waiters_share(place, shm):
    """Group commit: waiters at the same time cost few batches, and none is answered too early."""
    db, replica = place
    bad = []

    def one(n):
        c = connect(db)
        for i in range(3):
            c.execute("INSERT INTO w VALUES(?, ?)", (n, i))
            litestream("sync", "-wait", "-socket", d.sock, db)
            out = os.path.join(shm, f"r{n}.db")
            restore(replica, out, "-force")
            with contextlib.closing(connect_ro(out)) as r:
                if (n, i) not in r.execute("SELECT * FROM w").fetchall():
                    bad.append((n, i))
        c.close()

    connect(db).execute("CREATE TABLE w(n, i)")
    with daemon(shm, db, replica) as d:
        threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        d.stop()
    assert not bad, "acknowledged, but not in the replica"


def test_info_and_list(place, shm):
    db, replica = place
    with daemon(shm, db, replica) as d:
        litestream("sync", "-wait", "-socket", d.sock, db)
        info = json.loads(litestream("info", "-json", "-socket", d.sock).out)
        assert info["pid"] == d.p.pid and info["database_count"] == 1
        assert f"PID:         {d.p.pid}\n" in litestream("info", "-socket", d.sock).out
        entry, = json.loads(litestream("list", "-json", "-socket", d.sock).out)["databases"]
        assert entry["path"] == db and entry["status"] == "replicating" and entry["last_sync_at"]
        assert litestream("list", "-socket", d.sock).out.startswith(f"{db} [replicating] (last sync: 20")
        assert stat.S_IMODE(os.stat(d.sock).st_mode) == 0o600
        d.stop()
        assert not os.path.exists(d.sock)


def test_what_cannot_be_done_is_said(place, shm):
    db, replica = place
    with daemon(shm, db, replica) as d:
        assert "database not found" in litestream("sync", "-socket", d.sock, "/no/such.db", ok=False).err
        assert "timeout must be greater than 0" in litestream("sync", "-timeout", "0", "-socket", d.sock, db, ok=False).err
        os.rename(replica, replica + ".away")
        c = connect(db)
        commit(c)
        p = litestream("sync", "-wait", "-timeout", "1", "-socket", d.sock, db, ok=False)
        assert "captured here up to TXID 0000000000000002, the replica has 0000000000000001" in p.err
        assert "\ntxid: 2\n" in "\n" + litestream("sync", "-socket", d.sock, db).out, "without -wait this host is enough"
        os.rename(replica + ".away", replica)
        litestream("sync", "-wait", "-socket", d.sock, db)
        d.stop()
    p = litestream("info", "-socket", d.sock, ok=False)
    assert "failed to connect to control socket" in p.err


def test_requests_that_are_not_ours(place, shm):
    db, replica = place

    def raw(text):
        s = socket.socket(socket.AF_UNIX)
        s.connect(d.sock)
        s.sendall(text.encode())
        s.shutdown(socket.SHUT_WR)
        with s, s.makefile("rb") as f:
            return f.read().decode(errors="replace")

    def post(body):
        return raw(f"POST /sync HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}")

    with daemon(shm, db, replica) as d:
        assert " 404 " in raw("GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert " 405 " in raw("GET /sync HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for body in ("", "{", "[]", "5", "x" * 100000):
            assert "invalid request body" in post(body), body[:10]
        assert "path required" in post("{}") and "path required" in post('{"path": 5}')
        assert '"txid":1' in raw(f"GET /txid?path={db} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        raw("\0" * 5000)
        d.stop()


def test_stale_socket_and_strange_file(place, shm):
    db, replica = place
    with daemon(shm, db, replica) as d:
        d.kill()
    assert os.path.exists(d.sock)
    with daemon(shm, db, replica) as d:
        d.stop()
    with open(d.sock, "w", encoding="utf8") as f:
        f.write("precious")
    conf = os.path.join(shm, "c.yml")
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf) as d:
        d.wait_log("failed to start control server.*is not a socket")
        d.ready().stop()
    with open(os.path.join(shm, "ctl.sock"), encoding="utf8") as f:
        assert f.read() == "precious"


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
