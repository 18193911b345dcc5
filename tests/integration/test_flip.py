# SPDX-License-Identifier: Apache-2.0
"""Every byte of a small replica object flipped in turn, through the program: the same bytes or an error, never other bytes."""
import os
import sys

import pytest

import tap
from common import *


@pytest.mark.parametrize("encoding", ["frame", "block"])
def test_flip(encoding, shm):
    db, replica, conf, out = (os.path.join(shm, n) for n in ("a.db", "rep", "c.yml", "r.db"))
    c = connect(db)
    c.executescript("PRAGMA page_size=512; PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES('one')")
    open(conf, "w").write(f"dbs:\n- path: {db}\n  replica:\n    path: {replica}\n    ltx-encoding: {encoding}\n")
    daemon = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()
    c.execute("INSERT INTO t VALUES('two')")
    wait_for("the second file", lambda: len(ltx(replica, "0")) > 1)
    daemon.stop()
    os.unlink(os.path.join(replica, "ltx", "9", os.listdir(os.path.join(replica, "ltx", "9"))[0]))
    restore(replica, out)
    want = sha(out)
    unnoticed = 0
    for name in sorted(os.listdir(os.path.join(replica, "ltx", "0")))[:2]:
        path = os.path.join(replica, "ltx", "0", name)
        data = bytearray(open(path, "rb").read())
        os.unlink(path)     # it may share its bytes with the local file
        for i in range(len(data)):
            data[i] ^= 1 << i % 8
            open(path, "wb").write(data)
            data[i] ^= 1 << i % 8
            p = restore(replica, out, ok=None)
            assert p.rc in (0, 1), p.err
            if p.rc == 0:
                unnoticed += 1
                assert sha(out) == want, f"byte {i} of {name}"
            else:
                assert p.err.startswith("Error: ") and os.listdir(shm).count("r.db.tmp") == 0
        open(path, "wb").write(data)
    assert unnoticed < 40      # checksums of LZ4's own framing, which the file checksum does not cover


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
