# SPDX-License-Identifier: Apache-2.0
"""verify and restore -integrity-check: what is sound is called sound, what is damaged is found."""
import json
import os
import random
import shutil
import sys
import time

import pytest

import tap
from common import *


def configure(shm, db, replica, extra=""):
    conf = os.path.join(shm, "c.yml")
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"{extra}\ndbs: [{{path: {db}, replica: {{path: {replica}}}}}]\n")
    return conf


def verify(*args, rc=0):
    p = litestream("verify", *args, ok=None)
    assert p.rc == rc, f"exit {p.rc}\n{p.out}{p.err}"
    return p


def verify_json(*args, rc=0):
    return json.loads(verify("-json", *args, rc=rc).out)


def a_history(shm, commits=12):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    conf = configure(shm, db, replica)
    for _ in range(commits):
        commit(c, 1, size=500)
        once(db, replica)
    return c, db, replica, conf


def test_a_sound_replica(shm):
    c, db, replica, conf = a_history(shm)
    p = verify(url(replica))
    assert p.out.splitlines()[-1] == "sound" and "0 damaged" in p.out
    for args in ((url(replica),), ("-config", conf, db)):
        v = verify_json(*args)
        assert v["verdict"] == "sound" and v["files"] == len(ltx(replica)) and v["points"] == 12
        assert v["damage"] == [] and v["gaps"] == [] and v["live"]["result"] == "not asked"
    v = verify_json("-deep", url(replica))
    assert v["integrity_check"] == "ok" and v["live"]["result"] == "not asked"
    v = verify_json("-deep", "-config", conf, db)
    assert v["integrity_check"] == "ok" and v["live"] == {"result": "same", "pages": v["live"]["pages"], "different": 0, "error": None}
    status = lambda: json.loads(litestream("status", "-json", "-config", conf).out)[0]
    assert status()["verified"]["verdict"] == "sound" and status()["verified"]["deep"]
    commit(c)                                   # not captured: it cannot tell, and does not say that it is damaged
    v = verify_json("-deep", "-config", conf, db, rc=1)
    assert v["verdict"] == "cannot tell" and v["live"]["result"] == "unknown"
    c.close()
    remove_database(db)
    v = verify_json("-deep", "-config", conf, db)
    assert v["live"]["result"] == "absent" and v["integrity_check"] == "ok"


def test_beside_a_daemon_and_a_writer(shm):
    """A live comparison of what is being written: the state that is held is the one that was restored."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    conf = configure(shm, db, replica)
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready() as d:
        for i in range(8):
            for _ in range(5):
                commit(c, 1, size=3000)
                time.sleep(0.02)                # the writer's pauses
            if i == 5:
                c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            v = verify_json("-deep", "-config", conf, db)
            assert v["verdict"] == "sound" and v["live"]["result"] == "same"
        d.stop()
    n = c.execute("SELECT n FROM meta").fetchone()[0]
    restore(replica, os.path.join(shm, "r.db"))
    assert check_state(os.path.join(shm, "r.db")) == n


def test_every_kind_of_damage_is_found(shm):
    c, db, replica, conf = a_history(shm)
    files = [f"ltx/{lv}/{n}" for lv in (0, 9) for n in sorted(os.listdir(f"{replica}/ltx/{lv}"))]
    out, unnoticed = os.path.join(shm, "out.db"), 0
    restore(replica, out)
    want = sha(out)
    r = random.Random(3)
    for i in range(40):
        path = f"{replica}/{r.choice(files)}"
        good = open(path, "rb").read()
        st = os.stat(path)
        bad = bytearray(good)
        at = r.randrange(len(good))
        bad[at] ^= 1 << r.randrange(8)
        if i % 4 == 3:
            bad = bad[:at]
        with open(path, "wb") as f:
            f.write(bad)
        p = litestream("verify", "-json", url(replica), ok=None)
        v = json.loads(p.out)
        if v["verdict"] == "sound":             # another way to write the same page
            unnoticed += 1
            restore(replica, out)
            assert sha(out) == want, (i, at)
        else:
            assert p.rc == 2 and v["verdict"] == "damaged" and [d["key"] for d in v["damage"] if "key" in d] == [os.path.relpath(path, replica)], (i, at)
        with open(path, "wb") as f:
            f.write(good)
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
    assert unnoticed < 8
    verify(url(replica))
    hidden = f"{replica}/ltx/0/{sorted(os.listdir(f'{replica}/ltx/0'))[6]}"
    os.rename(hidden, os.path.join(shm, "hidden"))
    v = verify_json(url(replica), rc=2)
    assert v["damage"] and v["gaps"] == [{"after": "0000000000000006", "before": "0000000000000008"}]
    os.rename(os.path.join(shm, "hidden"), hidden)
    verify(url(replica))


def test_a_replica_that_is_sound_and_of_another_database(shm):
    """Only the comparison with the live database finds that a page of it was never captured."""
    c, db, replica, conf = a_history(shm)
    c.execute("PRAGMA wal_checkpoint(PASSIVE)") # all of it is in the file
    page = os.path.getsize(db) // 4096
    st = os.stat(db)
    with open(db, "r+b") as f:                  # behind SQLite's back, the same size and time
        f.seek((page - 1) * 4096 + 4000)
        f.write(b"not from a commit")
    os.utime(db, ns=(st.st_atime_ns, st.st_mtime_ns))
    v = verify_json("-deep", "-config", conf, db, rc=2)
    assert v["damage"] == [] and v["live"]["result"] == "different" and v["live"]["different"] == 1
    assert "verify found the replica damaged" in litestream("status", "-config", conf).out
    assert f"the first is page {page}" in verify("-deep", "-config", conf, db, rc=2).out


def test_nothing_to_verify(shm):
    for args in (("-deep", url(os.path.join(shm, "none"))), (url(os.path.join(shm, "none")),)):
        p = litestream("verify", *args, ok=False)
        assert "Error:" in p.err
    os.mkdir(os.path.join(shm, "empty"))
    assert "no matching backup files" in litestream("verify", url(os.path.join(shm, "empty")), ok=False).err


@pytest.mark.parametrize("mode", ["quick", "full"])
def test_restore_checks_before_the_output_gets_its_name(mode, shm):
    c, db, replica, conf = a_history(shm, 3)
    out = os.path.join(shm, "o?ut #1%.db")
    p = litestream("restore", "-json", "-integrity-check", mode, "-o", out, url(replica))
    assert json.loads(p.out)["integrity_check"] == mode
    shutil.copyfile(out, os.path.join(shm, "plain.db"))
    assert check_state(os.path.join(shm, "plain.db")) == 3
    c.execute("PRAGMA writable_schema=ON")
    c.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 't_k'")   # the index on another's page
    once(db, replica)
    before = sha(out)
    p = litestream("restore", "-force", "-integrity-check", mode, "-o", out, url(replica), ok=False)
    assert "integrity check failed" in p.err and sha(out) == before
    p = litestream("restore", "-integrity-check", mode, "-o", out + "2", url(replica), ok=False)
    assert sorted(n for n in os.listdir(shm) if n.startswith("o?ut")) == ["o?ut #1%.db"]
    litestream("restore", "-o", out + "2", url(replica))
    assert "invalid -integrity-check value: all" in litestream("restore", "-integrity-check", "all", "-o", "x", url(replica), ok=False).err


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
