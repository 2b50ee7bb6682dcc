"""Files on their way out: renamed to `.deleted` at once, unlinked after file.delete.delay.ms.

The delay is for people, as in Kafka; readers do not need it, a region stays valid without a name (disk.py). After a
restart what is left of them is removed by recovery.
"""

from __future__ import annotations

from collections.abc import Iterable

from kq.engine import names
from kq.engine.disk import File


class Trash:
    """`throw` runs in the log's thread, `collect` in any."""

    __slots__ = ("_files",)

    def __init__(self) -> None:
        self._files: list[tuple[int, File]] = []  # when it is due, in ms

    def throw(self, files: Iterable[File], due_ms: int) -> None:
        for file in files:
            file.rename(file.path + names.DELETED)
            self._files.append((due_ms, file))

    def collect(self, now_ms: int) -> int:
        """How many files were unlinked. One that cannot be is tried again the next time."""
        due = [one for one in self._files if one[0] <= now_ms]
        for one in due:
            try:
                one[1].unlink()
            except FileNotFoundError:
                one[1].close()
            self._files.remove(one)
        return len(due)

    def forget(self) -> None:
        """The directory goes with all that is in it."""
        for _, file in self._files:
            file.forget()
        self._files = []
