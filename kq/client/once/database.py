"""The user's database: SQLite by the path of its file, PostgreSQL by URL (`pip install kq[postgres]`).

One connection, used by one thread at a time; calls block, so code on an event loop that serves others too goes through
`asyncio.to_thread`. Statements have `?` for their parameters in both. What else they say is the user's own SQL.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

BUSY_S = 30.0  # how long another writer of the same SQLite file is waited for


class Cursor(Protocol):
    """What a statement gave (PEP 249)."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Transaction:
    """What is executed here is there as a whole after the `with` block, or not at all."""

    def __init__(self, connection: Any, *, spelled: bool) -> None:
        self._connection = connection
        self._spelled = spelled

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> Cursor:
        if self._spelled:
            statement = _spelled(statement)
        cursor: Cursor = self._connection.execute(statement, parameters)
        return cursor

    def script(self, statements: str) -> None:
        """Several statements without parameters, parted by semicolons. What ends the transaction is not for here."""
        if self._spelled:
            self._connection.execute(statements)
            return
        for statement in _statements(statements):
            self._connection.execute(statement)


class Database:
    """`where` is a path, sqlite:///path or postgresql://…; ValueError for other URLs, the driver's error if the
    database cannot be opened."""

    def __init__(self, where: str) -> None:
        scheme = urlsplit(where).scheme if "://" in where else ""
        self._postgres = scheme in {"postgresql", "postgres"}
        self._connection: Any
        if self._postgres:
            self._connection = _postgres(where)
        elif scheme in {"", "sqlite"}:
            path = where.removeprefix("sqlite:///")
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        else:
            raise ValueError(f"{where}: a database is the path of an SQLite file, sqlite:///PATH or postgresql://…")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Committed, and on stable storage by the database's own settings, when the block ends; rolled back when it
        raises. SQLite takes the write lock at the start, so that no other writer comes between a look and a change."""
        if self._postgres:
            with self._connection.transaction():
                yield Transaction(self._connection, spelled=True)
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield Transaction(self._connection, spelled=False)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def quoted(name: str) -> str:
    """A table or column as an identifier of SQL; a dot parts a schema from its table."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def _statements(text: str) -> Iterator[str]:
    """SQLite takes them one at a time; it knows itself where one is complete."""
    begun = ""
    for piece in text.split(";"):
        begun += piece
        if sqlite3.complete_statement(begun + ";"):
            yield begun
            begun = ""
        else:
            begun += ";"
    if begun.strip(" \t\r\n;"):
        yield begun


_PARTS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\?|%""")


def _spelled(statement: str) -> str:
    """psycopg's spelling: %s for a parameter, %% for a percent sign."""
    return _PARTS.sub(lambda part: {"?": "%s", "%": "%%"}.get(part[0], part[0].replace("%", "%%")), statement)


def _postgres(url: str) -> Any:
    try:
        import psycopg
    except ImportError:
        raise ValueError(f"{urlsplit(url).scheme} needs one more package: pip install 'kq[postgres]'") from None
    return psycopg.connect(url, autocommit=True)
