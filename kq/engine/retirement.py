"""One retention: the oldest segments of a log go, in a thread of its own, while the log goes on.

Each goes durably before the next: were it back after a crash and the next one gone, the gap between them would look
like lost data, and what follows would be set aside. The names made before, such as that of the segment that takes over
when all others go, are durable before anything goes: an empty directory says nothing of where the log ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kq.engine.disk import Disk
from kq.engine.retention import Retired
from kq.engine.segment import Segment


class Retirement:
    """Made by `Log.begin_retention`, run once in any thread, handed back to `Log.finish_retention`."""

    __slots__ = (
        "_bury",
        "_directory",
        "_disk",
        "_going",
        "_is_directory_durable",
        "begun",
        "directory_changes",
        "error",
        "retired",
    )

    def __init__(
        self,
        disk: Disk,
        directory: str,
        going: Sequence[Segment],
        retired: list[Retired],
        bury: Callable[[Segment], None],
        *,
        directory_changes: int,
        is_directory_durable: bool,
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._going = going
        self._bury = bury  # takes the names of a segment's files away; OSError when it cannot
        self._is_directory_durable = is_directory_durable
        self.retired = retired  # what goes, and why
        self.directory_changes = directory_changes  # how many changes of the directory are durable after it
        self.begun = 0  # how many segments have gone, or have begun to
        self.error: OSError | None = None

    def run(self) -> None:
        """Never raises: what went wrong comes out of `Log.finish_retention`."""
        try:
            if not self._is_directory_durable:
                self._disk.sync_directory(self._directory)
            for segment in self._going:
                self.begun += 1
                self._bury(segment)
                self._disk.sync_directory(self._directory)
        except OSError as error:
            self.error = error

    def check(self) -> None:
        """OSError if something went wrong."""
        if self.error is not None:
            raise self.error
