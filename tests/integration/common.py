# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: the programs of this build, databases that check themselves, mounts."""
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP_SRCDIR = os.environ.get("TOP_SRCDIR") or os.path.dirname(os.path.dirname(HERE))
TOP_BUILDDIR = os.environ.get("TOP_BUILDDIR") or os.path.join(TOP_SRCDIR, "build")
LITESTREAM = os.environ.get("LS_TEST_PROGRAM") or os.path.join(TOP_BUILDDIR, "tools", "litestream")
FAILING = os.path.join(TOP_BUILDDIR, "tests", "fault", "litestream-failing")     # one call in thirty of its stores does
MOUNT = os.path.join(TOP_BUILDDIR, "fs", "mount.litestream")
SHARED = os.path.join(os.path.dirname(os.path.abspath(TOP_SRCDIR)), "shared")
WRITER = os.path.join(HERE, "writer.py")
SANITIZED = re.search("__(asan|tsan)_init", subprocess.run(["nm", "-a", LITESTREAM], capture_output=True, text=True).stdout) is not None


def run(*args, ok=True, timeout=120, **kw):
    """Runs a program; its result has rc, out and err as text. ok: must succeed (True), must fail with 1 (False), or None."""
    p = subprocess.run([str(a) for a in args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, **kw)
    if ok is True and p.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, args))}: exit {p.returncode}\n{p.stdout}{p.stderr}")
    if ok is False and p.returncode != 1:
        raise AssertionError(f"{' '.join(map(str, args))}: exit {p.returncode}, wanted 1\n{p.stdout}{p.stderr}")
    p.rc, p.out, p.err = p.returncode, p.stdout, p.stderr
    return p


def litestream(*args, **kw):
    return run(LITESTREAM, *args, **kw)


def once(db, replica, *args, **kw):
    return litestream("replicate", "-once", *args, db, url(replica), **kw)


def url(path):
    return str(path) if "://" in str(path) else "file://" + str(path)


def remove_database(path):
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(str(path) + suffix)


def restore(replica, out, *args, **kw):
    remove_database(out)        # and what looking at the last one left
    return litestream("restore", "-o", out, *args, url(replica), **kw)


def ltx(replica, level="all"):
    return json.loads(litestream("ltx", "-json", "-level", level, url(replica)).out)


def txids(replica):
    return sorted({f["max_txid"] for f in ltx(replica)})


def points(replica):
    """TXIDs that can be restored."""
    return [p["txid"] for p in json.loads(litestream("points", "-json", url(replica)).out)["points"]]


def reachable(replica):
    """TXIDs that the files of the levels lead to without a gap: those that the released program can restore."""
    ends, files = set(), [(int(f["min_txid"], 16), int(f["max_txid"], 16)) for f in ltx(replica)]
    for low, high in sorted(files, key=lambda f: f[1]):
        if low == 1 or any(low - 1 <= e < high for e in ends):
            ends.add(high)
    return [f"{t:016x}" for t in sorted(ends)]


def sha(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def wait_for(what, cond, seconds=30):
    end = time.monotonic() + seconds
    while True:
        value = cond()
        if value:
            return value
        assert time.monotonic() < end, f"gave up waiting for {what}"
        time.sleep(0.005)


def connect(path, **kw):
    db = sqlite3.connect(str(path), isolation_level=None, timeout=20, **kw)
    return db


def connect_ro(path):
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)


def live_copy(db, out):
    """The live database as one file: a copy of it and its WAL, checkpointed."""
    for suffix in ("", "-wal"):
        if os.path.exists(str(db) + suffix):
            shutil.copyfile(str(db) + suffix, str(out) + suffix)
        elif os.path.exists(str(out) + suffix):
            os.unlink(str(out) + suffix)
    c = connect(out)
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    c.close()
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(str(out) + suffix)


def pages(path, size):
    data = open(path, "rb").read()
    return [data[i:i + size] for i in range(0, len(data), size)]


def assert_same_database(a, b):
    """Byte for byte; says which pages differ."""
    if sha(a) == sha(b):
        return
    head = open(a, "rb").read(100)
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    pa, pb = pages(a, size), pages(b, size)
    differ = [i + 1 for i in range(min(len(pa), len(pb))) if pa[i] != pb[i]]
    raise AssertionError(f"{a} has {len(pa)} pages, {b} has {len(pb)}; these differ: {differ[:20]}")


# A database that checks itself: table t changes at random, and meta, written in the same transaction,
# says how many transactions there were and what t holds. Any committed state passes check_state().

SCHEMA = """
CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v BLOB);
CREATE INDEX t_k ON t(k);
CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), n INT, count INT, sum INT, bytes INT);
INSERT INTO meta VALUES(1, 0, 0, 0, 0);
"""


def new_database(path, page_size=4096, auto_vacuum=0):
    c = connect(path)
    c.execute(f"PRAGMA page_size={page_size}")
    c.execute(f"PRAGMA auto_vacuum={auto_vacuum}")
    c.execute("PRAGMA journal_mode=WAL")
    c.executescript(SCHEMA)
    return c


SEAL = """UPDATE meta SET n = n + 1, count = (SELECT count(*) FROM t), sum = (SELECT ifnull(sum(id * 7 + k), 0) FROM t),
    bytes = (SELECT ifnull(sum(length(v)), 0) FROM t)"""


