"""The log of one partition: a row of segments of which the last grows.

One thread calls everything here, with these exceptions: `Flush.run`, `Retirement.run` and `collect_deleted` are for
other threads, and so may be `find_by_time` and `find_max_timestamp`, which decompress a batch, while nothing truncates
the log. From `begin_retention` to `finish_retention` it only grows: nobody truncates, closes or discards it. What
`compaction` is for has its own rules (compaction_log.py).

What is promised:
- A batch below `recovery_point` survives any crash. The recovery point moves only in `finish_flush` and `close`.
- An append that failed left nothing: no offset is used, no byte stays in the file, and when there is space again the
  log goes on. What was written but not synced may still be found after a crash.
- After a failed sync, or when a torn write cannot be taken back, the log is `failed`: it refuses every change until it
  is opened again by recovery. Reads go on; who keeps readers below the recovery point (fsync before ack) shows them
  nothing that could vanish.
- Offsets rise; in a log that was not compacted they have no gaps.
"""

from __future__ import annotations

import logging
from typing import Final

from kq.engine import inspect, lookup, retention
from kq.engine.appended import Appended as Appended
from kq.engine.disk import Disk
from kq.engine.flush import Flush
from kq.engine.index import DamagedIndex
from kq.engine.loading import Loaded, Loader
from kq.engine.lookup import TimestampOffset
from kq.engine.producers import ProducerStates
from kq.engine.region import Region
from kq.engine.retention import Retired
from kq.engine.retirement import Retirement
from kq.engine.scan import DamagedBatch
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.errors import Err, KafkaError
from kq.record.batch import BatchHeader, crc_ok, iter_batches, set_offset_and_epoch

_LOG: Final = logging.getLogger(__name__)


