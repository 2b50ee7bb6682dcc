"""The producer snapshots of a partition: `<offset>.snapshot` is what was known of producers before that offset.

One is made at each roll and at a clean close, so that a start replays little of the log; one that is missing or corrupt
costs time only. A snapshot waits in memory until the next flush writes and syncs it: then the segments before it are
durable too, and no crash leaves a snapshot of batches that are gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from kq.engine import names, producer_snapshot
from kq.engine.disk import Disk
from kq.engine.producer_snapshot import CorruptSnapshot
from kq.engine.producers import ProducerStates

_LOG: Final = logging.getLogger(__name__)


class Snapshots:
    """By offset; one writer."""

    __slots__ = ("_directory", "_disk", "_waiting", "_written")

    def __init__(self, disk: Disk, directory: str, offsets: Iterable[int]) -> None:
        self._disk = disk
        self._directory = directory
        self._written = set(offsets)
        self._waiting: dict[int, bytes] = {}

    @property
    def newest_offset(self) -> int:
        """-1 without any."""
        return max((*self._written, *self._waiting), default=-1)

    def add(self, offset: int, states: ProducerStates) -> None:
        self._waiting[offset] = producer_snapshot.encode(states)

    def waiting(self) -> list[tuple[str, bytes]]:
        """Path and content of those a flush must write."""
        return [(self._path(offset), content) for offset, content in self._waiting.items()]

    def note_written(self, files: Iterable[tuple[str, bytes]]) -> None:
        """A flush has written these of `waiting`."""
        paths = {path for path, _ in files}
        for offset in [offset for offset in self._waiting if self._path(offset) in paths]:
            del self._waiting[offset]
            self._written.add(offset)

    def restore(self, end_offset: int) -> tuple[int, ProducerStates]:
        """The newest that is not above `end_offset` and not corrupt (those that are are removed), and its offset; an
        empty state at -1 when there is none."""
        for offset in sorted(self._written | self._waiting.keys(), reverse=True):
            if offset > end_offset:
                continue
            try:
                content = self._waiting.get(offset) or self._disk.read(self._path(offset))
                return offset, producer_snapshot.decode(content)
            except (CorruptSnapshot, OSError) as fault:
                _LOG.warning("%s is of no use, %s: what it held is read from the log", self._path(offset), fault)
                self._give_up(offset)
        return -1, ProducerStates()

    def drop_above(self, offset: int) -> None:
        """The log was cut here."""
        self._drop(lambda one: one > offset)

    def drop_at(self, offsets: Iterable[int]) -> None:
        """The segments that begin here were deleted."""
        gone = set(offsets)
        self._drop(lambda one: one in gone)

    def _drop(self, is_gone: Callable[[int], bool]) -> None:
        for offset in [offset for offset in self._waiting if is_gone(offset)]:
            del self._waiting[offset]
        for offset in [offset for offset in self._written if is_gone(offset)]:
            try:
                self._disk.unlink(self._path(offset))
            except FileNotFoundError:
                _LOG.debug("%s is gone already", self._path(offset))
            self._written.discard(offset)

    def _give_up(self, offset: int) -> None:
        self._waiting.pop(offset, None)
        self._written.discard(offset)
        try:
            self._disk.unlink(self._path(offset))
        except OSError as error:
            _LOG.warning("%s could not be removed: %s", self._path(offset), error.strerror)

    def _path(self, offset: int) -> str:
        return f"{self._directory}/{names.file_name(offset, names.SNAPSHOT)}"
