"""What of a log is on stable storage, and what the next flush has to bring there.

Kept apart from the log because two threads share the work: `begin` and `finish` run in the log's thread, the flush
between them in another, and the log goes on appending meanwhile. Only `finish` moves the recovery point.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from kq.engine import checkpoint, names
from kq.engine.disk import Disk, create_anew
from kq.engine.epochs import EpochEntry
from kq.engine.flush import Covered, Flush
from kq.engine.retention import Retired
from kq.engine.retirement import Retirement
from kq.engine.row import Segments
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.engine.snapshots import Snapshots

_LOG: Final = logging.getLogger(__name__)


class Durability:
    """One log's. At most one flush is under way."""

    __slots__ = (
        "_changes",
        "_changes_synced",
        "_directory",
        "_disk",
        "_epochs_in_file",
        "_flush",
        "_flushed_since_ms",
        "_rolled",
        "_snapshots",
        "_waiting_since_ms",
        "recovery_point",
    )

    def __init__(
        self,
        disk: Disk,
        directory: str,
        snapshots: Snapshots,
        *,
        recovery_point: int,
        rolled: list[Segment],
        epochs_in_file: tuple[EpochEntry, ...] | None,
        is_durable: bool,
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._snapshots = snapshots
        self.recovery_point = recovery_point  # everything below is on stable storage
        self._rolled = rolled  # segments that no longer grow and are not, or not known to be, durable
        self._epochs_in_file = epochs_in_file
        self._changes = 1  # names that were made in the directory, counted
        self._changes_synced = 1 if is_durable else 0  # how many of those are durable
        self._waiting_since_ms: int | None = None  # time of the oldest append that no flush has covered
        self._flushed_since_ms: int | None = None  # the same, of the flush that was begun last
        self._flush: Flush | None = None

    def note_append(self, now_ms: int) -> None:
        if self._waiting_since_ms is None:
            self._waiting_since_ms = now_ms

    def note_roll(self, segment: Segment) -> None:
        self._rolled.append(segment)
        self._changes += 1

    def retire(self, going: Segments, retired: list[Retired], bury: Callable[[Segment], None]) -> Retirement:
        return Retirement(
            self._disk,
            self._directory,
            going,
            retired,
            bury,
            directory_changes=self._changes,
            is_directory_durable=self._changes_synced == self._changes,
        )

    def note_retired(self, gone: Segments, retirement: Retirement) -> None:
        """These segments went, durably unless it has failed."""
        self.forget(gone)
        if retirement.error is None:
            self._changes_synced = max(self._changes_synced, retirement.directory_changes)

    def forget(self, gone: Segments) -> None:
        """These segments went: no flush need bring them anywhere."""
        self._rolled = [segment for segment in self._rolled if segment not in gone]

    def note_cut(self, gone: Segments, end_offset: int) -> None:
        """These segments went, the log ends here now, and what is left is synced. OSError if the names could not be."""
        self._disk.sync_directory(self._directory)
        self.forget(gone)
        self._changes_synced = self._changes
        self.recovery_point = min(self.recovery_point, end_offset)

    def note_restart(self, gone: Segments, offset: int) -> None:
        """Nothing is left but an empty segment at `offset`."""
        self.note_cut(gone, offset)
        self.recovery_point = offset

    def leave_mark(self) -> None:
        """A sync has failed: for the recovery that may find these pages in the cache (flush.py)."""
        try:
            create_anew(self._disk, f"{self._directory}/{names.SYNC_FAILED}").close()
        except OSError as error:
            _LOG.error("%s: a mark that a sync failed could not be left: %s", self._directory, error.strerror)

    def is_due(self, settings: LogSettings, log_end_offset: int, now_ms: int) -> bool:
        """By flush.messages and flush.ms; a segment that was rolled is always due."""
        if self._flush is not None:
            return False
        since = self._waiting_since_ms
        return (
            bool(self._rolled)
            or log_end_offset - self.recovery_point >= settings.flush_messages
            or (since is not None and now_ms - since >= settings.flush_ms)
        )

    def begin(self, active: Segment, log_end_offset: int, epochs: tuple[EpochEntry, ...]) -> Flush | None:
        """A flush of all there is; None when that is durable, or a flush is under way. OSError: it could not begin."""
        if self._flush is not None or self._is_durable(active, log_end_offset):
            return None
        self._flush = self._make(active, log_end_offset, epochs, with_indexes=False)
        self._flushed_since_ms, self._waiting_since_ms = self._waiting_since_ms, None
        return self._flush

    def begin_last(self, active: Segment, log_end_offset: int, epochs: tuple[EpochEntry, ...]) -> Flush | None:
        """The log is closed: also the indexes of the segment that grew. None when the last close did all this."""
        is_idle = (
            active.indexed_size == active.size and epochs == self._epochs_in_file and not self._snapshots.waiting()
        )
        if is_idle and self._is_durable(active, log_end_offset):
            return None
        has_grown = active.indexed_size != active.size
        if has_grown:
            active.seal()
        return self._make(active, log_end_offset, epochs, with_indexes=has_grown)

    def _is_durable(self, active: Segment, log_end_offset: int) -> bool:
        return (
            not self._rolled
            and active.synced_size == active.size
            and self.recovery_point == log_end_offset
            and self._changes_synced == self._changes
        )

    def _make(
        self, active: Segment, log_end_offset: int, epochs: tuple[EpochEntry, ...], *, with_indexes: bool
    ) -> Flush:
        covered = [Covered.of(segment, with_indexes=True) for segment in self._rolled]
        covered.append(Covered.of(active, with_indexes=with_indexes))
        for one in covered:
            if one.with_indexes:
                one.segment.write_indexes()
        files = self._snapshots.waiting()
        if epochs != self._epochs_in_file:
            files.append((f"{self._directory}/{checkpoint.LEADER_EPOCHS}", checkpoint.encode_epochs(epochs)))
        return Flush(
            self._disk,
            covered=covered,
            files=files,
            directory=self._directory if self._changes_synced < self._changes else None,
            directory_changes=self._changes,
            end_offset=log_end_offset,
            epochs=epochs,
        )

    def finish(self, flush: Flush) -> None:
        """Take note of what a flush that did not fail has done."""
        if self._flush is flush:
            self._flush = None
        if flush.cancelled or flush.error is not None:
            self._waiting_since_ms = self._flushed_since_ms or self._waiting_since_ms
            return
        for one in flush.covered:
            one.segment.synced_size = one.size
            if one.with_indexes:
                one.segment.indexed_size = one.size
        sealed = [one.segment for one in flush.covered if one.with_indexes]
        self._rolled = [segment for segment in self._rolled if segment not in sealed]
        self._snapshots.note_written(flush.files)
        self._epochs_in_file = flush.epochs
        self._changes_synced = max(self._changes_synced, flush.directory_changes)
        self.recovery_point = max(self.recovery_point, flush.end_offset)

    def cancel(self) -> Flush | None:
        """Waits for a flush that runs at this moment, and returns it: it proves nothing now, but it may have failed."""
        flush, self._flush = self._flush, None
        if flush is not None:
            flush.cancel()
        return flush
