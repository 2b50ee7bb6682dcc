"""The three patterns, on SQLite and on PostgreSQL: an effect is had once, and not at all when it is rolled back."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kq.client.once import Database, Seen, Transaction, VersionMissing, insert_once, record_id, update_if
from tests.support.postgres import postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "bank.db")
    url: str = request.getfixturevalue("server")
    with Database(url) as database, database.transaction() as transaction:
        transaction.execute("DROP TABLE IF EXISTS kq_seen, account, ledger")
    return url


@pytest.fixture
def database(where: str) -> Iterator[Database]:
    with Database(where) as database:
        with database.transaction() as transaction:
            transaction.execute("CREATE TABLE account (name TEXT PRIMARY KEY, balance INTEGER, version INTEGER)")
            transaction.execute("INSERT INTO account VALUES ('a', 0, 0)")
            transaction.execute(
                "CREATE TABLE ledger (topic TEXT, part INTEGER, at BIGINT, amount INTEGER, note TEXT, "
                "PRIMARY KEY (topic, part, at))"
            )
        yield database


def pay(transaction: Transaction, amount: int) -> None:
    transaction.execute("UPDATE account SET balance = balance + ? WHERE name = ?", (amount, "a"))


def crash() -> None:
    raise KeyError


def balance(database: Database) -> int:
    with database.transaction() as transaction:
        return int(transaction.execute("SELECT balance FROM account").fetchone()[0])


def test_what_raises_is_rolled_back(database: Database) -> None:
    with suppress(KeyError), database.transaction() as transaction:
        pay(transaction, 5)
        crash()
    assert balance(database) == 0


def test_a_record_is_seen_once(database: Database) -> None:
    seen = Seen(database, "bank")
    for _ in range(3):
        with database.transaction() as transaction:
            for offset in range(4):
                if seen.first_time(transaction, record_id("payments", 0, offset)):
                    pay(transaction, 10**offset)
    assert balance(database) == 1111


def test_what_was_rolled_back_was_not_seen(database: Database) -> None:
    seen = Seen(database)
    with suppress(KeyError), database.transaction() as transaction:
        assert seen.first_time(transaction, "one")
        crash()
    with database.transaction() as transaction:
        assert seen.first_time(transaction, "one")
        assert not seen.first_time(transaction, "one")


def test_scopes_and_forgetting(database: Database) -> None:
    bank, mail = Seen(database, "bank"), Seen(database, "mail")
    with database.transaction() as transaction:
        assert bank.first_time(transaction, "one")
        assert mail.first_time(transaction, "one")
        assert bank.forget(transaction, older_than_s=3600) == 0
        assert bank.forget(transaction, older_than_s=-10) == 1
        assert bank.first_time(transaction, "one")
        assert not mail.first_time(transaction, "one")


def test_of_two_at_once_one_has_the_effect(where: str, database: Database) -> None:
    Seen(database)

    def work() -> None:
        with Database(where) as mine:
            seen = Seen(mine)
            for number in range(50):
                with mine.transaction() as transaction:
                    if seen.first_time(transaction, str(number)):
                        pay(transaction, 1)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert balance(database) == 50


def test_a_row_is_inserted_once(database: Database) -> None:
    row = {"topic": "payments", "part": 0, "at": 7, "amount": 5, "note": "50% off?"}
    for expected in (True, False):
        with database.transaction() as transaction:
            assert insert_once(transaction, "ledger", row, ["topic", "part", "at"]) is expected
    with database.transaction() as transaction:
        assert transaction.execute("SELECT amount, note FROM ledger").fetchall() == [(5, "50% off?")]


def test_without_a_constraint_the_insert_is_refused(database: Database) -> None:
    import psycopg

    with pytest.raises((sqlite3.OperationalError, psycopg.Error)), database.transaction() as transaction:
        insert_once(transaction, "ledger", {"topic": "t", "amount": 5}, ["amount"])


def test_an_update_follows_its_version(database: Database) -> None:
    for version, total, expected in ((0, 5, True), (0, 5, False), (1, 8, True), (0, 5, False), (1, 8, False)):
        with database.transaction() as transaction:
            done = update_if(transaction, "account", {"name": "a"}, version, {"balance": total})
            assert done is expected
    assert balance(database) == 8


def test_an_update_that_comes_too_early_is_not_made(database: Database) -> None:
    early = pytest.raises(VersionMissing, match="name a is at version 0; this change follows version 2")
    with early, database.transaction() as transaction:
        update_if(transaction, "account", {"name": "a"}, 2, {"balance": 5})
    unknown = pytest.raises(VersionMissing, match="account has no row with name b")
    with unknown, database.transaction() as transaction:
        update_if(transaction, "account", {"name": "b"}, 0, {"balance": 5})
    assert balance(database) == 0


def test_percent_and_question_marks_in_literals(database: Database) -> None:
    with database.transaction() as transaction:
        found = transaction.execute("SELECT '100%?', ? WHERE 'a%b' LIKE 'a%'", ("x",)).fetchone()
    assert tuple(found) == ("100%?", "x")


def test_an_unknown_kind_of_database() -> None:
    with pytest.raises(ValueError, match=r"mysql://x: a database is the path of an SQLite file"):
        Database("mysql://x")
