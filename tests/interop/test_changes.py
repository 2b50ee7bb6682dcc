"""Topics that change under clients which are already at work on them."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions

from tests.support import topics
from tests.support.patience import until
from tests.support.rdkafka import client, consumer, produce, read

MakeTopic = Callable[..., str]


def next_value(reader: Consumer, timeout_s: float = 60) -> bytes | None:
    """The next record's value; ends of partitions and errors that the client gets over are passed by."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        message: Message | None = reader.poll(0.5)
        if message is not None and message.error() is None:
            return message.value()
    raise AssertionError(f"nothing came within {timeout_s:g} s")


def test_a_reader_of_deleted_records_goes_to_the_new_start(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"%d" % i} for i in range(100)])
    topics.delete_records(bootstrap, topic, 60)
    reader = consumer(bootstrap, auto_offset_reset="earliest")
    reader.assign([TopicPartition(topic, 0, 10)])
    assert next_value(reader) == b"60"
    reader.close()


def test_a_topic_made_anew_is_another_topic(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"old"}] * 5)
    reader = consumer(bootstrap, auto_offset_reset="earliest", topic_metadata_refresh_interval_ms=500)
    reader.assign([TopicPartition(topic, 0, 0)])
    assert next_value(reader) == b"old"
    admin = AdminClient(client(bootstrap))
    admin.delete_topics([topic])[topic].result(30)
    until(lambda: topic not in admin.list_topics(timeout=20).topics, "the topic is gone")
    topics.create(bootstrap, topic)
    produce(bootstrap, topic, [{"value": b"new"}])
    assert [m.value() for m in read(bootstrap, topic)] == [b"new"]
    assert read(bootstrap, topic)[0].offset() == 0
    reader.close()


def test_a_producer_finds_new_partitions(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    reports: list[tuple[KafkaError | None, Message]] = []
    producer = Producer(client(bootstrap, topic_metadata_refresh_interval_ms=300, linger_ms=0))
    producer.produce(topic, b"first")
    producer.flush(20)
    admin = AdminClient(client(bootstrap))
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result(30)

    def all_three() -> bool:
        for i in range(20):
            producer.produce(topic, b"x", b"%d" % i, on_delivery=lambda *report: reports.append(report))
        assert producer.flush(20) == 0
        assert [error for error, _ in reports if error] == []
        return {message.partition() for _, message in reports} == {0, 1, 2}

    until(all_three, "records go to all three partitions")


def test_a_limit_lowered_at_run_time_holds(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    big = [{"value": b"b" * 60_000}]
    produce(bootstrap, topic, big)
    admin = AdminClient(client(bootstrap))
    change = ConfigEntry("max.message.bytes", "50000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[change])
    admin.incremental_alter_configs([resource])[resource].result(30)

    def refused() -> bool:
        errors: list[KafkaError | None] = []
        producer = Producer(client(bootstrap))
        producer.produce(topic, big[0]["value"], on_delivery=lambda error, _: errors.append(error))
        assert producer.flush(20) == 0
        return errors[0] is not None and errors[0].code() == KafkaError.MSG_SIZE_TOO_LARGE

    until(refused, "60 KB are refused")


def test_small_fetches_get_everything(bootstrap: str, make_topic: MakeTopic) -> None:
    """Limits far below one batch: a reader gets on all the same, partition by partition."""
    topic = make_topic(5)
    values = [b"%05d" % i + b"v" * 3000 for i in range(1000)]
    produce(bootstrap, topic, [{"value": v, "partition": i % 5} for i, v in enumerate(values)], linger_ms=50)
    limits = {"fetch_max_bytes": 20_000, "max_partition_fetch_bytes": 1000, "message_max_bytes": 10_000}
    got = read(bootstrap, topic, 5, **limits)
    assert sorted(m.value() or b"" for m in got) == values
    for partition in range(5):
        assert [m.offset() for m in got if m.partition() == partition] == list(range(200))


def test_many_topics_at_once(bootstrap: str, name: str) -> None:
    """A hundred partitions of twenty topics, written and read by one client each."""
    names = [f"{name}-{i}" for i in range(20)]
    for topic in names:
        topics.create(bootstrap, topic, 5)
    producer = Producer(client(bootstrap))
    for i in range(2000):
        producer.produce(names[i % 20], b"%d" % i, partition=i % 5)
    assert producer.flush(60) == 0
    reader = consumer(bootstrap)
    reader.assign([TopicPartition(topic, p, 0) for topic in names for p in range(5)])
    got = {next_value(reader) for _ in range(2000)}
    assert got == {b"%d" % i for i in range(2000)}
    reader.close()
