"""What classic members put into their JoinGroup and SyncGroup: subscription and assignment of the embedded consumer
protocol (ConsumerProtocolSubscription and ConsumerProtocolAssignment, versions 0 to 3).

The coordinator of the classic protocol never looks inside; it has to where a group holds members of both protocols.
Versions above 3 are read as 3: the format only ever grew at its end. Subscription: v1 adds owned partitions, v2 the
generation, v3 the rack.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

PROTOCOL_TYPE = "consumer"
LATEST = 3
_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")


class Subscription(NamedTuple):
    """`user_data` is the assignor's own; an assignor that needs it cannot be replaced by the server's."""

    version: int
    topics: tuple[str, ...]
    user_data: bytes | None
    owned: Mapping[str, tuple[int, ...]]
    rack_id: str | None


class Malformed(ValueError):
    """Bytes that are no subscription or assignment."""


def decode_subscription(data: bytes) -> Subscription:
    reader = _Reader(data)
    version = reader.version()
    topics = tuple(reader.text() for _ in range(reader.count()))
    user_data = reader.blob()
    owned = reader.pairs() if version >= 1 else {}
    if version >= 2:
        reader.int32()  # the generation: the coordinator knows better
    rack_id = reader.text_or_none() if version >= 3 else None
    return Subscription(version, topics, user_data, owned, rack_id)


def decode_assignment(data: bytes) -> Mapping[str, tuple[int, ...]]:
    reader = _Reader(data)
    reader.version()
    return reader.pairs()


def has_user_data(assignment: bytes) -> bool:
    """Whether the assignor that made it keeps something of its own in it."""
    reader = _Reader(assignment)
    reader.version()
    reader.pairs()
    return bool(reader.blob())


def encode_assignment(version: int, partitions: Mapping[str, Sequence[int]]) -> bytes:
    parts = [_INT16.pack(min(version, LATEST)), _INT32.pack(len(partitions))]
    for topic, numbers in partitions.items():
        name = topic.encode()
        parts += [_INT16.pack(len(name)), name, struct.pack(f">i{len(numbers)}i", len(numbers), *numbers)]
    parts.append(_INT32.pack(-1))  # no user data
    return b"".join(parts)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if size < 0 or len(taken) < size:
            raise Malformed(f"{size} bytes wanted at {self._at} of {len(self._data)}")
        self._at += size
        return taken

    def int16(self) -> int:
        value: int = _INT16.unpack(self._take(2))[0]
        return value

    def int32(self) -> int:
        value: int = _INT32.unpack(self._take(4))[0]
        return value

    def version(self) -> int:
        version = self.int16()
        if version < 0:
            raise Malformed(f"version {version}")
        return min(version, LATEST)

    def count(self) -> int:
        """Never more than there are bytes left: a count that lies must not cost memory."""
        count = self.int32()
        if not 0 <= count <= len(self._data) - self._at:
            raise Malformed(f"{count} elements in {len(self._data) - self._at} bytes")
        return count

    def text(self) -> str:
        return self._take(self.int16()).decode("utf-8", "replace")

    def text_or_none(self) -> str | None:
        size = self.int16()
        return None if size < 0 else self._take(size).decode("utf-8", "replace")

    def blob(self) -> bytes | None:
        size = self.int32()
        return None if size < 0 else self._take(size)

    def pairs(self) -> dict[str, tuple[int, ...]]:
        pairs: dict[str, tuple[int, ...]] = {}
        for _ in range(self.count()):
            topic = self.text()
            pairs[topic] = pairs.get(topic, ()) + tuple(self.int32() for _ in range(self.count()))
        return pairs
