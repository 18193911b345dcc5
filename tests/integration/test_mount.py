# SPDX-License-Identifier: Apache-2.0
"""The mount, through the kernel, by the programs that people use."""
import os
import shutil
import subprocess
import sys
import threading

import pytest

import tap
from common import *

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a mount needs root here")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A replica with some history, and the live database behind it."""
    need_fuse()
    d = str(tmp_path_factory.mktemp("mount"))
    db, replica = os.path.join(d, "a.db"), os.path.join(d, "rep")
    new_database(db).close()
    ledger = os.path.join(d, "ledger")
    daemon = Daemon(db, replica, os.path.join(d, "log")).ready()
    for seed in range(4):
        assert start_writer(db, seed, ledger, 15).wait(60) == 0
    daemon.stop()
    return d, db, replica


def names(path):
    return sorted(os.listdir(path))


def test_tree(world, tmp_path):
    _, _, replica = world
    with mounted(replica, tmp_path / "m") as m:
        assert names(m) == ["at", "latest.db", "raw", "snapshots", "time", "txid"]
        assert names(m + "/txid") == [t + ".db" for t in txids(replica)]
        assert os.readlink(m + "/latest.db") == f"txid/{txids(replica)[-1]}.db"
        assert names(m + "/snapshots") == ["0000000000000001.db"]
        links = [os.path.join(r, f) for r, _, fs in os.walk(m + "/time") for f in fs]
        assert len(links) == len(txids(replica))
        assert all(os.path.exists(f) for f in links)
        assert {os.path.basename(os.path.realpath(f)) for f in links} == set(names(m + "/txid"))


def test_every_point_is_what_restore_gives(world, tmp_path):
    _, _, replica = world
    with mounted(replica, tmp_path / "m") as m:
        for t in txids(replica)[::3] + txids(replica)[-1:]:
            restore(replica, tmp_path / "r.db", "-txid", t)
            view = f"{m}/txid/{t}.db"
            st = os.stat(view)
            assert st.st_size == os.path.getsize(tmp_path / "r.db") and st.st_nlink == 1
            assert sha(view) == sha(tmp_path / "r.db")
            check_state(view)


def test_sqlite_tools(world, tmp_path):
    _, _, replica = world
    restore(replica, tmp_path / "r.db")
    with mounted(replica, tmp_path / "m") as m:
        latest = m + "/latest.db"
        assert run("sqlite3", "-readonly", latest, "PRAGMA integrity_check").out == "ok\n"
        assert run("sqlite3", "-readonly", latest, "PRAGMA journal_mode").out == "wal\n"
        assert run("sqlite3", "-readonly", latest, ".dump").out == run("sqlite3", "-readonly", tmp_path / "r.db", ".dump").out
        run("sqlite3", "-readonly", latest, f".backup {tmp_path}/b.db")
        run("sqlite3", "-readonly", latest, f"VACUUM INTO '{tmp_path}/v.db'")
        assert check_state(tmp_path / "b.db") == check_state(tmp_path / "v.db") == check_state(tmp_path / "r.db")
        c = connect_ro(latest)
        c.execute("PRAGMA mmap_size=1073741824")
        assert c.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        c.close()
        shutil.copy2(latest, tmp_path / "copy.db")
        assert_same_database(tmp_path / "copy.db", tmp_path / "r.db")


def test_names(world, tmp_path):
    _, _, replica = world
    last = txids(replica)[-1]
    with mounted(replica, tmp_path / "m") as m:
        assert os.path.realpath(m + "/at/now.db").endswith(last + ".db")
        assert os.path.realpath(m + "/at/2099-01-01T00:00:00Z.db").endswith(last + ".db")
        when = next(f["timestamp"] for f in ltx(replica, "0") if f["max_txid"] == last)
        assert not os.path.exists(f"{m}/at/2000-01-01.db") and when
        assert os.stat(f"{m}/txid/{last.lstrip('0').upper()}.db").st_ino == os.stat(f"{m}/txid/{last}.db").st_ino
        for bad in ("txid/ffff.db", "txid/x.db", f"txid/{last}.db-journal", "at/some day.db", "at/now", "nothing", "time/1999"):
            assert not os.path.lexists(f"{m}/{bad}"), bad
        assert os.path.getsize(f"{m}/txid/{last}.db-wal") == 32 and os.path.getsize(f"{m}/txid/{last}.db-shm") == 0
        assert f"{last}.db-wal" not in names(m + "/txid")


def test_nothing_can_be_written(world, tmp_path):
    _, _, replica = world
    with mounted(replica, tmp_path / "m") as m:
        assert "readonly" in run("sqlite3", m + "/latest.db", "CREATE TABLE x(y)", ok=None).err
        for action in (lambda: open(m + "/new", "w"), lambda: os.mkdir(m + "/d"), lambda: os.unlink(m + "/latest.db"), lambda: open(m + "/latest.db", "r+")):
            with pytest.raises(OSError) as e:
                action()
            assert e.value.errno == 30      # EROFS


def test_follows_without_a_remount(tmp_path):
    db, replica = str(tmp_path / "a.db"), str(tmp_path / "rep")
    c = new_database(db)
    with Daemon(db, replica, tmp_path / "log").ready() as daemon, mounted(replica, tmp_path / "m") as m:
        old = connect_ro(os.path.realpath(m + "/latest.db"))
        for i in range(3):
            c.execute("BEGIN")
            c.execute("INSERT INTO t(k, v) VALUES(?, 'x')", (i,))
            c.execute(SEAL)
            c.execute("COMMIT")
            wait_for("the new state", lambda: check_state(m + "/latest.db") == i + 1)
        assert old.execute("SELECT n FROM meta").fetchone()[0] == 0
        old.close()
        daemon.stop()


