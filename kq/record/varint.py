"""Zigzag varints, the integers inside a record: 7 bits a byte, lowest first, small magnitudes short whatever the sign.

`write` is for int64 and smaller; `read` takes what Java's reader takes (`ByteUtils.readVarlong`): overlong forms are
fine, more than ten bytes are not.
"""

from __future__ import annotations

from kq.record.crc import Readable
from kq.record.faults import CorruptRecord

MAX_SIZE = 10


def write(value: int) -> bytes:
    """The zigzag varint of an int64."""
    left = (value << 1) ^ (value >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def read(buf: Readable, pos: int) -> tuple[int, int]:
    """The value at `pos` and the position after it."""
    raw = shift = 0
    for at in range(pos, min(pos + MAX_SIZE, len(buf))):
        byte = buf[at]
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), at + 1
        shift += 7
    raise CorruptRecord(f"A number inside a record is cut short or too long (byte {pos} of the records).")
