# SPDX-License-Identifier: Apache-2.0
"""Commands, flags, messages and exit codes of the contract; bad input of every kind."""
import os
import signal
import subprocess
import sys

import pytest

import tap
from common import *


@pytest.fixture(scope="module")
def replica(tmp_path_factory):
    d = str(tmp_path_factory.mktemp("cli"))
    c = new_database(os.path.join(d, "a.db"))
    for _ in range(3):
        c.execute("BEGIN")
        c.execute("INSERT INTO t(k, v) VALUES(1, 'x')")
        c.execute(SEAL)
        c.execute("COMMIT")
        once(os.path.join(d, "a.db"), os.path.join(d, "rep"))
    return os.path.join(d, "rep")


def test_help_and_dispatch():
    assert run(LITESTREAM, ok=False).out.count("\n") > 5
    assert litestream("help").err == ""
    assert "replicate" in litestream("-h").out
    assert "unknown command" in litestream("frobnicate", ok=False).err
    assert litestream("restore", "-h").out and litestream("version").out.count(".") == 2
    p = litestream("restore", "-nope", ok=False)
    assert p.err.startswith("flag provided but not defined: -nope\n") and "Error:" in p.err and "Usage" in p.out
    for flag in ("-force-snapshot", "-enforce-retention"):
        assert f"cannot specify {flag} flag without -once" in litestream("replicate", flag, "a.db", "file:///x", ok=False).err


@pytest.mark.parametrize("args,text", [
    (["restore"], "database path or replica URL required"),
    (["restore", "file:///x"], "-o is required"),
    (["restore", "-o", "x", "a", "b"], "too many arguments"),
    (["restore", "-o", "x", "-txid", "xyz", "file:///x"], "invalid txid format"),
    (["restore", "-o", "x", "-txid", "1", "-timestamp", "2020-01-01T00:00:00Z", "file:///x"], "cannot specify index & timestamp"),
    (["restore", "-o", "x", "-timestamp", "not a time", "file:///x"], "invalid -timestamp"),
    (["restore", "-config", "x", "-o", "x", "file:///x"], "cannot specify a replica URL and the -config flag"),
    (["restore", "-o", "x", "gs://bucket/x"], "not supported"),
    (["restore", "-config", "/nowhere.yml", "a.db"], "config file not found: /nowhere.yml"),
    (["ltx"], "database path or replica URL required"),
    (["ltx", "-level", "12", "file:///x"], "between 0 and 9"),
    (["ltx", "-level", "x", "file:///x"], "invalid level"),
    (["replicate", "only.db"], "must specify at least one replica URL"),
    (["databases", "-config", "/nowhere.yml"], "config file not found"),
])
def test_refusals(args, text):
    p = litestream(*args, ok=False)
    assert text in p.err and p.err.splitlines()[-1] and "Error: " in p.err


def test_restore_selects(replica, tmp_path):
    for i, t in enumerate(txids(replica)):
        restore(replica, tmp_path / "r.db", "-txid", t)
        assert check_state(tmp_path / "r.db") == i + 1
    restore(replica, tmp_path / "r.db", "-txid", "2")
    assert check_state(tmp_path / "r.db") == 2
    p = restore(replica, tmp_path / "r.db", "-txid", "00000000000000ff", ok=False)
    assert "cannot be restored" in p.err and "0000000000000003" in p.err
    restore(replica, tmp_path / "r.db", "-timestamp", "2099-01-01T00:00:00Z")
    assert check_state(tmp_path / "r.db") == 3
    restore(replica, tmp_path / "r.db", "-timestamp", "now")
    p = restore(replica, tmp_path / "r.db", "-timestamp", "2000-01-01T00:00:00Z", ok=False)
    assert "timestamp does not exist" in p.err
    assert not os.path.exists(tmp_path / "r.db")
    assert json.loads(restore(replica, tmp_path / "r.db", "-json").out)["txid"] == "0000000000000003"


