"""Members of groups by librdkafka, records of a known age, and commits by somebody who is no member."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import Consumer, TopicPartition

from tests.cli.harness import run

OLD_MS = 600_000
PATIENCE_S = 60


def filled(topic: str, *counts: int, age_ms: int = OLD_MS) -> str:
    """A topic with so many records in each partition, keys and values in order, all of one age."""
    run("topic", "create", topic, "-p", str(len(counts))).ok()
    add(topic, *counts, age_ms=age_ms)
    return topic


def add(topic: str, *counts: int, age_ms: int = OLD_MS) -> None:
    at_ms = time.time_ns() // 1_000_000 - age_ms
    lines = [
        json.dumps({"partition": partition, "timestamp_ms": at_ms, "key": f"k{i}", "value": f"v{i}"})
        for partition, count in enumerate(counts)
        for i in range(count)
    ]
    run("produce", topic, "--json", stdin="\n".join(lines).encode() + b"\n").ok()


def commit(bootstrap: str, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """By a consumer that never joins."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        deadline = time.monotonic() + PATIENCE_S
        while True:  # until there is a coordinator
            try:
                consumer.commit(offsets=places, asynchronous=False)
                return
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
    finally:
        consumer.close()


@contextlib.contextmanager
def members(
    bootstrap: str, group: str, topic: str, names: Sequence[str], *, protocol: str = "classic", share: int = 0
) -> Iterator[list[Consumer]]:
    """Members with these client ids that share the topic's partitions, `share` each (0: at least one); they commit only
    what a test tells them to."""
    joined = [member(bootstrap, group, topic, name, protocol) for name in names]
    try:
        settle(joined, share)
        yield joined
    finally:
        for consumer in joined:
            consumer.close()


def member(bootstrap: str, group: str, topic: str, name: str, protocol: str = "classic") -> Consumer:
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "client.id": name,
        "group.protocol": protocol,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "topic.metadata.refresh.interval.ms": 1000,
    }
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    return consumer


def settle(joined: Sequence[Consumer], share: int = 0) -> None:
    """Returns when each of them has its share."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        for consumer in joined:
            consumer.poll(0.05)
        shares = [len(consumer.assignment()) for consumer in joined]
        if all(has == share if share else has for has in shares):
            return
        assert time.monotonic() < deadline, f"the members have {shares} partitions"
