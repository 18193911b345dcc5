# SPDX-License-Identifier: Apache-2.0
"""Items of "dbs:" that name a directory: members found at the start, members that come and go, all commands on them."""
import os
import random
import shutil
import sys

import pytest

import tap
from common import *


@pytest.fixture
def place(shm):
    os.mkdir(os.path.join(shm, "d"))
    return shm


def config(place, *lines):
    path = os.path.join(place, "c.yml")
    with open(path, "w", encoding="utf8") as f:
        f.write(f"socket: {{enabled: true, path: {place}/sock}}\ndbs:\n- dir: {place}/d\n  replica: {{path: {place}/rep}}\n")
        f.writelines(f"  {line}\n" for line in lines)
    return path


def make(place, rel):
    path = os.path.join(place, "d", rel)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    c = new_database(path)
    commit(c)
    return c


def daemon(place, conf):
    d = Daemon(None, None, os.path.join(place, "log"), config=conf)
    d.wait_log("control socket listening")
    return d


def sync(place, rel):
    litestream("sync", "-wait", "-socket", f"{place}/sock", f"{place}/d/{rel}")


def equal(place, conf, rel):
    out = os.path.join(place, "r.db")
    remove_database(out)
    litestream("restore", "-config", conf, "-o", out, f"{place}/d/{rel}")
    a, b = check_state(out), check_state(f"{place}/d/{rel}")
    assert a == b, f"{rel}: restored state {a}, there is {b}"


def listed(place):
    return {e["path"][len(place) + 3:]: e["status"] for e in
            json.loads(litestream("list", "-json", "-socket", f"{place}/sock").out)["databases"]}


def test_members_of_a_directory(place):
    conns = [make(place, rel) for rel in ("a.db", "b.db", "c.sqlite", "sub/d.db")]
    conf = config(place, "pattern: '*.db'")
    with daemon(place, conf) as d:
        assert set(listed(place)) == {"a.db", "b.db"}
        d.wait_log("found databases in directory.* count=2 watch=false")
        for rel, c in zip(("a.db", "b.db"), conns):
            commit(c)
            sync(place, rel)
            equal(place, conf, rel)
        d.stop()
    assert sorted(os.listdir(f"{place}/rep")) == ["a.db", "b.db"]
    rows = json.loads(litestream("databases", "-config", conf, "-json").out)
    assert sorted(r["path"] for r in rows) == [f"{place}/d/a.db", f"{place}/d/b.db"]
    assert json.loads(litestream("ltx", "-config", conf, "-json", f"{place}/d/a.db").out)
    assert "database not found in config" in litestream("ltx", "-config", conf, f"{place}/d/c.sqlite", ok=False).err


def test_once_takes_all_of_them(place):
    for i in range(20):
        make(place, f"t{i}/data.db").close()
    conf = config(place, "pattern: data.db", "recursive: true", f"meta-dir: {place}/state")
    litestream("replicate", "-once", "-config", conf)
    assert not os.path.exists(f"{place}/d/t3/.data.db-litestream") and os.path.exists(f"{place}/state/t3/data.db-litestream/position")
    shutil.move(f"{place}/d/t7", f"{place}/lost")
    litestream("restore", "-config", conf, "-o", f"{place}/back.db", f"{place}/d/t7/data.db")
    assert check_state(f"{place}/back.db") == check_state(f"{place}/lost/data.db")
    litestream("replicate", "-once", "-config", conf)


