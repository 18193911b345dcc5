# SPDX-License-Identifier: Apache-2.0
"""Levels, snapshots and retention of a living replica, with intervals of seconds."""
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

import tap
from common import *

SECONDS = 600 if os.environ.get("LS_TEST_LONG") else 60
KINDS = ["insert"] * 6 + ["update"] * 3 + ["delete"] * 2 + ["rollback", "big", "vacuum"]
LEVELS = """
levels: [{interval: 1s}, {interval: 3s}, {interval: 9s}]
snapshot: {interval: 5s, retention: 10s}
l0-retention: 2s
"""


def configure(shm, db, replica, fine="0"):
    conf = os.path.join(shm, "c.yml")
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"{LEVELS}fine-retention: {fine}\ndbs:\n- path: {db}\n  replica:\n    path: {replica}\n    sync-interval: 50ms\n")
    return conf


def levels(replica):
    return {n: len(os.listdir(f"{replica}/ltx/{n}")) if os.path.isdir(f"{replica}/ltx/{n}") else 0 for n in (0, 1, 2, 3, 9)}


def packs(replica):
    return sorted(os.listdir(f"{replica}/fine")) if os.path.isdir(f"{replica}/fine") else []


def check_points(replica, shm):
    last, ids = -1, points(replica)
    for t in ids:
        restore(replica, os.path.join(shm, "point.db"), "-txid", t)
        n = check_state(os.path.join(shm, "point.db"))
        assert n >= last, f"TXID {t} holds state {n}, the one before {last}"
        last = n
    return len(ids)


class Reader(threading.Thread):
    """Reads, all the while, some point that was listed a moment ago: by a restore of ours, by one of the released program,
    or through a mount that stays."""

    def __init__(self, replica, shm, mnt):
        super().__init__()
        self.replica, self.mnt, self.out, self.peer = replica, mnt, os.path.join(shm, "reader.db"), peer("0.5.17")
        self.stop, self.bad, self.done = False, [], [0, 0, 0]

    def copy(self, t):
        try:
            shutil.copyfile(f"{self.mnt}/txid/{t}.db", self.out)
            return None
        except OSError as e:
            return f"mount: {e}"

    def restore(self, program, t):
        p = run(program, "restore", "-o", self.out, "-txid", t, url(self.replica), ok=None)
        return None if p.rc == 0 else p.err

    def read(self, i, t):
        remove_database(self.out)
        error = self.copy(t) if i == 2 else self.restore((LITESTREAM, self.peer)[i], t)
        if error is None:
            check_state(self.out, full=False)
            self.done[i] += 1
        elif t in (reachable(self.replica) if i == 1 else points(self.replica)):    # else it has expired meanwhile
            self.bad.append((i, t, error))

    def run(self):
        n = 0
        while not self.stop:
            i = n % 3
            ids = (points(self.replica), reachable(self.replica), [x[:16] for x in sorted(os.listdir(self.mnt + "/txid"))])[i]
            self.read(i, ids[n * 7919 % len(ids)])
            n += 1


def live(d, db, replica, shm, conf):
    """Some time, with a kill of the daemon now and then: the most files there were, the kills, the last daemon."""
    most, end, kills = 0, time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        time.sleep(2.7)                         # a moment of its life
        most = max(most, sum(levels(replica).values()))
        d.kill()
        d = Daemon(db, replica, os.path.join(shm, f"log{kills}"), config=conf).ready()
        kills += 1
    return most, kills, d


def test_a_replica_under_load_stays_small_and_true(shm):
    """A writer without a pause, kills, and a reader: every listed point is one committed state, and what is old goes."""
    db, replica, ledger = (os.path.join(shm, n) for n in ("a.db", "rep", "ledger"))
    new_database(db).close()
    conf = configure(shm, db, replica, "6s")
    d = Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready()
    keeper = connect(db)
    w = start_writer(db, 5, ledger, 1 << 30, *KINDS)
    need_fuse()
    with mounted(replica, os.path.join(shm, "mnt")) as mnt:
        reader = Reader(replica, shm, mnt)
        reader.start()
        try:
            most, kills, d = live(d, db, replica, shm, conf)
        finally:
            reader.stop = True
            reader.join()
    w.kill()
    w.wait()
    time.sleep(4)                               # the last intervals end
    n = levels(replica)
    d.stop()
    assert not reader.bad and min(reader.done) > 3, (reader.done, reader.bad[:3])
    states = check_points(replica, shm)
    said = last_committed(ledger)
    restore(replica, os.path.join(shm, "r.db"))
    assert check_state(os.path.join(shm, "r.db")) >= said
    # The writer may have died between frames and index: what the living see is what was committed.
    keeper.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert_same_database(db, os.path.join(shm, "r.db"))
    keeper.close()
    print(f"{said} commits, {kills} kills, {reader.done} reads beside it, {states} points, files {n}, at most {most}")
    assert n[0] < 5 and n[1] and n[2] and n[9] <= 8, n      # a kill can cost a full image
    assert most < 400 and 0 < len(packs(replica)) < 10, packs(replica)


