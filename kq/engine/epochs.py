"""Which leader epoch begins at which offset, for one partition.

Pure. Keeps Kafka's LeaderEpochFileCache and KIP-101/KIP-279:

1. Epochs and start offsets both strictly rise from entry to entry.
2. `assign` of the newest epoch at the same or a later offset changes nothing: an epoch begins once. Any other
   assignment first drops from the end whatever has this epoch or a newer one, or begins at this offset or above.
3. `end_of(epoch)`: (-1, -1) for an undefined epoch or one above all known; (epoch, log end) for the newest; below all
   known (epoch, start of the first known): its data is gone; else (greatest known epoch not above it, start of the
   next).
4. Truncation at the end drops entries that begin at or above the new end. At the start the entry that covers the new
   start moves up to it and those before go: an entry never points at deleted data.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

UNDEFINED: Final = -1


class EpochEntry(NamedTuple):
    epoch: int
    start_offset: int


class EpochCache:
    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[tuple[int, int]] = ()) -> None:
        self._entries: list[EpochEntry] = []
        for epoch, start_offset in entries:
            self.assign(epoch, start_offset)

    @property
    def entries(self) -> tuple[EpochEntry, ...]:
        return tuple(self._entries)

    @property
    def latest(self) -> int:
        return self._entries[-1].epoch if self._entries else UNDEFINED

    def assign(self, epoch: int, start_offset: int) -> None:
        """`epoch` begins at `start_offset` (rule 2)."""
        if epoch < 0 or start_offset < 0:
            raise ValueError(f"an epoch and its offset are not negative: {epoch} {start_offset}")
        entries = self._entries
        if entries and entries[-1].epoch == epoch and start_offset >= entries[-1].start_offset:
            return
        while entries and (entries[-1].epoch >= epoch or entries[-1].start_offset >= start_offset):
            entries.pop()
        entries.append(EpochEntry(epoch, start_offset))

    def end_of(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """The greatest known epoch not above `epoch`, and the offset after its last record (rule 3)."""
        entries = self._entries
        if epoch == UNDEFINED or epoch > self.latest:
            return UNDEFINED, UNDEFINED
        if epoch == self.latest:
            return epoch, log_end_offset
        next_higher = bisect_right(entries, epoch, key=_epoch)
        found = entries[next_higher - 1].epoch if next_higher else epoch
        return found, entries[next_higher].start_offset

    def epoch_for(self, offset: int) -> int:
        """The epoch of the record at `offset`, -1 below the first known."""
        after = bisect_right(self._entries, offset, key=_start_offset)
        return self._entries[after - 1].epoch if after else UNDEFINED

    def truncate_from_end(self, end_offset: int) -> None:
        """The log ends at `end_offset` now."""
        while self._entries and self._entries[-1].start_offset >= end_offset:
            self._entries.pop()

    def truncate_from_start(self, start_offset: int) -> None:
        """The log begins at `start_offset` now."""
        covering = bisect_right(self._entries, start_offset, key=_start_offset) - 1
        if covering >= 0:
            self._entries[: covering + 1] = [EpochEntry(self._entries[covering].epoch, start_offset)]


def _epoch(entry: EpochEntry) -> int:
    return entry.epoch


def _start_offset(entry: EpochEntry) -> int:
    return entry.start_offset
