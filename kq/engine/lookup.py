"""From a time to an offset (ListOffsets).

The segment is found by the greatest timestamp of each, the batch by the time index, the record by decoding that one
batch as far as needed. Timestamps need not rise, so the answer is the first record, in the order of offsets, that is
late enough. A batch may have a timestamp and no records, when compaction has taken them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from kq.engine.entries import NO_TIMESTAMP
from kq.engine.scan import headers
from kq.engine.segment import Segment
from kq.record.batch import BatchHeader, iter_records

DECODE_LIMIT: Final = 1 << 30
"""Bytes one batch may unfold to. The producer's own limit, max.message.bytes, holds for the compressed form only."""


class TimestampOffset(NamedTuple):
    timestamp: int
    offset: int
    leader_epoch: int


def first_at_or_after(segments: Iterable[Segment], timestamp: int, start_offset: int) -> TimestampOffset | None:
    """The first record from `start_offset` on whose timestamp is at least `timestamp`."""
    for segment in segments:
        if segment.latest().timestamp < timestamp:
            continue
        for position, header in segment.headers_from_time(timestamp):
            if header.max_timestamp < timestamp or header.last_offset < start_offset:
                continue
            found = _first_in(segment, position, header, timestamp, start_offset)
            if found is not None:
                return found
    return None


def with_greatest_timestamp(segments: Iterable[Segment]) -> TimestampOffset | None:
    """The first record that has the greatest timestamp of the log."""
    best: Segment | None = None
    for segment in segments:
        if segment.size and (best is None or segment.latest().timestamp > best.latest().timestamp):
            best = segment
    if best is None:
        return None
    latest = best.latest()
    has_timestamps = latest.timestamp != NO_TIMESTAMP
    for position, header in best.headers_from(latest.offset) if has_timestamps else headers(best.log, 0, best.size):
        if header.max_timestamp == latest.timestamp:
            found = _first_in(best, position, header, latest.timestamp, -1)
            if found is not None:
                return found
    return None


def _first_in(
    segment: Segment, position: int, header: BatchHeader, timestamp: int, start_offset: int
) -> TimestampOffset | None:
    batch = segment.log.read(position, header.size)
    for record in iter_records(batch, limit=DECODE_LIMIT):
        if record.timestamp >= timestamp and record.offset >= start_offset:
            return TimestampOffset(record.timestamp, record.offset, header.leader_epoch)
    return None
