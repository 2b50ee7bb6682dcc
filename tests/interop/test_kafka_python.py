"""kafka-python 3: produces, consumes by assignment, looks up by time, administers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import MessageSizeTooLargeError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from tests.support.patience import until
from tests.support.rdkafka import RECENT_MS

MakeTopic = Callable[..., str]

RECORDS: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = [
    (b"k", b"v", []),
    (None, b"only a value", []),
    (b"only a key", None, []),
    (b"", b"", []),
    (b"\x00\xff", bytes(range(256)), [("a", b"1"), ("b", b""), ("a", b"2")]),
]


@pytest.fixture
def admin(bootstrap: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    yield client
    client.close()


def send(bootstrap: str, topic: str, records: list[dict[str, Any]], **settings: Any) -> list[Any]:
    producer = KafkaProducer(bootstrap_servers=bootstrap, **settings)
    futures = [producer.send(topic, **record) for record in records]
    producer.flush(60)
    sent = [future.get(30) for future in futures]
    producer.close()
    return sent


def read(bootstrap: str, topic: str, partitions: int = 1, offset: int = 0, **settings: Any) -> list[Any]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, **settings)
    assigned = [TopicPartition(topic, p) for p in range(partitions)]
    consumer.assign(assigned)
    ends = consumer.end_offsets(assigned)
    for partition in assigned:
        consumer.seek(partition, offset)
    got: list[Any] = []
    deadline = time.monotonic() + 60
    while any(consumer.position(p) < ends[p] for p in assigned):
        assert time.monotonic() < deadline, f"{len(got)} records, then nothing"
        for batch in consumer.poll(timeout_ms=500).values():
            got += batch
    consumer.close()
    return got


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("idempotent", [False, True], ids=["plain", "idempotent"])
def test_records_come_back_as_they_went_in(
    bootstrap: str, make_topic: MakeTopic, codec: str | None, idempotent: bool
) -> None:
    topic = make_topic(2)
    odd = [
        {"key": k, "value": v, "headers": h, "partition": 0, "timestamp_ms": RECENT_MS + i}
        for i, (k, v, h) in enumerate(RECORDS)
    ]
    many = [{"key": b"%d" % (i % 7), "value": b"line %d " % i * 20, "partition": 1} for i in range(1500)]
    send(bootstrap, topic, odd + many, compression_type=codec, enable_idempotence=idempotent, linger_ms=20)
    got = read(bootstrap, topic, 2, check_crcs=True)
    first = [r for r in got if r.partition == 0]
    assert [(r.key, r.value, list(r.headers)) for r in first] == RECORDS
    assert [(r.offset, r.timestamp) for r in first] == [(i, RECENT_MS + i) for i in range(len(odd))]
    assert [(r.key, r.value) for r in got if r.partition == 1] == [(r["key"], r["value"]) for r in many]


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_acks(bootstrap: str, make_topic: MakeTopic, acks: int | str) -> None:
    topic = make_topic()
    send(bootstrap, topic, [{"value": b"%d" % i} for i in range(50)], acks=acks, enable_idempotence=False)
    values = [b"%d" % i for i in range(50)]
    until(lambda: [r.value for r in read(bootstrap, topic)] == values, "all 50 arrived")


def test_from_the_middle_of_a_batch(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    send(bootstrap, topic, [{"value": b"%d" % i} for i in range(300)], linger_ms=200, compression_type="gzip")
    for offset in (0, 1, 150, 299):
        assert [r.offset for r in read(bootstrap, topic, offset=offset)] == list(range(offset, 300))


def test_big_and_too_big(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(**{"max.message.bytes": "3000000"})
    big = b"b" * 2_900_000
    send(bootstrap, topic, [{"value": big}], max_request_size=20_000_000)
    with pytest.raises(MessageSizeTooLargeError):
        send(bootstrap, topic, [{"value": big * 2}], max_request_size=20_000_000)
    assert [r.value for r in read(bootstrap, topic)] == [big]


def test_lookup_by_time(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    t0 = RECENT_MS
    send(bootstrap, topic, [{"value": b"x", "timestamp_ms": t0 + d} for d in (0, 1000, 5000, 3000)], linger_ms=50)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    partition = TopicPartition(topic, 0)

    def at(timestamp: int) -> tuple[int, int] | None:
        found = consumer.offsets_for_times({partition: timestamp})[partition]
        return None if found is None else (found.offset, found.timestamp)

    assert at(t0 - 1) == (0, t0)
    assert at(t0 + 1) == (1, t0 + 1000)
    assert at(t0 + 1001) == (2, t0 + 5000)
    assert at(t0 + 5001) is None
    assert consumer.beginning_offsets([partition]) == {partition: 0}
    assert consumer.end_offsets([partition]) == {partition: 4}
    consumer.close()


def test_topics_are_made_grown_and_deleted(admin: KafkaAdminClient, name: str) -> None:
    admin.create_topics([NewTopic(name, 2, 1, topic_configs={"retention.ms": "1000000"})], timeout_ms=20000)
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([NewTopic(name, 2, 1)], timeout_ms=20000)
    admin.create_partitions({name: 4}, timeout_ms=20000)
    until(lambda: len(admin.describe_topics([name])[0]["partitions"]) == 4, "there are 4 partitions")
    assert name in admin.list_topics()
    admin.delete_topics([name], timeout_ms=20000)
    until(lambda: name not in admin.list_topics(), "the topic is gone")
    with pytest.raises(UnknownTopicOrPartitionError):
        admin.delete_topics([name], timeout_ms=20000)


def test_records_are_deleted(bootstrap: str, admin: KafkaAdminClient, make_topic: MakeTopic) -> None:
    topic = make_topic()
    send(bootstrap, topic, [{"value": b"%d" % i} for i in range(20)])
    partition = TopicPartition(topic, 0)
    admin.delete_records({partition: 15})
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    assert consumer.beginning_offsets([partition]) == {partition: 15}
    consumer.close()
    assert [r.value for r in read(bootstrap, topic, offset=15)] == [b"%d" % i for i in range(15, 20)]
