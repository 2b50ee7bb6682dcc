"""Groups with real members for the tests of commands: confluent-kafka joins, commits, and says what is committed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from tests.support.patience import until

Pair = tuple[str, int]
NOT_YET = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR)


@contextlib.contextmanager
def member(
    bootstrap: str, group: str, topic: str, *, client_id: str = "billing-1", protocol: str = "classic"
) -> Iterator[Consumer]:
    """A member that has its assignment and goes along with every rebalance. It commits nothing by itself."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "client.id": client_id,
            "group.protocol": protocol,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    assigned, leave = threading.Event(), threading.Event()

    def read() -> None:
        consumer.subscribe([topic])
        while not leave.is_set():
            consumer.poll(0.05)
            if consumer.assignment():
                assigned.set()
        consumer.close()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert assigned.wait(60), f"{client_id} got no partitions"
        yield consumer
    finally:
        leave.set()
        reader.join()


def simple(bootstrap: str, group: str) -> Consumer:
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})


def commit(bootstrap: str, group: str, offsets: Mapping[Pair, int], *, metadata: str = "") -> None:
    """As somebody without a membership. Waits for a coordinator: Kafka makes its topic when asked."""
    consumer = simple(bootstrap, group)
    try:
        wanted = [TopicPartition(*pair, offset, metadata) for pair, offset in offsets.items()]
        until(lambda: _commit(consumer, wanted), f"{group} has a coordinator")
    finally:
        consumer.close()


def _commit(consumer: Consumer, wanted: list[TopicPartition]) -> bool:
    try:
        answers = consumer.commit(offsets=wanted, asynchronous=False)
    except KafkaException as refused:
        if refused.args[0].code() not in NOT_YET:
            raise
        return False
    assert [answer.error for answer in answers or ()] == [None] * len(wanted)
    return True


def committed(bootstrap: str, group: str, topic: str, partitions: int) -> dict[int, int]:
    """By partition; those without a commit are left out."""
    consumer = simple(bootstrap, group)
    try:
        found = consumer.committed([TopicPartition(topic, index) for index in range(partitions)], timeout=30)
        return {one.partition: one.offset for one in found if one.offset >= 0}
    finally:
        consumer.close()


def fill(bootstrap: str, topic: str, counts: Mapping[int, int], *, first_ms: int = 0, every_ms: int = 0) -> None:
    """So many records in each partition, one every so often from the given time on."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    for partition, count in counts.items():
        for i in range(count):
            at = {"timestamp": first_ms + i * every_ms} if first_ms else {}
            producer.produce(topic, b"%d" % i, partition=partition, **at)
    assert producer.flush(30) == 0
