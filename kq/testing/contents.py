"""What a test puts into a broker and finds in it, through kq's own client.

The calls are synchronous and work anywhere, also inside a test that runs an event loop of its own: each runs its loop
in a thread for as long as it takes, and leaves no connection behind that a restart of the broker could break.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from kq.client import (
    EARLIEST,
    LATEST,
    Admin,
    Cluster,
    Consumer,
    Err,
    KafkaError,
    NewTopic,
    NoPartition,
    Producer,
    TopicPartition,
    connect,
)

T = TypeVar("T")
Text = bytes | str | None
Headers = Sequence[tuple[str, Text]]


class Record(NamedTuple):
    """One record as it is stored: text is bytes, null is None, times are Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Address(NamedTuple):
    """The way to a broker, and how long a call may take."""

    bootstrap: str
    timeout_s: float
    is_paused: Callable[[], bool]


def create_topic(broker: Address, name: str, partitions: int, config: Mapping[str, str]) -> None:
    async def create(cluster: Cluster) -> None:
        made = await Admin(cluster).create_topics([NewTopic(name, partitions=partitions, configs=dict(config))])
        if error := made[name].error:
            raise error

    _call(broker, "create_topic", create)


def produce(
    broker: Address,
    topic: str,
    values: Sequence[Text],
    *,
    key: Text,
    partition: int | None,
    headers: Headers,
    timestamp_ms: int | None,
) -> list[Record]:
    """Sends them in order, acks=all, and returns them as they are stored."""
    stored_key = _bytes(key, "a key")
    stored_headers = tuple((name, _bytes(value, "a header's value")) for name, value in headers)
    stored_values = [_bytes(value, "a value") for value in values]

    async def send(cluster: Cluster) -> list[Record]:
        producer = Producer(cluster)
        try:
            sent = [
                producer.send(topic, value, stored_key, stored_headers, partition, timestamp_ms)
                for value in stored_values
            ]
            await producer.flush()
            places = [await delivery for delivery in sent]
        finally:
            await producer.close(0)  # all is known by now, or nobody waits any more
        return [
            Record(topic, place.partition, place.offset, place.timestamp_ms, stored_key, value, stored_headers)
            for place, value in zip(places, stored_values, strict=True)
        ]

    return _call(broker, "produce", send)


def records(broker: Address, topic: str, partition: int | None) -> list[Record]:
    """Everything committed in a topic, or in one of its partitions, by partition and offset."""

    async def read(cluster: Cluster) -> list[Record]:
        metadata = await cluster.metadata([topic], max_age_ms=0)
        described = metadata.topics[topic]
        if described.error:
            raise KafkaError(described.error, f"topic {topic}: {described.error.text}")
        if partition is not None and partition not in described.partitions:
            raise NoPartition(topic, len(described.partitions), partition)
        wanted = [p for p in described.partitions if partition in (None, p)]
        starts = await _offsets(cluster, topic, wanted, EARLIEST)
        ends = await _offsets(cluster, topic, wanted, LATEST)
        found: list[Record] = []
        async with Consumer(cluster) as consumer:
            consumer.assign({place: start for place, start in starts.items() if start < ends[place]}, ends)
            while not consumer.finished:
                for fetched in await consumer.fetch():
                    if fetched.error:
                        raise fetched.error
                    found += [Record(topic, fetched.partition, *record) for record in fetched.records()]
        return sorted(found, key=lambda record: record[1:3])

    return _call(broker, "records", read)


def _call(broker: Address, name: str, work: Callable[[Cluster], Coroutine[Any, Any, T]]) -> T:
    async def connected() -> T:
        settings = {"bootstrap.servers": broker.bootstrap, "isolation.level": "read_committed"}
        try:
            async with asyncio.timeout(broker.timeout_s), connect(settings) as cluster:
                return await work(cluster)
        except TimeoutError:
            why = "the broker is paused" if broker.is_paused() else "the broker did not answer"
            sentence = f"{name} was given up after {broker.timeout_s:g} s, the timeout_s of this Broker: {why}"
            raise KafkaError(Err.REQUEST_TIMED_OUT, sentence) from None

    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(connected()))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # a daemon: Ctrl-C does not wait for a broker that is silent
    return outcome.result()


async def _offsets(cluster: Cluster, topic: str, partitions: Sequence[int], place: int) -> dict[TopicPartition, int]:
    listed = await Admin(cluster).list_offsets({(topic, partition): place for partition in partitions})
    for found in listed.values():
        if found.error:
            raise found.error
    return {partition: found.offset for partition, found in listed.items()}


def _bytes(text: Text, what: str) -> bytes | None:
    if text is None or isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode()
    raise TypeError(f"{what} is bytes, str or None, not {type(text).__name__}: {text!r}")
