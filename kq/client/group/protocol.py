"""The embedded consumer protocol: what members tell their leader through JoinGroup, and it them through SyncGroup.

Both are a version i16 and then the fields of that version; ConsumerProtocolSubscription and ConsumerProtocolAssignment,
0 to 3. A version above is read as 3: the format has only grown at its end. Subscription: v1 adds the partitions owned
(KIP-429), v2 the generation in which they were (KIP-792), v3 the rack. `user_data` is the assignor's own affair.

Source: Kafka's `ConsumerProtocol` and its two messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from kq.client.admin.types import TopicPartition
from kq.wire.api import Side
from kq.wire.errors import ProtocolError
from kq.wire.message import Message
from kq.wire.schema import NEVER, Versions

__all__ = [
    "NO_GENERATION",
    "PROTOCOL_TYPE",
    "Subscription",
    "decode_assignment",
    "decode_subscription",
    "encode_assignment",
    "encode_subscription",
]

PROTOCOL_TYPE = "consumer"
LATEST = 3
NO_GENERATION = -1
_INT16 = struct.Struct(">h")

_SUBSCRIPTION = Side(
    "ConsumerProtocolSubscription",
    """
topics: [string]
user_data: bytes?
owned_partitions: [TopicPartitions] 1+ ignorable
  topic: string
  partitions: [int32]
generation_id: int32 = -1 2+ ignorable
rack_id: string? 3+ ignorable
""",
    Versions(0, LATEST),
    NEVER,
)
_ASSIGNMENT = Side(
    "ConsumerProtocolAssignment",
    """
assigned_partitions: [TopicPartitions]
  topic: string
  partitions: [int32]
user_data: bytes?
""",
    Versions(0, LATEST),
    NEVER,
)


class Subscription(NamedTuple):
    """What one member wants and has. `generation` is that in which it got what it owns, by its own word."""

    topics: tuple[str, ...] = ()
    user_data: bytes | None = None
    owned: tuple[TopicPartition, ...] = ()
    generation: int = NO_GENERATION
    rack_id: str | None = None
    instance_id: str | None = None  # group.instance.id; not among the bytes, JoinGroup says it beside them


def encode_subscription(subscription: Subscription, version: int = LATEST) -> bytes:
    """Topics in order, as Java's client sends them."""
    kind = _SUBSCRIPTION.built[1]
    message = kind[_SUBSCRIPTION.name](
        topics=sorted(subscription.topics),
        user_data=subscription.user_data,
        owned_partitions=_packed(kind["TopicPartitions"], subscription.owned),
        generation_id=subscription.generation,
        rack_id=subscription.rack_id,
    )
    return _encode(_SUBSCRIPTION, message, version)


def decode_subscription(data: bytes | memoryview) -> Subscription:
    message = _decode(_SUBSCRIPTION, data)
    user_data = None if message.user_data is None else bytes(message.user_data)
    owned = _unpacked(message.owned_partitions)
    return Subscription(tuple(message.topics), user_data, owned, message.generation_id, message.rack_id)


def encode_assignment(
    partitions: Iterable[TopicPartition], user_data: bytes | None = None, version: int = LATEST
) -> bytes:
    kind = _ASSIGNMENT.built[1]
    message = kind[_ASSIGNMENT.name](
        assigned_partitions=_packed(kind["TopicPartitions"], partitions), user_data=user_data
    )
    return _encode(_ASSIGNMENT, message, version)


def decode_assignment(data: bytes | memoryview) -> tuple[TopicPartition, ...]:
    """No bytes at all is nothing: the leader forgot this member, or the group is between two assignments."""
    return _unpacked(_decode(_ASSIGNMENT, data).assigned_partitions) if len(data) else ()


def _encode(side: Side, message: Message, version: int) -> bytes:
    encode = side.encoders.get(version) or side.compile_encoder(version)
    return _INT16.pack(version) + b"".join(map(bytes, encode(message)))


def _decode(side: Side, data: bytes | memoryview) -> Any:
    if len(data) < _INT16.size:
        raise ProtocolError(f"{side.name} has {len(data)} bytes, and begins with two")
    version = min(int(_INT16.unpack_from(data)[0]), LATEST)
    decode = side.decoders.get(version) or side.compile_decoder(version)
    return decode(bytes(data), _INT16.size)


def _packed(kind: type[Message], partitions: Iterable[TopicPartition]) -> list[Message]:
    topics: dict[str, list[int]] = {}
    for topic, partition in partitions:
        topics.setdefault(topic, []).append(partition)
    return [kind(topic=topic, partitions=numbers) for topic, numbers in topics.items()]


def _unpacked(topics: Iterable[Any]) -> tuple[TopicPartition, ...]:
    return tuple((entry.topic, partition) for entry in topics for partition in entry.partitions)
