"""From header to header through the file of a segment, without reading what lies between.

A batch says how long it is, so a scan touches 61 bytes of each. Small batches come many at a time out of one read,
which grows while that pays. Nothing is trusted: a length or a magic that cannot be ends the scan with `DamagedBatch`,
a batch that is cut short by the end of the file with `TornBatch`. A header alone is a batch: compaction leaves it of a
producer's last batch, for its sequence number (`MemoryRecords.filterTo`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from kq.engine.disk import File
from kq.record.batch import HEADER_SIZE, LOG_OVERHEAD, MAGIC, BatchHeader, parse_header

FIRST_READ: Final = 4096  # about what lies between two index entries
LARGEST_READ: Final = 256 * 1024
NOWHERE: Final = 1 << 63  # above every offset and position

_PLACE: Final = struct.Struct(">qi4xb6xi")  # base offset, length, magic, last offset delta


class DamagedBatch(Exception):
    """At `position` there is no batch; `reason` says what is there instead."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"{reason} at byte {position}")
        self.position = position
        self.reason = reason


class TornBatch(DamagedBatch):
    """The file ends inside the batch at `position`."""


class Place(NamedTuple):
    """Where a batch is, and which offsets it has."""

    position: int
    size: int
    base_offset: int
    last_offset: int

    @property
    def end(self) -> int:
        """The position after the batch."""
        return self.position + self.size


def seek(
    file: File,
    position: int,
    end: int,
    *,
    offset: int = NOWHERE,
    limit: int = NOWHERE,
    expected: int | None = None,
) -> Place | None:
    """The first batch that holds `offset` or is above it, or that ends after position `limit`; None when there is none
    before `end`, the size of the file. `position` is the start of a batch; `expected`, if given, the last offset that
    batch must have, or the place is taken for damaged."""
    unpack = _PLACE.unpack_from
    length = FIRST_READ
    while position < end:
        chunk = file.read(position, min(length, end - position))
        inside, last = 0, len(chunk) - HEADER_SIZE
        if last < 0:
            raise TornBatch(position, f"a header cut after {len(chunk)} bytes")
        while inside <= last:
            base_offset, batch_length, magic, delta = unpack(chunk, inside)
            size = batch_length + LOG_OVERHEAD
            at = position + inside
            if magic != MAGIC or size < HEADER_SIZE or delta < 0 or base_offset < 0 or at + size > end:
                raise _damage(at, size, magic, end)
            last_offset = base_offset + delta
            if expected is not None:
                if last_offset != expected:
                    raise DamagedBatch(at, f"a batch that ends at offset {last_offset}, not {expected}")
                expected = None
            if last_offset >= offset or at + size > limit:
                return Place(at, size, base_offset, last_offset)
            inside += size
        length = min(length * 2, LARGEST_READ) if size * 4 < length else FIRST_READ
        position += inside
    return None


def headers(file: File, position: int, end: int) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each batch from `position`, the start of one, up to `end`, the size of the file."""
    length = FIRST_READ
    while position < end:
        chunk = file.read(position, min(length, end - position))
        inside, last = 0, len(chunk) - HEADER_SIZE
        if last < 0:
            raise TornBatch(position, f"a header cut after {len(chunk)} bytes")
        while inside <= last:
            header = parse_header(chunk, inside)
            size = header.length + LOG_OVERHEAD
            at = position + inside
            if (
                header.magic != MAGIC
                or size < HEADER_SIZE
                or header.last_offset_delta < 0
                or header.base_offset < 0
                or at + size > end
            ):
                raise _damage(at, size, header.magic, end)
            yield at, header
            inside += size
        length = min(length * 2, LARGEST_READ) if size * 4 < length else FIRST_READ
        position += inside


def _damage(position: int, size: int, magic: int, end: int) -> DamagedBatch:
    if magic == MAGIC and size >= HEADER_SIZE and position + size > end:
        return TornBatch(position, f"a batch of {size} bytes of which {end - position} are there")
    return DamagedBatch(position, f"no batch header (length {size - LOG_OVERHEAD}, magic {magic})")
