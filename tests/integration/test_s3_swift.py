# SPDX-License-Identifier: Apache-2.0
"""A second opinion on S3: OpenStack Swift, which checks more than Ceph does and has no conditional writes (make check-long)."""
import os
import shutil
import sys
import tempfile

import pytest

import tap
from s3 import *

SWIFT = os.path.join(TOP_SRCDIR, "tests", "servers", "swift")


class Swift(Gateway):
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="litestream-swift-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.port, self.buckets = free_ports(), 0
        run(SWIFT, "up", self.dir, self.port)
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def request(self, *args, **kw):
        return super().request(*args, **{"key": "test:tester", "secret": "testing", **kw})

    def stop(self):
        run(SWIFT, "down", self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture(scope="module")
def swift():
    for name in [n for n in os.environ if n.startswith(("AWS_", "LITESTREAM_"))]:
        del os.environ[name]
    os.environ.update(AWS_ACCESS_KEY_ID="test:tester", AWS_SECRET_ACCESS_KEY="testing", AWS_EC2_METADATA_DISABLED="true", HOME="/nonexistent")
    g = Swift()
    yield g
    g.stop()


def test_contract(swift):
    swift.bucket("contract")
    p = run(os.path.join(TOP_BUILDDIR, "tests", "unit", "test_store_contract"), ok=None, timeout=600,
            env={**os.environ, "LS_TEST_S3": f"http://localhost:{swift.port}"})
    assert p.rc == 0, "\n".join(l for l in p.out.splitlines() if not l.startswith("ok"))[-3000:] + p.err


def test_there_and_back(swift, shm):
    db, out, ledger, replica = *(os.path.join(shm, n) for n in ("a.db", "out.db", "ledger")), swift.url(swift.bucket())
    new_database(db).close()
    d = Daemon(db, replica, os.path.join(shm, "log")).ready()
    assert start_writer(db, 3, ledger, 60).wait(60) == 0
    d.stop()
    restore(replica, out)
    assert check_state(out) == last_committed(ledger)
    assert check_history(replica, shm) > 3
    assert "sound" in litestream("verify", "-deep", replica).out
    with mounted(replica, os.path.join(shm, "m")) as m:
        assert check_state(f"{m}/latest.db") == last_committed(ledger)


def test_levels_and_retention(swift, shm):
    db, conf, bucket = os.path.join(shm, "a.db"), os.path.join(shm, "c.yml"), swift.bucket()
    c = new_database(db)
    open(conf, "w").write("levels: [{interval: 1s}, {interval: 2s}]\nl0-retention: 1s\nl0-retention-check-interval: 1s\n"
                          f"dbs:\n- path: {db}\n  replica: {{url: '{swift.url(bucket)}', sync-interval: 100ms}}\n")
    d = Daemon(None, None, os.path.join(shm, "log"), config=conf).ready()

    def merged():
        commit(c)
        return len(swift.keys(bucket, "app/0002/")) >= 2 and len(swift.keys(bucket, "app/0000/")) < 30
    wait_for("files of level 2", merged, 60)
    c.close()
    d.stop()
    restore(swift.url(bucket), os.path.join(shm, "out.db"))
    live_copy(db, os.path.join(shm, "live.db"))
    assert_same_database(os.path.join(shm, "out.db"), os.path.join(shm, "live.db"))


def test_no_lease(swift, shm):
    db = os.path.join(shm, "a.db")
    new_database(db).close()
    with Daemon(db, swift.url(swift.bucket(), lease="3s"), os.path.join(shm, "log")) as d:
        d.wait_log("lease not renewed")
        assert "501" in d.text() or "conditional" in d.text()


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
