"""One type of record in an internal topic: its number, its key and value, and their codecs.

    key:    type i16, then the key's fields; never flexible, without a version of its own
    value:  version i16, then the value's fields in that version; no value at all is a tombstone

Source: Kafka's `CoordinatorRecordSerde` and its `coordinator-key` and `coordinator-value` messages.
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Any, NamedTuple

from kq.wire.api import Side
from kq.wire.errors import ProtocolError
from kq.wire.message import Message
from kq.wire.schema import NEVER, Versions

_INT16 = struct.Struct(">h")


class Stored:
    """`versions` are those of values that are read; `writes` is the one that Kafka 4.3.1 writes."""

    def __init__(
        self, type_: int, name: str, *, key: str, value: str, versions: str, flexible: str, writes: int
    ) -> None:
        self.type = type_
        self.name = name
        self.writes = writes
        self.key_side = Side(f"{name}Key", key, Versions(0, 0), NEVER)
        self.value_side = Side(
            f"{name}Value",
            value,
            Versions.parse(versions),
            NEVER if flexible == "none" else Versions.parse(flexible).first,
        )
        self._type_bytes = _INT16.pack(type_)

    def __repr__(self) -> str:
        return f"<Stored {self.name} ({self.type})>"

    @cached_property
    def Key(self) -> type[Message]:
        return self.key_side.built[1][self.key_side.name]

    @cached_property
    def Value(self) -> type[Message]:
        return self.value_side.built[1][self.value_side.name]

    def encode_key(self, key: Message) -> bytes:
        encode = self.key_side.encoders.get(0) or self.key_side.compile_encoder(0)
        return self._type_bytes + bytes(encode(key)[0])

    def encode_value(self, value: Message, version: int | None = None) -> bytes:
        version = self.writes if version is None else version
        encode = self.value_side.encoders.get(version) or self.value_side.compile_encoder(version)
        return _INT16.pack(version) + bytes(encode(value)[0])

    def decode_key(self, data: bytes) -> Message:
        """The key, of which the type has been read."""
        decode = self.key_side.decoders.get(0) or self.key_side.compile_decoder(0)
        return decode(data, _INT16.size)

    def decode_value(self, data: bytes) -> Message:
        version = leading_int16(data)
        decode = self.value_side.decoders.get(version) or self.value_side.compile_decoder(version)
        return decode(data, _INT16.size)


class Record(NamedTuple):
    """One record, decoded. A `value` of None is a tombstone."""

    stored: Stored
    key: Any
    value: Any


def leading_int16(data: bytes) -> int:
    if len(data) < _INT16.size:
        raise ProtocolError(f"a stored key or value has {len(data)} bytes, and begins with two")
    number: int = _INT16.unpack_from(data)[0]
    return number
