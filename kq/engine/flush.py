"""One flush: what was written when it began reaches stable storage, in a thread of its own, while the log goes on.

Order (SEMANTICS rule 11): rolled segments with their indexes, producer snapshots, leader epochs, the directory, and
last the segment that grows. Only when all of it has succeeded may the recovery point move; acks of the
fsync-before-ack mode wait for it. A file in which nothing has changed since it was last synced is left out.

A sync that fails is never repeated in the hope that it succeeds: Linux marks the pages it could not write as clean and
answers the next fsync with success ("fsyncgate"). The log has failed then until recovery opens it again; Kafka takes
the whole log directory offline. A restart alone would not do, for it reads those same pages from the cache. So a file
`sync-failed` is left in the directory, and recovery writes every batch above the recovery point once more. It need not
be synced itself: it is for whoever still has the cache.

Only one failure is harmless: no room for one of the small files, which are written anew as a whole the next time.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import NamedTuple

from kq.engine.disk import Disk
from kq.engine.epochs import EpochEntry
from kq.engine.segment import Segment


class Covered(NamedTuple):
    """What a flush makes durable of a segment."""

    segment: Segment
    size: int  # of its log, when the flush began
    with_log: bool  # some of these bytes are not durable yet
    with_indexes: bool  # it no longer grows

    @classmethod
    def of(cls, segment: Segment, *, with_indexes: bool) -> Covered:
        return cls(segment, segment.size, segment.synced_size != segment.size, with_indexes)


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
        "has_lost_pages",
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
        self.has_lost_pages = False  # a sync failed
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
        for one in self.covered:
            if one.with_indexes:
                for file in one.segment.files if one.with_log else one.segment.files[1:]:
                    self._sync(file.sync)
        for path, content in self.files:
            try:
                self._disk.replace(path, content, sync=True)
            except OSError as error:
                self.has_lost_pages = error.errno not in (errno.ENOSPC, errno.EDQUOT)
                raise
        if self.directory is not None:
            self._sync(partial(self._disk.sync_directory, self.directory))
        for one in self.covered:
            if one.with_log and not one.with_indexes:
                self._sync(one.segment.log.sync)

    def _sync(self, sync: Callable[[], None]) -> None:
        try:
            sync()
        except OSError:
            self.has_lost_pages = True
            raise

    def cancel(self) -> None:
        """It will not run, or has just ended; its outcome proves nothing about what the log holds from now on."""
        with self._lock:
            self.cancelled = True
