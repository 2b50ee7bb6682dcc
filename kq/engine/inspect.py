"""What status and describe say about the segments of a log."""

from __future__ import annotations

from typing import NamedTuple

from kq.engine.segment import Segment


class SegmentInfo(NamedTuple):
    base_offset: int
    next_offset: int  # base offset of the segment after it, or the log end
    size_bytes: int
    index_entries: int
    time_entries: int
    first_timestamp: int  # of the first batch, its greatest; -1: none
    max_timestamp: int  # -1: none
    is_active: bool


def describe(segments: tuple[Segment, ...], log_end_offset: int) -> tuple[SegmentInfo, ...]:
    ends = [*(segment.base_offset for segment in segments[1:]), log_end_offset]
    return tuple(
        SegmentInfo(
            base_offset=segment.base_offset,
            next_offset=end,
            size_bytes=segment.size,
            index_entries=segment.index.count,
            time_entries=segment.time_index.count,
            first_timestamp=segment.first_timestamp(),
            max_timestamp=segment.latest().timestamp,
            is_active=segment is segments[-1],
        )
        for segment, end in zip(segments, ends, strict=True)
    )
