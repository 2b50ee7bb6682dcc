"""The offset checkpoints of a data directory: recovery points, log starts, high watermarks, clean offsets.

They hold an entry for each log, and go on holding those of partitions that were not loaded but may be served again some
day (strays, refused ones): else records that somebody deleted would be back then.

They are hints (directory.py): a recovery point that is too low costs time. One that is too high would hide a torn tail,
and a log start above the end empties a log, so a partition made anew must not meet those of the one that had its name:
`forget` first.
"""

from __future__ import annotations

from collections.abc import Mapping

from kq.engine import checkpoint
from kq.engine.directory import DataDirectory
from kq.engine.log import Log

Key = tuple[str, int]


class OffsetCheckpoints:
    __slots__ = (
        "_directory",
        "_has_clean_offsets",
        "_on_disk",
        "clean_offsets",
        "high_watermarks",
        "log_starts",
        "recovery_points",
    )

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        # Of partitions that are not among the logs: at first all that the files say.
        self.recovery_points = directory.read_offsets(checkpoint.RECOVERY_POINTS)
        self.log_starts = directory.read_offsets(checkpoint.LOG_STARTS)
        self.high_watermarks = directory.read_offsets(checkpoint.HIGH_WATERMARKS)
        self.clean_offsets = directory.read_offsets(checkpoint.CLEAN_OFFSETS)
        self._has_clean_offsets = bool(self.clean_offsets)
        self._on_disk = {*self.recovery_points, *self.log_starts, *self.high_watermarks, *self.clean_offsets}

    def loaded(self, unloaded: set[Key], *, was_clean: bool) -> None:
        """The logs speak for themselves from now on; what is known of others, but for `unloaded`, is of the past. After
        a stop that was not clean recovery points are dropped too: those partitions were not scanned, and the next clean
        stop must not vouch for them."""
        if not was_clean:
            self.recovery_points.clear()
        for offsets in (self.recovery_points, self.log_starts, self.high_watermarks, self.clean_offsets):
            for key in offsets.keys() - unloaded:
                del offsets[key]

    def forget(self, key: Key, logs: Mapping[Key, Log]) -> None:
        """No file says anything of this partition any more, which is not among `logs`. Raises OSError."""
        for offsets in (self.recovery_points, self.log_starts, self.high_watermarks, self.clean_offsets):
            offsets.pop(key, None)
        if key in self._on_disk:
            self.write(logs)

    def write(self, logs: Mapping[Key, Log], high_watermarks: Mapping[Key, int] | None = None) -> None:
        """The files that have changed, synced; without `high_watermarks` each is its log's end. Raises OSError."""
        logs = dict(logs)
        log_starts = {**self.log_starts, **{key: log.log_start_offset for key, log in logs.items()}}
        recovery_points = {**self.recovery_points, **{key: log.recovery_point for key, log in logs.items()}}
        if high_watermarks is None:
            high_watermarks = {key: log.log_end_offset for key, log in logs.items()}
        # Log starts first. Should a crash come between: an old log start shows deleted records again, where an old
        # recovery point costs time only.
        self._directory.write_offsets(checkpoint.LOG_STARTS, {key: at for key, at in log_starts.items() if at > 0})
        self._directory.write_offsets(checkpoint.RECOVERY_POINTS, recovery_points)
        self._directory.write_offsets(checkpoint.HIGH_WATERMARKS, {**self.high_watermarks, **high_watermarks})
        clean_offsets = {**self.clean_offsets, **{key: log.compaction.clean_offset for key, log in logs.items()}}
        clean_offsets = {key: at for key, at in clean_offsets.items() if at > 0}
        if clean_offsets or self._has_clean_offsets:  # without a compacted topic there is no such file
            self._directory.write_offsets(checkpoint.CLEAN_OFFSETS, clean_offsets)
            self._has_clean_offsets = True
        self._on_disk = {*recovery_points, *log_starts, *self.high_watermarks, *high_watermarks}
