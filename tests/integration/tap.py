# SPDX-License-Identifier: Apache-2.0
"""Runs one file of tests by pytest and prints TAP, one line for each case."""
import os
import sys


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def pytest_addoption(self, parser):
        # The terminal's, which the text of a failed assertion asks for.
        parser.addoption("--verbose", dest="verbose", type=int, default=0)

    def line(self, ok, name, note=""):
        self.count += 1
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name}{note}", flush=True)

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.split("::", 1)[-1]
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.line(True, name, " # SKIP " + reason.replace("Skipped: ", "").splitlines()[0])
        elif report.when == "call" or report.failed:
            self.line(report.passed, name)
            if report.failed:
                self.failed += 1
                for text in str(report.longrepr).splitlines()[-60:]:
                    print("#", text)

    def pytest_collectreport(self, report):
        if report.failed:
            self.failed += 1
            self.line(False, "collect")
            for text in str(report.longrepr).splitlines():
                print("#", text)


def main(path, *args):
    sys.dont_write_bytecode = True
    try:
        import pytest
    except ImportError:
        print("1..0 # SKIP pytest is not installed (package python3-pytest)")
        return 0
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    tap = Tap()
    pytest.main(["-p", "no:cacheprovider", "-p", "no:terminal", "--rootdir", os.path.dirname(path), path, *args], plugins=[tap])
    print(f"1..{tap.count}")
    return 1 if tap.failed or not tap.count else 0
