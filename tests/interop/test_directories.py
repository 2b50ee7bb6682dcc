"""Partition directories change hands: written by Apache Kafka and served by kq, and the other way round."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition

from kq.testing import Broker
from tests.support import peers, raw, topics
from tests.support.dumplog import dump
from tests.support.patience import until
from tests.support.peers import Kafka
from tests.support.rdkafka import ODD_RECORDS, RECENT_MS, client, consumer, produce, read

pytestmark = [pytest.mark.java, pytest.mark.slow, pytest.mark.timeout(400)]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
Seen = list[tuple[int, int, bytes | None, bytes | None, Any]]


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Kafka]:
    with peers.running(tmp_path / "kafka") as kafka:
        yield kafka


def seen(bootstrap: str, topic: str, **settings: Any) -> Seen:
    found = read(bootstrap, topic, check_crcs=True, **settings)
    return [(m.offset(), m.timestamp()[1], m.key(), m.value(), m.headers()) for m in found]


def by_time(bootstrap: str, topic: str, stamps: list[int]) -> list[int]:
    reader = consumer(bootstrap)
    found = [reader.offsets_for_times([TopicPartition(topic, 0, t)], 20)[0].offset for t in stamps]
    reader.close()
    return found


def fill(bootstrap: str, topic: str, *, idempotent: bool = True) -> None:
    """Every codec, keys, nulls and headers, with times that rise and fall."""
    for i, codec in enumerate(CODECS):
        odd = [{"key": k, "value": v, "headers": h, "timestamp": RECENT_MS + 1000 * i} for k, v, h in ODD_RECORDS]
        many = [
            {"key": b"%d" % n, "value": b"value %d " % n * 9, "timestamp": RECENT_MS + (n * 37) % 5000}
            for n in range(2000)
        ]
        produce(bootstrap, topic, odd + many, compression_type=codec, enable_idempotence=idempotent, linger_ms=5)


def transactions(bootstrap: str, topic: str) -> None:
    """One committed, one aborted, one committed around another's records: index entries and control batches."""
    for i, commit in enumerate((True, False, True)):
        producer = Producer(client(bootstrap, transactional_id=f"{topic}-{i}"))
        producer.init_transactions(60)
        producer.begin_transaction()
        for n in range(200):
            producer.produce(topic, b"transaction %d record %d" % (i, n))
        assert producer.flush(30) == 0
        produce(bootstrap, topic, [{"value": b"between"}])
        if commit:
            producer.commit_transaction(60)
        else:
            producer.abort_transaction(60)


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_kafkas_directory_is_served_by_kq(own_kafka: Kafka, tmp_path: Path, end: str) -> None:
    topic = "written-by-kafka"
    topics.create(own_kafka.bootstrap, topic, 1, {"internal.segment.bytes": "300000"})
    fill(own_kafka.bootstrap, topic)
    transactions(own_kafka.bootstrap, topic)
    if end == "stopped":  # a killed Kafka forgets a log start offset that is younger than a minute
        topics.delete_records(own_kafka.bootstrap, topic, 1500)
    stamps = [0, RECENT_MS, RECENT_MS + 2500, RECENT_MS + 4990, 4_000_000_000_000]
    committed = seen(own_kafka.bootstrap, topic, isolation_level="read_committed")
    uncommitted = seen(own_kafka.bootstrap, topic, isolation_level="read_uncommitted")
    times = by_time(own_kafka.bootstrap, topic, stamps)
    assert len(uncommitted) == len(committed) + 200
    if end == "killed":  # the active segment keeps its zero-filled indexes and has no snapshot
        os.kill(own_kafka.pid, signal.SIGKILL)
    own_kafka.stop()
    data = tmp_path / "kq-data"
    shutil.copytree(own_kafka.data_dir / f"{topic}-0", data / f"{topic}-0")
    # The log start offset lives in a checkpoint beside the partition: it comes along.
    shutil.copy(own_kafka.data_dir / "log-start-offset-checkpoint", data)
    with Broker(data_dir=data) as broker:
        for again in (None, broker.restart, broker.kill):
            if again is not None:
                again()
                broker.start()
            assert seen(broker.bootstrap, topic, isolation_level="read_committed") == committed
            assert seen(broker.bootstrap, topic, isolation_level="read_uncommitted") == uncommitted
            assert by_time(broker.bootstrap, topic, stamps) == times
        end_offset = uncommitted[-1][0]
        sent = produce(broker.bootstrap, topic, [{"value": b"from kq"}] * 10, enable_idempotence=True)
        assert sent[0].offset() > end_offset
        assert len(seen(broker.bootstrap, topic)) == len(committed) + 10
    assert dump(data / f"{topic}-0").faults == []


def test_kqs_segments_are_served_by_kafka(own_kafka: Kafka, tmp_path: Path) -> None:
    topic = "written-by-kq"
    data = tmp_path / "kq-data"
    with Broker(data_dir=data) as broker:
        topics.create(broker.bootstrap, topic, 1, {"internal.segment.bytes": "300000"})
        fill(broker.bootstrap, topic)
        before = seen(broker.bootstrap, topic)
    assert dump(data / f"{topic}-0").faults == []
    topics.create(own_kafka.bootstrap, topic)
    own_kafka.stop()
    receiver = own_kafka.data_dir / f"{topic}-0"
    for path in receiver.iterdir():
        if path.suffix in {".log", ".index", ".timeindex", ".snapshot"}:
            path.unlink()
    for path in (data / f"{topic}-0").iterdir():
        if path.suffix in {".log", ".index", ".timeindex", ".txnindex"}:
            shutil.copy(path, receiver)
    own_kafka.start()
    until(lambda: len(read(own_kafka.bootstrap, topic)) == len(before), "Kafka serves what kq wrote")
    assert seen(own_kafka.bootstrap, topic) == before
    # Java's producer is idempotent, with an id from Kafka: it must not meet that id in kq's batches.
    load = peers.idempotent_producer(own_kafka.bootstrap, topic, 500, tmp_path)
    printed = peers.run("kafka-verifiable-producer", *load).stdout
    assert '"sent":500,"acked":500' in printed
    after = seen(own_kafka.bootstrap, topic)
    assert after[: len(before)] == before
    assert sorted(int(value or b"") for _, _, _, value, _ in after[len(before) :]) == list(range(500))
    own_kafka.stop()
    ids = [batch.producer_id for batch in dump(receiver).all_batches if batch.base_offset >= len(before)]
    assert ids
    assert min(ids) >= 0


def test_ids_in_a_copied_directory_are_not_issued_again(own_kafka: Kafka, tmp_path: Path) -> None:
    topic = "with-producers"
    topics.create(own_kafka.bootstrap, topic)
    for _ in range(5):
        produce(own_kafka.bootstrap, topic, [{"value": b"x"}], enable_idempotence=True)
    own_kafka.stop()
    taken = {batch.producer_id for batch in dump(own_kafka.data_dir / f"{topic}-0").all_batches}
    assert len(taken) == 5
    data = tmp_path / "kq-data"
    shutil.copytree(own_kafka.data_dir / f"{topic}-0", data / f"{topic}-0")
    with Broker(data_dir=data) as broker:
        given = [raw.producer_id(broker.bootstrap) for _ in range(20)]
        assert len(set(given)) == 20
        assert not taken & set(given)
        sent = produce(broker.bootstrap, topic, [{"value": b"y"}] * 5, enable_idempotence=True)
        assert [m.offset() for m in sent] == [5, 6, 7, 8, 9]