def test_databases_come_and_go(place):
    first = make(place, "a.db")
    conf = config(place, "pattern: '*.db'", "recursive: true", "watch: true")
    with daemon(place, conf) as d:
        wait_for("a.db", lambda: listed(place).get("a.db") == "replicating")
        # Made by an application, in a directory that is new, too.
        second = make(place, "new/deep/b.db")
        wait_for("b.db", lambda: listed(place).get("new/deep/b.db") == "replicating")
        # Copied, renamed into place, and one that is no database yet.
        open(f"{place}/d/later.db", "w").close()
        first.execute("VACUUM INTO ?", (f"{place}/part",))
        shutil.copyfile(f"{place}/part", f"{place}/d/c.db")
        os.rename(f"{place}/part", f"{place}/d/e.db")
        wait_for("c.db and e.db", lambda: {"c.db", "e.db"} <= {p for p, s in listed(place).items() if s == "replicating"})
        assert "later.db" not in listed(place)
        third = make(place, "later.db")
        wait_for("later.db", lambda: listed(place).get("later.db") == "replicating")
        for rel, c in (("a.db", first), ("new/deep/b.db", second), ("later.db", third)):
            commit(c)
            sync(place, rel)
            equal(place, conf, rel)
        # Removed: its last commits are in the replica, and it can be restored.
        commit(third)
        commit(third)
        n = check_state(f"{place}/d/later.db")
        remove_database(f"{place}/d/later.db")
        d.wait_log("database removed.*later.db")
        assert "later.db" not in listed(place)
        out = f"{place}/back.db"
        litestream("restore", "-config", conf, "-o", out, f"{place}/d/later.db")
        assert check_state(out) == n
        # And it may come back under the same name.
        shutil.copyfile(out, f"{place}/d/later.db")
        wait_for("later.db again", lambda: listed(place).get("later.db") == "replicating")
        sync(place, "later.db")
        equal(place, conf, "later.db")
        # A directory that goes takes its databases along.
        second.close()
        os.rename(f"{place}/d/new", f"{place}/new")
        d.wait_log("database removed.*b.db")
        d.stop()
    for rel in ("a.db", "c.db", "e.db", "later.db"):
        equal(place, conf, rel)


def test_an_empty_directory_is_waited_on(place):
    conf = config(place, "pattern: '*.db'", "watch: true")
    with daemon(place, conf) as d:
        assert listed(place) == {}
        c = make(place, "a.db")
        wait_for("a.db", lambda: listed(place).get("a.db") == "replicating")
        commit(c)
        sync(place, "a.db")
        d.stop()
    equal(place, conf, "a.db")


def test_another_name_of_an_open_database(place):
    """It is not a second database, and looking at it does not take the first one's locks."""
    c = make(place, "a.db")
    conf = config(place, "pattern: '*.db'", "watch: true")
    with daemon(place, conf) as d:
        wait_for("a.db", lambda: listed(place).get("a.db") == "replicating")
        os.symlink("a.db", f"{place}/d/link.db")
        os.link(f"{place}/d/a.db", f"{place}/d/hard.db")
        make(place, "z.db").close()
        wait_for("z.db", lambda: listed(place).get("z.db") == "replicating")
        assert set(listed(place)) == {"a.db", "z.db"}
        ino = os.stat(f"{place}/d/a.db").st_ino
        with open("/proc/locks", encoding="utf8") as f:
            assert any(f" {d.p.pid} " in line and f":{ino} " in line for line in f), "the lock of the daemon is still held"
        commit(c)
        sync(place, "a.db")
        d.stop()
    for name in ("link.db", "hard.db"):
        os.unlink(f"{place}/d/{name}")
    equal(place, conf, "a.db")


def test_nothing_found(place):
    conf = config(place, "pattern: '*.db'")
    p = litestream("replicate", "-config", conf, ok=False)
    assert f"no SQLite databases found in directory {place}/d with pattern *.db" in p.err
    os.rmdir(f"{place}/d")
    p = litestream("replicate", "-config", config(place, "pattern: '*.db'", "watch: true"), ok=False)
    assert f"failed to scan directory {place}/d" in p.err


def test_many_at_once(place):
    """A hundred databases appear, write, and go, while one goes on."""
    steady = make(place, "steady.db")
    conf = config(place, "pattern: '*.db'", "watch: true")
    with daemon(place, conf) as d:
        conns = {f"n{i}.db": make(place, f"n{i}.db") for i in range(100)}
        for i, c in enumerate(conns.values()):
            commit(c)
            commit(steady)
        wait_for("all of them", lambda: sum(s == "replicating" for s in listed(place).values()) == 101, 60)
        for rel in list(conns)[:50]:
            conns.pop(rel).close()
            os.unlink(f"{place}/d/{rel}")
        wait_for("half of them", lambda: len(listed(place)) == 51, 60)
        for c in conns.values():
            commit(c)
        d.stop()
    for rel in random.sample(list(conns), 5) + ["steady.db"]:
        equal(place, conf, rel)
    assert len(os.listdir(f"{place}/rep")) == 101


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
