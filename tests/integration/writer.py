# SPDX-License-Identifier: Apache-2.0
"""A writer of self-checking databases (common.py), until it is stopped or has made COUNT transactions.

  writer.py DB SEED LEDGER [COUNT [KIND...]]

After each commit the number of the state is appended to LEDGER. KIND restricts what is done: insert update delete
rollback savepoint vacuum checkpoint big.
"""
import os
import random
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

SEAL = """UPDATE meta SET n = n + 1, count = (SELECT count(*) FROM t), sum = (SELECT ifnull(sum(id * 7 + k), 0) FROM t),
    bytes = (SELECT ifnull(sum(length(v)), 0) FROM t)"""
ALL = ["insert"] * 8 + ["update"] * 4 + ["delete"] * 3 + ["rollback", "savepoint", "savepoint", "checkpoint", "big"]


def insert(c, r, n):
    c.executemany("INSERT INTO t(k, v) VALUES(?, ?)", [(r.randrange(1000), r.randbytes(r.choice((5, 50, 300, 3000)))) for _ in range(n)])


def change(c, r, kind):
    if kind == "insert":
        insert(c, r, r.randrange(1, 8))
    elif kind == "big":
        insert(c, r, 150)
    elif kind == "update":
        c.execute("UPDATE t SET v = ?, k = k + 1 WHERE id % 11 = ?", (r.randbytes(r.randrange(1, 400)), r.randrange(11)))
    elif kind == "delete":
        c.execute("DELETE FROM t WHERE id % 13 = ?", (r.randrange(13),))
    elif kind == "savepoint":
        # With a small cache SQLite 3.40 would commit frames without checksum here, and lose them itself when every
        # process is killed (H85): that has a test of its own, which does not kill.
        insert(c, r, 20)
        c.execute("SAVEPOINT s")
        insert(c, r, r.choice((5, 60, 200)))
        c.execute("UPDATE t SET v = ? WHERE id % 3 = 0", (r.randbytes(900),))
        c.execute("ROLLBACK TO s")
        insert(c, r, 3)
        c.execute("RELEASE s")


def step(c, r, kinds):
    """One transaction; False if it left no new state."""
    kind = r.choice(kinds)
    if kind == "vacuum":
        c.execute("VACUUM")
        return False
    if kind == "checkpoint":
        c.execute(f"PRAGMA wal_checkpoint({r.choice(('PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'))})")
        return False
    c.execute(f"PRAGMA cache_size={10000 if kind == 'savepoint' else r.choice((5, 5, 100))}")
    c.execute("BEGIN IMMEDIATE")
    if kind == "rollback":
        insert(c, r, r.choice((3, 300)))
        c.execute("ROLLBACK")
        return False
    change(c, r, kind)
    if c.execute("SELECT count(*) FROM t").fetchone()[0] > 1500:
        c.execute("DELETE FROM t WHERE id % 2 = 0")
    c.execute(SEAL)
    return True


def main(db, seed, ledger, count=0, *kinds):
    r = random.Random(int(seed))
    c = sqlite3.connect(db, isolation_level=None, timeout=0.5)
    c.execute("PRAGMA synchronous=NORMAL")
    c.execute(f"PRAGMA wal_autocheckpoint={r.choice((0, 10, 100, 1000))}")
    out = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    done = 0
    while not int(count) or done < int(count):
        try:
            if not step(c, r, list(kinds) or ALL):
                continue
            n = c.execute("SELECT n FROM meta").fetchone()[0]
            c.execute("COMMIT")
            os.write(out, b"%d\n" % n)
            done += 1
        except sqlite3.OperationalError as e:
            if "locked" not in str(e) and "busy" not in str(e):
                raise
            if c.in_transaction:
                c.execute("ROLLBACK")


if __name__ == "__main__":
    main(*sys.argv[1:])
