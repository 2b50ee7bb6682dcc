"""What a sender gets back: where its records are, or why they are not.

One future a batch serves everybody who put records into it. A batch that proved too large is split, so its records
may end at several places: the result is a list of `Piece`s in the order of the records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

from kq.errors import Err, KafkaError

__all__ = ["Accepted", "Delivered", "NoPartition", "Piece", "Receipt", "RecordTooLarge", "Sent", "Slice"]

NO_OFFSET = -1


class Delivered(NamedTuple):
    """Where a record is."""

    topic: str
    partition: int
    offset: int  # -1: the broker did not say (acks=0, or a duplicate that it no longer knows the place of)
    timestamp_ms: int  # the broker's clock where the topic has LogAppendTime, else the record's own


class RecordTooLarge(KafkaError):
    """One record is larger than a request, or than the memory for records, may be."""

    def __init__(self, size_bytes: int, limit_bytes: int, setting: str) -> None:
        super().__init__(Err.MESSAGE_TOO_LARGE, f"{size_bytes:,} bytes, over {setting} {limit_bytes:,}")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class NoPartition(KafkaError):
    """A record names a partition that its topic has not."""

    def __init__(self, topic: str, partitions: int, partition: int) -> None:
        counted = f"{partitions} partition{'' if partitions == 1 else 's'}"
        sentence = f"topic {topic!r} has {counted}, numbered from 0; {partition} is none"
        super().__init__(Err.UNKNOWN_TOPIC_OR_PARTITION, sentence)


class Piece(NamedTuple):
    """So many records of a batch, from `first` on: at `offset` and after it, or failed."""

    first: int
    records: int
    offset: int
    append_time_ms: int  # -1: the records' own times stand
    error: KafkaError | None


class Receipt:
    """The outcome of one batch as it was filled, whatever it was split into later."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pieces: list[Piece] = []
        self._unresolved = 0  # records that no piece speaks of yet

    def expect(self, records: int) -> None:
        self._unresolved += records

    def resolve(self, piece: Piece) -> bool:
        """One more piece of the outcome; whether it is complete now."""
        self.pieces.append(piece)
        self._unresolved -= piece.records
        if self._unresolved or self.done.done():
            return False
        self.done.set_result(None)
        return True

    async def wait(self) -> None:
        if not self.done.done():
            await asyncio.shield(self.done)  # a caller that is cancelled must not cancel the others

    def record(self, row: int, timestamp_ms: int) -> Delivered:
        """Where the record at this place of the batch is; raises why it is nowhere. Only after `wait`."""
        piece = next(piece for piece in self.pieces if piece.first <= row < piece.first + piece.records)
        if piece.error is not None:
            raise piece.error
        offset = piece.offset + row - piece.first if piece.offset >= 0 else NO_OFFSET
        time_ms = piece.append_time_ms if piece.append_time_ms >= 0 else timestamp_ms
        return Delivered(self.topic, self.partition, offset, time_ms)


class Slice:
    """The records of one call that went into one batch. `await` gives the first one's place, or raises the error of any
    of them; `each` gives every one's."""

    __slots__ = ("_first", "_receipt", "_timestamps", "rows")

    def __init__(self, receipt: Receipt, first: int, rows: Sequence[int], timestamps: int | Sequence[int]) -> None:
        self._receipt = receipt
        self._first = first
        self._timestamps = timestamps  # of these rows
        self.rows = rows  # which records of the call, ascending

    @property
    def topic(self) -> str:
        return self._receipt.topic

    @property
    def partition(self) -> int:
        return self._receipt.partition

    @property
    def done(self) -> bool:
        return self._receipt.done.done()

    def __await__(self) -> Generator[Any, None, Delivered]:
        return self._wait().__await__()

    async def _wait(self) -> Delivered:
        await self._receipt.wait()
        last = self._first + len(self.rows)
        for piece in self._receipt.pieces:
            if piece.error is not None and piece.first < last and piece.first + piece.records > self._first:
                raise piece.error
        return self._receipt.record(self._first, self._timestamp_ms(0))

    async def each(self) -> list[Delivered | KafkaError]:
        """For each of `rows`, in order: where it is, or why it is nowhere."""
        await self._receipt.wait()
        return [self._one(place) for place in range(len(self.rows))]

    def _one(self, place: int) -> Delivered | KafkaError:
        try:
            return self._receipt.record(self._first + place, self._timestamp_ms(place))
        except KafkaError as error:
            return error

    def _timestamp_ms(self, place: int) -> int:
        return self._timestamps if isinstance(self._timestamps, int) else self._timestamps[place]


class Accepted(NamedTuple):
    """What became of the records of one call: on their way in `slices`, or `rejected` at once (row, error)."""

    slices: list[Slice]
    rejected: list[tuple[int, KafkaError]]


class Sent:
    """One record on its way; `await` gives its place or raises why it has none."""

    __slots__ = ("_slice", "_taken")

    def __init__(self) -> None:
        self._slice: Slice | None = None
        self._taken: asyncio.Future[None] | None = None

    def taken(self, part: Slice) -> None:
        self._slice = part
        if self._taken is not None:
            self._taken.set_result(None)

    def refused(self, error: KafkaError) -> None:
        assert self._taken is not None
        self._taken.set_exception(error)
        self._taken.exception()  # seen, should nobody ever await

    def must_wait(self) -> None:
        """For metadata, memory, or those sent before it."""
        self._taken = asyncio.get_running_loop().create_future()

    def __await__(self) -> Generator[Any, None, Delivered]:
        return self._wait().__await__()

    async def _wait(self) -> Delivered:
        if self._slice is None:
            assert self._taken is not None
            await asyncio.shield(self._taken)
            assert self._slice is not None
        return await self._slice
