"""One batch while it is filled, sent, sent again and perhaps split. Records are kept as columns, never as objects."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import add
from typing import cast

from kq.client.delivery import Receipt
from kq.client.outcomes import Numbers

__all__ = ["BATCH_OVERHEAD", "Batch", "Columns", "Headers", "Sizes", "record_bytes"]


Headers = Sequence[tuple[str, bytes | None]]

# Bytes of a record beside key, value and headers: lengths, attributes, deltas, with room for timestamps that lie apart.
# An estimate: a batch that a broker refuses as too large is split.
RECORD_OVERHEAD = 18
HEADER_OVERHEAD = 4
BATCH_OVERHEAD = 61


def record_bytes(value: bytes | None, key: bytes | None, headers: Headers) -> int:
    return RECORD_OVERHEAD + len(value or b"") + len(key or b"") + _header_bytes(headers)


def _header_bytes(headers: Headers) -> int:
    return sum(HEADER_OVERHEAD + len(name) + len(content or b"") for name, content in headers)


def _lengths(column: Sequence[bytes | None]) -> list[int]:
    return [len(field or b"") for field in column] if None in column else list(map(len, cast(list[bytes], column)))


class Sizes:
    """Estimated bytes of many records, as running totals: how many fit is one binary search, whatever their number."""

    def __init__(self, payloads: Sequence[int]) -> None:
        self.payloads = payloads  # bytes of each record beside RECORD_OVERHEAD
        self._ends = list(accumulate(payloads, initial=0))

    def total(self, start: int, stop: int) -> int:
        return self._ends[stop] - self._ends[start] + (stop - start) * RECORD_OVERHEAD

    def fitting(self, start: int, room: int) -> int:
        """Up to where the records from `start` on take no more than `room`."""
        places = range(start, len(self._ends))
        return start + bisect_right(places, room, key=lambda stop: self.total(start, stop)) - 1


class Columns:
    """Records side by side; a column that no record needs is None.

    `timestamps` is one number when all are equal, None for the time at which the batch they come into was begun.
    """

    __slots__ = ("headers", "keys", "timestamps", "values")

    def __init__(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] | None = None,
        headers: Sequence[Headers] | None = None,
        timestamps: int | Sequence[int] | None = None,
    ) -> None:
        self.values = values
        self.keys = keys
        self.headers = headers
        self.timestamps = timestamps

    def part(self, start: int, stop: int) -> Columns:
        if start == 0 and stop == len(self.values):
            return self
        return Columns(
            self.values[start:stop],
            None if self.keys is None else self.keys[start:stop],
            None if self.headers is None else self.headers[start:stop],
            self.timestamps
            if self.timestamps is None or isinstance(self.timestamps, int)
            else self.timestamps[start:stop],
        )

    def pick(self, rows: Sequence[int]) -> Columns:
        return Columns(
            list(map(self.values.__getitem__, rows)),
            None if self.keys is None else list(map(self.keys.__getitem__, rows)),
            None if self.headers is None else list(map(self.headers.__getitem__, rows)),
            list(map(self.timestamps.__getitem__, rows)) if isinstance(self.timestamps, Sequence) else self.timestamps,
        )

    def payloads(self) -> list[int]:
        """Bytes of each record's key, value and headers."""
        payloads = _lengths(self.values)
        if self.keys is not None:
            payloads = list(map(add, payloads, _lengths(self.keys)))
        if self.headers is not None:
            payloads = list(map(add, payloads, map(_header_bytes, self.headers)))
        return payloads


class Batch:
    """`place` is its order among all batches of the producer; a part of a split batch sorts where the whole was."""

    __slots__ = (
        "attempts", "begun_ms", "bytes", "closed", "created_s", "deadline_s", "encoded", "first_row", "headers", "keys",
        "numbers", "place", "receipt", "records", "resolved", "timestamps", "values", "woken",
    )  # fmt: skip

    def __init__(
        self, receipt: Receipt, place: tuple[int, ...], begun_ms: int, created_s: float, deadline_s: float
    ) -> None:
        self.receipt = receipt
        self.place = place
        self.begun_ms = begun_ms  # by the clock on the wall
        self.first_row = 0  # of the receipt's rows
        self.created_s = created_s
        self.deadline_s = deadline_s  # delivery.timeout.ms after creation
        self.records = 0
        self.bytes = BATCH_OVERHEAD  # estimate, before compression
        self.values: list[bytes | None] = []
        self.keys: list[bytes | None] | None = None
        self.headers: list[Headers] | None = None
        self.timestamps: int | list[int] = begun_ms  # one number as long as all are equal
        self.closed = False  # takes no more records
        self.numbers: Numbers | None = None
        self.encoded: bytes | bytearray | None = None  # with these numbers
        self.attempts = 0  # times it was sent
        self.woken = False  # the sender knows that it lingers
        self.resolved = False  # its senders know the outcome, although an answer may still be on the way

    def add(self, columns: Columns, size: int) -> int:
        """Appends these records; the row of the first."""
        first, count = self.records, len(columns.values)
        if columns.keys is not None or self.keys is not None:
            if self.keys is None:
                self.keys = [None] * first
            self.keys += columns.keys or [None] * count
        if columns.headers is not None or self.headers is not None:
            if self.headers is None:
                self.headers = [()] * first
            self.headers += columns.headers or [()] * count
        self._add_timestamps(first, count, columns.timestamps)
        self.values += columns.values
        self.records += count
        self.bytes += size
        self.receipt.expect(count)
        return first

    def _add_timestamps(self, first: int, count: int, timestamps: int | Sequence[int] | None) -> None:
        if timestamps is None:
            timestamps = self.begun_ms
        if not first:
            self.timestamps = timestamps if isinstance(timestamps, int) else list(timestamps)
        elif timestamps != self.timestamps or not isinstance(timestamps, int):
            if isinstance(self.timestamps, int):
                self.timestamps = [self.timestamps] * first
            self.timestamps += [timestamps] * count if isinstance(timestamps, int) else timestamps

    def split(self) -> tuple[Batch, Batch]:
        """Two closed batches of half the records each, at its place and with its numbers."""
        middle = self.records // 2
        size = self.bytes * middle // self.records
        return self._part(0, middle, size, 0), self._part(middle, self.records, self.bytes - size, 1)

    def _part(self, start: int, stop: int, size: int, nth: int) -> Batch:
        part = Batch(self.receipt, (*self.place, nth), self.begun_ms, self.created_s, self.deadline_s)
        columns = Columns(self.values, self.keys, self.headers, self.timestamps).part(start, stop)
        self.receipt.expect(start - stop)  # they are counted again
        part.add(columns, 0)
        part.bytes = size
        part.first_row = self.first_row + start
        part.closed = True
        part.attempts = self.attempts
        part.numbers = None if self.numbers is None else self.numbers.after(start)
        return part
