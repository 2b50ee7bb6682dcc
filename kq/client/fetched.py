"""What a fetch gave of one partition: raw batches, decoded only as far as somebody asks.

`values()` is the way of the pipelines, `joined()` even more so; `columns()` and `records()` give everything. All of
them skip what lies before the place that was asked for and at or after the stop: brokers never cut a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from kq.client.committed import RawBatch
from kq.errors import KafkaError
from kq.record.batch import Record
from kq.record.columns import MAX_OFFSET, Columns, read_columns, read_joined, read_values

__all__ = ["Fetched"]

# The most that one batch may unfold to. Producers close batches by their compressed size, so that very even data
# unfolds some hundredfold; Java has no limit here and dies.
UNFOLDED_LIMIT = 1 << 30


class Fetched:
    """Records of one partition with first_offset <= offset < next_offset, those that count and are wanted.

    With an `error` there are none: reading this partition has stopped until `seek`. Decoding may raise
    KafkaError(CORRUPT_MESSAGE) too.
    """

    __slots__ = ("_stop", "batches", "error", "first_offset", "next_offset", "partition", "size_bytes", "topic")

    def __init__(
        self,
        topic: str,
        partition: int,
        first_offset: int,
        next_offset: int,
        batches: Sequence[RawBatch] = (),
        *,
        size_bytes: int = 0,
        stop: int | None = None,
        error: KafkaError | None = None,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.first_offset = first_offset  # where reading was before
        self.next_offset = next_offset  # and is after: records that were skipped lie in between too
        self.batches = batches
        self.size_bytes = size_bytes  # as they came, compressed
        self.error = error
        self._stop = MAX_OFFSET if stop is None else stop

    def __repr__(self) -> str:
        return f"Fetched({self.topic}:{self.partition} {self.first_offset}..{self.next_offset}, error={self.error})"

    @property
    def records_at_most(self) -> int:
        """Records in its batches, without decoding; those before the place asked for are counted too."""
        return sum(batch.header.record_count for batch in self.batches)

    def values(self) -> list[bytes | None]:
        values: list[bytes | None] = []
        for batch in self.batches:
            values += read_values(batch.data, limit=UNFOLDED_LIMIT, start=self.first_offset, stop=self._stop)
        return values

    def joined(self, delimiter: bytes = b"\n") -> tuple[bytes, int]:
        """All values in one piece, each followed by the delimiter, null as nothing; and how many they are."""
        parts = [
            read_joined(batch.data, delimiter, limit=UNFOLDED_LIMIT, start=self.first_offset, stop=self._stop)
            for batch in self.batches
        ]
        return b"".join(part for part, _ in parts), sum(count for _, count in parts)

    def columns(self) -> Columns:
        """Offsets, timestamps, keys, values and headers as lists of equal length."""
        columns = Columns.empty()
        for batch in self.batches:
            part = read_columns(batch.data, limit=UNFOLDED_LIMIT, start=self.first_offset, stop=self._stop)
            for whole, more in zip(columns, part, strict=True):
                whole += more  # type: ignore[operator]
        return columns

    def records(self) -> list[Record]:
        columns = self.columns()
        return list(map(Record, columns.offsets, columns.timestamps, columns.keys, columns.values, columns.headers))
