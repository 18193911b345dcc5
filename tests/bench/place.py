# SPDX-License-Identifier: Apache-2.0
"""A folder for one measurement: one database, its replica and at most one daemon."""
import shutil
import signal
import subprocess
import tempfile


class Place:
    def __init__(self, a):
        self.a, self.top = a, tempfile.mkdtemp(prefix="litestream-bench-", dir=a.dir)
        self.db, self.rep, self.log, self.p = f"{self.top}/a.db", f"{self.top}/rep", f"{self.top}/log", None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.p and self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        shutil.rmtree(self.top, ignore_errors=True)

    def url(self):
        return "file://" + self.rep

    def replicate(self, program, *args):
        with open(self.log, "w", encoding="utf8") as f:
            self.p = subprocess.Popen([program, "replicate", *args], stdout=f, stderr=f)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait()