def test_readers_under_load(tmp_path):
    """Readers of many points at once while a writer adds new ones: each sees one committed state."""
    db, replica, ledger = str(tmp_path / "a.db"), str(tmp_path / "rep"), str(tmp_path / "ledger")
    new_database(db).close()
    failures = []
    with Daemon(db, replica, tmp_path / "log").ready() as daemon, mounted(replica, tmp_path / "m") as m:
        w = start_writer(db, 5, ledger, 200)

        def read(seed):
            r = random.Random(seed)
            try:
                while w.poll() is None:
                    check_state(f"{m}/txid/{r.choice(names(m + '/txid'))}", full=False)
                    check_state(m + "/latest.db")
            except Exception as e:
                failures.append(e)
        import random
        threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not failures, failures[0]
        daemon.stop()


def test_damage_is_an_io_error(world, tmp_path):
    """Never other bytes; SQLite says malformed."""
    _, _, replica = world
    bad = tmp_path / "rep"
    shutil.copytree(replica, bad)
    victim = sorted((bad / "ltx" / "0").iterdir())[-1]
    data = bytearray(victim.read_bytes())
    data[150] ^= 1
    victim.write_bytes(data)
    with mounted(bad, tmp_path / "m") as m:
        with pytest.raises(OSError) as e:
            open(m + "/latest.db", "rb").read()
        assert e.value.errno == 5
        assert check_state(f"{m}/txid/{txids(replica)[-2]}.db") >= 0


def test_object_gone_under_an_open_mount(world, tmp_path):
    _, _, replica = world
    bad = tmp_path / "rep"
    shutil.copytree(replica, bad)
    with mounted(bad, tmp_path / "m") as m:
        last = names(m + "/txid")[-1]
        shutil.rmtree(bad / "ltx")
        with pytest.raises(OSError) as e:
            open(f"{m}/txid/{last}", "rb").read()
        assert e.value.errno in (2, 116), e.value       # ENOENT or ESTALE, never EIO


@pytest.mark.parametrize("args,rc,text", [
    (["file:///nowhere/at/all", "DIR"], 32, "does not exist"),
    (["EMPTY", "DIR"], 32, "no backup"),
    (["gs://bucket/db", "DIR"], 1, "not supported"),
    (["REPLICA", "DIR", "-o", "bogus"], 1, "unknown option"),
    (["REPLICA", "DIR", "-o", "remount"], 1, "remount"),
    (["REPLICA", "DIR", "-o", "hydrate"], 1, "not supported"),
    (["REPLICA"], 1, "wanted"),
    (["REPLICA", "/nowhere/at/all"], 32, "cannot mount"),
    (["REPLICA", "DIR", "-f"], 0, ""),
    (["--help"], 0, ""),
])
def test_exit_codes(world, tmp_path, args, rc, text):
    (tmp_path / "d").mkdir()
    (tmp_path / "e").mkdir()
    known = {"DIR": str(tmp_path / "d"), "EMPTY": url(tmp_path / "e"), "REPLICA": url(world[2])}
    p = run(MOUNT, *[known.get(a, a) for a in args], ok=None)
    assert p.rc == rc and text in p.err, p.err
    assert not os.path.ismount(tmp_path / "d")


def test_fstab_options_and_end(world, tmp_path):
    _, _, replica = world
    with mounted(replica, tmp_path / "m", "rw,noauto,_netdev,nofail,x-systemd.automount,comment=x,user,allow_other,uid=65534,umask=022") as m:
        st = os.stat(m + "/latest.db")
        assert st.st_uid == 65534 and st.st_mode & 0o777 == 0o444
        p = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "sqlite3", "-readonly", m + "/latest.db", "SELECT n FROM meta"], capture_output=True, text=True)
        if "Permission denied" not in p.stderr:      # the folders above are pytest's, perhaps root's alone
            assert p.returncode == 0 or "unable to open" in p.stderr
        assert "ro," in next(line for line in open("/proc/mounts") if m in line)
    wait_for("the end of the daemon", lambda: subprocess.run(["pgrep", "-f", m]).returncode == 1)


def test_mount8(world, tmp_path):
    """mount -t litestream, with the helper where mount(8) looks."""
    _, _, replica = world
    helper = "/sbin/mount.litestream"
    if os.path.exists(helper):
        pytest.skip("a mount.litestream is installed on this machine")
    os.symlink(MOUNT, helper)
    try:
        (tmp_path / "m").mkdir()
        run("mount", "-t", "litestream", url(replica), tmp_path / "m")
        try:
            check_state(tmp_path / "m" / "latest.db")
        finally:
            run("umount", tmp_path / "m")
    finally:
        os.unlink(helper)


def test_raw_objects(tmp_path):
    """Every object of the replica, byte for byte, under its key."""
    db, replica = tmp_path / "a.db", tmp_path / "rep"
    c = new_database(db)
    for _ in range(3):
        commit(c, 2, 70000)
        once(db, replica)

    def tree(top):
        return {os.path.relpath(os.path.join(d, n), top): sha(os.path.join(d, n)) for d, _, files in os.walk(top) for n in files}
    with mounted(replica, tmp_path / "mnt") as m:
        assert tree(m + "/raw") == tree(replica)
        name = names(m + "/raw/ltx/0")[0]
        assert os.stat(f"{m}/raw/ltx/0/{name}").st_size == os.stat(replica / "ltx/0" / name).st_size
        for no in ("raw/ltx/7", "raw/x", "raw/ltx/0/x", "raw/lt"):
            assert not os.path.exists(f"{m}/{no}")
        commit(c)
        once(db, replica)
        wait_for("the new one", lambda: tree(m + "/raw") == tree(replica))


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
