"""`python -m bench.once`: consumers are killed between a record's effect and its commit; is the balance right?

Each life of the consumer is forked from one warmed process, joins its group as the same static member, applies payments
to a database (SQLite, or with --database PostgreSQL) a few at a time, and ends by SIGKILL: after a transaction and
before the commit of its offsets. The last life reads to the end. Without a pattern some payments are made twice; with
any of the three the balance is exact. The tests run 60 kills a pattern and 10 in PostgreSQL, this by default 1,000; the
table goes to bench/results/once.md, or once-postgresql.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kq.client import LATEST, Admin, GroupConsumer, TopicPartition, connect
from kq.client.once import Database, Seen, Transaction, insert_once, record_id, update_if
from kq.record.batch import Record
from kq.testing import Broker

TOPIC, GROUP = "payments", "bank"
PARTITIONS, ACCOUNTS = 2, 8
MOST_AT_ONCE = 4  # records of one transaction
PER_LIFE = 6  # records that are there for each kill, so that every life has some to apply
RESULTS = Path(__file__).resolve().parent / "results"

Apply = Callable[[Transaction, TopicPartition, Record], None]


@dataclass(frozen=True)
class Outcome:
    pattern: str
    kills: int
    records: int
    expected: int
    balance: int
    took_s: float

    @property
    def is_exact(self) -> bool:
        return self.balance == self.expected


# -- the patterns ------------------------------------------------------------------------------------------------------


def _without(database: Database) -> Apply:
    return lambda transaction, _, record: _pay(transaction, _payment(record))


def _by_id(database: Database) -> Apply:
    seen = Seen(database, GROUP)

    def apply(transaction: Transaction, pair: TopicPartition, record: Record) -> None:
        if seen.first_time(transaction, record_id(*pair, record.offset)):
            _pay(transaction, _payment(record))

    return apply


def _by_constraint(database: Database) -> Apply:
    def apply(transaction: Transaction, pair: TopicPartition, record: Record) -> None:
        row = {"part": pair[1], "at": record.offset, "amount": _payment(record)["amount"]}
        insert_once(transaction, "ledger", row, ["part", "at"])

    return apply


def _by_version(database: Database) -> Apply:
    def apply(transaction: Transaction, pair: TopicPartition, record: Record) -> None:
        payment = _payment(record)
        key = {"name": payment["account"]}
        balance = transaction.execute("SELECT balance FROM account WHERE name = ?", (payment["account"],)).fetchone()[0]
        update_if(transaction, "account", key, payment["follows"], {"balance": balance + payment["amount"]})

    return apply


PATTERNS: dict[str, Callable[[Database], Apply]] = {
    "none": _without,
    "record id": _by_id,
    "unique constraint": _by_constraint,
    "expected version": _by_version,
}


def _payment(record: Record) -> dict[str, int]:
    return json.loads(record.value or b"")  # type: ignore[no-any-return]


def _pay(transaction: Transaction, payment: dict[str, int]) -> None:
    transaction.execute(
        "UPDATE account SET balance = balance + ? WHERE name = ?", (payment["amount"], payment["account"])
    )


# -- one run -----------------------------------------------------------------------------------------------------------


def run(broker: Broker, where: str, pattern: str, kills: int, seed: int) -> Outcome:
    """Kills the consumer so many times and reads the balance; `where` is a database, whose tables are made anew."""
    rng = random.Random(seed)
    topic = f"{TOPIC}-{pattern.replace(' ', '-')}-{seed}"
    expected = _fill(broker, topic, kills * PER_LIFE + 1, rng)
    _make_tables(where)
    started = time.monotonic()
    for _ in range(kills):
        status = _live(broker.bootstrap, topic, where, pattern, lives=rng.randrange(1, 4), seed=rng.randrange(1 << 32))
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            raise RuntimeError(f"a consumer was to be killed and ended with status {status}")
    status = _live(broker.bootstrap, topic, where, pattern, lives=None, seed=0)
    if status != 0:
        raise RuntimeError(f"the last consumer ended with status {status}")
    took_s = time.monotonic() - started
    return Outcome(pattern, kills, kills * PER_LIFE + 1, expected, _balance(where), took_s)


def _fill(broker: Broker, topic: str, count: int, rng: random.Random) -> int:
    """Payments to a few accounts, each account's in one partition and numbered; the sum of them."""
    broker.create_topic(topic, partitions=PARTITIONS)
    follows = [0] * ACCOUNTS
    total = 0
    by_partition: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for _ in range(count):
        account, amount = rng.randrange(ACCOUNTS), rng.randrange(1, 1000)
        payment = {"account": account, "amount": amount, "follows": follows[account]}
        by_partition[account % PARTITIONS].append(json.dumps(payment).encode())
        follows[account] += 1
        total += amount
    for partition, values in enumerate(by_partition):
        broker.produce(topic, *values, partition=partition)
    return total


