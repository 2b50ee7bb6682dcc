"""What a log knows of its batches besides where they are: producers, transactions, leader epochs.

All of it can be read from the batches again (`replay`); snapshots and the leader-epoch checkpoint save that work.
"""

from __future__ import annotations

from kq.engine.epochs import EpochCache, EpochEntry
from kq.engine.producers import ProducerStates
from kq.engine.replay import aborted_by, end_in, replay
from kq.engine.row import Segments
from kq.engine.snapshots import Snapshots
from kq.engine.txnindex import AbortedTransaction
from kq.record.batch import BatchHeader


class Ledger:
    """Changed only by the thread that owns the log."""

    __slots__ = ("_epochs", "_snapshots", "leader_epoch", "producers")

    def __init__(self, producers: ProducerStates, epochs: EpochCache, snapshots: Snapshots) -> None:
        self.producers = producers
        self._epochs = epochs
        self._snapshots = snapshots
        self.leader_epoch = epochs.latest  # newest known, -1: none

    def note(
        self, batch: memoryview, header: BatchHeader, base_offset: int, epoch: int, now_ms: int
    ) -> AbortedTransaction | None:
        """A batch was appended. Returns what must be noted in the transaction index of its segment."""
        if epoch > self.leader_epoch:
            self._epochs.assign(epoch, base_offset)
            self.leader_epoch = epoch
        if header.producer_id < 0:
            return None
        end = end_in(batch, header) if header.is_control else None
        done = self.producers.update(header, base_offset, now_ms, end)
        return aborted_by(done)

    def start_epoch(self, leader_epoch: int, log_end_offset: int) -> None:
        self._epochs.assign(leader_epoch, log_end_offset)
        self.leader_epoch = self._epochs.latest

    def end_of_epoch(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        return self._epochs.end_of(epoch, log_end_offset)

    def epoch_of(self, offset: int) -> int:
        return self._epochs.epoch_for(offset)

    def epochs_to_keep(self, log_end_offset: int) -> tuple[EpochEntry, ...]:
        """For the checkpoint: those that have batches. An epoch without any may be forgotten by a restart, so the files
        of idle partitions need not be written again each time a broker starts."""
        entries = self._epochs.entries
        return entries if not entries or entries[-1].start_offset < log_end_offset else entries[:-1]

    def take_snapshot(self, offset: int) -> None:
        """For the next flush to write; nothing if one of this offset is there."""
        if self._snapshots.newest_offset < offset:
            self._snapshots.add(offset, self.producers)

    def advance_start(self, offset: int) -> None:
        self._epochs.truncate_from_start(offset)
        self.producers.truncate_before(offset)

    def drop_empty_epochs(self, log_end_offset: int) -> None:
        """The log was cut here, or a leader came whose epochs count: those that begin here have nothing."""
        self._epochs.truncate_from_end(log_end_offset)
        self.leader_epoch = self._epochs.latest

    def go_back(self, segments: Segments, log_start_offset: int, log_end_offset: int, now_ms: int) -> None:
        """The log was cut: the producers as they were then."""
        self.drop_empty_epochs(log_end_offset)
        replayed_from, self.producers = self._snapshots.restore(log_end_offset)
        replay(segments, replayed_from, log_end_offset, self.producers, EpochCache(self._epochs.entries), now_ms, {})
        self.producers.truncate_before(log_start_offset)

    def clear(self) -> None:
        self.producers = ProducerStates()
        self._epochs = EpochCache()
        self.leader_epoch = self._epochs.latest
