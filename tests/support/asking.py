"""Short words for tests that ask brokers: batches to send, topics to make, answers as plain values."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from kq.errors import Err
from kq.record.batch import Record, encode_batch
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.offsets import LIST_OFFSETS
from kq.wire.apis.produce import PRODUCE
from kq.wire.apis.topics import CREATE_TOPICS
from kq.wire.message import Message
from tests.support.wire import Wire

TOO_EARLY = (Err.UNKNOWN_TOPIC_OR_PARTITION, Err.NOT_LEADER_OR_FOLLOWER, Err.COORDINATOR_LOAD_IN_PROGRESS)
"""What Apache Kafka says of a topic some moments after it made it, and of producer ids some moments after its start."""

Make = Callable[..., str]
Differs = Callable[..., Any]


def now_ms() -> int:
    return int(time.time() * 1000)


def batch(*values: bytes, key: bytes | None = b"k", timestamp: int | None = None, **fields: Any) -> bytearray:
    at = now_ms() if timestamp is None else timestamp
    return encode_batch([Record(i, at, key, value) for i, value in enumerate(values or (b"v",))], **fields)


def produce_request(topic: str, data: bytes | None, *, index: int = 0, acks: int = -1) -> Any:
    part = PRODUCE.Request.Partition(index=index, records=None if data is None else bytes(data))
    topics = [PRODUCE.Request.Topic(name=topic, partitions=[part])]
    return PRODUCE.Request(transactional_id=None, acks=acks, topics=topics)


def produce(wire: Wire, topic: str, data: bytes | None, *, version: int = 9, **more: int) -> Any:
    """One partition's part of the answer; `more` as in `produce_request`."""
    return wire.call(PRODUCE, version, produce_request(topic, data, **more)).topics[0].partitions[0]


def patiently(ask: Callable[[], Any]) -> Any:
    """Asks until the answer is not that it is too early."""
    deadline = time.monotonic() + 20
    while (answer := ask()).error_code in TOO_EARLY and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


def create(wire: Wire, name: str, partitions: int = 1, settings: Mapping[str, str] | None = None) -> None:
    """Returns when every partition is led, which Apache Kafka's own answer does not wait for."""
    make = CREATE_TOPICS.Request
    configs = [make.Config(name=key, value=value) for key, value in (settings or {}).items()]
    topic = make.Topic(name=name, num_partitions=partitions, replication_factor=1, configs=configs)
    made = wire.call(CREATE_TOPICS, 7, make(topics=[topic], timeout_ms=30_000)).topics[0]
    assert made.error_code == Err.NONE, made.error_message
    for index in range(partitions):
        patiently(lambda index=index: list_offset(wire, name, -1, index=index))


def list_offset(wire: Wire, topic: str, timestamp: int, *, index: int = 0, version: int = 11, **more: Any) -> Any:
    """One partition's part of the answer; `more` are fields of the request, `epoch` the one of the partition."""
    make = LIST_OFFSETS.Request
    wanted = make.Partition(index=index, timestamp=timestamp, current_leader_epoch=more.pop("epoch", -1))
    asked = make(topics=[make.Topic(name=topic, partitions=[wanted])], **more)
    return wire.call(LIST_OFFSETS, version, asked).topics[0].partitions[0]


def metadata(wire: Wire, *topics: str, version: int = 12, auto: bool = False) -> Any:
    make = METADATA.Request
    asked = [make.Topic(name=topic) for topic in topics]
    return wire.call(METADATA, version, make(topics=asked, allow_auto_topic_creation=auto))


def topic_id(wire: Wire, topic: str) -> bytes:
    return bytes(metadata(wire, topic).topics[0].topic_id)


def plain(message: Any, *left_out: str) -> Any:
    """A message as dicts, lists and values, without the fields named."""
    match message:
        case Message():
            fields = type(message).__slots__
            return {name: plain(getattr(message, name), *left_out) for name in fields if name not in left_out}
        case memoryview():
            return bytes(message)
        case list() | tuple():
            return [plain(item, *left_out) for item in message]
    return message
