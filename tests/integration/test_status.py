# SPDX-License-Identifier: Apache-2.0
"""status and reset: what is here, what the replica lacks, and beginning anew."""
import os
import shutil
import sys

import pytest

import tap
from common import *


@pytest.fixture
def place(shm):
    new_database(os.path.join(shm, "a.db")).close()
    with open(os.path.join(shm, "c.yml"), "w", encoding="utf8") as f:
        f.write(f"socket: {{enabled: true, path: {shm}/sock}}\ndbs:\n"
                f"- path: {shm}/a.db\n  replica: {{path: {shm}/rep}}\n- path: {shm}/none.db\n  replica: {{path: {shm}/rep2}}\n")
    return shm


def status(place, *args):
    rows = json.loads(litestream("status", "-json", "-config", f"{place}/c.yml", *args).out)
    return {os.path.basename(r["database"]): r for r in rows}


def replicate(place):
    d = Daemon(None, None, f"{place}/log", config=f"{place}/c.yml")
    d.wait_log("control socket listening")
    d.ready()
    return d


def sync(place):
    litestream("sync", "-wait", "-socket", f"{place}/sock", f"{place}/a.db")


def test_status_from_first_to_last(place):
    s = status(place)
    assert s["a.db"]["status"] == "not initialized" and s["a.db"]["local_txid"] == "-" and s["a.db"]["wal_size"] == "0 B"
    assert s["none.db"]["status"] == "no database" and s["none.db"]["wal_size"] == "-"
    c = connect(f"{place}/a.db")
    with replicate(place) as d:
        commit(c)
        sync(place)
        s = status(place)["a.db"]
        assert s["status"] == "ok" and s["local_txid"] == s["replica_txid"] != "-" and s["daemon_pid"] == d.p.pid
        # The replica goes away: it is said, with the reason, and what waits.
        os.rename(f"{place}/rep", f"{place}/away")
        commit(c, 3)
        litestream("sync", "-socket", f"{place}/sock", f"{place}/a.db")
        s = wait_for("the trouble", lambda: status(place)["a.db"].get("note") and status(place)["a.db"])
        assert s["status"] == "behind" and s["waiting_files"] > 0 and s["local_txid"] > s["replica_txid"] and "since" in s["note"]
        table = litestream("status", "-config", f"{place}/c.yml").out
        assert table.startswith("database ") and f"\n{place}/a.db: " in table and "behind" in table
        d.kill()
    s = status(place)["a.db"]
    assert s["status"] == "behind" and s["daemon_pid"] == 0 and "no daemon" in s["note"]
    os.rename(f"{place}/away", f"{place}/rep")
    with replicate(place) as d:
        sync(place)
        s = status(place)["a.db"]
        assert s["status"] == "ok" and s["waiting_files"] == 0
        d.stop()


def test_status_of_one(place, monkeypatch):
    monkeypatch.chdir(place)
    assert list(status(place, "a.db")) == ["a.db"], "a relative path"
    p = litestream("status", "-config", f"{place}/c.yml", "/no/such.db", ok=False)
    assert "database not found in config: /no/such.db" in p.err
    assert litestream("status", "-config", f"{place}/c.yml").out.split("\n")[0].split() == \
        "database status local txid wal size replica txid waiting daemon".split()


def test_status_of_strange_state(place):
    meta = f"{place}/.a.db-litestream"
    os.makedirs(f"{meta}/ltx")
    with open(f"{meta}/ltx/0", "w", encoding="utf8") as f:
        f.write("no directory")
    assert status(place)["a.db"]["status"] == "error"
    os.unlink(f"{meta}/ltx/0")
    os.makedirs(f"{meta}/ltx/0/0000000000000009-0000000000000009.ltx")
    for name in ("lock", "position", "README"):
        with open(f"{meta}/{name}", "wb") as f:
            f.write(b"pid 1 \0\xff" + os.urandom(3000))
    os.makedirs(f"{meta}/replicas/file/cursor")
    s = status(place)["a.db"]
    assert s["replica_txid"] == "-" and s["daemon_pid"] == 0


def test_reset_begins_anew_without_a_gap(place):
    c = connect(f"{place}/a.db")
    conf = ("-config", f"{place}/c.yml")
    assert "No local state to reset" in litestream("reset", *conf, f"{place}/a.db").out
    with replicate(place) as d:
        commit(c, 5)
        sync(place)
        p = litestream("reset", *conf, f"{place}/a.db", ok=False)
        assert "another litestream replicates this database" in p.err and f"pid {d.p.pid}" in p.err
        commit(c)
        sync(place)
        d.stop()
    before = {t: restore(f"{place}/rep", f"{place}/r.db", "-txid", t) and check_state(f"{place}/r.db") for t in txids(f"{place}/rep")}
    p = litestream("reset", "-dry-run", *conf, f"{place}/a.db")
    assert "Files that would be removed:" in p.out and "No files were removed." in p.out
    assert os.path.exists(f"{place}/.a.db-litestream/position")
    p = litestream("reset", *conf, f"{place}/a.db")
    assert "Reset complete" in p.out and "Warning" not in p.out
    assert not os.path.exists(f"{place}/.a.db-litestream/position") and not os.listdir(f"{place}/.a.db-litestream/ltx/0")
    assert status(place)["a.db"]["status"] == "not initialized"
    commit(c, 2)
    with replicate(place) as d:
        commit(c)
        sync(place)
        d.stop()
    check_level0(f"{place}/rep")
    for t, n in before.items():
        restore(f"{place}/rep", f"{place}/r.db", "-txid", t)
        assert check_state(f"{place}/r.db") == n
    restore(f"{place}/rep", f"{place}/r.db")
    assert check_state(f"{place}/r.db") == check_state(f"{place}/a.db")


def test_reset_says_what_only_exists_here(place):
    c = connect(f"{place}/a.db")
    conf = ("-config", f"{place}/c.yml")
    with replicate(place) as d:
        sync(place)
        os.rename(f"{place}/rep", f"{place}/away")
        commit(c)
        litestream("sync", "-socket", f"{place}/sock", f"{place}/a.db")
        d.kill()
    assert "Warning: 1 of them are not in the replica" in litestream("reset", "-dry-run", *conf, f"{place}/a.db").out
    assert "Warning: 1 of them" in litestream("reset", *conf, f"{place}/a.db").out
    os.rename(f"{place}/away", f"{place}/rep")
    litestream("replicate", "-once", *conf[:2], ok=None)
    restore(f"{place}/rep", f"{place}/r.db")
    assert check_state(f"{place}/r.db") == check_state(f"{place}/a.db"), "the database itself lost nothing"


def test_reset_without_a_configuration(place):
    once(f"{place}/a.db", f"{place}/rep")
    env = dict(os.environ, LITESTREAM_CONFIG=f"{place}/nope.yml")
    assert "Reset complete" in litestream("reset", f"{place}/a.db", env=env).out
    assert "database path required" in litestream("reset", ok=False).err
    assert "database does not exist" in litestream("reset", f"{place}/b.db", env=env, ok=False).err


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
