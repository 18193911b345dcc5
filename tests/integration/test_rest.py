# SPDX-License-Identifier: Apache-2.0
"""Databases at rest: nobody has written for a while, and only events and the rounds every 30 s are left."""
import mmap
import os
import shutil
import sys

import tap
from common import *


def is_at_rest(d, db):
    """Its -wal file is open once, by SQLite."""
    fds = f"/proc/{d.p.pid}/fd"
    names = []
    for fd in os.listdir(fds):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(f"{fds}/{fd}"))
    return names.count(os.path.realpath(db) + "-wal") == 1


def wait_for_rest(d, dbs):
    wait_for("rest", lambda: all(is_at_rest(d, db) for db in dbs), 130)


def store(path, data, skip=range(0)):
    """Through a mapping: no event tells of it."""
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), len(data)) as m:
        for i, byte in enumerate(data):
            if m[i] != byte and i not in skip:
                m[i] = byte


def is_checkpointed(c):
    _, frames, done = c.execute("PRAGMA wal_checkpoint").fetchone()
    return frames == done


def commit_untold(db, tmp):
    """What SQLite writes for a commit, as a twin of the database has it; read marks and locks are those of the living."""
    for suffix in ("", "-wal"):
        shutil.copyfile(db + suffix, tmp + suffix)
    c = connect(tmp)
    c.execute("PRAGMA wal_checkpoint")
    commit(c)
    wal, shm = (open(tmp + suffix, "rb").read() for suffix in ("-wal", "-shm"))
    assert len(wal) == os.path.getsize(db + "-wal"), "the twin has begun its WAL anew"
    store(db + "-wal", wal)
    store(db + "-shm", shm[:32768], range(100, 136))
    os.utime(db + "-wal")
    c.close()


def swap_above(top):
    """A directory above the database is another one with the same files, which have gone on."""
    shutil.copytree(f"{top}/up", f"{top}/up2")
    c = connect(f"{top}/up2/dir/a.db")
    commit(c)
    c.close()
    os.rename(f"{top}/up", f"{top}/up1")
    os.rename(f"{top}/up2", f"{top}/up")


def replace(db):
    """By another file, and only that of the database."""
    shutil.copyfile(db, db + "2")
    c = connect(db + "2")
    commit(c, 2)
    c.close()
    os.rename(db + "2", db)
    remove_database(db + "2")


def test_what_ends_a_rest(shm):
    os.makedirs(f"{shm}/up/dir")
    os.mkdir(f"{shm}/d")
    os.symlink("d", f"{shm}/other")
    names = ("d/told.db", "d/untold.db", "d/first.db", "other/second.db", "up/dir/a.db")
    dbs = told, untold, first, second, above = [f"{shm}/{name}" for name in names]
    with open(f"{shm}/c.yml", "w", encoding="utf8") as f:
        f.write("levels: [{interval: 24h}]\nl0-retention: 24h\ndbs:\n" + "".join(f"- {{path: {db}, replica: {{path: {shm}/rep/{os.path.basename(db)}}}}}\n" for db in dbs))
    for db in dbs:
        c = new_database(db)
        commit(c, 20)
        c.close()

    def state(db):
        restore(f"{shm}/rep/{os.path.basename(db)}", f"{shm}/r.db")
        return check_state(f"{shm}/r.db")

    def is_replicated(db):
        return state(db) == check_state(db)

    with Daemon(None, None, f"{shm}/log", config=f"{shm}/c.yml") as d:
        wait_for("the first replicas", lambda: d.text().count("caught up") == len(dbs))
        c = connect(untold)         # a WAL that the next commit begins anew, and does not lengthen
        commit(c, 5)
        wait_for("all of it in the database", lambda: is_checkpointed(c))
        c.close()
        wait_for_rest(d, dbs)
        before = [check_state(db) for db in dbs]
        c = connect(told)
        commit(c)
        c.close()
        commit_untold(untold, f"{shm}/twin.db")
        replace(first)
        replace(second)
        swap_above(shm)
        for db, n in zip(dbs, before):
            wait_for(f"a new state of {db}", lambda: state(db) > n, 40)
            assert is_replicated(db), f"{db}: {state(db)} in its replica, is {check_state(db)}"
        # What happens to names in the new directory is told again.
        wait_for_rest(d, dbs)
        replace(above)
        wait_for("its replacement", lambda: is_replicated(above), 20)
        d.stop()
    assert all(is_replicated(db) for db in dbs)


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
