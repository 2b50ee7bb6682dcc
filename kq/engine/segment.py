"""One segment: a file of batches, and the sparse indexes into it.

Which batch gets an index entry (Kafka 4.3.1's LogSegment.append, batch by batch):

    before a batch is counted: more than index.interval.bytes since the last entry?
        .index      += (last offset of this batch, its position)
        .timeindex  += (greatest timestamp so far, last offset of its batch), if it is greater than the last entry's
    then the batch's bytes are counted

so the first batch of a segment never has one. A segment that stops growing (rolled, closed) gets a last `.timeindex`
entry with its greatest timestamp, which is what retention and time lookup go by.

A read knows its place in one of three ways: the place where an earlier read ended (`_ends`; consumers read on from
there, and so does the next fetch at the tail), else the index and a scan of at most one interval of headers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final, NamedTuple

from kq.engine import names, txnindex
from kq.engine.disk import Bytes, Disk, File
from kq.engine.index import DamagedIndex, OffsetIndex, TimeIndex
from kq.engine.scan import DamagedBatch, Place, headers, places
from kq.engine.settings import LogSettings
from kq.engine.txnindex import AbortedTransaction
from kq.record.batch import BatchHeader

_LOG: Final = logging.getLogger(__name__)

MAX_RELATIVE_OFFSET: Final = 2**31 - 1
NO_TIMESTAMP: Final = -1
REMEMBERED_ENDS: Final = 16
"""Places remembered of each segment: as many consumers as usually follow one partition, and a little more."""


class Latest(NamedTuple):
    """The greatest timestamp of a segment (-1: none) and the last offset of the first batch that has it."""

    timestamp: int
    offset: int


class Entries:
    """What the indexes of a segment hold, computed from its batches: the rule above, for those who walk a segment."""

    __slots__ = ("_base", "_indexed", "_interval", "latest", "offsets", "times")

    def __init__(self, base_offset: int, interval: int) -> None:
        self._base = base_offset
        self._interval = interval
        self._indexed = 0  # position of the batch with the last entry
        self.latest = Latest(NO_TIMESTAMP, base_offset)
        self.offsets: list[tuple[int, int]] = []
        self.times: list[tuple[int, int]] = []

    def add(self, position: int, last_offset: int, max_timestamp: int) -> None:
        if max_timestamp > self.latest.timestamp:
            self.latest = Latest(max_timestamp, last_offset)
        if position - self._indexed > self._interval:
            self.offsets.append((last_offset - self._base, position))
            self._add_time()
            self._indexed = position

    def finish(self) -> None:
        self._add_time()

    def _add_time(self) -> None:
        timestamp, offset = self.latest
        if timestamp > (self.times[-1][0] if self.times else NO_TIMESTAMP):
            self.times.append((timestamp, offset - self._base))


class Segment:
    """Written by the thread that owns the log; finding and reading go on in any thread meanwhile."""

    __slots__ = (
        "_directory",
        "_disk",
        "_ends",
        "_first_timestamp",
        "_latest",
        "_since_entry",
        "base_offset",
        "created_ms",
        "index",
        "log",
        "settings",
        "size",
        "synced_size",
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
        now_ms: int,
    ) -> None:
        """For a segment that is on the disk: the size of its log, how many entries each index file has (None: there is
        no such file), and the size of its `.txnindex`."""
        self._disk = disk
        self._directory = directory
        self.base_offset = base_offset
        self.log = log
        self.settings = settings
        self.size = size
        self.synced_size = 0  # bytes of the log that a sync of ours has covered
        self.index = OffsetIndex(disk, self.path(names.INDEX), index_entries)
        self.time_index = TimeIndex(disk, self.path(names.TIME_INDEX), time_entries)
        self.txn_file: File | None = None if txn_size is None else disk.open(self.path(names.TXN_INDEX))
        self.txn_size = (txn_size or 0) // txnindex.ENTRY_SIZE * txnindex.ENTRY_SIZE
        self.created_ms = now_ms  # stands in for the age of a segment whose batches have no timestamps
        self._since_entry = 0  # bytes since the last index entry; counted anew after a restart, as Kafka does
        self._latest: Latest | None = None if size else Latest(NO_TIMESTAMP, base_offset)
        self._first_timestamp: int | None = None
        self._ends: dict[int, int] = {}

    @classmethod
    def create(cls, disk: Disk, directory: str, base_offset: int, settings: LogSettings, now_ms: int) -> Segment:
        path = f"{directory}/{names.file_name(base_offset, names.LOG)}"
        try:
            log = disk.create(path)
        except FileExistsError:  # left by a roll that failed half way: nothing that counts was written to it
            log = disk.open(path)
            log.truncate(0)
        return cls(disk, directory, base_offset, log, settings, now_ms=now_ms)

    def __repr__(self) -> str:
        return f"Segment({self.base_offset}, {self.size} bytes)"

    def path(self, kind: str) -> str:
        return f"{self._directory}/{names.file_name(self.base_offset, kind)}"

    @property
    def files(self) -> list[File]:
        """Those that are on the disk, the log first."""
        others = (self.index.file, self.time_index.file, self.txn_file)
        return [self.log, *(file for file in others if file is not None)]

    # ---- growing and shrinking

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
        self._since_entry += size

    def drop_torn_write(self) -> None:
        """After a failed append: the file ends again where the last whole batch does."""
        self.log.truncate(self.size)

    def is_full_for(self, size: int, last_offset: int, max_timestamp: int, now_ms: int) -> bool:
        """Must this batch go into a new segment?"""
        settings = self.settings
        return (
            self.size > settings.segment_bytes - size
            or last_offset - self.base_offset > MAX_RELATIVE_OFFSET
            or self.index.count >= settings.index_max_bytes // OffsetIndex.ENTRY_SIZE
            or self.time_index.count >= settings.index_max_bytes // TimeIndex.ENTRY_SIZE - 1  # one for `seal`
            or (self.size > 0 and self._age_for(max_timestamp, now_ms) > settings.segment_ms)
        )

    def _age_for(self, max_timestamp: int, now_ms: int) -> int:
        """By the records' own clock if the first batch has a timestamp, else by ours."""
        first = self.first_timestamp()
        return max_timestamp - first if first >= 0 else now_ms - self.created_ms

    def add_aborted(self, entry: AbortedTransaction) -> None:
        if self.txn_file is None:
            self.txn_file = self._disk.create(self.path(names.TXN_INDEX))
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

    def rebuild_indexes(self) -> Latest:
        """Both indexes anew from the headers, as far as they can be read."""
        entries = Entries(self.base_offset, self.settings.index_interval_bytes)
        try:
            for position, header in headers(self.log, 0, self.size):
                entries.add(position, header.last_offset, header.max_timestamp)
        except DamagedBatch as damage:
            _LOG.error("%s: %s; what comes after it cannot be found", self.log.path, damage)
        self.replace_indexes(entries)
        return entries.latest

    def replace_indexes(self, entries: Entries) -> None:
        entries.finish()
        self._latest = entries.latest
        try:
            self.index.rewrite(entries.offsets)
            self.time_index.rewrite(entries.times)
        except OSError as error:  # they stay in memory, and are written with the next flush
            _LOG.warning("%s could not be written: %s", self.index.path, error.strerror)

    def truncate(self, offset: int) -> None:
        """Drop every batch that holds `offset` or begins above it."""
        place = self.locate(offset)
        if place is None:
            return
        self._ends = {}
        self.log.truncate(place.position)
        self.size = place.position
        self.synced_size = min(self.synced_size, self.size)
        relative = offset - self.base_offset
        self.index.truncate(_entries_below(self.index, relative, 0))
        self.time_index.truncate(_entries_below(self.time_index, relative, 1))
        if self.txn_file is not None:
            self.txn_size = txnindex.size_below(self.aborted(), offset)
            self.txn_file.truncate(self.txn_size)
        self._since_entry = 0
        if self.size == 0:
            self._first_timestamp = None
        self._latest = self._latest_after_cut()

    def _latest_after_cut(self) -> Latest:
        """The last time entry, or what comes after it: up to one index interval, unless the clocks went backwards."""
        latest = Latest(NO_TIMESTAMP, self.base_offset)
        if self.time_index.count:
            timestamp, relative = self.time_index.entry(-1)
            latest = Latest(timestamp, self.base_offset + relative)
        for _, header in headers(self.log, self._floor(latest.offset), self.size):
            if header.max_timestamp > latest.timestamp:
                latest = Latest(header.max_timestamp, header.last_offset)
        return latest

    # ---- finding

    def first_timestamp(self) -> int:
        """The greatest of the first batch; -1 if it has none or there is no batch."""
        if self._first_timestamp is None:
            if self.size == 0:
                return NO_TIMESTAMP
            _, header = next(headers(self.log, 0, self.size))
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
        for place in places(self.log, self._floor(offset) if position is None else position, self.size):
            if place.last_offset >= offset:
                return place
        return None

    def start_of_read(self, offset: int) -> int:
        """The position of the first batch that holds `offset` or begins above it; the size when there is none."""
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
        return place.position if place.base_offset >= offset else place.end

    def cut(self, start: int, end: int, max_bytes: int, *, at_least_one: bool) -> int:
        """Where a read of whole batches from `start` stops: at `end`, or before the batch that would exceed `max_bytes`
        unless it is the first and there must be one. Remembers the place for the read that goes on from there."""
        limit = start + max_bytes
        if limit >= end:
            return end
        stop = start
        for place in places(self.log, max(start, self._floor_by_position(limit)), end):
            if place.end > limit and not (at_least_one and place.position == start):
                self.remember_end(place.base_offset, place.position)
                return place.position
            stop = place.end
        return stop

    def remember_end(self, offset: int, position: int) -> None:
        """Every batch before `position` ends below `offset`, every later one begins at or above it; that stays so."""
        ends = self._ends
        if offset not in ends:
            if len(ends) >= REMEMBERED_ENDS:
                del ends[next(iter(ends))]
            ends[offset] = position

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

    def last_indexed(self) -> int:
        """The position of the last batch that has an index entry, 0 if none has; raises DamagedIndex."""
        return self._verified(self.index.entry(-1)) if self.index.count else 0

    def aborted(self) -> list[AbortedTransaction]:
        """The transactions whose abort marker is in this segment."""
        if self.txn_file is None or not self.txn_size:
            return []
        return txnindex.decode(self.txn_file.read(0, self.txn_size), self.base_offset)

    def _floor(self, offset: int) -> int:
        """The start of a batch at or before the one that holds `offset`, at most one index interval before it."""
        relative = offset - self.base_offset
        try:
            return self._verified(self.index.floor(relative))
        except DamagedIndex:
            self.rebuild_indexes()
            return self._verified(self.index.floor(relative))

    def _floor_by_position(self, position: int) -> int:
        """The start of a batch at or before `position`, at most one index interval before it."""
        try:
            return self._verified(self.index.floor_by_value(position))
        except DamagedIndex:
            self.rebuild_indexes()
            return self._verified(self.index.floor_by_value(position))

    def _verified(self, entry: tuple[int, int] | None) -> int:
        """The position an entry leads to, if that is where it says."""
        if entry is None:
            return 0
        relative, position = entry
        if 0 < position < self.size:
            try:
                place = next(places(self.log, position, self.size))
            except DamagedBatch:
                place = None
            if place is not None and place.last_offset - self.base_offset == relative:
                return position
        raise DamagedIndex(f"{self.index.path}: no batch at {position} ends at {self.base_offset} + {relative}")


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
