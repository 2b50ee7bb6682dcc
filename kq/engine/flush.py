"""One flush: what was written when it began reaches stable storage, in a thread of its own, while the log goes on.

Order (SEMANTICS rule 11): rolled segments with their indexes, producer snapshots, leader epochs, the directory, and
last the segment that grows. Only when all of it has succeeded may the recovery point move; acks of the
fsync-before-ack mode wait for it.

A sync that fails is never repeated in the hope that it succeeds: Linux drops the pages it could not write and answers
the next fsync with success ("fsyncgate"). The log is then failed until it is opened again by recovery, which believes
only what it can read; Kafka takes the whole log directory offline.
"""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple

from kq.engine.disk import Disk
from kq.engine.epochs import EpochEntry
from kq.engine.segment import Segment


class Covered(NamedTuple):
    """How much of a segment a flush covers."""

    segment: Segment
    size: int
    with_indexes: bool


class Flush:
    """Made by `Log.begin_flush`, run once in any thread, handed back to `Log.finish_flush`."""

    __slots__ = (
        "_disk",
        "_lock",
        "cancelled",
        "covered",
        "directory",
        "directory_changes",
        "end_offset",
        "epochs",
        "error",
        "files",
    )

    def __init__(
        self,
        disk: Disk,
        *,
        covered: list[Covered],
        files: list[tuple[str, bytes]],
        directory: str | None,
        directory_changes: int,
        end_offset: int,
        epochs: tuple[EpochEntry, ...],
    ) -> None:
        self._disk = disk
        self._lock = Lock()
        self.covered = covered
        self.files = files  # small files to be replaced: path and content
        self.directory = directory  # to be synced, if any
        self.directory_changes = directory_changes  # how many changes of the directory are durable after it
        self.end_offset = end_offset  # everything below is durable after it
        self.epochs = epochs  # what the leader-epoch checkpoint holds after it
        self.error: OSError | None = None
        self.cancelled = False

    def run(self) -> None:
        """Never raises: what went wrong comes out of `Log.finish_flush`."""
        with self._lock:
            if self.cancelled:
                return
            try:
                self._run()
            except OSError as error:
                self.error = error

    def _run(self) -> None:
        for segment, _, with_indexes in self.covered:
            if with_indexes:
                for file in segment.files:
                    file.sync()
        for path, content in self.files:
            self._disk.replace(path, content, sync=True)
        if self.directory is not None:
            self._disk.sync_directory(self.directory)
        for segment, _, with_indexes in self.covered:
            if not with_indexes:
                segment.log.sync()

    def cancel(self) -> None:
        """It will not run, or has just ended; its outcome proves nothing about what the log holds from now on."""
        with self._lock:
            self.cancelled = True
