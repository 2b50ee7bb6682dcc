"""A partition that Apache Kafka wrote, with transactions committed, aborted and still open, copied under kq while Kafka
runs on: both isolation levels are answered as Kafka itself answers them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from kq.record.batch import iter_batches
from kq.testing import Broker
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.producers import DESCRIBE_PRODUCERS
from tests.support.asking import create, list_offset
from tests.support.fetching import Request, of, part, partitions
from tests.support.patience import until
from tests.support.peers import Kafka
from tests.support.rdkafka import client, produce
from tests.support.wire import Wire

pytestmark = [pytest.mark.java, pytest.mark.slow]

ISOLATION = (0, 1)


class Transaction:
    """One producer's, of batches of one record each."""

    def __init__(self, bootstrap: str, topic: str, name: str) -> None:
        settings = client(bootstrap, transactional_id=f"{topic} {name}", transaction_timeout_ms=600_000)
        self._topic = topic
        self._name = name
        self._producer = Producer(settings)
        self._producer.init_transactions(60)
        self._producer.begin_transaction()

    def write(self, count: int = 1) -> None:
        for n in range(count):
            self._producer.produce(self._topic, f"{self._name} {n} ".encode() * 20)
            assert self._producer.flush(30) == 0

    def commit(self) -> None:
        self._producer.commit_transaction(60)

    def abort(self) -> None:
        self._producer.abort_transaction(60)


def write(bootstrap: str, topic: str) -> Transaction:
    """Every way in which transactions can lie to each other; the one that is returned stays open."""

    def plain() -> None:
        produce(bootstrap, topic, [{"value": b"plain " * 20}])

    plain()
    committed, aborted = Transaction(bootstrap, topic, "committed"), Transaction(bootstrap, topic, "aborted")
    for _ in range(3):
        committed.write()
        aborted.write()
        plain()
    aborted.abort()
    long = Transaction(bootstrap, topic, "long, aborted")
    long.write(2)
    for number in range(4):
        short = Transaction(bootstrap, topic, f"short {number}")
        short.write(2)
        (short.abort if number % 2 else short.commit)()
    committed.commit()
    long.write()
    long.abort()
    plain()
    left_open = Transaction(bootstrap, topic, "left open")
    left_open.write(2)
    for name in ("behind it, aborted", "behind it, committed"):
        behind = Transaction(bootstrap, topic, name)
        behind.write(2)
        (behind.abort if "aborted" in name else behind.commit)()
    plain()
    return left_open


def open_transactions(wire: Wire, topic: str) -> int:
    make = DESCRIBE_PRODUCERS.Request
    answer = wire.call(DESCRIBE_PRODUCERS, 0, make(topics=[make.Topic(name=topic, partitions=[0])]))
    [partition] = partitions(answer)
    return sum(producer.current_txn_start_offset >= 0 for producer in partition.active_producers)


def offsets(bootstrap: str, topic: str) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Error, timestamp and offset of ListOffsets, by isolation level and spec; every record's time is asked for."""
    with Wire(bootstrap) as wire:
        end = list_offset(wire, topic, -1).offset
        stamps = {stamp for offset in range(end) for stamp in times(fetched(wire, topic, offset, 0))}
        return {
            (level, spec): (found.error_code, found.timestamp, found.offset)
            for level in ISOLATION
            for spec in (-1, -2, -3, *sorted(stamps))
            for found in [list_offset(wire, topic, spec, isolation_level=level)]
        }


def times(partition: Any) -> set[int]:
    return {header.max_timestamp for _, header in iter_batches(partition.records)}


def fetched(wire: Wire, topic: str, offset: int, isolation_level: int) -> Any:
    asked = Request(max_wait_ms=0, isolation_level=isolation_level, topics=[of(topic, part(offset=offset))])
    [found] = partitions(wire.call(FETCH, 11, asked))
    return found


def reads(bootstrap: str, topic: str) -> dict[tuple[int, int], tuple[Any, ...]]:
    """What Fetch answers, by isolation level and offset; of the aborted transactions those that begin before the end of
    what is sent (either broker may name later ones, which concern later answers)."""
    found = {}
    with Wire(bootstrap) as wire:
        end = list_offset(wire, topic, -1).offset
        for level in ISOLATION:
            for offset in range(end + 2):
                answer = fetched(wire, topic, offset, level)
                sent = bytes(answer.records)
                upto = max((header.next_offset for _, header in iter_batches(sent)), default=0)
                aborted = answer.aborted_transactions
                if aborted is not None:
                    aborted = sorted((a.first_offset, a.producer_id) for a in aborted if a.first_offset < upto)
                ends = answer.high_watermark, answer.last_stable_offset
                found[level, offset] = (answer.error_code, ends, aborted, sent)
    return found


def test_both_isolation_levels_are_answered_as_kafka_does(kafka: Kafka, name: str, tmp_path: Path) -> None:
    with Wire(kafka.bootstrap) as wire:
        create(wire, name, 1, {"internal.segment.bytes": "2000"})
        left_open = write(kafka.bootstrap, name)
        until(lambda: open_transactions(wire, name) == 1, "the markers of all that ended are written")
    offsets_told, reads_told = offsets(kafka.bootstrap, name), reads(kafka.bootstrap, name)
    data = tmp_path / "kq-data"
    shutil.copytree(kafka.data_dir / f"{name}-0", data / f"{name}-0")
    left_open.abort()
    stable, end = offsets_told[1, -1][2], offsets_told[0, -1][2]
    assert 0 < stable < end, "a transaction is open"
    assert len({pair for _, _, aborted, _ in reads_told.values() for pair in aborted or ()}) >= 4
    assert len(list(data.glob("*/*.txnindex"))) > 1
    with Broker(data_dir=data) as broker:
        for again in (None, broker.restart, broker.kill):
            if again is not None:
                again()
                broker.start()
            assert offsets(broker.bootstrap, name) == offsets_told
            for asked, answer in reads(broker.bootstrap, name).items():
                assert answer == reads_told[asked], asked
            with Wire(broker.bootstrap) as wire:
                assert open_transactions(wire, name) == 1
