"""The protocol's primitive types: what compiled codecs call where a single `struct` format does not do.

Kafka's leniencies, which real clients rely on (measured on 4.3.1): a varint may be longer than it must be, any negative
length means null, unknown tags are skipped, text that is not UTF-8 is read with replacement characters as Java does.
Every length is checked against the bytes that remain before anything of that length is made.
Sources: Kafka's ByteUtils (varints), ByteBufferAccessor and the guide's "Protocol Primitive Types"; KIP-482 (tags).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any

from kq.wire.errors import ProtocolError

ZERO_UUID = bytes(16)

_TO_URL_SAFE = str.maketrans("+/", "-_")
_FROM_URL_SAFE = str.maketrans("-_+/", "+/  ")  # plain base64's own characters become what no base64 has

# Struct codes of the fixed-size types, big-endian and unpadded.
FIXED_CODES = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "int64": "q",
    "float64": "d",
    "uuid": "16s",
}

# In one section. Kafka sets no limit and has defined at most five; each costs us half a microsecond and two bytes.
MOST_TAGS = 1000

# Arrays of fixed-size items up to this length have a prepared Struct; replica lists and group subscriptions are short.
_PREPARED = 32


@cache
def fixed(codes: str) -> Struct:
    return Struct(">" + codes)


@cache
def array_unpackers(code: str) -> tuple[Callable[..., tuple[Any, ...]], ...]:
    """unpack_from for 0, 1, 2, ... items of one code."""
    return tuple(Struct(f">{n}{code}").unpack_from for n in range(_PREPARED))


@cache
def array_packers(code: str) -> tuple[Callable[..., bytes], ...]:
    return tuple(Struct(f">{n}{code}").pack for n in range(_PREPARED))


def uvarint(buf: bytes | memoryview, pos: int) -> tuple[int, int]:
    """The unsigned varint at `pos` and the position after it.

    As Kafka: at most five bytes, and a value of 32 bits is read as signed: lengths beyond 2^31 come out negative.
    Unrolled, since record lengths of two and three bytes come once a partition.
    """
    byte = buf[pos]
    if byte < 0x80:
        return byte, pos + 1
    value = byte & 0x7F
    byte = buf[pos + 1]
    if byte < 0x80:
        return value | byte << 7, pos + 2
    value |= (byte & 0x7F) << 7
    byte = buf[pos + 2]
    if byte < 0x80:
        return value | byte << 14, pos + 3
    value |= (byte & 0x7F) << 14
    byte = buf[pos + 3]
    if byte < 0x80:
        return value | byte << 21, pos + 4
    value |= (byte & 0x7F) << 21
    byte = buf[pos + 4]
    if byte >= 0x80:
        raise ProtocolError(f"the varint at byte {pos} is longer than five bytes")
    value |= (byte & 0x0F) << 28
    # 2^31 itself stays positive: it stands for the length 2^31 - 1, which no frame holds.
    return (value if value <= 0x80000000 else value - 0x100000000), pos + 5


def uvarint_bytes(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value < 0x200000:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14 & 0x7F | 0x80)) + uvarint_bytes(
        value >> 21
    )


def skip_tag(buf: bytes | memoryview, pos: int, tag: int) -> int:
    """The position after the value of an unknown tag, whose size stands at `pos`."""
    size, pos = uvarint(buf, pos)
    if not 0 <= size <= len(buf) - pos:
        raise ProtocolError(f"tag {tag} announces {size} bytes, {len(buf) - pos} remain")
    return pos + size


def skip_tags(buf: bytes | memoryview, pos: int, count: int) -> int:
    """The position after `count` tagged fields, none of which this version knows."""
    if count > MOST_TAGS:
        raise ProtocolError(f"{count} tagged fields stand in one place; {MOST_TAGS} are accepted")
    for _ in range(count):
        tag, pos = uvarint(buf, pos)
        pos = skip_tag(buf, pos, tag)
    return pos


def uuid_text(value: bytes) -> str:
    """A topic id as Kafka's tools print it: 22 characters of URL-safe base64."""
    return binascii.b2a_base64(value, newline=False).decode("ascii").rstrip("=").translate(_TO_URL_SAFE)


def uuid_bytes(text: str) -> bytes:
    """The 16 bytes of an id in Kafka's text form; ValueError when it is none."""
    try:
        value = binascii.a2b_base64(text.translate(_FROM_URL_SAFE) + "==", strict_mode=True)
    except ValueError:
        value = b""
    if len(value) != 16:
        raise ValueError(f"{text!r} is not an id: 22 characters of URL-safe base64 are expected")
    return value
