# SPDX-License-Identifier: Apache-2.0
"""replicate -exec and -restore-if-db-not-exists: the daemon around an application."""
import os
import shutil
import signal
import sys
import textwrap

import pytest

import tap
from common import *

APP = """
import os, signal, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
def add(v):
    c.execute("CREATE TABLE IF NOT EXISTS app(v)")
    c.execute("INSERT INTO app VALUES(?)", (v,))
"""


def app(shm, code):
    path = os.path.join(shm, "app.py")
    with open(path, "w", encoding="utf8") as f:
        f.write(APP + textwrap.dedent(code))
    return path


def around(shm, db, replica, code, *args, **kw):
    return litestream("replicate", *args, "-exec", f"{sys.executable} '{app(shm, code)}' '{db}'", db, url(replica), **kw)


def rows(replica, shm):
    out = os.path.join(shm, "r.db")
    restore(replica, out, "-force")
    c = connect_ro(out)
    with contextlib.closing(c):
        return [v for v, in c.execute("SELECT v FROM app ORDER BY rowid")]


def test_the_last_commit_of_the_application_is_safe(place, shm):
    db, replica = place
    p = around(shm, db, replica, "add('first')\nadd('last')\nos._exit(0)\n")
    assert p.rc == 0 and "subprocess exited" in p.out + p.err
    assert rows(replica, shm) == ["first", "last"]


@pytest.mark.parametrize("end, text", [("sys.exit(3)", "Error: exit status 3"), ("os.kill(os.getpid(), 9)", "Error: signal: Killed")])
def test_a_bad_end_is_told_after_the_sync(end, text, place, shm):
    db, replica = place
    p = around(shm, db, replica, f"add('x')\n{end}\n", ok=False)
    assert p.rc == 1 and text in p.err
    assert rows(replica, shm) == ["x"]


@pytest.mark.parametrize("code, rc, text", [(0, 0, ""), (143, 1, "exit status 143")])
def test_signals_go_to_the_application_first(code, rc, text, place, shm):
    """What it commits in its signal handler is replicated, however it ends (0.5 skips the sync for 143)."""
    db, replica = place
    path = app(shm, f"""
        def end(sig, frame):
            add("at the end")
            os._exit({code})
        signal.signal(signal.SIGTERM, end)
        add("ready")
        print("app is ready", flush=True)
        while True:
            signal.pause()
    """)
    with Daemon(db, replica, os.path.join(shm, "log"), "-exec", f"{sys.executable} {path} {db}") as daemon:
        daemon.wait_log("app is ready")
        daemon.stop(rc)
        assert text in daemon.text()
    assert rows(replica, shm) == ["ready", "at the end"]


def test_an_application_that_dies_of_the_signal_is_a_clean_end(place, shm):
    db, replica = place
    with Daemon(db, replica, os.path.join(shm, "log"), "-exec", f"sh -c 'echo app is ready; exec sleep 1000'") as daemon:
        daemon.wait_log("app is ready")
        daemon.stop(0)


@pytest.mark.parametrize("command, text", [("/no/such/program", "cannot start exec command"), ("app 'x", "cannot parse exec command")])
def test_a_command_that_cannot_run(command, text, place, shm):
    db, replica = place
    p = litestream("replicate", "-exec", command, db, url(replica), ok=False)
    assert p.rc == 1 and text in p.err


def test_config_key_and_once(place, shm):
    db, replica = place
    conf = os.path.join(shm, "c.yml")
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"exec: 'true'\ndbs:\n  - path: {db}\n    replica:\n      path: {replica}\n")
    litestream("replicate", "-config", conf)
    assert txids(replica)
    p = litestream("replicate", "-config", conf, "-once", ok=False)
    assert p.rc == 1 and "cannot specify -once flag with -exec" in p.err


def test_a_missing_database_is_restored_first(place, shm):
    db, replica = place
    around(shm, db, replica, "add('kept')\n")
    for name in os.listdir(shm):
        if name.startswith("a.db") or name == ".a.db-litestream":
            path = os.path.join(shm, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    p = around(shm, db, replica, "add('new')\n", "-restore-if-db-not-exists")
    assert "restore completed" in p.out + p.err
    assert rows(replica, shm) == ["kept", "new"]
    p = around(shm, db, replica, "", "-restore-if-db-not-exists")
    assert "database exists, skipping restore" in p.out + p.err


def test_no_backup_is_a_fresh_start_but_a_vanished_one_is_not(shm):
    """The application must not begin with an empty database because a disk is not mounted."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    p = around(shm, db, replica, "c.execute('PRAGMA journal_mode=WAL')\nadd('x')\n", "-restore-if-db-not-exists")
    assert "no backup found, starting fresh" in p.out + p.err
    assert rows(replica, shm) == ["x"]
    os.unlink(db)
    shutil.rmtree(replica)
    p = around(shm, db, replica, "add('never')\n", "-restore-if-db-not-exists", ok=False)
    assert p.rc == 1 and "restore failed" in p.err and not os.path.exists(db)


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
