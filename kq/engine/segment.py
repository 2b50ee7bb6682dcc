"""One segment: a file of batches, and the sparse indexes into it. This half writes, `SegmentReader` finds.

.log  batch | batch | batch ...      as they came over the wire, back to back; grows by one pwrite a batch
"""

from __future__ import annotations

from typing import Final

from kq.engine import names, txnindex
from kq.engine.disk import Bytes, Disk, File, create_anew
from kq.engine.entries import NO_TIMESTAMP, Latest
from kq.engine.index import OffsetIndex, TimeIndex
from kq.engine.segment_reader import SegmentReader
from kq.engine.settings import LogSettings
from kq.engine.txnindex import AbortedTransaction

MAX_RELATIVE_OFFSET: Final = 2**31 - 1


class Segment(SegmentReader):
    """Written by the one thread that owns the log."""

    __slots__ = ("_has_full_index", "_since_entry", "created_ms", "indexed_size", "synced_size")

    def __init__(
        self,
        disk: Disk,
        directory: str,
        base_offset: int,
        log: File,
        settings: LogSettings,
        *,
        size: int = 0,
        index_entries: int | None = None,
        time_entries: int | None = None,
        txn_size: int | None = None,
        now_ms: int,
    ) -> None:
        super().__init__(
            disk,
            directory,
            base_offset,
            log,
            settings,
            size=size,
            index_entries=index_entries,
            time_entries=time_entries,
            txn_size=txn_size,
        )
        self.synced_size = 0  # bytes of the log that are known to be durable; -1: a torn write was taken back
        self.indexed_size = -1  # size of the log when it was sealed and its indexes synced; -1: not known to be
        self.created_ms = now_ms  # stands in for the age of a segment whose batches have no timestamps
        self._has_full_index = self._is_index_full()
        self._since_entry = 0  # bytes since the last index entry; counted anew after a restart, as Kafka does

    @classmethod
    def create(cls, disk: Disk, directory: str, base_offset: int, settings: LogSettings, now_ms: int) -> Segment:
        """An empty one. A file of that name was left by a roll that failed, and nothing in it counts."""
        log = create_anew(disk, f"{directory}/{names.file_name(base_offset, names.LOG)}")
        return cls(disk, directory, base_offset, log, settings, now_ms=now_ms)

    @property
    def files(self) -> list[File]:
        """Those that are on the disk, the log first."""
        others = (self.index.file, self.time_index.file, self.txn_file)
        return [self.log, *(file for file in others if file is not None)]

    def append(self, batch: Bytes, size: int, last_offset: int, max_timestamp: int) -> None:
        """Write one batch at the end. OSError: nothing of it counts, but bytes may be there (`drop_torn_write`)."""
        latest = self._latest or self.latest()
        position = self.size
        self.log.write(position, batch)
        self.size = position + size
        if position == 0:
            self._first_timestamp = max_timestamp
        if max_timestamp > latest.timestamp:
            self._latest = latest = Latest(max_timestamp, last_offset)
        if self._since_entry > self.settings.index_interval_bytes:
            self.index.add(last_offset - self.base_offset, position)
            self.time_index.add_if_later(latest.timestamp, latest.offset - self.base_offset)
            self._since_entry = 0
            self._has_full_index = self._is_index_full()
        self._since_entry += size

    def drop_torn_write(self) -> None:
        """After a failed append: the file ends again where the last whole batch does. A crash may undo that."""
        self.synced_size = self.indexed_size = -1
        self.log.truncate(self.size)

    def configure(self, settings: LogSettings) -> None:
        self.settings = settings
        self._has_full_index = self._is_index_full()

    def is_full_for(self, size: int, last_offset: int, max_timestamp: int, now_ms: int) -> bool:
        """Must this batch go into a new segment? By size, index and age; age is measured by the records' own clock if
        the first batch has a timestamp, else by ours."""
        settings = self.settings
        if self.size + size > settings.segment_bytes or last_offset - self.base_offset > MAX_RELATIVE_OFFSET:
            return True
        if not self.size:
            return False
        first = self._first_timestamp
        if first is None:
            first = self.first_timestamp()
        age_ms = max_timestamp - first if first >= 0 else now_ms - self.created_ms
        return age_ms > settings.segment_ms or self._has_full_index

    def _is_index_full(self) -> bool:
        """The last place in the time index is for `seal`."""
        room = self.settings.index_max_bytes
        return (
            self.index.count >= room // OffsetIndex.ENTRY_SIZE
            or self.time_index.count >= room // TimeIndex.ENTRY_SIZE - 1
        )

    def add_aborted(self, entry: AbortedTransaction) -> None:
        if self.txn_file is None:
            self.txn_file = create_anew(self._disk, self.path(names.TXN_INDEX))
        data = txnindex.encode(entry)
        self.txn_file.write(self.txn_size, data)
        self.txn_size += len(data)

    def replace_aborted(self, entries: list[AbortedTransaction]) -> None:
        """What a replay of the segment has found."""
        if self.txn_file is not None:
            self.txn_file.truncate(0)
            self.txn_size = 0
        for entry in entries:
            self.add_aborted(entry)

    def seal(self) -> None:
        """The segment stops growing: last time entry, and both index files complete, even if empty."""
        latest = self.latest()
        self.time_index.add_if_later(latest.timestamp, latest.offset - self.base_offset)
        self.write_indexes()

    def write_indexes(self) -> None:
        self.index.write_out()
        self.time_index.write_out()

    def truncate(self, offset: int) -> int:
        """Drop every batch that holds `offset` or begins above it. Returns the offset where the segment ends now, which
        may be lower: a batch goes as a whole."""
        place = self.locate(offset)
        self._ends = {}  # also above a last batch that stays: the offsets behind it will be used again
        if place is None:
            return offset
        self.log.truncate(place.position)
        self.size = place.position
        self.synced_size = min(self.synced_size, self.size)
        self.indexed_size = -1
        relative = offset - self.base_offset
        self.index.truncate(_entries_below(self.index, relative, 0))
        self.time_index.truncate(_entries_below(self.time_index, relative, 1))
        if self.txn_file is not None:
            self.txn_size = txnindex.size_below(self.aborted(), offset)
            self.txn_file.truncate(self.txn_size)
        self._since_entry = 0
        self._has_full_index = self._is_index_full()
        if self.size == 0:
            self._first_timestamp = None
        self._latest = self._latest_after_cut()
        return min(offset, place.base_offset)

    def _latest_after_cut(self) -> Latest:
        """The last time entry, or what comes after it: up to one index interval, unless the clocks went backwards."""
        latest = Latest(NO_TIMESTAMP, self.base_offset)
        if self.time_index.count:
            timestamp, relative = self.time_index.entry(-1)
            latest = Latest(timestamp, self.base_offset + relative)
        for _, header in self.headers_from(latest.offset):
            if header.max_timestamp > latest.timestamp:
                latest = Latest(header.max_timestamp, header.last_offset)
        return latest


def _entries_below(index: OffsetIndex | TimeIndex, relative_offset: int, column: int) -> int:
    """How many entries are about offsets below `relative_offset`; the column of the offset rises."""
    low, high = 0, index.count
    while low < high:
        middle = (low + high) // 2
        if index.entry(middle)[column] < relative_offset:
            low = middle + 1
        else:
            high = middle
    return low