def test_the_released_program_restores_every_point(shm):
    program = peer("0.5.17")
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    conf = configure(shm, db, replica)
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready() as d:
        for _ in range(60):
            commit(c, 1, size=700)
            time.sleep(0.1)                     # over several intervals
        wait_for("level 2 and a later snapshot", lambda: levels(replica)[2] and levels(replica)[9] > 1)
        d.stop()
    c.close()
    assert points(replica) == reachable(replica)
    for t in points(replica):
        a, b = os.path.join(shm, "a.out"), os.path.join(shm, "b.out")
        remove_database(a)
        run(program, "restore", "-o", a, "-txid", t, url(replica))
        restore(replica, b, "-txid", t)
        assert_same_database(a, b)
    remove_database(os.path.join(shm, "a.out"))
    run(program, "restore", "-o", os.path.join(shm, "a.out"), url(replica))
    assert check_state(os.path.join(shm, "a.out")) == 60


def packed_history(shm, db, replica, commits):
    """A replica whose level 0 is gone: every batch is in a pack. Returns the points, each with its state."""
    c = new_database(db)
    conf = configure(shm, db, replica, "1h")
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready() as d:
        for _ in range(commits):
            commit(c, 1, size=700)
            time.sleep(0.06)                    # over several intervals
        wait_for("level 0 to go", lambda: levels(replica)[0] == 1)
        d.stop()
    c.close()
    states = {}
    for t in points(replica):
        restore(replica, os.path.join(shm, "point.db"), "-txid", t)
        states[t] = check_state(os.path.join(shm, "point.db"))
    return conf, states


