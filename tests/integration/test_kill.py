# SPDX-License-Identifier: Apache-2.0
"""Daemon and writers are killed at random moments, 200 times and more; nothing committed is ever lost."""
import os
import random
import sys
import time

import pytest

import tap
from common import *

KILLS = int(os.environ.get("LITESTREAM_TEST_KILLS", "40" if SANITIZED else "210"))


def check_now(db, replica, tmp, ledger):
    once(db, replica)
    out, live = os.path.join(tmp, "r.db"), os.path.join(tmp, "live.db")
    restore(replica, out)
    live_copy(db, live)
    assert_same_database(live, out)
    n = check_state(out)
    assert n >= last_committed(ledger), "a committed transaction is lost"


@pytest.mark.parametrize("part", range(3))
def test_kill(part, shm):
    seed = int(os.environ.get("LITESTREAM_TEST_SEED", "0")) + part
    r = random.Random(seed)
    print("seed", seed)
    db, replica, ledger = (os.path.join(shm, n) for n in ("a.db", "rep", "ledger"))
    new_database(db, page_size=r.choice((512, 4096, 8192))).close()
    kills = 0
    while kills < KILLS // 3:
        daemon = Daemon(db, replica, os.path.join(shm, "log"))
        writers = [start_writer(db, r.randrange(1 << 30), ledger) for _ in range(r.choice((1, 1, 2)))]
        victims = [*writers, daemon.p]
        r.shuffle(victims)
        time.sleep(r.random() ** 2 * 0.6)   # the random moment
        for v in victims:
            v.kill()
            kills += 1
            if r.random() < 0.5:
                time.sleep(r.random() * 0.03)
        for v in victims:
            v.wait()
        if r.random() < 0.3:
            check_now(db, replica, shm, ledger)
    check_now(db, replica, shm, ledger)
    assert check_history(replica, shm, every=5) > 5
    check_level0(replica)
    assert last_committed(ledger) > 20


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
