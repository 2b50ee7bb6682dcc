"""Writing batches by the column: what `batch.encode_batch` writes, from lists.

`pack_values` is the way of the pipelines: values without keys, all at one time. Then the length of a value and its
place say all of the record but the value, and a batch is one `join` over four interleaved lists, 0.1 us a record.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from kq.record import compression, varint
from kq.record.batch import (
    HEADER_SIZE,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    TRANSACTIONAL,
    BatchHeader,
    Headers,
    assemble,
)

# Most bytes of a record beside its key, value and headers, in batches of less than 128 MiB: three numbers of four
# bytes (length, offset delta, value length), four of one (attributes, timestamp delta, key length, header count).
_VALUE_OVERHEAD = 16
_RECORD_OVERHEAD = _VALUE_OVERHEAD + 9 + 3  # a timestamp delta of ten bytes, a key length of four


class Producer(NamedTuple):
    """Who writes a batch; all unset unless it is an idempotent producer."""

    id: int = NO_PRODUCER_ID
    epoch: int = NO_PRODUCER_EPOCH
    base_sequence: int = NO_SEQUENCE
    transactional: bool = False


ANYONE = Producer()


class _Memo(dict[int, bytes]):
    """A function of an int that keeps its answers for small ones, so that it never holds more than a megabyte."""

    KEPT = range(-8192, 8192)

    def __init__(self, make: Callable[[int], bytes]) -> None:
        self._make = make

    def __missing__(self, number: int) -> bytes:
        made = self._make(number)
        if number in self.KEPT:
            self[number] = made
        return made


_NUMBERS = _Memo(varint.write)
_NULL = varint.write(-1)
_NO_HEADERS = varint.write(0)
# Between two values, in pieces around the offset delta. The first holds the header count of the record before and this
# record's length, which depends on how many bytes the offset delta has: one memo for each width.
_TAILS = _Memo(lambda length: _NULL + varint.write(length))


@cache
def _heads(offset_width: int) -> _Memo:
    fixed = 4 + offset_width  # attributes, timestamp delta, offset delta, key length, header count

    def head(length: int) -> bytes:
        return _NO_HEADERS + varint.write(fixed + len(varint.write(length)) + length) + b"\0\0"

    return _Memo(head)


_ready: list[bytes] = []


def _offset_deltas(count: int) -> list[bytes]:
    """The varints of 0 to count - 1. They are kept, as many as the longest batch needed."""
    global _ready
    ready = _ready
    if len(ready) < count:  # a new list, for two threads may come here together
        _ready = ready = [*ready, *map(varint.write, range(len(ready), count))]
    return ready[:count]


def pack_values(
    values: Sequence[bytes],
    timestamp_ms: int,
    *,
    codec: int = compression.NONE,
    level: int | None = None,
    producer: Producer = ANYONE,
) -> bytearray:
    """One batch of these values, at least one, without keys and headers."""
    count = len(values)
    lengths = list(map(len, values))
    parts = [b""] * (4 * count)
    for width in range(1, 6):
        start, stop = (1 << 7 * width - 8 if width > 1 else 0), 1 << 7 * width - 1
        parts[4 * start : 4 * stop : 4] = map(_heads(width).__getitem__, lengths[start:stop])
    parts[1::4] = _offset_deltas(count)
    parts[2::4] = map(_TAILS.__getitem__, lengths)
    parts[3::4] = values
    parts[0] = parts[0][len(_NO_HEADERS) :]  # no record before the first
    parts.append(_NO_HEADERS)
    return _pack(parts, count, timestamp_ms, timestamp_ms, codec, level, producer)


def pack_columns(
    keys: Sequence[bytes | None] | None,
    values: Sequence[bytes | None],
    headers: Sequence[Headers] | None,
    timestamps: Sequence[int],
    *,
    codec: int = compression.NONE,
    level: int | None = None,
    producer: Producer = ANYONE,
) -> bytearray:
    """One batch of these columns, of equal length and at least one record; None for no key, no headers at all."""
    count = len(values)
    base = timestamps[0]
    number = _NUMBERS
    bodies = [
        b"\0%b%b%b%b%b" % row
        for row in zip(
            [number[timestamp - base] for timestamp in timestamps],
            _offset_deltas(count),
            [_NULL] * count if keys is None else _sized(keys),
            _sized(values),
            [_NO_HEADERS] * count if headers is None else map(_pack_headers, headers),
            strict=True,
        )
    ]
    parts = [b""] * (2 * count)
    parts[0::2] = [number[len(body)] for body in bodies]
    parts[1::2] = bodies
    return _pack(parts, count, base, max(timestamps), codec, level, producer)


def _sized(column: Sequence[bytes | None]) -> list[bytes]:
    number = _NUMBERS
    return [_NULL if field is None else number[len(field)] + field for field in column]


def _pack_headers(headers: Headers) -> bytes:
    if not headers:
        return _NO_HEADERS
    fields = [field for name, content in headers for field in (name.encode(), content)]
    return _NUMBERS[len(headers)] + b"".join(_sized(fields))


def _pack(
    parts: list[bytes],
    count: int,
    base_timestamp: int,
    max_timestamp: int,
    codec: int,
    level: int | None,
    producer: Producer,
) -> bytearray:
    header = BatchHeader(
        attributes=codec | producer.transactional * TRANSACTIONAL,
        last_offset_delta=count - 1,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=producer.id,
        producer_epoch=producer.epoch,
        base_sequence=producer.base_sequence,
        record_count=count,
    )
    return assemble(
        header, parts if codec == compression.NONE else [compression.compress(codec, b"".join(parts), level)]
    )


def size_bound(key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
    """No record of these takes more bytes than this, wherever it comes to lie in a batch; HEADER_SIZE comes on top."""
    size = _RECORD_OVERHEAD + len(key or b"") + len(value or b"")
    for name, content in headers:
        size += 8 + 4 * len(name) + len(content or b"")
    return size


def split_values(values: Sequence[bytes], batch_bytes: int) -> Iterator[Sequence[bytes]]:
    """The values in runs, each of which `pack_values` makes into at most `batch_bytes` bytes before compression (more
    only for a single value that is larger)."""
    sums = list(accumulate(map(len, values), initial=0))

    def reach(end: int) -> int:
        return sums[end] + end * _VALUE_OVERHEAD

    start = 0
    while start < len(values):
        room = reach(start) + batch_bytes - HEADER_SIZE
        end = max(start + 1, bisect_right(range(len(sums)), room, key=reach) - 1)
        yield values[start:end]
        start = end