def test_restore_output_rules(replica, tmp_path):
    out = str(tmp_path / "sub" / "r.db")
    litestream("restore", "-o", out, url(replica))
    assert "not empty" in litestream("restore", "-o", out, url(replica), ok=False).err
    assert "skipping" in litestream("restore", "-if-db-not-exists", "-o", out, url(replica)).out
    litestream("restore", "-force", "-o", out, url(replica))
    assert "directory" in litestream("restore", "-o", tmp_path, url(replica), ok=False).err
    for suffix in ("-wal", "-shm", "-journal"):
        os.unlink(out)
        open(out + suffix, "w").write("stale")
        assert suffix in litestream("restore", "-o", out, url(replica), ok=False).err
        assert not os.path.exists(out)
        litestream("restore", "-force", "-o", out, url(replica))
        assert not os.path.exists(out + suffix)
    assert os.listdir(os.path.dirname(out)) == ["r.db"]


def test_restore_without_a_backup(tmp_path):
    p = restore(tmp_path / "none", tmp_path / "r.db", ok=False)
    assert "no matching backup" in p.err
    assert "no matching backups found" in restore(tmp_path / "none", tmp_path / "r.db", "-if-replica-exists").out
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "empty", tmp_path / "r.db", "-if-replica-exists")
    assert "not a directory" in restore(tmp_path / "file", tmp_path / "r.db", ok=False).err
    (tmp_path / "old" / "generations" / "0123456789abcdef" / "snapshots").mkdir(parents=True)
    (tmp_path / "old" / "generations" / "0123456789abcdef" / "snapshots" / "00000000.snapshot.lz4").write_text("x")
    assert "00000000.snapshot.lz4' is damaged" in restore(tmp_path / "old", tmp_path / "r.db", ok=False).err
    assert not os.path.exists(tmp_path / "r.db")


def damage(replica, to, change):
    shutil.copytree(replica, to)
    change(os.path.join(to, "ltx", "0"))


@pytest.mark.parametrize("name,change,text", [
    ("short", lambda d: open(os.path.join(d, "0000000000000003-0000000000000003.ltx"), "r+b").truncate(50), "damaged"),
    ("cut", lambda d: open(os.path.join(d, "0000000000000003-0000000000000003.ltx"), "r+b").truncate(160), "damaged"),
    ("renamed", lambda d: os.rename(os.path.join(d, "0000000000000003-0000000000000003.ltx"), os.path.join(d, "0000000000000004-0000000000000004.ltx")), "non-contiguous"),
    ("longer", lambda d: open(os.path.join(d, "0000000000000003-0000000000000003.ltx"), "ab").write(b"x" * 16), "damaged"),
    ("wrong", lambda d: shutil.copyfile(os.path.join(d, "0000000000000002-0000000000000002.ltx"), os.path.join(d, "0000000000000003-0000000000000003.ltx")), "holds TXIDs"),
])
def test_damaged_objects(replica, tmp_path, name, change, text):
    bad = tmp_path / "rep"
    damage(replica, bad, change)
    shutil.rmtree(bad / "ltx" / "9")
    p = restore(bad, tmp_path / "r.db", ok=False)
    assert text in p.err and p.err.count("\n") == 1, p.err
    assert sorted(os.listdir(tmp_path)) == ["rep"]


def test_foreign_names_are_left_alone(replica, tmp_path):
    bad = tmp_path / "rep"
    shutil.copytree(replica, bad)
    for name in ("x", "0000000000000009-0000000000000009.ltx.tmp", ".hidden", "a\nb", "z" * 200, "000000000000000F-000000000000000F.ltx"):
        (bad / "ltx" / "0" / name).write_text("foreign")
    (bad / "ltx" / "77").mkdir()
    (bad / "ltx" / "0" / "000000000000000a-000000000000000a.ltx").mkdir()
    restore(bad, tmp_path / "r.db")
    assert check_state(tmp_path / "r.db") == 3


