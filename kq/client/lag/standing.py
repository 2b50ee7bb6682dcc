"""Where a group stands in one partition, and in all of them together. Pure.

Rules
- Lag is the end minus the commit, as Apache's kafka-consumer-groups counts it; the end is what a consumer may read to:
  the high watermark, or under read_committed the last stable offset. A commit past the end is lag 0 and `past_end`.
- A commit below the log start: what lies between is gone, counts into the lag all the same, and reading goes on at the
  start.
- Behind is the age of the next unread record. 0 where nothing is unread, None where that record was not read.
- Nothing committed is no lag, not lag 0. Unknown stays None; a sum with an unknown part is unknown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kq.client.admin.types import TopicPartition
from kq.errors import KafkaError

__all__ = ["FAR_BEHIND_MS", "Standing", "Total", "interpolate", "total"]

FAR_BEHIND_MS = 60_000  # from here on a partition that somebody reads needs attention


class Standing(NamedTuple):
    committed: int | None = None  # None: nothing, or with an `error` unknown
    start: int | None = None  # the log start; None: unknown
    end: int | None = None
    next_at_ms: int | None = None  # timestamp of the next unread record; None: unknown, or there is none
    interpolated: bool = False  # that timestamp was not read but worked out
    all_read: bool = False  # up to the end there is no record, only marks of transactions or gaps
    metadata: str = ""  # what stands beside the commit
    exists: bool = True  # False: there is no such partition any more
    error: KafkaError | None = None  # why something is unknown

    @property
    def lag(self) -> int | None:
        return None if self.committed is None or self.end is None else max(self.end - self.committed, 0)

    @property
    def place(self) -> int | None:
        """Offset of the next unread record, if there is one."""
        return None if self.committed is None else max(self.committed, self.start or 0)

    @property
    def gone(self) -> int:
        """Records that were deleted before the group read them."""
        return 0 if self.committed is None or self.start is None else max(self.start - self.committed, 0)

    @property
    def past_end(self) -> int:
        """How far the commit stands past the end: the log was cut back, or made anew."""
        return 0 if self.committed is None or self.end is None else max(self.committed - self.end, 0)

    @property
    def is_unread(self) -> bool:
        """Whether the next unread record is still to be looked for."""
        place = self.place
        return place is not None and self.end is not None and place < self.end

    def behind_ms(self, now_ms: int) -> int | None:
        if self.committed is None or self.end is None:
            return None
        if self.all_read or not self.is_unread:
            return 0
        return None if self.next_at_ms is None else max(now_ms - self.next_at_ms, 0)


class Total(NamedTuple):
    """Of several partitions."""

    partitions: int = 0
    counted: int = 0  # those with a commit
    lag: int | None = None  # of those; None: none is counted, or not every lag is known
    behind_ms: int | None = None  # the greatest that is known
    interpolated: bool = False  # that one
    worst: TopicPartition | None = None  # where it is; with behind unknown, the greatest lag
    gone: int = 0
    unknown: int = 0  # partitions of which the lag is not known


def total(standings: Mapping[TopicPartition, Standing], now_ms: int) -> Total:
    counted = {pair: one for pair, one in standings.items() if one.lag is not None}
    unknown = sum(one.error is not None for one in standings.values())
    behind = {pair: age for pair, one in counted.items() if (age := one.behind_ms(now_ms)) is not None}
    # Of partitions equally old the one with more to read.
    worst = max(counted, key=lambda pair: (behind.get(pair, -1), counted[pair].lag or 0), default=None)
    lags = [one.lag or 0 for one in counted.values()]
    return Total(
        partitions=len(standings),
        counted=len(counted),
        lag=None if unknown or not counted else sum(lags),
        behind_ms=None if worst is None else behind.get(worst),
        interpolated=worst is not None and counted[worst].interpolated,
        worst=worst if any(lags) else None,
        gone=sum(one.gone for one in counted.values()),
        unknown=unknown,
    )


def interpolate(points: Iterable[tuple[int, int]], offset: int) -> int | None:
    """When the record at this offset was written, in ms, between (offset, ms) that are known; None outside of them."""
    known: Sequence[tuple[int, int]] = sorted(points)
    after = bisect_right(known, (offset, 1 << 63))
    if after and known[after - 1][0] == offset:
        return known[after - 1][1]
    if after == 0 or after == len(known):
        return None
    (low, low_ms), (high, high_ms) = known[after - 1], known[after]
    return low_ms + (high_ms - low_ms) * (offset - low) // (high - low)