class Log:
    """One partition on one disk."""

    __slots__ = (
        "_durability",
        "_health",
        "_ledger",
        "_row",
        "_snapshots",
        "compaction",
        "directory",
        "log_end_offset",
        "log_start_offset",
        "partition",
        "settings",
        "topic",
    )

    def __init__(self, directory: str, topic: str, partition: int, settings: LogSettings, loaded: Loaded) -> None:
        self.directory = directory
        self.topic = topic
        self.partition = partition
        self.settings = settings
        self.log_start_offset = loaded.log_start_offset  # first offset that may be read
        self.log_end_offset = loaded.log_end_offset  # next offset to be given out
        self.compaction = loaded.compaction
        self._health = loaded.health
        self._row = loaded.row
        self._ledger = loaded.ledger
        self._snapshots = loaded.snapshots
        self._durability = loaded.durability

    @classmethod
    def open(
        cls,
        disk: Disk,
        directory: str,
        topic: str,
        partition: int,
        settings: LogSettings,
        *,
        now_ms: int,
        clean: bool = False,
        recovery_point: int = 0,
        log_start_offset: int = 0,
    ) -> Log:
        """The log in `directory`, which must exist and may be empty.

        `clean`: the last broker on it closed every log. Otherwise everything from the recovery point on (as it was last
        checkpointed; 0 when nothing is known) is read, checked and repaired first."""
        loader = Loader(
            disk,
            directory,
            settings,
            now_ms=now_ms,
            clean=clean,
            recovery_point=recovery_point,
            log_start_offset=log_start_offset,
        )
        return cls(directory, topic, partition, settings, loader.load())

    def __repr__(self) -> str:
        return f"Log({self.topic}-{self.partition}, {self.log_start_offset}..{self.log_end_offset})"

    @property
    def segments(self) -> tuple[inspect.SegmentInfo, ...]:
        with self._health.refusing("read from"):
            return inspect.describe(self._row.segments, self.log_end_offset)

    @property
    def failed(self) -> str | None:
        """Why the log refuses changes; None as long as it does not."""
        return self._health.failed

    @property
    def recovery_point(self) -> int:
        """Everything below is on stable storage."""
        return self._durability.recovery_point

    @property
    def size_bytes(self) -> int:
        return self._row.size_bytes

    @property
    def producers(self) -> ProducerStates:
        return self._ledger.producers

    @property
    def leader_epoch(self) -> int:
        """The newest known, -1: none."""
        return self._ledger.leader_epoch

    @property
    def first_unstable_offset(self) -> int | None:
        """Where the oldest transaction begins whose outcome a reader may not see yet (SEMANTICS rule 7)."""
        unstable = self.producers.first_unstable_offset
        return None if unstable is None else max(unstable, self.log_start_offset)

    def configure(self, settings: LogSettings) -> None:
        self.settings = settings
        self._row.active.configure(settings)

    # ---- appending

    def append(self, batch: memoryview, header: BatchHeader, *, leader_epoch: int, now_ms: int) -> Appended:
        """As leader: one validated batch, which gets its offset and epoch in place and is written as it is."""
        self._health.check()
        if header.producer_id >= 0 and not header.is_control:
            duplicate = self._ledger.producers.check(header)
            if duplicate is not None:
                base, last, timestamp = duplicate
                return Appended(base, last, True, timestamp, self.log_start_offset)
        base_offset = self.log_end_offset
        set_offset_and_epoch(batch, 0, base_offset, leader_epoch)
        self._write(batch, header, base_offset, leader_epoch, now_ms)
        return Appended(base_offset, self.log_end_offset - 1, False, header.max_timestamp, self.log_start_offset)

    def append_batches(self, data: memoryview, *, now_ms: int) -> int:
        """As follower, or to restore: whole batches that have their offsets and epochs; what is cut short at the end is
        left away. Returns the log end. Stops at a batch that is damaged or does not follow, which raises
        CORRUPT_MESSAGE; those before it are appended."""
        self._health.check()
        for position, header in iter_batches(data):
            if header.base_offset < self.log_end_offset or header.last_offset_delta < 0:
                raise KafkaError(
                    Err.CORRUPT_MESSAGE,
                    f"A batch at offset {header.base_offset} cannot follow: the log ends at {self.log_end_offset}.",
                )
            if not crc_ok(data, position, header.size):
                raise KafkaError(Err.CORRUPT_MESSAGE, f"The batch at offset {header.base_offset} is damaged.")
            batch = data[position : position + header.size]
            self._write(batch, header, header.base_offset, header.leader_epoch, now_ms)
        return self.log_end_offset

    def _write(self, batch: memoryview, header: BatchHeader, base_offset: int, epoch: int, now_ms: int) -> None:
        size = len(batch)
        max_timestamp = header.max_timestamp
        last_offset = base_offset + header.last_offset_delta
        segment = self._row.active
        try:
            if segment.is_full_for(size, last_offset, max_timestamp, now_ms):
                if size > self.settings.segment_bytes:
                    raise KafkaError(Err.RECORD_LIST_TOO_LARGE)
                segment = self._roll(base_offset, now_ms)
            segment.append(batch, size, last_offset, max_timestamp)
        except OSError as error:  # nothing of the batch may stay, or the next one would begin inside it
            with self._health.refusing("take a torn write back from", is_fatal=True):
                segment.drop_torn_write()
            raise self._health.refusal("write to", error) from error
        self.log_end_offset = last_offset + 1
        self._durability.note_append(now_ms)
        aborted = self._ledger.note(batch, header, base_offset, epoch, now_ms)
        if aborted is not None:
            with self._health.refusing("note an aborted transaction in", is_fatal=True):
                segment.add_aborted(aborted)

    def _roll(self, base_offset: int, now_ms: int) -> Segment:
        """A new segment takes over. The old one is written out and synced by the next flush, which is due now."""
        old = self._row.active
        with self._health.refusing("make a segment in"):
            self._row.add(base_offset, self.settings, now_ms)
        try:
            old.seal()
        except OSError as error:
            _LOG.warning("the indexes of %s are written later: %s", old, error.strerror)
        self._ledger.take_snapshot(base_offset)
        self._durability.note_roll(old)
        return self._row.active

    def start_epoch(self, leader_epoch: int) -> None:
        """A leader of this epoch begins at the log end."""
        self._ledger.start_epoch(leader_epoch, self.log_end_offset)

    def end_of_epoch(self, epoch: int) -> tuple[int, int]:
        """SEMANTICS rule 1: the greatest epoch not above `epoch`, and where it ends."""
        return self._ledger.end_of_epoch(epoch, self.log_end_offset)

    def epoch_of(self, offset: int) -> int:
        """The leader epoch of the record at `offset`, -1 when it is not known."""
        return self._ledger.epoch_of(offset)

    # ---- reading

    def read(self, offset: int, max_bytes: int, *, end_offset: int, at_least_one: bool = True) -> Region | None:
        """Whole batches of one segment, from the one that holds `offset`, at most `max_bytes` (but the first one whole,
        if there must be one), none that begins at or after `end_offset`. None: there is nothing to read yet."""
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise KafkaError(Err.OFFSET_OUT_OF_RANGE)
        end_offset = min(end_offset, self.log_end_offset)
        if offset >= end_offset:
            return None
        try:
            return self._row.read(offset, max_bytes, end_offset, self.log_end_offset, at_least_one=at_least_one)
        except DamagedBatch as damage:
            raise KafkaError(Err.CORRUPT_MESSAGE, f"{self} cannot be read at offset {offset}: {damage}.") from damage
        except (OSError, DamagedIndex) as error:
            raise self._health.refusal("read from", error) from error

    def aborted_in(self, offset: int, region: Region) -> list[tuple[int, int]]:
        """Producer id and first offset of each aborted transaction that touches [offset, end of the region), the region
        being what a read from `offset` has just given (Kafka's LocalLog.addAbortedTransactions)."""
        with self._health.refusing("read from"):
            return self._row.aborted_in(offset, region, self.log_end_offset)

    def find_by_time(self, timestamp_ms: int) -> TimestampOffset | None:
        """The first record at or after a time."""
        with self._health.refusing("read from"):
            return lookup.first_at_or_after(self._row.segments, timestamp_ms, self.log_start_offset)

    def find_max_timestamp(self) -> TimestampOffset | None:
        """The first record with the greatest timestamp (it may be below the log start offset, as in Kafka)."""
        with self._health.refusing("read from"):
            return lookup.with_greatest_timestamp(self._row.segments)

    # ---- flushing

    def flush_due(self, now_ms: int) -> bool:
        """By flush.messages and flush.ms; a segment that was rolled is always due."""
        return not self.failed and self._durability.is_due(self.settings, self.log_end_offset, now_ms)

    def begin_flush(self) -> Flush | None:
        """Of everything that was appended until now; None when it is durable already or a flush is under way."""
        self._health.check()
        epochs = self._ledger.epochs_to_keep(self.log_end_offset)
        with self._health.refusing("write the indexes in"):
            return self._durability.begin(self._row.active, self.log_end_offset, epochs)

    def finish_flush(self, flush: Flush) -> None:
        """Take note of what `flush.run` has done; KafkaError(KAFKA_STORAGE_ERROR) if it failed. If it was a sync that
        failed, so has the log; if only a small file found no room, the next flush tries again."""
        self._durability.finish(flush)
        if flush.error is not None:
            self._note_failure(flush)
            raise self._health.refusal("sync", flush.error) from flush.error

    def _note_failure(self, flush: Flush) -> None:
        if flush.error is not None and flush.has_lost_pages:
            self._health.fail(f"{self.directory} could not be synced: {flush.error.strerror}.")
            self._durability.leave_mark()

    def _cancel_flush(self) -> None:
        flush = self._durability.cancel()
        if flush is not None:
            self._note_failure(flush)
        self._health.check()

    # ---- shrinking

    def advance_start(self, offset: int) -> None:
        """What is below `offset` may no longer be read; whole segments go with the next retention."""
        if offset > self.log_end_offset:
            raise KafkaError(Err.OFFSET_OUT_OF_RANGE)
        if offset > self.log_start_offset:
            self.log_start_offset = offset
            self._ledger.advance_start(offset)

    def retirable(self, now_ms: int, end_offset: int) -> list[Retired]:
        """Which segments may go, and why; none at or above `end_offset` (the high watermark)."""
        if self.failed:
            return []
        with self._health.refusing("read from"):
            return retention.retired(
                self._row.segments,
                self.settings,
                log_start_offset=self.log_start_offset,
                log_end_offset=self.log_end_offset,
                high_watermark=end_offset,
                now_ms=now_ms,
            )

    def begin_retention(self, now_ms: int, end_offset: int, *, most: int) -> Retirement | None:
        """Let go of what is `retirable`, at most so many segments; None when nothing is. It can no longer be read. The
        files are renamed by `Retirement.run`, and unlinked by `collect_deleted`."""
        retired = self.retirable(now_ms, end_offset)[:most]
        if not retired:
            return None
        if len(retired) == len(self._row.segments):
            self._roll(self.log_end_offset, now_ms)
        going, first_kept = self._row.segments[: len(retired)], self._row.segments[len(retired)]
        self.advance_start(first_kept.base_offset)
        due_ms = now_ms + self.settings.file_delete_delay_ms
        return self._durability.retire(going, retired, lambda segment: self._row.bury(segment, due_ms))

    def finish_retention(self, retirement: Retirement) -> None:
        """Take note of what `run` has done; KafkaError(KAFKA_STORAGE_ERROR) if it failed, and so has the log."""
        gone = self._row.drop_first(retirement.begun)
        self._durability.note_retired(gone, retirement)
        with self._health.refusing("delete from", is_fatal=True):
            retirement.check()
            self._snapshots.drop_at(segment.base_offset for segment in gone)

    def collect_deleted(self, now_ms: int) -> int:
        """Unlink what has waited for file.delete.delay.ms; how many files. Never beside a `Retirement.run`."""
        return self._row.collect(now_ms)

    def truncate_to(self, offset: int, *, now_ms: int) -> None:
        """As follower: drop every batch that holds `offset` or is above it. Durable when it returns; the recovery point
        may be lower now, so whoever checkpoints it must do so before the next batch is promised to anyone."""
        self._cancel_flush()
        if offset <= self._row.segments[0].base_offset:
            self.restart_at(offset, now_ms=now_ms)
        elif offset >= self.log_end_offset:
            self._ledger.drop_empty_epochs(self.log_end_offset)
        else:
            with self._health.refusing("truncate", is_fatal=True):
                self._truncate(offset, now_ms)

    def _truncate(self, offset: int, now_ms: int) -> None:
        self._snapshots.drop_above(offset)
        end, gone = self._row.cut(offset)
        self._row.active.configure(self.settings)  # it had stopped growing under older ones, perhaps
        self._snapshots.drop_above(end)
        self._durability.note_cut(gone, end)
        self.compaction.note_cut(end)
        self.log_end_offset = end
        self.log_start_offset = min(self.log_start_offset, end)
        self._ledger.go_back(self._row.segments, self.log_start_offset, end, now_ms)

    def restart_at(self, offset: int, *, now_ms: int) -> None:
        """As follower whose leader's log begins above our end: drop everything, begin anew. Durable when it returns."""
        self._cancel_flush()
        with self._health.refusing("begin anew in", is_fatal=True):
            self._snapshots.drop_above(-1)
            gone = self._row.start_anew(offset, self.settings, now_ms)
            self._durability.note_restart(gone, offset)
            self.compaction.note_cut(0)
        self.log_start_offset = self.log_end_offset = offset
        self._ledger.clear()

    def expire(self, now_ms: int) -> int:
        """Forget producers that have been idle for too long; how many."""
        return self.producers.expire(now_ms, self.settings.producer_expiry_ms)

    # ---- ending

    def close(self) -> None:
        """Make everything durable, with what a quick start needs: indexes, snapshot, epochs.
        KafkaError(KAFKA_STORAGE_ERROR) when that was not possible: the stop is not a clean one then."""
        self._cancel_flush()
        if self.log_end_offset:
            self._ledger.take_snapshot(self.log_end_offset)
        epochs = self._ledger.epochs_to_keep(self.log_end_offset)
        with self._health.refusing("write the indexes in"):
            flush = self._durability.begin_last(self._row.active, self.log_end_offset, epochs)
        if flush is not None:
            flush.run()
            self.finish_flush(flush)
        self._health.failed = f"{self.topic}-{self.partition} is closed."
        self._row.close()

    def discard(self) -> None:
        """The topic is deleted and the directory about to be renamed: write nothing more, free the descriptors."""
        self._durability.cancel()
        self._health.failed = f"{self.topic}-{self.partition} was deleted."
        self._row.forget()
