"""confluent-kafka (the newest librdkafka): produces, consumes by assignment, looks up by time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tests.support.patience import until
from tests.support.rdkafka import ODD_RECORDS, RECENT_MS, client, consumer, produce, read

MakeTopic = Callable[..., str]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("idempotent", [False, True], ids=["plain", "idempotent"])
def test_records_come_back_as_they_went_in(bootstrap: str, make_topic: MakeTopic, codec: str, idempotent: bool) -> None:
    topic = make_topic(2)
    odd = [
        {"key": k, "value": v, "headers": h, "partition": 0, "timestamp": RECENT_MS + i}
        for i, (k, v, h) in enumerate(ODD_RECORDS)
    ]
    many = [{"key": b"%d" % (i % 7), "value": b"line %d " % i * 20, "partition": 1} for i in range(3000)]
    sent = produce(
        bootstrap,
        topic,
        odd + many,
        compression_type=codec,
        enable_idempotence=idempotent,
        linger_ms=20,
        check_crcs=True,
    )
    assert [m.offset() for m in sent if m.partition() == 0] == list(range(len(odd)))
    got = read(bootstrap, topic, 2, check_crcs=True)
    first = [m for m in got if m.partition() == 0]
    assert [(m.key(), m.value(), m.headers() or []) for m in first] == [tuple(record) for record in ODD_RECORDS]
    assert [m.timestamp()[1] for m in first] == [RECENT_MS + i for i in range(len(odd))]
    second = [m for m in got if m.partition() == 1]
    assert [m.offset() for m in second] == list(range(3000))
    assert [(m.key(), m.value()) for m in second] == [(r["key"], r["value"]) for r in many]


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(bootstrap: str, make_topic: MakeTopic, acks: str) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"%d" % i} for i in range(100)], acks=acks)
    # acks=0 is confirmed by the client itself before the broker has it: read until it is there.
    values = [b"%d" % i for i in range(100)]
    until(lambda: [m.value() for m in read(bootstrap, topic)] == values, "all 100 arrived")


def test_from_the_middle_of_a_batch(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"%d" % i} for i in range(500)], linger_ms=100, compression_type="lz4")
    for offset in (0, 1, 250, 498, 499):
        got = read(bootstrap, topic, offset=offset)
        assert [m.offset() for m in got] == list(range(offset, 500))
        assert got[0].value() == b"%d" % offset
    assert read(bootstrap, topic, offset=500) == []


def test_an_offset_out_of_range_goes_where_the_client_says(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"x"}] * 10)
    assert len(read(bootstrap, topic, offset=1_000_000, auto_offset_reset="earliest")) == 10
    with pytest.raises(KafkaException) as caught:
        read(bootstrap, topic, offset=1_000_000, auto_offset_reset="error")
    assert caught.value.args[0].code() == KafkaError._AUTO_OFFSET_RESET


def test_a_follower_of_the_log_sees_what_comes(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    reader = consumer(bootstrap)
    reader.assign([TopicPartition(topic, 0, 0)])
    producer = Producer(client(bootstrap))
    seen: list[bytes | None] = []
    for i in range(20):
        producer.produce(topic, b"%d" % i)
        assert producer.flush(20) == 0
        deadline = time.monotonic() + 20
        while len(seen) <= i:
            assert time.monotonic() < deadline, f"record {i} did not arrive"
            message = reader.poll(1)
            if message is not None and not message.error():
                seen.append(message.value())
    assert seen == [b"%d" % i for i in range(20)]
    reader.close()


def test_big_messages(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(**{"max.message.bytes": "10000000"})
    values = [bytes([65 + i]) * size for i, size in enumerate((900_000, 1, 5_000_000, 100, 9_900_000))]
    produce(bootstrap, topic, [{"value": v} for v in values], message_max_bytes=20_000_000)
    got = read(bootstrap, topic)  # with fetch sizes below one message: a whole batch comes all the same
    assert [m.value() for m in got] == values


def test_a_message_over_the_topics_limit_is_refused(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(**{"max.message.bytes": "20000"})
    producer = Producer(client(bootstrap, message_max_bytes=10_000_000))
    errors: list[KafkaError | None] = []
    producer.produce(topic, b"x" * 50_000, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert [error and error.code() for error in errors] == [KafkaError.MSG_SIZE_TOO_LARGE]
    assert produce(bootstrap, topic, [{"value": b"y" * 10_000}])[0].offset() == 0


def test_lookup_by_time(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    t0 = RECENT_MS
    stamps = [t0, t0 + 1000, t0 + 5000, t0 + 3000, t0 + 9000]  # not in order
    produce(bootstrap, topic, [{"value": b"x", "timestamp": t} for t in stamps], linger_ms=50)
    reader = consumer(bootstrap)

    def at(timestamp: int) -> int:
        return int(reader.offsets_for_times([TopicPartition(topic, 0, timestamp)], 20)[0].offset)

    assert [at(t0 - 5), at(t0), at(t0 + 1), at(t0 + 1001), at(t0 + 5000), at(t0 + 5001)] == [0, 0, 1, 2, 2, 4]
    assert at(t0 + 9001) == -1  # OFFSET_END: nothing that late
    assert reader.get_watermark_offsets(TopicPartition(topic, 0), 20) == (0, 5)
    reader.close()
    admin = AdminClient(client(bootstrap))

    def spec(offset_spec: OffsetSpec) -> tuple[int, int]:
        partition = TopicPartition(topic, 0)
        result = admin.list_offsets({partition: offset_spec})[partition].result(20)
        return result.offset, result.timestamp

    assert spec(OffsetSpec.earliest())[0] == 0
    assert spec(OffsetSpec.latest())[0] == 5
    assert spec(OffsetSpec.max_timestamp()) == (4, t0 + 9000)
    assert spec(OffsetSpec.for_timestamp(t0 + 2000)) == (2, t0 + 5000)


def test_log_append_time(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(**{"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000)
    produce(bootstrap, topic, [{"value": b"%d" % i, "timestamp": 1_000} for i in range(50)], compression_type="zstd")
    kinds = {m.timestamp()[0] for m in read(bootstrap, topic, check_crcs=True)}
    stamps = [m.timestamp()[1] for m in read(bootstrap, topic)]
    assert kinds == {2}  # TIMESTAMP_LOG_APPEND_TIME
    assert before - 1000 <= min(stamps) <= max(stamps) <= int(time.time() * 1000) + 1000


@pytest.mark.parametrize("codec", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
def test_the_topics_own_compression(bootstrap: str, make_topic: MakeTopic, codec: str) -> None:
    topic = make_topic(**{"compression.type": codec})
    values = [b"value %d " % i * 10 for i in range(200)]
    for sent in ("none", "gzip", "lz4"):
        produce(
            bootstrap, topic, [{"value": v, "headers": [("h", v)]} for v in values], compression_type=sent, linger_ms=50
        )
    got = read(bootstrap, topic, check_crcs=True)
    assert [m.value() for m in got] == values * 3
    assert got[-1].headers() == [("h", values[-1])]


def test_auto_creation_and_its_absence(bootstrap: str, name: str) -> None:
    produce(bootstrap, name, [{"value": b"made by the first send"}], allow_auto_create_topics=True)
    assert [m.value() for m in read(bootstrap, name)] == [b"made by the first send"]
    reader = consumer(bootstrap, allow_auto_create_topics=False)
    missing = f"{name}-missing"
    assert reader.list_topics(missing, timeout=20).topics[missing].error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert missing not in reader.list_topics(timeout=20).topics
    reader.close()


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
def test_isolation_levels_read_what_is_not_transactional(bootstrap: str, make_topic: MakeTopic, isolation: str) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"%d" % i} for i in range(1000)], enable_idempotence=True)
    assert len(read(bootstrap, topic, isolation_level=isolation)) == 1000


def test_many_producers_at_once(bootstrap: str, make_topic: MakeTopic) -> None:
    """Ten idempotent producers to the same three partitions: each finds its records once and in order."""
    topic = make_topic(3)
    producers = [Producer(client(bootstrap, enable_idempotence=True, linger_ms=1)) for _ in range(10)]
    for i in range(300):
        for who, producer in enumerate(producers):
            producer.produce(topic, b"%d:%d" % (who, i), partition=i % 3)
    assert [producer.flush(60) for producer in producers] == [0] * 10
    got = [tuple(map(int, m.value().split(b":"))) for m in read(bootstrap, topic, 3)]
    assert len(got) == 3000
    for who in range(10):
        for partition in range(3):
            mine = [i for w, i in got if w == who and i % 3 == partition]
            assert mine == list(range(partition, 300, 3))
