"""Zigzag varints, the integers inside a record: 7 bits a byte, lowest first, small magnitudes short whatever the sign.

`write` is for int64 and smaller; `read` takes what Java's reader takes (`ByteUtils.readVarlong`): overlong forms are
fine, more than ten bytes are not.
"""

from __future__ import annotations

from collections.abc import Callable

from kq.record.crc import Readable
from kq.record.faults import CorruptRecord

_LAST_SHIFT = 63  # of the tenth byte
_UINT64 = 2**64 - 1


def write(value: int) -> bytes:
    """The zigzag varint of an int64."""
    left = (value << 1) ^ (value >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


class Memo(dict[int, bytes]):
    """A function of an int that keeps its answers for small ones, so that it never holds more than a megabyte."""

    KEPT = range(-8192, 8192)

    def __init__(self, make: Callable[[int], bytes]) -> None:
        self._make = make

    def __missing__(self, number: int) -> bytes:
        made = self._make(number)
        if number in self.KEPT:
            self[number] = made
        return made


WRITTEN = Memo(write)  # for thousands of numbers at a time: `map(WRITTEN.__getitem__, numbers)`


def read(buf: Readable, pos: int) -> tuple[int, int]:
    """The value at `pos` and the position after it."""
    at = pos
    try:
        raw = buf[at]
        if raw > 0x7F:
            raw &= 0x7F
            shift = 7
            while (byte := buf[at := at + 1]) > 0x7F and shift < _LAST_SHIFT:
                raw |= (byte & 0x7F) << shift
                shift += 7
            raw |= byte << shift
            if raw > _UINT64:
                raise CorruptRecord(f"The number at byte {pos} of the records has more than 64 bits.")
    except IndexError:
        raise CorruptRecord(f"The number at byte {pos} of the records is cut short.") from None
    return (raw >> 1) ^ -(raw & 1), at + 1
