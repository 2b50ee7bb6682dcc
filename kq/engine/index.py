"""Sparse indexes: the way to a position costs a binary search, however long the segment is.

    .index      8 bytes an entry:   int32 offset - base offset | int32 position               big endian
    .timeindex  12 bytes an entry:  int64 timestamp            | int32 offset - base offset

An entry of `.index` is (LAST offset of a batch, position of its FIRST byte); of `.timeindex` (a timestamp no earlier
batch of the segment reaches, last offset of the batch that has it). Both columns rise strictly. Which batch gets an
entry is the segment's business (segment.py).

New entries live in memory, a page of them at most, and go to the file with one pwrite when the page is full, the log is
flushed, or the segment is sealed: an append costs no second write, the memory of ten thousand partitions stays small,
and reads near the end touch no file. A search in the file reads one entry per step until it is down to one page.
No mmap: a full disk under a mapped page kills the process (SIGBUS), under pwrite it is an ENOSPC that can be answered.

Nothing here is ever the only copy. A file that is missing, short, too long or full of zeros (Kafka preallocates 10 MiB
of them) is written anew from the batches, after a crash always; and whoever follows an entry compares it with the batch
it leads to, so that a lie is found when it is met (`DamagedIndex`).
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from contextlib import suppress
from typing import ClassVar, Final

from kq.engine.disk import Disk, File, create_anew

PAGE_ENTRIES: Final = 512


class DamagedIndex(Exception):
    """The file does not say what the batches say; it must be written anew."""


_NOTHING: Final = array("q")  # shared by all the tails that are empty, which most are


class _Tail:
    """Entries that are not in the file yet. Replaced, never emptied, when they are written: a reader in another thread
    keeps a tail that fits the file it sees."""

    __slots__ = ("first", "keys", "values")

    def __init__(self, first: int) -> None:
        self.first = first  # how many entries the file holds before these
        self.keys = _NOTHING
        self.values = _NOTHING

    def add(self, key: int, value: int) -> None:
        if self.keys is _NOTHING:
            self.keys, self.values = array("q"), array("q")
        self.keys.append(key)
        self.values.append(value)


class Index:
    """Rising (key, value) entries. One writer; readers in any thread."""

    __slots__ = ("_disk", "_file", "_tail", "path")
    _entry: ClassVar[struct.Struct]

    def __init__(self, disk: Disk, path: str, in_file: int | None) -> None:
        """`in_file`: whole entries in the file; None when there is no file yet."""
        self._disk = disk
        self._tail = _Tail(in_file or 0)
        self.path = path
        self._file: File | None = None if in_file is None else disk.open(path)

    @property
    def count(self) -> int:
        return self._tail.first + len(self._tail.keys)

    @property
    def size(self) -> int:
        """Bytes of the file, once everything is written."""
        return self.count * self._entry.size

    @property
    def file(self) -> File | None:
        """To be synced and renamed with its segment; None as long as nothing was written."""
        return self._file

    def add(self, key: int, value: int) -> None:
        """An entry above all others. Never fails: when the page cannot be written now it is kept and grows."""
        tail = self._tail
        tail.add(key, value)
        if len(tail.keys) >= PAGE_ENTRIES:
            with suppress(OSError):
                self.write_out()

    def write_out(self) -> None:
        """Bring the file up to date, making it if need be; OSError leaves everything as it was."""
        if self._file is None:
            self._file = create_anew(self._disk, self.path)
        tail = self._tail
        if tail.keys:
            pack = self._entry.pack
            self._file.write(tail.first * self._entry.size, b"".join(map(pack, tail.keys, tail.values)))
            self._tail = _Tail(tail.first + len(tail.keys))

    def entry(self, number: int) -> tuple[int, int]:
        """The entry of that number, from 0; a negative one counts from the end."""
        tail = self._tail
        if number < 0:
            number += tail.first + len(tail.keys)
        if number >= tail.first:
            return tail.keys[number - tail.first], tail.values[number - tail.first]
        return self._in_file(number)

    def floor(self, key: int) -> tuple[int, int] | None:
        """The last entry whose key is at most `key`."""
        tail = self._tail
        if tail.keys and key >= tail.keys[0]:
            at = bisect_right(tail.keys, key) - 1
            return tail.keys[at], tail.values[at]
        return self._floor_in_file(tail.first, key, 0)

    def floor_by_value(self, value: int) -> tuple[int, int] | None:
        """The last entry whose value is at most `value`."""
        tail = self._tail
        if tail.values and value >= tail.values[0]:
            at = bisect_right(tail.values, value) - 1
            return tail.keys[at], tail.values[at]
        return self._floor_in_file(tail.first, value, 1)

    def truncate(self, count: int) -> None:
        """Keep the first `count` entries."""
        tail = self._tail
        if count >= tail.first:
            if tail.keys:
                del tail.keys[count - tail.first :], tail.values[count - tail.first :]
        elif self._file is not None:
            self._file.truncate(count * self._entry.size)
            self._tail = _Tail(count)

    def rewrite(self, entries: list[tuple[int, int]]) -> None:
        """All entries anew, whatever the file held. After an OSError they are right in memory. A reader may do this
        while the writer goes on: what that adds meanwhile is lost or comes last, never in between."""
        tail = _Tail(0)
        for key, value in entries:
            tail.add(key, value)
        self._tail = tail
        if self._file is not None:
            self._file.truncate(0)
        self.write_out()

    def sync(self) -> None:
        if self._file is not None:
            self._file.sync()

    def _in_file(self, number: int) -> tuple[int, int]:
        size = self._entry.size
        data = self._file.read(number * size, size) if self._file is not None else b""
        if len(data) < size:
            raise DamagedIndex(f"{self.path} ends before its entry {number}")
        key, value = self._entry.unpack(data)
        return key, value

    def _floor_in_file(self, count: int, wanted: int, column: int) -> tuple[int, int] | None:
        """Two searches: over the first entries of the pages, then inside one page, read at once."""
        low, high = 0, (count + PAGE_ENTRIES - 1) // PAGE_ENTRIES  # the page is in [low - 1, high - 1]
        while low < high:
            middle = (low + high) // 2
            if self._in_file(middle * PAGE_ENTRIES)[column] <= wanted:
                low = middle + 1
            else:
                high = middle
        if low == 0 or self._file is None:
            return None
        first = (low - 1) * PAGE_ENTRIES
        size = self._entry.size
        page = self._file.read(first * size, min(PAGE_ENTRIES, count - first) * size)
        unpack = self._entry.unpack_from
        low, high = 1, len(page) // size
        while low < high:
            middle = (low + high) // 2
            if unpack(page, middle * size)[column] <= wanted:
                low = middle + 1
            else:
                high = middle
        if len(page) < size:
            raise DamagedIndex(f"{self.path} ends before its entry {first}")
        key, value = unpack(page, (low - 1) * size)
        return key, value


class OffsetIndex(Index):
    """`.index`: keys are relative last offsets, values positions."""

    __slots__ = ()
    ENTRY_SIZE: Final = 8
    _entry = struct.Struct(">ii")


class TimeIndex(Index):
    """`.timeindex`: keys are timestamps, values relative last offsets."""

    __slots__ = ()
    ENTRY_SIZE: Final = 12
    _entry = struct.Struct(">qi")

    def add_if_later(self, timestamp: int, relative_offset: int) -> None:
        """Kafka's `maybeAppend`: a timestamp that is no new maximum gets no entry, nor does -1, which means none."""
        if timestamp > (self.entry(-1)[0] if self.count else -1):
            self.add(timestamp, relative_offset)
