"""Files on their way out: renamed to `.deleted` at once, unlinked after file.delete.delay.ms.

The delay is for people, as in Kafka; readers do not need it, a region stays valid without a name (disk.py). After a
restart what is left of them is removed by recovery.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from kq.engine import names
from kq.engine.disk import File

_LOG: Final = logging.getLogger(__name__)


class Trash:
    """`throw` and `collect` may run in any thread, one at a time."""

    __slots__ = ("_files",)

    def __init__(self) -> None:
        self._files: list[tuple[int, File]] = []  # when it is due, in ms

    def throw(self, files: Iterable[File], due_ms: int) -> None:
        """On a disk so full that even a longer name finds no room the file goes at once. So does one that has the name
        already: compaction replaces a segment again and again, and whoever reads the older one must not meet the newer
        under its name."""
        for file in files:
            name = file.path + names.DELETED
            for one in [one for one in self._files if one[1].path == name]:
                one[1].unlink()
                self._files.remove(one)
            try:
                file.rename(name)
            except OSError as error:
                _LOG.warning("%s is unlinked without delay: %s", file.path, error.strerror)
                file.unlink()
            else:
                self._files.append((due_ms, file))

    def collect(self, now_ms: int) -> int:
        """How many files were unlinked. One that cannot be is tried again the next time."""
        count = 0
        for one in [one for one in self._files if one[0] <= now_ms]:
            try:
                one[1].unlink()
            except OSError as error:
                _LOG.warning("%s cannot be unlinked: %s", one[1].path, error.strerror)
                if not isinstance(error, FileNotFoundError):
                    continue
            self._files.remove(one)
            count += 1
        return count

    def forget(self) -> None:
        """The directory goes with all that is in it."""
        for _, file in self._files:
            file.forget()
        self._files = []
