"""The SQLite store: the conformance suite, and what only SQLite can do wrong."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kq.coordination import sqlite
from kq.coordination.sqlite import SqliteStore
from kq.coordination.store import Create, Node, Set, Store, Unavailable
from kq.errors import Err
from tests.coordination.conformance import Conformance, Home


class SqliteHome(Home):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = f"""
            from kq.coordination.sqlite import SqliteStore

            def open_store():
                return SqliteStore({str(path)!r})
        """

    def open(self) -> Store:
        return SqliteStore(self.path)


@pytest.fixture
def home(tmp_path: Path) -> SqliteHome:
    return SqliteHome(tmp_path / "metadata.db")


class TestConformance(Conformance):
    @pytest.fixture
    def home(self, home: SqliteHome) -> Home:
        return home


def test_every_commit_is_synced(home: SqliteHome):
    store = SqliteStore(home.path)
    pragma = {
        name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "fullfsync", "user_version", "application_id")
    }
    assert pragma == {
        "journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "user_version": 1, "application_id": 0x6B716D64
    }  # fmt: skip
    store.close()


def test_a_write_ahead_log_cut_anywhere_holds_a_prefix_of_the_transactions(home: SqliteHome, tmp_path: Path):
    """A power cut may tear what was not synced yet: what comes back is a state that was, none in between."""
    store = SqliteStore(home.path)
    store.transact([Create("/a", b"0"), Create("/b", b"0")])
    wal = home.path.with_name(home.path.name + "-wal")
    ends = []
    for turn in range(1, 6):
        store.transact([Set("/a", b"%d" % turn * 3000), Set("/b", b"%d" % turn * 3000)])
        ends.append(wal.stat().st_size)
    whole, database = wal.read_bytes(), home.path.read_bytes()
    store.close()
    cuts = sorted({*ends, *(end - 1 for end in ends), *range(0, ends[-1], 1777)})
    for number, cut in enumerate(cuts):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "metadata.db").write_bytes(database)
        (directory / "metadata.db-wal").write_bytes(whole[:cut])
        again = SqliteStore(directory / "metadata.db")
        tree = again.tree("/")
        turns = sum(end <= cut for end in ends)
        # The first commits are part of a cut before the first end as well: then there is nothing, or turn 0.
        expected = {b"%d" % turns * 3000} if turns else {b"0"}
        if tree or turns:
            assert {node.data for node in tree.values()} == expected, cut
            assert {node.version for node in tree.values()} == {turns}
        again.transact([Create("/writable", b"")])
        again.close()
        shutil.rmtree(directory)


def test_processes_that_make_the_store_at_the_same_time(home: SqliteHome):
    program = """
        import os, sys
        print("ready", flush=True)
        sys.stdin.readline()
        store = open_store()
        for number in range(5):
            store.transact([Create(f"/{os.getpid()}-{number}", b"")])
    """
    with home.process(program) as a, home.process(program) as b, home.process(program) as c:
        children = (a, b, c)
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        assert [child.wait(60) for child in children] == [0, 0, 0]
    store = home.open()
    assert len(store.children("/")) == 15
    store.close()


def test_a_writer_that_never_ends_makes_others_give_up_and_keeps_no_reader(home: SqliteHome):
    store = SqliteStore(home.path, busy_timeout_ms=50)
    store.transact([Create("/a", b"1")])
    hog = sqlite3.connect(home.path, isolation_level=None)
    hog.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match=r"metadata\.db failed: database is locked\.$") as raised:
        store.transact([Set("/a", b"2")])
    assert raised.value.code is Err.KAFKA_STORAGE_ERROR
    assert store.get("/a") == Node(b"1", 0)
    again = SqliteStore(home.path, busy_timeout_ms=50)
    assert again.tree("/") == {"/a": Node(b"1", 0)}
    again.close()
    hog.execute("ROLLBACK")
    hog.close()
    store.transact([Set("/a", b"2")])
    store.close()


def test_a_full_disk_refuses_writes_until_there_is_room(home: SqliteHome):
    """RLIMIT_FSIZE stands for the disk: writing past it fails."""
    program = f"""
import resource, signal
from kq.coordination.sqlite import SqliteStore
from kq.coordination.store import Create, Set, Unavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SqliteStore({str(home.path)!r})
store.transact([Create("/a", b"before")])
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, unlimited[1]))
try:
    store.transact([Set("/a", b"x" * 1_000_000)])
except Unavailable as error:
    print(error)
assert store.get("/a").data == b"before", store.get("/a")
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
store.transact([Set("/a", b"after")])
assert store.get("/a") == (b"after", 1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"The metadata store {home.path} failed: ")
    store = home.open()
    assert store.tree("/") == {"/a": Node(b"after", 1)}
    store.close()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b"not a database" * 100), "file is not a database"),
        (lambda path: path.mkdir(), "cannot be opened: unable to open database file"),
        (lambda path: shutil.rmtree(path.parent), "cannot be opened: unable to open database file"),
    ],
    ids=["not a database", "a directory", "no directory"],
)
def test_a_file_that_is_no_store(home: SqliteHome, spoil, said: str):
    spoil(home.path)
    with pytest.raises(Unavailable, match=said) as raised:
        SqliteStore(home.path)
    assert str(home.path) in str(raised.value)


def test_a_newer_format_is_left_alone(home: SqliteHome):
    store = SqliteStore(home.path)
    store._connection.execute("PRAGMA user_version=2")
    store.close()
    with pytest.raises(Unavailable, match=r"written by a newer kq \(format 2, this one knows 1\)"):
        SqliteStore(home.path)


def test_a_network_file_system_is_refused(home: SqliteHome, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite, "network_file_system", lambda directory: "nfs4")
    with pytest.raises(Unavailable, match=r"is on a network file system \(nfs4\).*local disk\.$"):
        SqliteStore(home.path)
    assert not home.path.exists()