def test_every_batch_of_the_fine_window_is_a_point(shm):
    db, replica, out = (os.path.join(shm, n) for n in ("a.db", "rep", "out.db"))
    conf, states = packed_history(shm, db, replica, 100)
    listed = json.loads(litestream("points", "-json", url(replica)).out)
    assert not listed["gaps"]
    assert [int(t, 16) for t in states] == list(range(1, len(states) + 1)) and len(packs(replica)) > 2
    assert list(states.values()) == sorted(states.values()) and max(states.values()) == 100
    for p in listed["points"][2::7]:            # the last state before a time
        restore(replica, out, "-timestamp", p["timestamp"])
        assert check_state(out) == states[f"{int(p['txid'], 16) - 1:016x}"]
    t = list(states)[len(states) // 2]
    plan = json.loads(litestream("restore", "-dry-run", "-json", "-txid", t, "-o", out, url(replica)).out)
    assert plan["max_txid"] == t
    need_fuse()
    with mounted(replica, os.path.join(shm, "mnt")) as mnt:
        for t in list(states)[1::9]:
            live_copy(f"{mnt}/txid/{t}.db", out)
            assert check_state(out) == states[t]
    # The newest state and every later one do not need them.
    shutil.rmtree(f"{replica}/fine")
    restore(replica, out)
    assert check_state(out) == 100
    assert points(replica) == reachable(replica)


def test_a_file_of_the_mount_stays_readable(shm):
    """Its objects are merged, packed and deleted while it is open."""
    need_fuse()
    db, replica, out = (os.path.join(shm, n) for n in ("a.db", "rep", "out.db"))
    c = new_database(db)
    conf = configure(shm, db, replica, "1h")
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready() as d:
        wait_for("a backup", lambda: levels(replica)[0])
        for _ in range(12):
            commit(c, 1, size=200000)
            time.sleep(0.12)
        wait_for("batches", lambda: len(points(replica)) > 8)
        t = points(replica)[-2]
        restore(replica, out, "-txid", t)
        with mounted(replica, os.path.join(shm, "mnt"), "cache_size=65536") as mnt:
            with open(f"{mnt}/txid/{t}.db", "rb", buffering=0) as f:
                first = f.read(4096)
                wait_for("level 0 to go", lambda: levels(replica)[0] <= 1)
                rest = b"".join(iter(lambda: f.read(1 << 17), b""))
            assert first + rest == open(out, "rb").read()
        d.stop()


def test_a_damaged_pack_costs_its_own_points_only(shm):
    db, replica, out = (os.path.join(shm, n) for n in ("a.db", "rep", "out.db"))
    conf, states = packed_history(shm, db, replica, 60)
    name = max(packs(replica), key=lambda n: int(n[17:33], 16) - int(n[:16], 16))
    low, high = name[:16], name[17:33]
    with open(f"{replica}/fine/{name}", "r+b") as f:
        f.seek(70)
        f.write(b"\xff")
    p = litestream("points", url(replica))
    assert "a pack cannot be read" in p.err and name in p.err
    left = points(replica)
    assert set(states) - set(left) <= {t for t in states if low <= t <= high}
    for t in left:
        restore(replica, out, "-txid", t)
        assert check_state(out) == states[t]
    lost = sorted(set(states) - set(left))
    assert lost
    p = litestream("restore", "-txid", lost[0], "-o", os.path.join(shm, "no.db"), url(replica), ok=None)
    assert p.rc == 1 and "a pack cannot be read" in p.out and "neighbours" in p.err


def test_the_released_program_leaves_packs_alone(shm):
    """It restores beside them, takes over and enforces its retention; then we go on, with every point."""
    program = peer("0.5.17")
    db, replica, out = (os.path.join(shm, n) for n in ("a.db", "rep", "out.db"))
    conf, states = packed_history(shm, db, replica, 40)
    before = {n: sha(f"{replica}/fine/{n}") for n in packs(replica)}
    run(program, "restore", "-o", out, url(replica))
    assert check_state(out) == 40
    theirs = os.path.join(shm, "theirs.yml")
    with open(theirs, "w", encoding="utf8") as f:
        f.write(f"levels: [{{interval: 1s}}]\nsnapshot: {{interval: 2s, retention: 1h}}\nl0-retention: 1s\n"
                f"l0-retention-check-interval: 1s\ndbs: [{{path: {db}, replica: {{path: {replica}, sync-interval: 100ms}}}}]\n")
    log = open(os.path.join(shm, "theirs.log"), "w", encoding="utf8")
    p = subprocess.Popen([program, "replicate", "-config", theirs], stdout=log, stderr=log)
    c = connect(db)
    seen = levels(replica)[9]
    try:
        wait_for("snapshots of theirs", lambda: [commit(c), time.sleep(0.1)] and levels(replica)[9] > seen + 1)
    finally:
        p.terminate()
        p.wait()
    log.close()
    assert {n: sha(f"{replica}/fine/{n}") for n in packs(replica)} == before
    for t in list(states)[::5]:
        restore(replica, out, "-txid", t)
        assert check_state(out) == states[t]
    commit(c)
    n = c.execute("SELECT n FROM meta").fetchone()[0]
    c.close()
    litestream("replicate", "-once", "-config", conf)
    restore(replica, out)
    assert check_state(out) == n


def test_points_tell_edges_and_gaps(place, shm):
    db, replica = place
    c = connect(db)
    for _ in range(6):
        commit(c)
        once(db, replica)
    listed = json.loads(litestream("points", "-json", url(replica)).out)
    assert [p["txid"] for p in listed["points"]] == txids(replica) and not listed["gaps"]
    assert listed["points"][0]["snapshot"] and listed["points"][-1]["level"] == 0
    table = litestream("points", url(replica)).out.splitlines()
    assert table[0].split() == ["txid", "level", "size", "created"] and len(table) == 1 + len(listed["points"])
    sizes = [p["pages"] for p in json.loads(litestream("points", "-json", "-pages", url(replica)).out)["points"]]
    assert litestream("points", "-pages", url(replica)).out.splitlines()[-1].split()[-1] == str(sizes[-1])
    for t, n in zip(txids(replica), sizes):
        restore(replica, os.path.join(shm, "r.db"), "-txid", t)
        assert os.path.getsize(os.path.join(shm, "r.db")) == 4096 * n
    plan = json.loads(litestream("restore", "-dry-run", "-json", "-o", os.path.join(shm, "r2.db"), url(replica)).out)
    assert plan["bytes"] == sum(f["size"] for f in plan["files"]) and plan["requests"] == 11 + len(plan["files"])
    assert f"{len(plan['files'])} files, " in litestream("restore", "-dry-run", "-o", os.path.join(shm, "r2.db"), url(replica)).out
    os.unlink(f"{replica}/ltx/0/0000000000000004-0000000000000004.ltx")
    listed = json.loads(litestream("points", "-json", url(replica)).out)
    assert [int(p["txid"], 16) for p in listed["points"]] == [1, 2, 3]
    assert listed["gaps"] == [{"after": "0000000000000003", "before": "0000000000000005"}]
    assert "between 0000000000000003 and 0000000000000005" in litestream("points", url(replica)).out
    assert litestream("points", url(os.path.join(shm, "none"))).out.split() == ["txid", "level", "size", "created"]


def test_once_with_a_snapshot_and_retention(place, shm):
    db, replica = place
    conf = configure(shm, db, replica)
    c = connect(db)
    for _ in range(4):
        commit(c)
        litestream("replicate", "-once", "-config", conf)
    assert levels(replica)[9] == 1
    for _ in range(2):      # the second time there is one
        p = litestream("replicate", "-once", "-force-snapshot", "-config", conf)
        assert "taking snapshot" in p.out
        assert levels(replica) == {0: len(txids(replica)), 1: 0, 2: 0, 3: 0, 9: 2}
    before = txids(replica)
    for name in os.listdir(f"{replica}/ltx/9"):     # both are old now: the newer one is the base
        os.utime(f"{replica}/ltx/9/{name}", (1, 1))
    assert "enforcing retention" in litestream("replicate", "-once", "-enforce-retention", "-config", conf).out
    assert levels(replica)[9] == 1 and levels(replica)[0] == len(before)
    restore(replica, os.path.join(shm, "r.db"))
    assert check_state(os.path.join(shm, "r.db")) == 4


@pytest.mark.parametrize("which", [1, 2], ids=["newest", "older"])
def test_a_lost_object_is_healed(which, shm):
    """H39: an object that was not merged yet disappears, and is too large to be kept in memory. It is sent again, or the
    database once more."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    conf = configure(shm, db, replica)
    objects = lambda: sorted(os.listdir(f"{replica}/ltx/0"))
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready() as d:
        wait_for("the first object", lambda: levels(replica)[0])
        for _ in range(50):     # one that is merged in this very moment is not missed
            for _ in range(which):
                before = objects()[-1]
                commit(c, size=1500000)
                wait_for("the object", lambda: objects()[-1] > before)
            os.unlink(f"{replica}/ltx/0/{objects()[-which]}")
            time.sleep(0.3)     # the interval may end
            if "compaction failed" in d.text():
                break
        commit(c)
        d.wait_log("resuming|state_before=0*[1-9a-f]")
        # The last one may have been deleted after that, and is noticed at the end of the next interval.
        state, out = c.execute("SELECT n FROM meta").fetchone()[0], os.path.join(shm, "r.db")
        wait_for("the newest state", lambda: restore(replica, out, ok=None).rc == 0 and check_state(out) == state)
        d.stop()
    assert "compaction failed" in d.text()
    restore(replica, os.path.join(shm, "r.db"))
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert_same_database(db, os.path.join(shm, "r.db"))


def test_a_lost_object_is_not_missed(shm):
    """Level 1 and the packs are made of what is still here."""
    db, replica, out = (os.path.join(shm, n) for n in ("a.db", "rep", "out.db"))
    c = new_database(db)
    objects = lambda: sorted(os.listdir(f"{replica}/ltx/0"))
    with Daemon(db, replica, os.path.join(shm, "log"), config=configure(shm, db, replica, "1h")).ready() as d:
        wait_for("the first object", lambda: levels(replica)[0])
        for _ in range(20):
            before = objects()[-1]
            commit(c)
            wait_for("the object", lambda: objects()[-1] > before)
            os.unlink(f"{replica}/ltx/0/{objects()[-1]}")
        wait_for("all of them in packs", lambda: len(points(replica)) == 21)
        d.stop()
        assert "compaction failed" not in d.text() and "is lost" not in d.text()
    states = []
    for t in points(replica):
        restore(replica, out, "-txid", t)
        states.append(check_state(out))
    assert states == list(range(21)), "every batch is a point"


def test_retention_can_be_off(place, shm):
    db, replica = place
    conf = configure(shm, db, replica)
    with open(conf, "a", encoding="utf8") as f:
        f.write("retention: {enabled: false}\n")
    c = connect(db)
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready() as d:
        for i in range(30):
            commit(c)
            time.sleep(0.1)
        wait_for("level 1", lambda: levels(replica)[1] > 1)
        time.sleep(3)                           # l0-retention passes
        d.stop()
    assert levels(replica)[0] > 20
    check_level0(replica)


def test_a_name_that_was_not_removed(shm):
    """The file that became an object has a second name, because removing it failed: it is not written again."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    with Daemon(db, replica, os.path.join(shm, "log"), config=configure(shm, db, replica)).ready() as d:
        def level1(n):
            commit(c)
            return levels(replica)[1] >= n
        wait_for("level 1", lambda: level1(1))
        first = f"{replica}/ltx/1/{sorted(os.listdir(replica + '/ltx/1'))[0]}"
        kept = os.path.join(shm, "kept")
        os.link(first, kept)
        before = sha(kept)
        second = os.path.join(shm, ".a.db-litestream", "replicas", "file", "level.tmp")

        def linked():
            with contextlib.suppress(FileExistsError):
                os.link(kept, second)
                return True
            return False
        wait_for("a moment without a merge", linked)
        wait_for("another merge", lambda: commit(c) or not os.path.exists(second) or not os.path.samefile(second, kept))
        d.stop()
    assert sha(kept) == before
    check_level0(replica)


def test_the_replica_is_away_while_a_snapshot_is_due(shm):
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    obstacle = os.path.join(shm, ".a.db-litestream", "replicas", "file", "level.tmp")
    c = new_database(db)
    os.makedirs(obstacle)
    with Daemon(db, replica, os.path.join(shm, "log")).ready() as d:
        d.wait_log("compaction failed.*level.tmp")
        os.rename(replica, replica + ".away")
        os.rmdir(obstacle)
        d.wait_log("compaction failed.*does not exist")
        os.rename(replica + ".away", replica)
        commit(c, 2)
        wait_for("the snapshot", lambda: levels(replica)[9] == 1)
        d.stop()
        assert "starting anew" not in d.text()
    check_level0(replica)


def test_what_happens_behind_our_back_is_seen(shm):
    """The audit: an object that was deleted by somebody, one that somebody wrote, and a merge that is read back."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    c = new_database(db)
    conf = configure(shm, db, replica, "1h")
    with open(conf, "a", encoding="utf8") as f:
        f.write("verify-compaction: true\nvalidation: {interval: 300ms}\nlogging: {level: debug}\n")
    with Daemon(db, replica, os.path.join(shm, "log"), config=conf).ready() as d:
        for _ in range(20):
            commit(c)
            time.sleep(0.1)
        d.wait_log("replica is as it should be")
        assert "verification failed" not in d.text() and "validation error" not in d.text()
        os.makedirs(f"{replica}/ltx/8", exist_ok=True)
        with open(f"{replica}/ltx/8/0000000000000002-0000000000000003.ltx", "wb") as f:
            f.write(b"foreign" * 40)
        d.wait_log("appeared in the replica that were not written here")
        os.unlink(f"{replica}/ltx/9/{sorted(os.listdir(replica + '/ltx/9'))[-1]}")
        d.wait_log("compaction failed")         # by the audit, or by a merge that needed it first
        os.unlink(f"{replica}/ltx/8/0000000000000002-0000000000000003.ltx")
        commit(c)
        wait_for("health", lambda: re.search("resuming|full image", d.text()[d.text().rfind("compaction failed"):]))
        d.stop()
    restore(replica, os.path.join(shm, "r.db"))
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert_same_database(db, os.path.join(shm, "r.db"))


@pytest.mark.parametrize("text,says", [
    ("levels: [{interval: 0s}]", "compaction interval must be greater than 0"),
    ("snapshot: {interval: 0s}", "snapshot interval must be greater than 0"),
    ("snapshot: {retention: 0s}", "snapshot retention must be greater than 0"),
    ("l0-retention-check-interval: 0s", "check interval must be greater than 0"),
    ("levels: [%s]" % ", ".join(["{interval: 1s}"] * 9), "8 at most"),
])
def test_bad_settings(text, says, place, shm):
    db, replica = place
    conf = os.path.join(shm, "c.yml")
    with open(conf, "w", encoding="utf8") as f:
        f.write(f"{text}\ndbs: [{{path: {db}, replica: {{path: {replica}}}}}]\n")
    p = litestream("replicate", "-config", conf, ok=False)
    assert says in p.err


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