def test_ltx_and_databases(replica, tmp_path):
    lines = litestream("ltx", url(replica)).out.splitlines()
    assert lines[0].split() == ["level", "min_txid", "max_txid", "size", "created"] and len(lines) == 4
    assert [f["level"] for f in ltx(replica)][-1] == 9 and set(ltx(replica)[0]) == {"level", "min_txid", "max_txid", "size", "timestamp"}
    assert json.loads(litestream("ltx", "-json", "-level", "5", url(replica)).out) == []
    assert "deprecated" in litestream("wal", url(replica)).err
    conf = tmp_path / "c.yml"
    conf.write_text(f"dbs:\n- path: {tmp_path}/a.db\n  replica:\n    url: file://{tmp_path}/r<&>\n")
    assert litestream("databases", "-config", conf).out.splitlines()[0].split() == ["path", "replica"]
    assert json.loads(litestream("databases", "-json", "-config", conf).out) == [{"path": f"{tmp_path}/a.db", "replica": "file"}]


GOOD = "dbs:\n- path: D/a.db\n  replica:\n    path: D/r\n"


@pytest.mark.parametrize("text,message", [
    ("dbs:\n- path: D/a.db\n  replica: {path: D/r, url: 'file://D/r'}\n", "cannot specify url & path"),
    ("dbs:\n- path: D/a.db\n", "must specify replica"),
    ("dbs:\n- path: D/a.db\n  replica: {}\n", "file replica path required"),
    ("dbs:\n- path: D/a.db\n  replica: {path: 'file://D/r'}\n", "cannot be a url"),
    ("dbs:\n- path: D/a.db\n  replica: {type: nope, path: D/r}\n", "nope"),
    ("dbs:\n- path: D/a.db\n  replica: {path: D/r}\n  replicas: [{path: D/r}]\n", "cannot specify 'replica' and 'replicas'"),
    ("dbs:\n-\n", "line 2"),
    ("dbs: 7\n", "list"),
    ("dbs:\n\t- x\n", "yaml: line"),
    (GOOD + "age:\n  identities: [x]\n", "age"),
    (GOOD.replace("    path: D/r", "    path: D/r\n    sync-interval: 1d"), "sync-interval"),
    (GOOD.replace("  replica", "  min-checkpoint-page-count: 0\n  replica"), "minimum checkpoint page count"),
    (GOOD + GOOD[5:], "twice"),
    ("logging: {type: xml}\n" + GOOD, "xml"),
])
def test_bad_configuration(tmp_path, text, message):
    conf = tmp_path / "c.yml"
    conf.write_text(text.replace("D/", f"{tmp_path}/"))
    p = litestream("databases", "-config", conf, ok=False)
    assert message in p.err and p.err.startswith("Error: ") and p.err.count("\n") == 1, p.err


def test_configuration_warnings_and_expansion(tmp_path, monkeypatch):
    conf = tmp_path / "c.yml"
    conf.write_text("mcp-addr: x\ndbs:\n- path: ${WHERE}/a.db\n  pathh: x\n  replica:\n    url: file://${WHERE}/r\n")
    monkeypatch.setenv("WHERE", str(tmp_path))
    p = litestream("databases", "-config", conf)
    assert f"{tmp_path}/a.db" in p.out
    assert "mcp-addr" in p.err and "pathh" in p.err and "line 4" in p.err
    assert "$" in litestream("databases", "-no-expand-env", "-config", conf, ok=None).out


def test_interrupted_restore_leaves_nothing(tmp_path):
    db, rep = tmp_path / "a.db", tmp_path / "rep"
    c = new_database(db)
    c.executemany("INSERT INTO t(k, v) VALUES(1, ?)", ((os.urandom(100000),) for _ in range(1000)))
    c.close()
    once(db, rep)
    for sig in (signal.SIGINT, signal.SIGTERM):
        p = subprocess.Popen([LITESTREAM, "restore", "-parallelism", "1", "-o", str(tmp_path / "r.db"), url(rep)], stderr=subprocess.PIPE, text=True)
        wait_for("its output", lambda: os.path.exists(tmp_path / "r.db.tmp") or p.poll() is not None)
        p.send_signal(sig)
        p.wait(30)
        if p.returncode == 0:
            os.unlink(tmp_path / "r.db")    # it was quicker than the signal
        assert sorted(n for n in os.listdir(tmp_path) if n.startswith("r.db")) == []


if __name__ == "__main__":
    sys.exit(tap.main(__file__))
