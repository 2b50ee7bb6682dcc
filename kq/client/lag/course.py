"""How a group moves in one partition: from samples to rates, trend and time to empty. Pure.

Rules
- Rates need two samples; they are taken over what lies within WINDOW_MS before the newest one.
- Time to empty is the lag by how much faster the group reads than others write; never where it does not.
- A commit that stands still for STUCK_POLLS polls while there is lag: the group is stuck there.
- The record at offset X was written about when the end passed X: so a course tells the age of records it never read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from kq.client.lag.standing import interpolate

__all__ = ["STUCK_POLLS", "Course", "Sample", "Trend", "together"]

WINDOW_MS = 60_000
STUCK_POLLS = 10
MOST_ENDS = 1000  # kept for interpolation: half an hour at a poll every 2 s


class Sample(NamedTuple):
    at_ms: int
    committed: int | None  # None: nothing committed, or unknown
    end: int | None  # None: unknown


class Trend(NamedTuple):
    """Records a second. `to_empty_ms` None: never, as things go."""

    written_per_s: float
    read_per_s: float
    to_empty_ms: float | None

    @property
    def growing_per_s(self) -> float:
        """Of the lag; negative where it shrinks."""
        return self.written_per_s - self.read_per_s


def trend_of(lag: int, written_per_s: float, read_per_s: float) -> Trend:
    faster = read_per_s - written_per_s
    to_empty_ms = 0.0 if lag <= 0 else lag / faster * 1000 if faster > 0 else None
    return Trend(written_per_s, read_per_s, to_empty_ms)


def together(parts: Iterable[tuple[int, Trend]]) -> Trend | None:
    """Of several partitions, each with its lag; None of none."""
    pairs = list(parts)
    if not pairs:
        return None
    return trend_of(
        sum(lag for lag, _ in pairs),
        sum(trend.written_per_s for _, trend in pairs),
        sum(trend.read_per_s for _, trend in pairs),
    )


class Course:
    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()
        self._ends: deque[tuple[int, int]] = deque(maxlen=MOST_ENDS)  # (end, ms when it was first seen)
        self._moved_ms = 0  # when the commit was first seen where it is
        self.unmoved_polls = 0  # since then

    def add(self, sample: Sample) -> None:
        before = self._samples[-1] if self._samples else None
        if before is None or before.committed != sample.committed:
            self._moved_ms, self.unmoved_polls = sample.at_ms, 0
        else:
            self.unmoved_polls += 1
        self._samples.append(sample)
        # One sample older than the window stays: at long intervals there would be no second one.
        while len(self._samples) > 2 and self._samples[1].at_ms < sample.at_ms - WINDOW_MS:
            self._samples.popleft()
        if sample.end is not None and (not self._ends or self._ends[-1][0] < sample.end):
            self._ends.append((sample.end, sample.at_ms))

    @property
    def trend(self) -> Trend | None:
        known = [sample for sample in self._samples if sample.committed is not None and sample.end is not None]
        if len(known) < 2 or known[-1].at_ms <= known[0].at_ms:
            return None
        first, last = known[0], known[-1]
        seconds = (last.at_ms - first.at_ms) / 1000
        # Both are known, as filtered above.
        written = ((last.end or 0) - (first.end or 0)) / seconds
        read = ((last.committed or 0) - (first.committed or 0)) / seconds
        return trend_of((last.end or 0) - (last.committed or 0), written, read)

    @property
    def stuck_ms(self) -> int | None:
        """How long the commit has been seen not to move while there was lag; None: it is not stuck."""
        last = self._samples[-1] if self._samples else None
        if last is None or last.committed is None or last.end is None or last.end <= last.committed:
            return None
        return last.at_ms - self._moved_ms if self.unmoved_polls >= STUCK_POLLS else None

    def written_at_ms(self, offset: int) -> int | None:
        """About when the record at this offset was written; None where the end did not pass it while we looked."""
        return interpolate(self._ends, offset)
