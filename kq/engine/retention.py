"""Which segments a log may forget. Pure but for a look at a file's age when its records have no timestamps.

Kafka's UnifiedLog.deleteOldSegments: only whole segments, from the oldest on, only below the high watermark, and for
one of three reasons. The active segment goes like any other (a new one is rolled first) unless it is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kq.engine.segment import Segment
from kq.engine.settings import LogSettings


class Retired(NamedTuple):
    """A segment that went, and why, for the broker's log."""

    base_offset: int
    size_bytes: int
    reason: str


def retired(
    segments: Sequence[Segment],
    settings: LogSettings,
    *,
    log_start_offset: int,
    log_end_offset: int,
    high_watermark: int,
    now_ms: int,
) -> list[Retired]:
    """The prefix of `segments` that goes."""
    total = sum(segment.size for segment in segments)
    gone: list[Retired] = []
    for number, segment in enumerate(segments):
        is_last = number + 1 == len(segments)
        next_offset = log_end_offset if is_last else segments[number + 1].base_offset
        if next_offset > high_watermark or (is_last and segment.size == 0):
            break
        reason = _reason(segment, settings, total, now_ms)
        if not is_last and next_offset <= log_start_offset:
            reason = f"all of it is below the log start offset {log_start_offset}"
        if not reason:
            break
        gone.append(Retired(segment.base_offset, segment.size, reason))
        total -= segment.size
    return gone


def _reason(segment: Segment, settings: LogSettings, total: int, now_ms: int) -> str:
    """By size or age; empty if it stays."""
    if not settings.delete:
        return ""
    if 0 <= settings.retention_bytes <= total - segment.size:
        return f"the log has {total} bytes, retention.bytes is {settings.retention_bytes}"
    if settings.retention_ms >= 0:
        latest = segment.latest().timestamp
        age_ms = now_ms - (latest if latest >= 0 else segment.log.modified_ms())
        if age_ms > settings.retention_ms:
            return f"its newest record is {age_ms} ms old, retention.ms is {settings.retention_ms}"
    return ""
