"""Reading batches by the column: a few lists instead of an object a record.

Four gaits, fastest first; all agree with `batch.decode_records`, the plain form.

1. Records of one size are checked and cut by the hundred (`strides`, values only).
2. Records without keys and headers are cut by what lies between them (`seams`, values only).
3. Records whose numbers are as wide as the last record's: two reads at fixed places. The eight bytes after the
   attributes, taken as one integer, hold both deltas, the length of the key and, without a key, that of the value.
   The high bit of a byte says whether its number goes on, so one comparison under a mask tells whether all numbers
   still end where they did.
4. Any other record, number by number (`batch.decode_record`).

`read_values` steps over keys and headers without looking into them, so it takes records whose headers are damaged.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from kq.record import seams, strides, varint
from kq.record.batch import BatchHeader, Headers, decode_headers, decode_record, parse_header, records_section
from kq.record.crc import Readable
from kq.record.faults import CorruptRecord

MAX_OFFSET = 2**63 - 1

_SHORT = struct.Struct("<BxQ").unpack_from  # length in one byte, attributes skipped, the eight bytes
_LONG = struct.Struct("<HxQ").unpack_from  # length in two
_PAIR = struct.Struct("<H").unpack_from
_HIGH_BITS = 0x8080808080808080
_FAR = 1 << 40  # a length past the end of any batch

_FEW, _MANY = 4, 64  # records to walk before looking for a stride: after one was found, after none was


class Columns(NamedTuple):
    """Lists of equal length."""

    offsets: list[int]
    timestamps: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers]

    @classmethod
    def empty(cls) -> Columns:
        return cls([], [], [], [], [])


class _Widths(NamedTuple):
    """How wide the numbers are before a record's value; `eight & mask == want` as long as they are."""

    mask: int
    want: int
    offset_shift: int  # bits before the offset delta
    key_shift: int  # bits before the key's length, which has one byte
    has_key: bool


_UNKNOWN = _Widths(0, 1, 0, 0, False)  # fits no record


class _Odd(Exception):
    """A record for gait 4."""


def read_values(batch: Readable, *, limit: int, start: int = 0, stop: int = MAX_OFFSET) -> list[bytes | None]:
    """The values of one whole batch, of the records with start <= offset < stop; at most `limit` bytes unfolded."""
    header = parse_header(batch)
    whole = start <= header.base_offset and header.last_offset < stop
    if not whole and header.record_count != header.last_offset_delta + 1:  # gaps: only the records know their offsets
        return read_columns(batch, limit=limit, start=start, stop=stop).values
    section = records_section(batch, header, limit=limit)
    columns = Columns.empty()
    values = columns.values
    pos, most, seamed = 0, _FEW, True
    while pos < len(section):
        most = max(1, min(most, header.record_count - len(values)))
        pos = _walk(section, pos, header, columns, most, values_only=True)
        run, pos = strides.cut(section, pos, values)
        values += run
        most = _FEW if run else _MANY
        if seamed and not run and pos < len(section):  # all the rest, or it is never tried again
            seamed = False
            if rest := seams.cut(section, pos):
                values += rest
                break
    _check_count(header, len(values))
    return values if whole else values[max(start - header.base_offset, 0) : max(stop - header.base_offset, 0)]


def read_joined(
    batch: Readable, delimiter: bytes, *, limit: int, start: int = 0, stop: int = MAX_OFFSET
) -> tuple[bytes, int]:
    """The same values, each followed by `delimiter` and null as nothing, in one piece; and how many there are."""
    values = read_values(batch, limit=limit, start=start, stop=stop)
    count = len(values)
    values.append(b"")  # so that a delimiter comes last
    try:
        return delimiter.join(values), count  # type: ignore[arg-type]
    except TypeError:  # nulls
        return delimiter.join([value or b"" for value in values]), count


def read_columns(batch: Readable, *, limit: int, start: int = 0, stop: int = MAX_OFFSET) -> Columns:
    """Everything in one whole batch, of the records with start <= offset < stop."""
    header = parse_header(batch)
    section = records_section(batch, header, limit=limit)
    columns = Columns.empty()
    pos = 0
    while pos < len(section):
        pos = _walk(section, pos, header, columns, max(1, header.record_count), values_only=False)
    _check_count(header, len(columns.values))
    if start <= header.base_offset and header.last_offset < stop:
        return columns
    part = slice(bisect_left(columns.offsets, start), bisect_left(columns.offsets, stop))
    return Columns._make(column[part] for column in columns)


def iter_columns(batch: Readable, *, limit: int, most: int = 4096) -> Iterator[Columns]:
    """Everything in one whole batch, at most so many records at a time: tiny records take twenty times their bytes."""
    header = parse_header(batch)
    section = records_section(batch, header, limit=limit)
    pos = seen = 0
    while pos < len(section):
        columns = Columns.empty()
        pos = _walk(section, pos, header, columns, most, values_only=False)
        seen += len(columns.values)
        yield columns
    _check_count(header, seen)


