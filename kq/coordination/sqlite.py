"""The metadata store of brokers on one machine: one SQLite file.

How the promises of `store.py` are kept:

- WAL and `synchronous=FULL`: a commit is one append to the write-ahead log and one fsync, and readers never wait for
  writers. On macOS `fullfsync` makes that fsync reach the disk.
- `BEGIN IMMEDIATE` takes the write lock before anything is read, so what a transaction checks still holds when it
  commits. A writer waits up to `busy_timeout_ms` for another process.
- One table keyed by (parent, name): a node is one row, children and subtrees are ranges.
- WAL needs memory shared between the processes, which network file systems do not give: they are refused.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar, assert_never

from kq.coordination.mounts import network_file_system
from kq.coordination.store import (
    Check,
    Conflict,
    Create,
    Delete,
    Node,
    Op,
    Set,
    Unavailable,
    check_path,
    join,
    parent_of,
)

FORMAT_VERSION = 1
APPLICATION_ID = 0x6B71_6D64  # "kqmd", so that `file` and other programs do not take it for theirs

_SCHEMA = """
CREATE TABLE node (
    parent  TEXT NOT NULL,
    name    TEXT NOT NULL,
    data    BLOB NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (parent, name)
) WITHOUT ROWID
"""

T = TypeVar("T")


class SqliteStore:
    def __init__(self, path: str | os.PathLike[str], *, busy_timeout_ms: int = 10_000) -> None:
        """Opens or makes the store; Unavailable when the file cannot be used, with a sentence that says why."""
        self.path = os.fspath(path)
        file_system = network_file_system(os.path.dirname(self.path))
        if file_system:
            raise Unavailable(
                f"{self.path} is on a network file system ({file_system}), where SQLite would lose data: "
                "put the data directory on a local disk."
            )
        self._lock = threading.RLock()
        self._busy_timeout_s = busy_timeout_ms / 1000
        try:
            self._connection = sqlite3.connect(
                self.path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise Unavailable(f"{self.path} cannot be opened: {error}.") from error
        try:
            with self._translated():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        self._enter_wal()
        execute("PRAGMA synchronous=FULL")
        execute("PRAGMA fullfsync=ON")
        if self._format() == 0:
            with self._transaction():
                if self._format() == 0:  # another process may have been faster
                    execute(_SCHEMA)
                    execute(f"PRAGMA application_id={APPLICATION_ID}")
                    execute(f"PRAGMA user_version={FORMAT_VERSION}")
        if self._format() > FORMAT_VERSION:
            raise Unavailable(
                f"{self.path} was written by a newer kq (format {self._format()}, this one knows {FORMAT_VERSION})."
            )

    def _enter_wal(self) -> None:
        """Only the first process on a new file changes its mode; meeting another one there, SQLite does not wait."""
        give_up = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(0.002)

    def _format(self) -> int:
        version: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        return version

    def get(self, path: str) -> Node | None:
        check_path(path)
        return self._read(lambda: self._get(path))

    def children(self, path: str) -> list[str]:
        if path != "/":
            check_path(path)
        sql = "SELECT name FROM node WHERE parent = ? ORDER BY name"
        return self._read(lambda: [name for (name,) in self._connection.execute(sql, (path,))])

    def tree(self, prefix: str) -> dict[str, Node]:
        if prefix != "/":
            check_path(prefix)
        return self._read(lambda: self._tree(prefix))

    def transact(self, ops: Sequence[Op]) -> None:
        for op in ops:
            check_path(op.path)
        with self._lock, self._translated(), self._transaction():
            made: set[str] = set()
            for op in ops:
                self._apply(op, made)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _get(self, path: str) -> Node | None:
        sql = "SELECT data, version FROM node WHERE parent = ? AND name = ?"
        row = self._connection.execute(sql, _key(path)).fetchone()
        return Node(*row) if row else None

    def _tree(self, prefix: str) -> dict[str, Node]:
        below = "" if prefix == "/" else prefix
        # Everything below /a has a parent equal to /a or between "/a/" and "/a0": "0" is the character after "/".
        sql = "SELECT parent, name, data, version FROM node WHERE parent = ? OR (parent >= ? AND parent < ?)"
        found = {}
        top = None if prefix == "/" else self._get(prefix)
        if top is not None:
            found[prefix] = top
        for parent, name, data, version in self._connection.execute(sql, (prefix, below + "/", below + "0")):
            found[join(parent, name)] = Node(data, version)
        return found

    def _apply(self, op: Op, made: set[str]) -> None:
        """One operation; `made` holds the parents this transaction knows to exist."""
        match op:
            case Create(path, data):
                self._make_parents(path, made)
                if not self._insert(path, data):
                    raise Conflict(path, "exists already")
            case Check(path, version):
                self._expect(path, version)
            case Set(path, data, version):
                sql = "UPDATE node SET data = ?, version = version + 1 WHERE parent = ? AND name = ?"
                if not self._changed(sql, (data, *_key(path)), version):
                    self._expect(path, version)
            case Delete(path, version):
                if self._connection.execute("SELECT 1 FROM node WHERE parent = ? LIMIT 1", (path,)).fetchone():
                    raise Conflict(path, "has children")
                made.discard(path)
                if not self._changed("DELETE FROM node WHERE parent = ? AND name = ?", _key(path), version):
                    self._expect(path, version)
            case _:
                assert_never(op)

    def _changed(self, sql: str, values: tuple[object, ...], version: int | None) -> bool:
        if version is not None:
            sql, values = f"{sql} AND version = ?", (*values, version)
        return self._connection.execute(sql, values).rowcount == 1

    def _expect(self, path: str, version: int | None) -> None:
        node = self._get(path)
        if node is None:
            raise Conflict(path, "does not exist")
        if version is not None and node.version != version:
            raise Conflict(path, f"has version {node.version}, not {version}")

    def _make_parents(self, path: str, made: set[str]) -> None:
        parent = parent_of(path)
        while parent != "/" and parent not in made:
            made.add(parent)
            if not self._insert(parent, b""):
                return
            parent = parent_of(parent)

    def _insert(self, path: str, data: bytes) -> bool:
        sql = "INSERT OR IGNORE INTO node (parent, name, data, version) VALUES (?, ?, ?, 0)"
        return self._connection.execute(sql, (*_key(path), data)).rowcount == 1

    def _read(self, reader: Callable[[], T]) -> T:
        """Several SELECTs as of one moment."""
        with self._lock, self._translated():
            self._connection.execute("BEGIN")
            try:
                return reader()
            finally:
                self._connection.execute("COMMIT")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors (a full disk).
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise Unavailable(f"The metadata store {self.path} failed: {error}.") from error


def _key(path: str) -> tuple[str, str]:
    parent, _, name = path.rpartition("/")
    return parent or "/", name
