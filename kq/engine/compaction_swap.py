"""The swap: what compaction has left of a group of segments takes their place, and no crash finds half of it.

        X.log X.index ... Y.log Y.index ...     the group, and beside it what is left of it, synced:
        X.log.cleaned X.index.cleaned ...
    1.  the directory is synced                 the names of the .cleaned files are durable
    2.  each .cleaned becomes .swap, sync       a crash before the sync: some may still be .cleaned, and as long as one
                                                is, recovery takes the .swap files away; after it: recovery finishes
    3.  the group's files become .deleted, sync a crash: recovery takes away what of the group is left that begins
                                                below the last offset of the .swap file; of the segments above, of
                                                which nothing is left, one goes after the other, each with a sync
    4.  each .swap gets its name, sync          a crash: recovery does the same

Each sync keeps a step from being seen without the one before it: a segment of the group that came back behind what has
replaced it, or an old .txnindex beside a new log, would show records that were deleted, or hide some. When the last
segments of a group come back, in step 3, that is as if they had not been compacted yet; a tombstone that came back
without the value before it is harmless, the value without the tombstone would not be. (Kafka goes the same way and
leaves the order to the file system.)
"""

from __future__ import annotations

from collections.abc import Callable

from kq.engine import names
from kq.engine.compaction_pass import Cleaned
from kq.engine.disk import Disk
from kq.engine.segment import Segment


class Swap:
    """Made by `LogCompaction.begin_swap`, run once in any thread, handed back to `LogCompaction.finish_swap`."""

    __slots__ = ("_bury", "_directory", "_disk", "cleaned", "error", "has_begun")

    def __init__(self, disk: Disk, directory: str, cleaned: Cleaned, bury: Callable[[Segment], None]) -> None:
        self._disk = disk
        self._directory = directory
        self._bury = bury  # takes the names of a segment's files away; OSError when it cannot
        self.cleaned = cleaned
        self.has_begun = False  # there is no way back
        self.error: OSError | None = None

    def run(self) -> None:
        """Never raises: what went wrong comes out of `LogCompaction.finish_swap`."""
        try:
            self._sync()
            self.has_begun = True
            self._rename(names.CLEANED, names.SWAP)
            self._sync()
            self._bury_group()
            self._rename(names.SWAP, "")
            self._sync()
        except OSError as error:
            self.error = error

    def _bury_group(self) -> None:
        first, *others = self.cleaned.group
        self._bury(first)
        for segment in others:
            if segment.base_offset >= self.cleaned.end_offset:
                self._sync()
            self._bury(segment)
        self._sync()

    def _rename(self, old: str, new: str) -> None:
        for file in self.cleaned.files:
            file.rename(file.path.removesuffix(old) + new)

    def _sync(self) -> None:
        self._disk.sync_directory(self._directory)
