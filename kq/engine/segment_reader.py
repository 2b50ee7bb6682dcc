"""Finding things in a segment: batches by offset, by time, by size.

A read knows where it begins in one of two ways: from the place where an earlier read ended (consumers read on from
there, and so does the next fetch at the tail), else from the index and a scan of at most one interval of headers.

Whoever follows an index entry looks at the batch it leads to. When the two disagree the indexes are written anew, once,
and the search begins again: a damaged index costs time, never a wrong answer and never a partition.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from kq.engine import names, txnindex
from kq.engine.disk import Disk, File
from kq.engine.entries import NO_TIMESTAMP, Entries, Latest
from kq.engine.index import DamagedIndex, Index, OffsetIndex, TimeIndex
from kq.engine.scan import NOWHERE, DamagedBatch, Place, headers, seek
from kq.engine.settings import LogSettings
from kq.engine.txnindex import AbortedTransaction
from kq.record.batch import BatchHeader

_LOG: Final = logging.getLogger(__name__)

REMEMBERED_ENDS: Final = 16
"""Places remembered of each segment: as many consumers as usually follow one partition, and a little more."""


class SegmentReader:
    """The reading half of a segment; any thread may use it while the segment grows."""

    __slots__ = (
        "_directory",
        "_disk",
        "_ends",
        "_first_timestamp",
        "_latest",
        "base_offset",
        "index",
        "log",
        "settings",
        "size",
        "time_index",
        "txn_file",
        "txn_size",
    )

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
    ) -> None:
        """For a segment that is on the disk: the size of its log, how many entries each index file has (None: there is
        no such file), and the size of its `.txnindex`."""
        self._disk = disk
        self._directory = directory
        self.base_offset = base_offset
        self.log = log
        self.settings = settings
        self.size = size
        self.index = OffsetIndex(disk, self.path(names.INDEX), index_entries)
        self.time_index = TimeIndex(disk, self.path(names.TIME_INDEX), time_entries)
        self.txn_file: File | None = None if txn_size is None else disk.open(self.path(names.TXN_INDEX))
        self.txn_size = (txn_size or 0) // txnindex.ENTRY_SIZE * txnindex.ENTRY_SIZE
        self._latest: Latest | None = None if size else Latest(NO_TIMESTAMP, base_offset)
        self._first_timestamp: int | None = None
        self._ends: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"Segment({self.base_offset}, {self.size} bytes)"

    def path(self, kind: str) -> str:
        return f"{self._directory}/{names.file_name(self.base_offset, kind)}"

    def first_timestamp(self) -> int:
        """The greatest of the first batch; -1 if it has none or there is no batch."""
        if self._first_timestamp is None:
            if self.size == 0:
                return NO_TIMESTAMP
            try:
                _, header = next(headers(self.log, 0, self.size))
            except DamagedBatch:
                return NO_TIMESTAMP
            self._first_timestamp = header.max_timestamp
        return self._first_timestamp

    def latest(self) -> Latest:
        """From the last time entry, which a sealed segment has; believed only if its batch agrees."""
        if self._latest is None:
            self._latest = self.latest_from_index() or self.rebuild_indexes()
        return self._latest

    def latest_from_index(self) -> Latest | None:
        """The last time entry; None when there is none, or it is a lie."""
        if self.time_index.count == 0:
            return None
        try:
            timestamp, relative = self.time_index.entry(-1)
            place = self.locate(self.base_offset + relative)
            if place is None or place.last_offset != self.base_offset + relative:
                return None
            _, header = next(headers(self.log, place.position, self.size))
        except (DamagedIndex, DamagedBatch):
            return None
        return Latest(timestamp, place.last_offset) if header.max_timestamp == timestamp else None

    def note_latest(self, latest: Latest) -> None:
        """What a scan of its batches has found."""
        self._latest = latest

    def locate(self, offset: int) -> Place | None:
        """The first batch that holds `offset` or begins above it; None when there is none in this segment."""
        position = self._ends.get(offset)
        if position is not None:
            return seek(self.log, position, self.size, offset=offset)
        return self._seek(self.index.floor, offset - self.base_offset, 0, offset=offset)

    def locate_after(self, start: int, end: int) -> Place | None:
        """The batch at position `end`, which those from position `start` on lead to; None at the end of the segment."""
        return None if end >= self.size else self._seek(self.index.floor_by_value, end, start, limit=end)

    def start_of_read(self, offset: int) -> int:
        """The position of the first batch that holds `offset` or begins above it; the size when there is none."""
        if offset <= self.base_offset:
            return 0
        position = self._ends.get(offset)
        if position is not None:
            return position
        place = self.locate(offset)
        return self.size if place is None else place.position

    def end_before(self, offset: int) -> int:
        """The position of the first batch that begins at or above `offset`; the size when there is none."""
        position = self._ends.get(offset)
        if position is not None:
            return position
        place = self.locate(offset)
        if place is None:
            return self.size
        if place.base_offset < offset:
            return place.end
        self.remember_end(offset, place.position)
        return place.position

    def cut(self, start: int, end: int, max_bytes: int, *, at_least_one: bool) -> int:
        """Where a read of whole batches from `start` stops: at `end`, or before the batch that would exceed `max_bytes`
        unless it is the first and there must be one. Remembers the place for the read that goes on from there."""
        limit = start + max_bytes
        if limit >= end:
            return end
        place = self._seek(self.index.floor_by_value, limit, start, limit=limit)
        if place is not None and place.position == start and at_least_one:
            if place.end >= end:
                return end
            place = seek(self.log, place.end, self.size, limit=0)
        if place is None or place.position >= end:
            return end
        self.remember_end(place.base_offset, place.position)
        return place.position

    def remember_end(self, offset: int, position: int) -> None:
        """Every batch before `position` ends below `offset`, every later one begins at or above it; that stays so."""
        ends = self._ends
        if offset not in ends:
            if len(ends) >= REMEMBERED_ENDS:
                del ends[next(iter(ends))]
            ends[offset] = position

    def _seek(
        self,
        floor: Callable[[int], tuple[int, int] | None],
        key: int,
        start: int,
        *,
        offset: int = NOWHERE,
        limit: int = NOWHERE,
    ) -> Place | None:
        """`scan.seek` from the index entry below `key`, or from `start` if that is later."""
        position, expected = start, None
        try:
            position, expected = self._follow(floor(key), start)
            return seek(self.log, position, self.size, offset=offset, limit=limit, expected=expected)
        except DamagedIndex as damage:
            _LOG.warning("%s", damage)
        except DamagedBatch as damage:
            if expected is None or damage.position != position:
                raise
            _LOG.warning("%s leads to %s", self.index.path, damage)
        self.rebuild_indexes()
        position, _ = self._follow(floor(key), start)
        return seek(self.log, position, self.size, offset=offset, limit=limit)

    def _follow(self, entry: tuple[int, int] | None, start: int) -> tuple[int, int | None]:
        """Where to begin, and the last offset the batch there must have, if an entry led there."""
        if entry is None or 0 < entry[1] <= start:
            return start, None
        relative, position = entry
        if not 0 < position < self.size:
            raise DamagedIndex(f"{self.index.path} leads to byte {position} of {self.size}")
        return position, self.base_offset + relative

    def headers_from(self, offset: int) -> Iterator[tuple[int, BatchHeader]]:
        """From the batch that holds `offset`, or the first above it."""
        place = self.locate(offset)
        if place is not None:
            yield from headers(self.log, place.position, self.size)

    def headers_from_time(self, timestamp: int) -> Iterator[tuple[int, BatchHeader]]:
        """From a batch on before which no record is as late as `timestamp`."""
        try:
            entry = self.time_index.floor(timestamp)
        except DamagedIndex:
            self.rebuild_indexes()
            entry = self.time_index.floor(timestamp)
        if entry is None:
            yield from headers(self.log, 0, self.size)
            return
        found = self.headers_from(self.base_offset + entry[1])
        first = next(found, None)
        if first is None or (first[1].max_timestamp, first[1].last_offset) != (entry[0], self.base_offset + entry[1]):
            self.rebuild_indexes()
            found = headers(self.log, 0, self.size)
        else:
            yield first
        yield from found

    def aborted(self) -> list[AbortedTransaction]:
        """The transactions whose abort marker is in this segment."""
        if self.txn_file is None or not self.txn_size:
            return []
        return txnindex.decode(self.txn_file.read(0, self.txn_size), self.base_offset)

    def rebuild_indexes(self) -> Latest:
        """Both indexes anew from the headers, as far as they can be read. Synced, for nobody will look at this segment
        after the next crash if it is an old one."""
        entries = Entries(self.base_offset, self.settings.index_interval_bytes)
        try:
            for position, header in headers(self.log, 0, self.size):
                entries.add(position, header.last_offset, header.max_timestamp)
        except DamagedBatch as damage:
            _LOG.error("%s: %s; what comes after it cannot be found", self.log.path, damage)
        self.replace_indexes(entries)
        for index in (self.index, self.time_index):
            self._attempt(index, index.sync)
        return entries.latest

    def replace_indexes(self, entries: Entries) -> None:
        entries.finish()
        self._latest = entries.latest
        self._attempt(self.index, partial(self.index.rewrite, entries.offsets))
        self._attempt(self.time_index, partial(self.time_index.rewrite, entries.times))

    @staticmethod
    def _attempt(index: Index, deed: Callable[[], None]) -> None:
        """An index that cannot be written stays in memory; the next flush tries again."""
        try:
            deed()
        except OSError as error:
            _LOG.warning("%s could not be written: %s", index.path, error.strerror)
