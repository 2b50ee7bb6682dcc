"""Records sent and read with confluent-kafka, strictly: every delivery confirmed, every partition read to its end."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

RECENT_MS = int(time.time() * 1000) - 3_600_000  # explicit times lie after it: retention must not take them meanwhile

# What a record may look like at its edges: (key, value, headers).
ODD_RECORDS: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]] = [
    (b"k", b"v", []),
    (None, b"only a value", []),
    (b"only a key", None, []),
    (None, None, []),
    (b"", b"", []),
    (b"\x00\xff", bytes(range(256)), [("binary", bytes(range(256)))]),
    (b"headers", b"in order, with repeats", [("a", b"1"), ("b", b""), ("a", b"2"), ("null", None), ("", b"no name")]),
    ("schlüssel".encode(), "日本語".encode(), [("überschrift", "wert €".encode())]),
]


def client(bootstrap: str, **settings: Any) -> dict[str, Any]:
    return {"bootstrap.servers": bootstrap, **{name.replace("_", "."): value for name, value in settings.items()}}


def produce(bootstrap: str, topic: str, records: list[dict[str, Any]], **settings: Any) -> list[Message]:
    """Sends them in order; every one must be acknowledged."""
    reports: list[tuple[KafkaError | None, Message]] = []
    producer = Producer(client(bootstrap, **settings))
    for record in records:
        producer.produce(topic, on_delivery=lambda *report: reports.append(report), **record)
    assert producer.flush(60) == 0
    assert [error for error, _ in reports if error] == []
    return [message for _, message in reports]


def consumer(bootstrap: str, **settings: Any) -> Consumer:
    return Consumer(
        client(bootstrap, group_id="unused", enable_auto_commit=False, enable_partition_eof=True, **settings)
    )


def read(
    bootstrap: str, topic: str, partitions: int = 1, offset: int = OFFSET_BEGINNING, **settings: Any
) -> list[Message]:
    """Everything from `offset` to the end of every partition."""
    reader = consumer(bootstrap, **settings)
    reader.assign([TopicPartition(topic, p, offset) for p in range(partitions)])
    got, open_partitions, deadline = [], partitions, time.monotonic() + 60
    while open_partitions:
        assert time.monotonic() < deadline, f"{open_partitions} partitions did not end; {len(got)} messages so far"
        message = reader.poll(1)
        if message is None:
            continue
        if message.error() is None:
            got.append(message)
        elif message.error().code() == KafkaError._PARTITION_EOF:
            open_partitions -= 1
        else:
            raise KafkaException(message.error())
    reader.close()
    return got
