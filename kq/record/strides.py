"""Records of one stride: equal sizes and equal widths of every number, so that each field lies as far from the last
record's as from the next one's. Then a column of bytes is one slice with a step, and one C call checks it.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from kq.record import varint
from kq.record.faults import CorruptRecord

_ALIKE = 3  # values of one size in a row that make a stride likely
_MIN_RUN = 16  # records that pay for looking
_BLOCK = 64  # records cut at once
_HIGH = bytes(range(128, 256))


def cut(section: bytes, pos: int, before: list[bytes | None]) -> tuple[list[bytes], int]:
    """The values of the run of one stride that starts at `pos`, and the position after it; none when the values
    `before` it do not look like one, or when one record in it breaks the stride."""
    if len({value if value is None else len(value) for value in before[-_ALIKE:]}) != 1 or before[-1] is None:
        return [], pos
    try:
        return _cut(section, pos)
    except CorruptRecord:  # for the reader who goes record by record to name
        return [], pos


def _cut(section: bytes, pos: int) -> tuple[list[bytes], int]:
    length, body = varint.read(section, pos)
    stride = body + length - pos
    _, offset_at = varint.read(section, body + 1)
    offset, key_at = varint.read(section, offset_at)
    key_length, key = varint.read(section, key_at)
    value_at = key + max(key_length, 0)
    value_length, value = varint.read(section, value_at)
    headers_at = value + value_length
    if stride <= 0 or value_length < 0 or headers_at + 1 != pos + stride:
        return [], pos

    count = min((len(section) - pos) // stride, _last_of_width(key_at - offset_at) - offset)
    if count < _MIN_RUN:
        return [], pos
    end = pos + count * stride
    constant = (*range(pos, body), *range(key_at, key), *range(value_at, value), headers_at)
    deltas = ((body + 1, offset_at), (offset_at, key_at))
    if section[headers_at] != 0:
        return [], pos
    for at in constant:
        if section[at:end:stride].count(section[at]) != count:
            return [], pos
    for first, after in deltas:
        if not section[after - 1 : end : stride].isascii():
            return [], pos
        for at in range(first, after - 1):
            if section[at:end:stride].translate(None, _HIGH):
                return [], pos
    return _values(section[pos:end], value - pos, value_length, 1), end


def _last_of_width(width: int) -> int:
    return 1 << 7 * width - 1


def _values(run: bytes, before: int, length: int, after: int) -> list[bytes]:
    one, block = _structs(before, length, after)
    values: list[bytes] = []
    whole = len(run) - len(run) % block.size
    for at in range(0, whole, block.size):
        values += block.unpack_from(run, at)
    values += [value for (value,) in one.iter_unpack(memoryview(run)[whole:])]
    return values


@lru_cache(64)
def _structs(before: int, length: int, after: int) -> tuple[struct.Struct, struct.Struct]:
    """What cuts the value out of one record, and out of a block of them."""
    one = f"{before}x{length}s{after}x"
    return struct.Struct(one), struct.Struct(one * _BLOCK)
