"""Reading from a row of segments: which file, from where, to where. The bytes themselves are not touched."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import Final

from kq.engine.region import Region
from kq.engine.segment import Segment
from kq.engine.txnindex import overlapping

Row = tuple[Segment, ...]

_base_offset: Final = attrgetter("base_offset")


def holding(row: Row, offset: int) -> int:
    """The number of the segment whose range holds `offset`; the first for what is below all."""
    if offset >= row[-1].base_offset:
        return len(row) - 1
    return max(bisect_right(row, offset, key=_base_offset) - 1, 0)


def read(
    row: Row, log_end_offset: int, offset: int, max_bytes: int, end_offset: int, *, at_least_one: bool
) -> Region | None:
    """Whole batches of one segment: from the first that holds `offset` or is above it, before the first that begins at
    or after `end_offset`, at most `max_bytes` unless there must be one. None when there are none."""
    number = holding(row, offset)
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


def aborted_in(row: Row, offset: int, end_offset: int) -> list[tuple[int, int]]:
    """Producer id and first offset of each aborted transaction that touches [offset, end_offset). The entry of one is
    in the segment of its marker, so the search goes upwards until an entry says that no later one can matter."""
    found: list[tuple[int, int]] = []
    for segment in row[holding(row, offset) :]:
        entries, is_complete = overlapping(segment.aborted(), offset, end_offset)
        found += [(entry.producer_id, entry.first_offset) for entry in entries]
        if is_complete:
            break
    return found
