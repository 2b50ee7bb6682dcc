"""Cutting a log at its end, for a follower whose leader knows better. Both functions are durable when they return.

They work from the end backwards, so that at every moment, crash or not, what is on the disk is the beginning of the
log. Without that a segment that went could come back after a crash, behind batches that were written since.
"""

from __future__ import annotations

from kq.engine.disk import Disk
from kq.engine.reading import Row
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.engine.snapshots import Snapshots


def cut(disk: Disk, directory: str, kept: Row, gone: Row, snapshots: Snapshots, offset: int) -> int:
    """Drop the segments of `gone`, and of the last one of `kept` what holds `offset` or is above it. Returns the log
    end: a batch goes as a whole, so it may be lower."""
    _unlink(gone)
    end = kept[-1].truncate(offset)
    snapshots.drop_above(end)
    disk.sync_directory(directory)
    kept[-1].log.sync()
    return end


def start_anew(
    disk: Disk, directory: str, gone: Row, snapshots: Snapshots, offset: int, settings: LogSettings, now_ms: int
) -> Segment:
    """Drop everything and begin with an empty segment at `offset`."""
    _unlink(gone)
    snapshots.drop_above(-1)
    created = Segment.create(disk, directory, offset, settings, now_ms)
    disk.sync_directory(directory)
    return created


def _unlink(gone: Row) -> None:
    for segment in reversed(gone):
        for file in segment.files:
            file.unlink()
