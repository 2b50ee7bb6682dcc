"""Which part of a log may be compacted, whether it is time to, and which segments become one. Pure but for looks into
segments for a timestamp.

    log start ... | clean: compacted before | dirty: may be compacted | not yet      | active segment
                  ^ clean offset (checkpointed)                       ^ end

Rules (SEMANTICS 22; Kafka's LogCleanerManager and Cleaner.groupSegmentsBySize):
1. Whole segments only, never the active one, and none that holds anything at or above the last stable offset, or that
   is younger than min.compaction.lag.ms by its latest record. kq adds: nor what is not on stable storage yet, so that
   what replaces it is never safer, or less safe, than what it replaces.
2. It is time when the dirty part is more than min.cleanable.dirty.ratio of both, or when its oldest segment begins with
   a batch older than max.compaction.lag.ms.
3. Clean segments are written anew too, for a later record may have their keys, and so shrink: neighbours become one as
   long as together they have no more than segment.bytes, segment.index.bytes for either index, and 2^31 offsets.
4. A clean offset outside of the log says nothing: then all of it is dirty.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from kq.engine.segment import MAX_RELATIVE_OFFSET, Segment
from kq.engine.settings import NEVER, LogSettings


class Cleanable(NamedTuple):
    """What compaction finds in a log."""

    start: int  # where the dirty part begins: the clean offset
    end: int  # where it ends, a segment's base offset; nothing may be done when that is not above `start`
    clean_bytes: int
    dirty_bytes: int
    is_overdue: bool  # by max.compaction.lag.ms
    oldest_ms: int  # timestamp of the first batch of the oldest dirty segment; -1: none, or there is nothing dirty

    @property
    def ratio(self) -> float:
        total = self.clean_bytes + self.dirty_bytes
        return self.dirty_bytes / total if total else 0.0

    def is_due(self, settings: LogSettings) -> bool:
        return self.dirty_bytes > 0 and (self.is_overdue or self.ratio > settings.min_cleanable_dirty_ratio)


def cleanable(
    segments: Sequence[Segment],
    settings: LogSettings,
    *,
    clean_offset: int,
    log_start_offset: int,
    end_offset: int,
    now_ms: int,
) -> Cleanable:
    """`end_offset`: nothing at or above it may be touched, because of the last stable offset and of stable storage."""
    start = max(clean_offset, log_start_offset)
    if start > segments[-1].base_offset:  # past what may ever have been compacted
        start = log_start_offset
    end = _end(segments, settings, end_offset, now_ms)
    dirty = [one for one, after in pairwise(segments) if one.base_offset < end and after.base_offset > start]
    oldest_ms = -1
    if settings.max_compaction_lag_ms < NEVER:
        oldest_ms = min((time for one in dirty if (time := one.first_timestamp()) >= 0), default=-1)
    return Cleanable(
        start=start,
        end=end,
        clean_bytes=sum(one.size for one in segments if one.base_offset < min(start, end)),
        dirty_bytes=sum(one.size for one in dirty),
        is_overdue=0 <= oldest_ms < now_ms - settings.max_compaction_lag_ms,
        oldest_ms=oldest_ms,
    )


def _end(segments: Sequence[Segment], settings: LogSettings, end_offset: int, now_ms: int) -> int:
    """Base offset of the first segment that must be left alone."""
    lag_ms = settings.min_compaction_lag_ms
    for segment, after in pairwise(segments):
        if after.base_offset > end_offset or (lag_ms > 0 and segment.latest().timestamp > now_ms - lag_ms):
            return segment.base_offset
    return segments[-1].base_offset


def groups(segments: Sequence[Segment], settings: LogSettings, end: int) -> list[tuple[Segment, ...]]:
    """Which segments become one, of those that begin below `end`; the active one, the last, is none of them."""
    found: list[list[Segment]] = []
    log = index = time_index = 0
    for segment, after in pairwise(segments):
        if segment.base_offset >= end:
            break
        log, index, time_index = log + segment.size, index + segment.index.size, time_index + segment.time_index.size
        has_room = log <= settings.segment_bytes and max(index, time_index) <= settings.index_max_bytes
        if found and has_room and after.base_offset - 1 - found[-1][0].base_offset <= MAX_RELATIVE_OFFSET:
            found[-1].append(segment)
        else:
            found.append([segment])
            log, index, time_index = segment.size, segment.index.size, segment.time_index.size
    return [tuple(group) for group in found]
