"""The segments of a log, in a row: finding the right one, and adding and taking away at the ends.

The row is a tuple that is swapped as a whole: who looks at it while it changes sees the old one or the new one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from kq.engine.disk import Disk
from kq.engine.region import Region
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.engine.trash import Trash
from kq.engine.txnindex import overlapping

Segments = tuple[Segment, ...]

_base_offset: Final = attrgetter("base_offset")


class Row:
    """At least one segment; the last grows. What changes files may raise OSError."""

    __slots__ = ("_directory", "_disk", "_trash", "active", "segments")

    def __init__(self, disk: Disk, directory: str, segments: Iterable[Segment]) -> None:
        self._disk = disk
        self._directory = directory
        self._trash = Trash()
        self.segments: Segments = tuple(segments)
        self.active = self.segments[-1]

    @property
    def size_bytes(self) -> int:
        return sum(segment.size for segment in self.segments)

    def holding(self, offset: int) -> int:
        """The number of the segment whose range holds `offset`; the first for what is below all."""
        if offset >= self.active.base_offset:
            return len(self.segments) - 1
        return max(bisect_right(self.segments, offset, key=_base_offset) - 1, 0)

    # ---- reading

    def read(
        self, offset: int, max_bytes: int, end_offset: int, log_end_offset: int, *, at_least_one: bool
    ) -> Region | None:
        """Whole batches of one segment: from the first that holds `offset` or is above it, before the first that begins
        at or after `end_offset`, at most `max_bytes` unless there must be one. None when there are none."""
        row = self.segments
        number = self.holding(offset)
        while number < len(row):
            segment = row[number]
            number += 1
            next_offset = row[number].base_offset if number < len(row) else log_end_offset
            start = segment.start_of_read(offset)
            end = segment.size if end_offset >= next_offset else segment.end_before(end_offset)
            if start < end:
                stop = segment.cut(start, end, max_bytes, at_least_one=at_least_one)
                if stop == segment.size:
                    segment.remember_end(next_offset, stop)
                return segment.log.region(start, stop - start) if stop > start else None
            if end_offset <= next_offset:
                return None
        return None

    def aborted_in(self, offset: int, region: Region, log_end_offset: int) -> list[tuple[int, int]]:
        """Producer id and first offset of each aborted transaction that touches what a read from `offset` gave. The
        entry of one is in the segment of its marker: the search goes upwards until an entry says that no later one can
        matter."""
        row = self.segments[self.holding(offset) :]
        if not any(segment.txn_size for segment in row):
            return []
        end_offset = _end_of(region, row, log_end_offset)
        found: list[tuple[int, int]] = []
        for segment in row:
            entries, is_complete = overlapping(segment.aborted(), offset, end_offset)
            found += [(entry.producer_id, entry.first_offset) for entry in entries]
            if is_complete:
                break
        return found

    # ---- changing

    def add(self, base_offset: int, settings: LogSettings, now_ms: int) -> None:
        """A new segment takes over from the active one."""
        created = Segment.create(self._disk, self._directory, base_offset, settings, now_ms)
        self._set((*self.segments, created))

    def bury(self, segment: Segment, due_ms: int) -> None:
        """Its files are `.deleted` now, and unlinked when they are due; it may still be read. May run in any thread."""
        self._trash.throw(segment.files, due_ms)

    def drop_first(self, count: int) -> Segments:
        """The oldest ones go. Returns them."""
        gone = self.segments[:count]
        self._set(self.segments[count:])
        return gone

    def replace(self, gone: Segments, left: Segment) -> None:
        """Compaction has made one of these neighbours, of which none is the active one."""
        first = self.segments.index(gone[0])
        self._set((*self.segments[:first], left, *self.segments[first + len(gone) :]))

    def cut(self, offset: int) -> tuple[int, Segments]:
        """Drop what holds `offset` or is above it. Returns the log end, which may be lower, for a batch goes as a
        whole, and the segments that went. Durable, but for what its caller does."""
        number = self.holding(offset) + 1
        gone = self.segments[number:]
        self._set(self.segments[:number])
        self._unlink(gone)
        end = self.active.truncate(offset)
        self.active.log.sync()
        return end, gone

    def start_anew(self, offset: int, settings: LogSettings, now_ms: int) -> Segments:
        """Drop all segments and begin with an empty one at `offset`. Returns those that went."""
        gone = self.segments
        self._unlink(gone)
        self._set((Segment.create(self._disk, self._directory, offset, settings, now_ms),))
        return gone

    def collect(self, now_ms: int) -> int:
        """Unlink what is due; how many files. May run in any thread."""
        return self._trash.collect(now_ms)

    def close(self) -> None:
        for segment in self.segments:
            for file in segment.files:
                file.close()

    def forget(self) -> None:
        """The directory goes away with all that is in it."""
        for segment in self.segments:
            for file in segment.files:
                file.forget()
        self._trash.forget()

    def _set(self, segments: Segments) -> None:
        self.segments = segments
        self.active = segments[-1]

    def _unlink(self, segments: Segments) -> None:
        """From the end backwards, each durably before the next: at every moment, crash or not, what is on the disk is
        the beginning of the log, without a hole."""
        for segment in reversed(segments):
            for file in segment.files:
                file.unlink()
            self._disk.sync_directory(self._directory)


def _end_of(region: Region, row: Segments, log_end_offset: int) -> int:
    """No batch of the region reaches this offset, and the next one does. (Kafka's `fetchUpperBoundOffset` is content
    with the next index entry.)"""
    for number, segment in enumerate(row):
        if segment.log is region.file:
            place = segment.locate_after(region.position, region.position + len(region))
            if place is not None:
                return place.base_offset
            return row[number + 1].base_offset if number + 1 < len(row) else log_end_offset
    return log_end_offset
