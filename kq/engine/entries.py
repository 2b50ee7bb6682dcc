"""Which batch gets an index entry (Kafka 4.3.1's LogSegment.append, batch by batch):

    before a batch is counted: more than index.interval.bytes since the batch with the last entry?
        .index      += (last offset of this batch, its position)
        .timeindex  += (greatest timestamp so far, last offset of its batch), if it is greater than the last entry's
    then the batch's bytes are counted

so the first batch of a segment never has one. A segment that stops growing (rolled, closed, recovered) gets a last
`.timeindex` entry with its greatest timestamp: retention and time lookup go by it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

NO_TIMESTAMP: Final = -1


class Latest(NamedTuple):
    """The greatest timestamp of a segment (-1: none) and the last offset of the first batch that has it."""

    timestamp: int
    offset: int


class Entries:
    """What the indexes of a segment hold, computed from its batches: the rule above, for those who walk a segment."""

    __slots__ = ("_base", "_indexed", "_interval", "latest", "offsets", "times")

    def __init__(self, base_offset: int, interval: int) -> None:
        self._base = base_offset
        self._interval = interval
        self._indexed = 0  # position of the batch with the last entry
        self.latest = Latest(NO_TIMESTAMP, base_offset)
        self.offsets: list[tuple[int, int]] = []
        self.times: list[tuple[int, int]] = []

    def add(self, position: int, last_offset: int, max_timestamp: int) -> None:
        if max_timestamp > self.latest.timestamp:
            self.latest = Latest(max_timestamp, last_offset)
        if position - self._indexed > self._interval:
            self.offsets.append((last_offset - self._base, position))
            self._add_time()
            self._indexed = position

    def finish(self) -> None:
        self._add_time()

    def _add_time(self) -> None:
        timestamp, offset = self.latest
        if timestamp > (self.times[-1][0] if self.times else NO_TIMESTAMP):
            self.times.append((timestamp, offset - self._base))