def _check_count(header: BatchHeader, count: int) -> None:
    if count != header.record_count:
        raise CorruptRecord(f"A batch says it has {header.record_count} records; {count} are there.")


def _walk(section: bytes, pos: int, header: BatchHeader, columns: Columns, most: int, *, values_only: bool) -> int:
    """Adds at most so many records from `pos` on to the columns, or to that of the values alone; the position after
    them. One long function: a call a record would cost as much again."""
    numbers, lengths, spans = _tables()
    add_offset, add_timestamp, add_key = columns.offsets.append, columns.timestamps.append, columns.keys.append
    add_value, add_headers = columns.values.append, columns.headers.append
    base_offset, base_timestamp, stamped = header.base_offset, header.base_timestamp, header.is_log_append_time
    mask, want, offset_shift, key_shift, has_key = _UNKNOWN
    size, goal = len(section), len(columns.values) + most
    while pos < size and len(columns.values) < goal:
        try:
            for _ in range(goal - len(columns.values)):
                length, eight = _LONG(section, pos)
                body = pos + 3
                if length & 0x80 == 0:
                    length, eight = _SHORT(section, pos)
                    body = pos + 2
                if eight & mask != want:
                    mask, want, offset_shift, key_shift, has_key = _widths(eight)
                    if eight & mask != want:
                        raise _Odd
                at = body + (key_shift >> 3) + 1
                key = None
                if has_key:
                    key_at = at
                    at += (eight >> key_shift & 0xFF) >> 1
                    if not values_only:
                        key = section[key_at:at]
                    pair = _PAIR(section, at)[0]
                else:
                    pair = eight >> key_shift + 8 & 0xFFFF
                stop = at + spans[pair]
                end = pos + spans[length]
                if not stop < end <= size:
                    raise _Odd
                add_value(section[stop - lengths[pair] : stop])
                pos = end
                if values_only:
                    continue
                offset = numbers[eight >> offset_shift & 0xFFFF]
                if offset == _FAR:
                    offset, _ = varint.read(section, body + (offset_shift >> 3))
                timestamp = numbers[eight & 0xFFFF]
                if timestamp == _FAR:
                    timestamp, _ = varint.read(section, body)
                add_offset(base_offset + offset)
                add_timestamp(header.max_timestamp if stamped else base_timestamp + timestamp)
                add_key(key)
                add_headers(decode_headers(section, stop, end) if section[stop] or stop + 1 != end else ())
        except (_Odd, struct.error):  # struct.error: too near to the end for two reads
            if pos < size:
                record, pos = decode_record(section, pos, header)
                for column, field in zip(columns, record, strict=True):
                    column.append(field)  # type: ignore[attr-defined]
    return pos


def _widths(eight: int) -> _Widths:
    """The widths in a record's eight bytes, unless the pair at its value's length would lie outside of them."""
    last_bytes = ~eight & _HIGH_BITS  # one bit for each byte that ends a number
    offset_shift = (last_bytes & -last_bytes).bit_length()
    last_bytes &= last_bytes - 1
    key_shift = (last_bytes & -last_bytes).bit_length()
    if not 0 < key_shift <= 40:
        return _UNKNOWN
    has_key = eight >> key_shift & 0xFF != 1
    deltas = _HIGH_BITS & (1 << key_shift) - 1
    ends = 0x80 << offset_shift - 8 | 0x80 << key_shift - 8
    if has_key:  # a length that is one byte and even: not negative
        return _Widths(deltas | 0x81 << key_shift, deltas ^ ends, offset_shift, key_shift, True)
    return _Widths(deltas | 0xFF << key_shift, deltas ^ ends | 1 << key_shift, offset_shift, key_shift, False)


@cache
def _tables() -> tuple[list[int], list[int], list[int]]:
    """By the two bytes at a number, low byte first: the number, if it ends within them; as a length; and that length
    with the bytes of the number itself. `_FAR` where it does not end or, for a length, is negative."""
    numbers, lengths, spans = ([_FAR] * 65536 for _ in range(3))
    for first in range(0, 128, 2):  # one byte, whatever follows it
        length = first >> 1
        numbers[first::256] = lengths[first::256] = [length] * 256
        numbers[first + 1 :: 256] = [-length - 1] * 256
        spans[first::256] = [length + 1] * 256
    for second in range(128):  # two bytes: 64 numbers not negative, and 64 negative ones between them
        start, low = second << 8 | 0x80, second << 6
        even, odd = slice(start, start + 128, 2), slice(start + 1, start + 128, 2)
        numbers[even] = lengths[even] = range(low, low + 64)
        numbers[odd] = range(-low - 1, -low - 65, -1)
        spans[even] = range(low + 2, low + 66)
    return numbers, lengths, spans