def commit(c, n=1, size=1):
    """Moves the database on by n states, with rows of this size."""
    for _ in range(n):
        c.execute("BEGIN")
        c.execute("INSERT INTO t(k, v) VALUES(1, randomblob(?))", (size,))
        c.execute(SEAL)
        c.execute("COMMIT")


def check_state(path, full=True):
    """Exactly one committed state, or an AssertionError; returns its number."""
    c = connect_ro(path)
    try:
        n, *said = c.execute("SELECT n, count, sum, bytes FROM meta").fetchone()
        found = list(c.execute("SELECT count(*), ifnull(sum(id * 7 + k), 0), ifnull(sum(length(v)), 0) FROM t").fetchone())
        assert said == found, f"{path}: state {n} is torn: {said} against {found}"
        if full:
            assert c.execute("PRAGMA integrity_check").fetchone()[0] == "ok", f"{path}: state {n}"
        return n
    finally:
        c.close()


class Daemon:
    """litestream replicate; ended by stop() (SIGTERM, must succeed) or kill()."""

    def __init__(self, db, replica, log, *args, program=LITESTREAM, config=None, env=None):
        self.log = str(log)
        words = ["-config", config] if config else [str(db), url(replica)]
        self.start = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as f:
            self.p = subprocess.Popen([program, "replicate", *args, *words], stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=env)

    def text(self):
        """What this daemon has logged; the file may hold the lines of others before it."""
        with open(self.log, encoding="utf8", errors="replace") as f:
            f.seek(self.start)
            return f.read()

    def wait_log(self, pattern, seconds=30):
        def seen():
            assert self.p.poll() is None or re.search(pattern, self.text()), "it ended:\n" + self.text()
            return re.search(pattern, self.text())
        try:
            return wait_for(f"'{pattern}' in the log", seen, seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}, which ends with:\n{self.text()[-3000:]}") from None

    def ready(self):
        self.wait_log("caught up|resuming")
        return self

    def stop(self, rc=0):
        self.p.send_signal(signal.SIGTERM)
        got = self.p.wait(60)
        assert got == rc, f"exit {got}, wanted {rc}\n" + self.text()

    def kill(self):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()


def start_writer(db, seed, ledger, *args):
    return subprocess.Popen([sys.executable, WRITER, str(db), str(seed), str(ledger), *map(str, args)], stdin=subprocess.DEVNULL)


def last_committed(ledger):
    try:
        lines = open(ledger).read().split("\n")[:-1]
    except FileNotFoundError:
        return 0
    return max(map(int, lines), default=0)


def check_history(replica, tmp, every=1, start=0):
    """Every TXID restores to one committed state, in order; returns the number of TXIDs."""
    last, done = -1, 0
    ids = [t for t in txids(replica) if int(t, 16) > start]
    for i, t in enumerate(ids):
        if i % every and i != len(ids) - 1:
            continue
        out = os.path.join(str(tmp), "point.db")
        restore(replica, out, "-txid", t)
        n = check_state(out, full=i % 7 == 0)
        assert n >= last, f"TXID {t} holds state {n}, the one before {last}"
        last, done = n, done + 1
    return done


def check_level0(replica):
    """O3: no hole in level 0, no file without pages."""
    files = [f for f in ltx(replica, "0")]
    for a, b in zip(files, files[1:]):
        assert int(b["min_txid"], 16) == int(a["max_txid"], 16) + 1, f"hole after {a['max_txid']}"
    for f in files:
        assert f["size"] > 131, f"file without pages: {f}"


def need_fuse():
    if not os.path.exists(MOUNT):
        pytest.skip("built without libfuse3 (package libfuse3-dev)")
    if os.geteuid() != 0 and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no access to /dev/fuse")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("/dev/fuse does not exist")


@contextlib.contextmanager
def mounted(replica, where, *opts):
    need_fuse()
    os.makedirs(where, exist_ok=True)
    args = [MOUNT, url(replica), str(where)]
    if opts:
        args += ["-o", ",".join(opts)]
    run(*args)
    try:
        yield str(where)
    finally:
        if subprocess.run(["umount", str(where)]).returncode != 0:
            subprocess.run(["umount", "-l", str(where)])


_peers = None


def peer(name):
    """Path of a released program; skips the test where it cannot be had."""
    global _peers
    if _peers is None:
        out = subprocess.run([os.path.join(TOP_SRCDIR, "contrib", "peer.sh")], capture_output=True, text=True).stdout
        _peers = dict(line.split(" ", 1) for line in out.splitlines())
    if name not in _peers:
        pytest.skip(f"the released program {name} is not there (contrib/peer.sh, PyPI and npm)")
    return _peers[name]


@pytest.fixture
def place(shm):
    """A new database, and where its replica will be."""
    db, replica = os.path.join(shm, "a.db"), os.path.join(shm, "rep")
    new_database(db).close()
    return db, replica


@pytest.fixture
def shm():
    """A folder in memory: where the disk would only make a test slow."""
    d = tempfile.mkdtemp(prefix="litestream-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield d
    shutil.rmtree(d, ignore_errors=True)
