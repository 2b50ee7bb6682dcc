"""Records of one stride: equal sizes and equal widths of every number, so that each field lies as far from the last
record's as from the next one's. Then a column of bytes is one slice with a step, and one C call checks all of it.

Timestamps, offsets and keys may differ from record to record, but not in width; there are no nulls and no headers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

from kq.record import varint
from kq.record.faults import CorruptRecord

_ALIKE = 3  # values of one size in a row that make a stride likely
_MIN_RUN = 16  # records that pay for looking
_BLOCK = 64  # values cut by one call
_HIGH = bytes(range(128, 256))


def cut(section: bytes, pos: int, before: Sequence[bytes | None]) -> tuple[list[bytes], int]:
    """The values of the run of one stride that starts at `pos`, and the position after it. None of them when the values
    `before` it do not look like a run, or when one record breaks the stride."""
    last = before[-_ALIKE:]
    if None in last or len(set(map(len, last))) != 1:  # type: ignore[arg-type]
        return [], pos
    try:
        return _cut(section, pos)
    except CorruptRecord:  # who goes record by record will say where
        return [], pos


def _cut(section: bytes, pos: int) -> tuple[list[bytes], int]:
    length, body = varint.read(section, pos)
    _, offset_at = varint.read(section, body + 1)
    first_offset, key_at = varint.read(section, offset_at)
    key_length, key = varint.read(section, key_at)
    value_at = key + max(key_length, 0)
    value_length, value = varint.read(section, value_at)
    header_count = value + value_length
    stride = body + length - pos
    if value_length < 0 or header_count + 1 != pos + stride:
        return [], pos

    # Offset deltas rise one by one, or the check below fails: after that many their varint is a byte longer.
    same_width = (1 << 7 * (key_at - offset_at) - 1) - first_offset
    count = min((len(section) - pos) // stride, same_width)
    end = pos + count * stride
    if count < _MIN_RUN or section[header_count] != 0:
        return [], pos
    for at in (*range(pos, body), *range(key_at, key), *range(value_at, value), header_count):
        if section[at:end:stride].count(section[at]) != count:
            return [], pos
    for first, after in ((body + 1, offset_at), (offset_at, key_at)):
        if not section[after - 1 : end : stride].isascii():  # the byte that ends the number
            return [], pos
        if any(section[at:end:stride].translate(None, _HIGH) for at in range(first, after - 1)):
            return [], pos

    one, block = _structs(value - pos, value_length)
    blocks_end = end - (end - pos) % block.size
    values: list[bytes] = []
    for at in range(pos, blocks_end, block.size):
        values += block.unpack_from(section, at)
    values += [field for (field,) in one.iter_unpack(memoryview(section)[blocks_end:end])]
    return values, end


@lru_cache(64)
def _structs(before: int, length: int) -> tuple[struct.Struct, struct.Struct]:
    """What cuts the value out of one record, and out of a block of them."""
    one = f"{before}x{length}s1x"
    return struct.Struct(one), struct.Struct(one * _BLOCK)