def _make_tables(where: str) -> None:
    with Database(where) as database, database.transaction() as transaction:
        for table in ("kq_seen", "account", "ledger"):
            transaction.execute(f"DROP TABLE IF EXISTS {table}")
        transaction.execute("CREATE TABLE account (name INTEGER PRIMARY KEY, balance INTEGER, version INTEGER)")
        transaction.execute("CREATE TABLE ledger (part INTEGER, at INTEGER, amount INTEGER, PRIMARY KEY (part, at))")
        for account in range(ACCOUNTS):
            transaction.execute("INSERT INTO account VALUES (?, 0, 0)", (account,))


def _balance(where: str) -> int:
    with Database(where) as database, database.transaction() as transaction:
        accounts = transaction.execute("SELECT SUM(balance) FROM account").fetchone()[0]
        return int(accounts + (transaction.execute("SELECT SUM(amount) FROM ledger").fetchone()[0] or 0))


# -- one life ----------------------------------------------------------------------------------------------------------


def _live(bootstrap: str, topic: str, where: str, pattern: str, *, lives: int | None, seed: int) -> int:
    """Forks a consumer that is killed after so many transactions (None: that reads to the end); how it ended."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(_consume(bootstrap, topic, where, pattern, lives, random.Random(seed)))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


async def _consume(bootstrap: str, topic: str, where: str, pattern: str, lives: int | None, rng: random.Random) -> None:
    settings = {
        "bootstrap.servers": bootstrap,
        "group.instance.id": "teller",
        "enable.auto.commit": "false",
        "auto.offset.reset": "earliest",
    }
    database = Database(where)
    apply = PATTERNS[pattern](database)
    async with connect(settings) as cluster:
        ends = await Admin(cluster).list_offsets({(topic, partition): LATEST for partition in range(PARTITIONS)})
        stops = {pair: end.offset for pair, end in ends.items()}
        done = 0
        async with GroupConsumer(cluster, f"{GROUP}-{topic}", [topic], stops=stops) as consumer:
            while not consumer.finished:
                for fetched in await consumer.fetch(timeout_ms=500):
                    if fetched.error is not None:
                        raise fetched.error
                    pair = (fetched.topic, fetched.partition)
                    records = fetched.records()
                    while records:
                        step, records = _split(records, rng)
                        with database.transaction() as transaction:
                            for record in step:
                                apply(transaction, pair, record)
                        done += 1
                        if lives is not None and done >= lives:
                            os.kill(os.getpid(), signal.SIGKILL)  # the effect is there, the commit is not
                        await consumer.commit({pair: step[-1].offset + 1})


def _split(records: list[Record], rng: random.Random) -> tuple[list[Record], list[Record]]:
    count = rng.randrange(1, MOST_AT_ONCE + 1)
    return records[:count], records[count:]


# -- the long run ------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.once", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=1000, help="of each pattern (default 1000)")
    parser.add_argument(
        "--database",
        metavar="URL",
        help="postgresql://…; tables account, ledger and kq_seen are dropped in it",
    )
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="kq-once-") as room, Broker() as broker:
        for pattern in PATTERNS:
            where = args.database or str(Path(room) / "bank.db")
            outcomes.append(run(broker, where, pattern, args.kills, args.seed))
            print(outcomes[-1], file=sys.stderr)
    page = table(outcomes, args.seed)
    print(page)
    with suppress(FileExistsError):
        RESULTS.mkdir()
    (RESULTS / ("once-postgresql.md" if args.database else "once.md")).write_text(page)
    return 0 if all(outcome.is_exact for outcome in outcomes[1:]) and not outcomes[0].is_exact else 1


def table(outcomes: Sequence[Outcome], seed: int) -> str:
    lines = [
        f"# Killed between effect and commit (`python -m bench.once`, seed {seed})",
        "",
        "| pattern | kills | records | paid in | balance | | s |",
        "|---|---:|---:|---:|---:|---|---:|",
    ]
    for one in outcomes:
        verdict = "exact" if one.is_exact else f"{one.balance - one.expected:+,} wrong"
        lines.append(
            f"| {one.pattern} | {one.kills:,} | {one.records:,} | {one.expected:,} | {one.balance:,} | {verdict} "
            f"| {one.took_s:.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
