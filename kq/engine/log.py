"""The log of one partition: a row of segments of which the last grows.

All mutators are called from one thread; reads and lookups may run in any other meanwhile, except during `truncate_to`
and `restart_at`. The row of segments is an immutable tuple that is swapped as a whole.

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
from bisect import bisect_right
from operator import attrgetter
from typing import Final, NamedTuple, NoReturn

from kq.engine import checkpoint, inspect, lookup, retention
from kq.engine.disk import Disk
from kq.engine.flush import Covered, Flush
from kq.engine.loading import Loaded, Loader
from kq.engine.lookup import TimestampOffset
from kq.engine.markers import marker_of
from kq.engine.producers import ProducerStates
from kq.engine.region import Region
from kq.engine.retention import Retired
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.engine.trash import Trash
from kq.engine.txnindex import AbortedTransaction, overlapping
from kq.errors import Err, KafkaError
from kq.record.batch import BatchHeader, crc_ok, iter_batches, set_offset_and_epoch

_LOG: Final = logging.getLogger(__name__)
_base_offset: Final = attrgetter("base_offset")


class Appended(NamedTuple):
    base_offset: int
    last_offset: int
    duplicate: bool  # it was in the log already: nothing was written, and these are its old offsets
    max_timestamp: int
    log_start_offset: int


class Log:
    """One partition on one disk."""

    __slots__ = (
        "_directory_changes",
        "_directory_synced",
        "_disk",
        "_epochs",
        "_epochs_written",
        "_flush",
        "_segments",
        "_snapshots",
        "_trash",
        "_unsynced",
        "_unsynced_since_ms",
        "directory",
        "failed",
        "leader_epoch",
        "log_end_offset",
        "log_start_offset",
        "partition",
        "producers",
        "recovery_point",
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
        self.recovery_point = loaded.recovery_point  # everything below is on stable storage
        self.producers: ProducerStates = loaded.producers
        self.failed: str | None = None  # why the log refuses changes
        self._epochs = loaded.epochs
        self._epochs_written = loaded.epochs_in_file
        self.leader_epoch = loaded.epochs.latest  # newest known, -1: none
        self._snapshots = loaded.snapshots
        self._trash = Trash()
        self._flush: Flush | None = None  # under way
        self._unsynced = loaded.unsynced  # segments that no longer grow and are not, or not known to be, durable
        self._unsynced_since_ms: int | None = None  # time of the oldest append that is not durable
        self._directory_changes = 1  # names that were made or taken away, counted
        self._directory_synced = 1 if loaded.is_durable else 0  # how many of those changes are durable

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
    def size_bytes(self) -> int:
        return sum(segment.size for segment in self._segments)

    @property
    def first_unstable_offset(self) -> int | None:
        """Where the oldest transaction begins whose outcome a reader may not see yet (SEMANTICS rule 7)."""
        unstable = self.producers.first_unstable_offset
        return None if unstable is None else max(unstable, self.log_start_offset)

    def configure(self, settings: LogSettings) -> None:
        self.settings = settings
        self._segments[-1].settings = settings

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
        if self.failed:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed)
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
        if self._unsynced_since_ms is None:
            self._unsynced_since_ms = now_ms
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
        self._directory_changes += 1
        try:
            old.seal()
        except OSError as error:
            _LOG.warning("the indexes of %s are written later: %s", old, error.strerror)
        self._snapshots.add(base_offset, self.producers)
        self._unsynced.append(old)
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
        log_end = self.log_end_offset
        if not self.log_start_offset <= offset <= log_end:
            raise KafkaError(Err.OFFSET_OUT_OF_RANGE)
        end_offset = min(end_offset, log_end)
        if offset >= end_offset:
            return None
        segments = self._segments
        at = len(segments) - 1
        if offset < segments[at].base_offset:
            at = max(bisect_right(segments, offset, key=_base_offset) - 1, 0)
        while at < len(segments):
            segment = segments[at]
            next_offset = segments[at + 1].base_offset if at + 1 < len(segments) else log_end
            start = segment.start_of_read(offset)
            end = segment.size if end_offset >= next_offset else segment.end_before(end_offset)
            if start < end:
                stop = segment.cut(start, end, max_bytes, at_least_one=at_least_one)
                if stop == segment.size:
                    segment.remember_end(next_offset, stop)
                return segment.log.region(start, stop - start) if stop > start else None
            if end_offset <= next_offset:
                return None
            at += 1
        return None

    def aborted_in(self, offset: int, end_offset: int) -> list[tuple[int, int]]:
        """Producer id and first offset of each aborted transaction that touches [offset, end_offset)."""
        found: list[tuple[int, int]] = []
        segments = self._segments
        for segment in segments[max(bisect_right(segments, offset, key=_base_offset) - 1, 0) :]:
            entries, is_complete = overlapping(segment.aborted(), offset, end_offset)
            found += [(entry.producer_id, entry.first_offset) for entry in entries]
            if is_complete:
                break
        return found

    def find_by_time(self, timestamp_ms: int) -> TimestampOffset | None:
        """The first record at or after a time."""
        return lookup.first_at_or_after(self._segments, timestamp_ms, self.log_start_offset)

    def find_max_timestamp(self) -> TimestampOffset | None:
        """The first record with the greatest timestamp (it may be below the log start offset, as in Kafka)."""
        return lookup.with_greatest_timestamp(self._segments)

    # ---- flushing

    def flush_due(self, now_ms: int) -> bool:
        """By flush.messages and flush.ms; a segment that was rolled is always due."""
        if self.failed or self._flush is not None:
            return False
        since = self._unsynced_since_ms
        return (
            bool(self._unsynced)
            or self.log_end_offset - self.recovery_point >= self.settings.flush_messages
            or (since is not None and now_ms - since >= self.settings.flush_ms)
        )

    def begin_flush(self) -> Flush | None:
        """Everything that was appended until now; None when it is durable already or a flush is under way."""
        if self.failed:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed)
        if self._flush is not None:
            return None
        active = self._segments[-1]
        if (
            not self._unsynced
            and active.synced_size == active.size
            and self.recovery_point == self.log_end_offset
            and self._directory_synced == self._directory_changes
        ):
            return None
        covered = [Covered(segment, segment.size, True) for segment in self._unsynced]
        covered.append(Covered(active, active.size, False))
        self._flush = self._make_flush(covered)
        self._unsynced_since_ms = None
        return self._flush

    def _make_flush(self, covered: list[Covered]) -> Flush:
        for segment, _, with_indexes in covered:
            if with_indexes:
                try:
                    segment.write_indexes()
                except OSError as error:
                    raise self._storage_error("write the indexes of", segment.log.path, error) from error
        files = self._snapshots.waiting()
        if self._epochs.entries != self._epochs_written:
            path = f"{self.directory}/{checkpoint.LEADER_EPOCHS}"
            files.append((path, checkpoint.encode_epochs(self._epochs.entries)))
        return Flush(
            self._disk,
            covered,
            files,
            self.directory if self._directory_synced < self._directory_changes else None,
            self._directory_changes,
            self.log_end_offset,
            self._epochs.entries,
        )

    def finish_flush(self, flush: Flush) -> None:
        """Take note of what `flush.run` has done; KafkaError(KAFKA_STORAGE_ERROR) if it failed: so has the log then."""
        self._flush = None
        if flush.error is not None:
            self._fail(f"{self.directory} could not be synced: {flush.error.strerror}.")
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed) from flush.error
        if flush.cancelled:
            return
        for segment, size, _ in flush.covered:
            segment.synced_size = size
        sealed = [segment for segment, _, with_indexes in flush.covered if with_indexes]
        self._unsynced = [segment for segment in self._unsynced if segment not in sealed]
        self._snapshots.note_written(flush.files)
        self._epochs_written = flush.epochs
        self._directory_synced = flush.directory_changes
        self.recovery_point = max(self.recovery_point, flush.end_offset)

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

    def _retire(self, segments: tuple[Segment, ...], due_ms: int) -> None:
        self._segments = self._segments[len(segments) :]
        self.advance_start(max(self.log_start_offset, self._segments[0].base_offset))
        for segment in segments:
            try:
                self._trash.throw(segment.files, due_ms)
            except OSError as error:
                _LOG.warning("%s stays in %s: %s", segment, self.directory, error.strerror)
        self._snapshots.drop_at(segment.base_offset for segment in segments)
        self._unsynced = [segment for segment in self._unsynced if segment not in segments]
        self._directory_changes += 1

    def collect_deleted(self, now_ms: int) -> int:
        """Unlink what has waited for file.delete.delay.ms; how many files. May run in any thread."""
        return self._trash.collect(now_ms)

    def expire(self, now_ms: int) -> int:
        """Forget producers that have been idle for too long; how many."""
        return self.producers.expire(now_ms, self.settings.producer_expiry_ms)

    # ---- ending

    def close(self) -> None:
        """Make everything durable, with what a quick start needs: indexes, snapshot, epochs.
        KafkaError(KAFKA_STORAGE_ERROR) when that was not possible: the stop is not a clean one then."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if self.failed:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed)
        active = self._segments[-1]
        try:
            active.seal()
        except OSError as error:
            raise self._storage_error("write the indexes of", active.log.path, error) from error
        if self._snapshots.newest_offset < self.log_end_offset:
            self._snapshots.add(self.log_end_offset, self.producers)
        covered = [Covered(segment, segment.size, True) for segment in (*self._unsynced, active)]
        flush = self._make_flush(covered)
        flush.run()
        self.finish_flush(flush)
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

    def _fail(self, reason: str) -> None:
        self.failed = self.failed or f"{reason} The partition takes no changes until the broker is restarted."
        _LOG.error("%s-%d: %s", self.topic, self.partition, self.failed)

    def _storage_error(self, deed: str, path: str, error: OSError) -> KafkaError:
        return KafkaError(Err.KAFKA_STORAGE_ERROR, self.failed or f"Could not {deed} {path}: {error.strerror}.")
