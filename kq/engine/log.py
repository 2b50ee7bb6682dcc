"""The log of one partition: a row of segments of which the last grows.

One thread calls everything here, with these exceptions: `Flush.run` and `collect_deleted` are for other threads, and so
may be `find_by_time` and `find_max_timestamp`, which decompress a batch, while nothing truncates the log.
The row of segments is an immutable tuple that is swapped as a whole.

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
from typing import Final, NamedTuple, NoReturn

from kq.engine import inspect, lookup, names, reading, retention, truncation
from kq.engine.disk import Disk, create_anew
from kq.engine.durability import Durability
from kq.engine.epochs import EpochCache, EpochEntry
from kq.engine.flush import Flush
from kq.engine.loading import Loaded, Loader
from kq.engine.lookup import TimestampOffset
from kq.engine.markers import marker_of
from kq.engine.producers import ProducerStates
from kq.engine.reading import Row
from kq.engine.region import Region
from kq.engine.replay import replay
from kq.engine.retention import Retired
from kq.engine.scan import DamagedBatch
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.engine.trash import Trash
from kq.engine.txnindex import AbortedTransaction
from kq.errors import Err, KafkaError
from kq.record.batch import BatchHeader, crc_ok, iter_batches, set_offset_and_epoch

_LOG: Final = logging.getLogger(__name__)


class Appended(NamedTuple):
    base_offset: int
    last_offset: int
    duplicate: bool  # it was in the log already: nothing was written, and these are its old offsets
    max_timestamp: int
    log_start_offset: int


class Log:
    """One partition on one disk."""

    __slots__ = (
        "_disk",
        "_durability",
        "_epochs",
        "_segments",
        "_snapshots",
        "_trash",
        "directory",
        "failed",
        "leader_epoch",
        "log_end_offset",
        "log_start_offset",
        "partition",
        "producers",
        "settings",
        "topic",
    )

    def __init__(
        self, disk: Disk, directory: str, topic: str, partition: int, settings: LogSettings, loaded: Loaded
    ) -> None:
        self._disk = disk
        self.directory = directory
        self.topic = topic
        self.partition = partition
        self.settings = settings
        self._segments = tuple(loaded.segments)
        self.log_start_offset = loaded.log_start_offset  # first offset that may be read
        self.log_end_offset = loaded.log_end_offset  # next offset to be given out
        self.producers: ProducerStates = loaded.producers
        self.failed: str | None = None  # why the log refuses changes
        self._epochs = loaded.epochs
        self.leader_epoch = loaded.epochs.latest  # newest known, -1: none
        self._snapshots = loaded.snapshots
        self._trash = Trash()
        self._durability = Durability(
            disk,
            directory,
            loaded.snapshots,
            recovery_point=loaded.recovery_point,
            rolled=loaded.unsynced,
            epochs_in_file=loaded.epochs_in_file,
            is_durable=loaded.is_durable,
        )

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
        return cls(disk, directory, topic, partition, settings, loader.load())

    def __repr__(self) -> str:
        return f"Log({self.topic}-{self.partition}, {self.log_start_offset}..{self.log_end_offset})"

    @property
    def segments(self) -> tuple[inspect.SegmentInfo, ...]:
        return inspect.describe(self._segments, self.log_end_offset)

    @property
    def recovery_point(self) -> int:
        """Everything below is on stable storage."""
        return self._durability.recovery_point

    @property
    def size_bytes(self) -> int:
        return sum(segment.size for segment in self._segments)

    @property
    def first_unstable_offset(self) -> int | None:
        """Where the oldest transaction begins whose outcome a reader may not see yet (SEMANTICS rule 7)."""
        unstable = self.producers.first_unstable_offset
        return None if unstable is None else max(unstable, self.log_start_offset)

    def configure(self, settings: LogSettings) -> None:
        self.settings = settings
        self._segments[-1].configure(settings)

    # ---- appending

    def append(self, batch: memoryview, header: BatchHeader, *, leader_epoch: int, now_ms: int) -> Appended:
        """As leader: one validated batch, which gets its offset and epoch in place and is written as it is."""
        if self.failed:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed)
        if header.producer_id >= 0 and not header.is_control:
            duplicate = self.producers.check(header)
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
        self._refuse_if_failed()
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
        segment = self._segments[-1]
        if segment.is_full_for(size, last_offset, max_timestamp, now_ms):
            if size > self.settings.segment_bytes:
                raise KafkaError(Err.RECORD_LIST_TOO_LARGE)
            segment = self._roll(base_offset, now_ms)
        try:
            segment.append(batch, size, last_offset, max_timestamp)
        except OSError as error:
            self._undo(segment, error)
        self.log_end_offset = last_offset + 1
        self._durability.note_append(now_ms)
        if epoch > self.leader_epoch:
            self._epochs.assign(epoch, base_offset)
            self.leader_epoch = epoch
        if header.producer_id >= 0:
            self._note_producer(batch, header, base_offset, segment, now_ms)

    def _undo(self, segment: Segment, error: OSError) -> NoReturn:
        """The disk is full or broken: nothing of the batch may stay, or the next one would begin inside it."""
        try:
            segment.drop_torn_write()
        except OSError as second:
            self._fail(f"A torn write could not be taken back from {segment.log.path}: {second.strerror}.")
        raise self._storage_error("write to", segment.log.path, error) from error

    def _note_producer(
        self, batch: memoryview, header: BatchHeader, base_offset: int, segment: Segment, now_ms: int
    ) -> None:
        marker = marker_of(batch, header) if header.is_control else None
        done = self.producers.update(header, base_offset, now_ms, marker)
        if done is not None and done.is_abort:
            entry = AbortedTransaction(done.producer_id, done.first_offset, done.last_offset, done.last_stable_offset)
            try:
                segment.add_aborted(entry)
            except OSError as error:
                self._fail(f"An aborted transaction could not be noted in {segment}: {error.strerror}.")
                raise KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed) from error

    def _roll(self, base_offset: int, now_ms: int) -> Segment:
        """A new segment takes over. The old one is written out and synced by the next flush, which is due now."""
        old = self._segments[-1]
        try:
            new = Segment.create(self._disk, self.directory, base_offset, self.settings, now_ms)
        except OSError as error:
            raise self._storage_error("make a segment in", self.directory, error) from error
        try:
            old.seal()
        except OSError as error:
            _LOG.warning("the indexes of %s are written later: %s", old, error.strerror)
        self._snapshots.add(base_offset, self.producers)
        self._durability.note_roll(old)
        self._segments = (*self._segments, new)
        return new

    def start_epoch(self, leader_epoch: int) -> None:
        """A leader of this epoch begins at the log end."""
        self._epochs.assign(leader_epoch, self.log_end_offset)
        self.leader_epoch = self._epochs.latest

    def end_of_epoch(self, epoch: int) -> tuple[int, int]:
        """SEMANTICS rule 1: the greatest epoch not above `epoch`, and where it ends."""
        return self._epochs.end_of(epoch, self.log_end_offset)

    def epoch_of(self, offset: int) -> int:
        """The leader epoch of the record at `offset`, -1 when it is not known."""
        return self._epochs.epoch_for(offset)

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
            return reading.read(
                self._segments, self.log_end_offset, offset, max_bytes, end_offset, at_least_one=at_least_one
            )
        except DamagedBatch as damage:
            raise KafkaError(Err.CORRUPT_MESSAGE, f"{self} cannot be read at offset {offset}: {damage}.") from damage
        except OSError as error:
            raise self._storage_error("read from", self.directory, error) from error

    def aborted_in(self, offset: int, end_offset: int) -> list[tuple[int, int]]:
        """Producer id and first offset of each aborted transaction that touches [offset, end_offset)."""
        return reading.aborted_in(self._segments, offset, end_offset)

    def find_by_time(self, timestamp_ms: int) -> TimestampOffset | None:
        """The first record at or after a time."""
        return lookup.first_at_or_after(self._segments, timestamp_ms, self.log_start_offset)

    def find_max_timestamp(self) -> TimestampOffset | None:
        """The first record with the greatest timestamp (it may be below the log start offset, as in Kafka)."""
        return lookup.with_greatest_timestamp(self._segments)

    # ---- flushing

    def flush_due(self, now_ms: int) -> bool:
        """By flush.messages and flush.ms; a segment that was rolled is always due."""
        return not self.failed and self._durability.is_due(self.settings, self.log_end_offset, now_ms)

    def begin_flush(self) -> Flush | None:
        """Of everything that was appended until now; None when it is durable already or a flush is under way."""
        self._refuse_if_failed()
        try:
            return self._durability.begin(self._segments[-1], self.log_end_offset, self._epochs_to_keep())
        except OSError as error:
            raise self._storage_error("write the indexes in", self.directory, error) from error

    def _epochs_to_keep(self) -> tuple[EpochEntry, ...]:
        """Those that have batches: an epoch without any may be forgotten by a restart. So the files of idle partitions
        need not be written again each time a broker starts."""
        entries = self._epochs.entries
        return entries if not entries or entries[-1].start_offset < self.log_end_offset else entries[:-1]

    def finish_flush(self, flush: Flush) -> None:
        """Take note of what `flush.run` has done; KafkaError(KAFKA_STORAGE_ERROR) if it failed. If it was a sync that
        failed, so has the log; if only a small file found no room, the next flush tries again."""
        self._durability.finish(flush)
        if flush.error is not None:
            if flush.has_lost_pages:
                self._fail(f"{self.directory} could not be synced: {flush.error.strerror}.")
                self._leave_mark()
            raise self._storage_error("sync", self.directory, flush.error) from flush.error

    def _leave_mark(self) -> None:
        """For the recovery that may find these pages in the cache."""
        try:
            create_anew(self._disk, f"{self.directory}/{names.SYNC_FAILED}").close()
        except OSError as error:
            _LOG.error("%s: a mark that a sync failed could not be left: %s", self.directory, error.strerror)

    # ---- shrinking

    def advance_start(self, offset: int) -> None:
        """What is below `offset` may no longer be read; whole segments go with the next retention."""
        if offset > self.log_end_offset:
            raise KafkaError(Err.OFFSET_OUT_OF_RANGE)
        if offset > self.log_start_offset:
            self.log_start_offset = offset
            self._epochs.truncate_from_start(offset)
            self.producers.truncate_before(offset)

    def apply_retention(self, now_ms: int, end_offset: int) -> list[Retired]:
        """Let go of segments that are too old, too many, or below the log start, none at or above `end_offset` (the
        high watermark). The files are renamed now and unlinked by `collect_deleted`."""
        if self.failed:
            return []
        gone = retention.retired(
            self._segments,
            self.settings,
            log_start_offset=self.log_start_offset,
            log_end_offset=self.log_end_offset,
            high_watermark=end_offset,
            now_ms=now_ms,
        )
        if len(gone) == len(self._segments):
            self._roll(self.log_end_offset, now_ms)
        if gone:
            self._retire(self._segments[: len(gone)], now_ms + self.settings.file_delete_delay_ms)
        return gone

    def _retire(self, segments: Row, due_ms: int) -> None:
        """Oldest first, and each durably before the next: were the second one gone and the first one back after a
        crash, the gap between them would look like lost data, and what follows would be set aside."""
        self._segments = self._segments[len(segments) :]
        self.advance_start(max(self.log_start_offset, self._segments[0].base_offset))
        for segment in segments:
            try:
                self._durability.sync_removals()
                self._trash.throw(segment.files, due_ms)
            except OSError as error:
                self._fail(f"{segment} in {self.directory} could not be deleted: {error.strerror}.")
                self._refuse_if_failed()
            self._durability.note_removal((segment,))
        self._snapshots.drop_at(segment.base_offset for segment in segments)

    def collect_deleted(self, now_ms: int) -> int:
        """Unlink what has waited for file.delete.delay.ms; how many files. May run in any thread."""
        return self._trash.collect(now_ms)

    def truncate_to(self, offset: int, *, now_ms: int) -> None:
        """As follower: drop every batch that holds `offset` or is above it. Durable when it returns."""
        self._refuse_if_failed()
        if offset <= self._segments[0].base_offset:
            self.restart_at(offset, now_ms=now_ms)
            return
        if offset < self.log_end_offset:
            self._cut(offset, now_ms)
        # Also without a cut: an epoch that began at the end and got no batch may not stay.
        self._epochs.truncate_from_end(self.log_end_offset)
        self.leader_epoch = self._epochs.latest

    def _cut(self, offset: int, now_ms: int) -> None:
        self._durability.cancel()
        number = reading.holding(self._segments, offset) + 1
        kept, gone = self._segments[:number], self._segments[number:]
        try:
            end = truncation.cut(self._disk, self.directory, kept, gone, self._snapshots, offset)
        except OSError as error:
            self._fail(f"{self.directory} could not be cut at {offset}: {error.strerror}.")
            raise self._storage_error("cut", self.directory, error) from error
        self._segments = kept
        self._durability.note_cut(gone, end)
        self.log_end_offset = end
        self.log_start_offset = min(self.log_start_offset, end)
        replayed_from, self.producers = self._snapshots.restore(end)
        replay(kept, replayed_from, end, self.producers, EpochCache(self._epochs.entries), now_ms)
        self.producers.truncate_before(self.log_start_offset)

    def restart_at(self, offset: int, *, now_ms: int) -> None:
        """As follower whose leader's log begins above our end: drop everything, begin anew. Durable when it returns."""
        self._refuse_if_failed()
        self._durability.cancel()
        gone = self._segments
        try:
            created = truncation.start_anew(
                self._disk, self.directory, gone, self._snapshots, offset, self.settings, now_ms
            )
        except OSError as error:
            self._fail(f"{self.directory} could not begin anew at {offset}: {error.strerror}.")
            raise self._storage_error("begin anew in", self.directory, error) from error
        self._segments = (created,)
        self._durability.note_cut(gone, offset)
        self._durability.recovery_point = offset
        self.log_start_offset = self.log_end_offset = offset
        self._epochs = EpochCache()
        self.leader_epoch = self._epochs.latest
        self.producers = ProducerStates()

    def expire(self, now_ms: int) -> int:
        """Forget producers that have been idle for too long; how many."""
        return self.producers.expire(now_ms, self.settings.producer_expiry_ms)

    # ---- ending

    def close(self) -> None:
        """Make everything durable, with what a quick start needs: indexes, snapshot, epochs.
        KafkaError(KAFKA_STORAGE_ERROR) when that was not possible: the stop is not a clean one then."""
        self._durability.cancel()
        self._refuse_if_failed()
        if self._snapshots.newest_offset < self.log_end_offset > 0:
            self._snapshots.add(self.log_end_offset, self.producers)
        try:
            flush = self._durability.begin_last(self._segments[-1], self.log_end_offset, self._epochs_to_keep())
        except OSError as error:
            raise self._storage_error("write the indexes in", self.directory, error) from error
        if flush is not None:
            flush.run()
            self.finish_flush(flush)
        self.failed = f"{self.topic}-{self.partition} is closed."
        for segment in self._segments:
            for file in segment.files:
                file.close()

    def discard(self) -> None:
        """The topic is deleted and the directory about to be renamed: write nothing more, free the descriptors."""
        self.failed = f"{self.topic}-{self.partition} was deleted."
        for segment in self._segments:
            for file in segment.files:
                file.forget()
        self._trash.forget()

    # ---- failing

    def _refuse_if_failed(self) -> None:
        if self.failed:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed)

    def _fail(self, reason: str) -> None:
        self.failed = self.failed or f"{reason} The partition takes no changes until the broker is restarted."
        _LOG.error("%s-%d: %s", self.topic, self.partition, self.failed)

    def _storage_error(self, deed: str, path: str, error: OSError) -> KafkaError:
        return KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed or f"Could not {deed} {path}: {error.strerror}.")
