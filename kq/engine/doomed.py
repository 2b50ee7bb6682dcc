"""Partition directories on their way out: emptied a few files at a time, then removed.

A topic of 10 TB must not stop a broker while it goes: unlinking a file of 1 GiB takes the file system milliseconds to
tenths of a second, so a call of `collect` does a bounded number of them and says whether more is waiting.
"""

from __future__ import annotations

import logging
import os
from typing import Final

from kq.engine.disk import Disk

_LOG: Final = logging.getLogger(__name__)

FILES_A_CALL: Final = 64


class Doomed:
    """`add` may run beside one `collect`."""

    __slots__ = ("_disk", "_waiting")

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._waiting: dict[str, int] = {}  # path -> when it is due, in ms

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, path: str, due_ms: int) -> None:
        self._waiting[path] = due_ms

    def collect(self, now_ms: int, files: int = FILES_A_CALL) -> bool:
        """Unlinks at most `files` files of what is due; True when more is due. What cannot be deleted is tried again
        by the next call."""
        for path, due_ms in list(self._waiting.items()):
            if due_ms > now_ms:
                continue
            if files <= 0:
                return True
            try:
                files -= self._empty(path, files)
            except OSError as error:
                _LOG.warning("%s cannot be deleted now: %s", path, error)
                continue
            if files > 0:
                del self._waiting[path]
        return files <= 0

    def _empty(self, path: str, files: int) -> int:
        """How many files were unlinked; if fewer than `files`, the directory is gone too."""
        try:
            entries = self._disk.entries(path)
        except FileNotFoundError:
            return 0
        done = 0
        for entry in entries[:files]:
            inside = os.path.join(path, entry.name)
            if entry.is_directory:
                self._disk.remove_tree(inside)
            else:
                self._disk.unlink(inside)
            done += 1
        if len(entries) < files:
            self._disk.remove_tree(path)
        return done
