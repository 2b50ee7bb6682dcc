"""Open descriptors, fewer than there are files.

A broker with 10,000 partitions has 30,000 files and may open 20,000 at most, so a file is opened when it is used and
closed when others need its place. Second chance instead of strict LRU: a use only sets a flag, and the sweep for a
victim, which runs only when a new descriptor is opened at the limit, takes the flag away first.

- A pinned file is never closed: the pool goes above its limit rather than fail.
- A file without a name (unlinked, but a region still wants it) is kept: it could not be opened again, and another file
  may have its name by then.
- A file with unsynced bytes is closed only when nothing else is left: Linux reports a failed write-back to the next
  fsync of the inode, even through a new descriptor, but not after it has dropped the inode from memory.
- When the process is out of descriptors (EMFILE) the pool gives one of its own away and tries again.
"""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from threading import RLock
from typing import Final

SWEEP: Final = 32
"""Files looked at for one victim; more would make a miss slow, fewer close files that are in use."""


class Pooled:
    """What the pool knows of one file. All fields are guarded by the pool's lock, but for `recent` and `dirty`."""

    __slots__ = ("__weakref__", "dirty", "fd", "holds", "path", "pins", "recent", "unlinked")

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1  # -1: closed
        self.pins = 0  # uses in progress: the descriptor must stay
        self.holds = 0  # regions that may be read later: the bytes must stay reachable
        self.recent = False  # used since the last sweep
        self.dirty = False  # has bytes that were not synced
        self.unlinked = False


class FilePool:
    """Thread-safe. The lock is reentrant because a region may be freed by the garbage collector at any allocation."""

    __slots__ = ("_limit", "_lock", "_open")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = RLock()
        self._open: OrderedDict[Pooled, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def create(self, file: Pooled) -> None:
        """Make the file, which must not exist."""
        with self._lock:
            self._open_descriptor(file, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def pin(self, file: Pooled) -> int:
        """A descriptor that stays open until `unpin`."""
        with self._lock:
            if file.fd < 0:
                if file.unlinked:
                    raise FileNotFoundError(errno.ENOENT, "it was deleted", file.path)
                self._open_descriptor(file, os.O_RDWR)
            file.pins += 1
            file.recent = True
            return file.fd

    def unpin(self, file: Pooled) -> None:
        with self._lock:
            file.pins -= 1
            if file.unlinked:
                self._close_if_forgotten(file)

    def hold(self, file: Pooled) -> None:
        with self._lock:
            file.holds += 1

    def drop(self, file: Pooled) -> None:
        with self._lock:
            file.holds -= 1
            if file.unlinked:
                self._close_if_forgotten(file)

    def rename(self, file: Pooled, path: str) -> None:
        """Renames on disk too: between the two nobody may open the file by a name it does not have."""
        with self._lock:
            os.rename(file.path, path)
            file.path = path

    def unlink(self, file: Pooled) -> None:
        """Take the name away; the descriptor stays for as long as pins and holds need it."""
        with self._lock:
            if file.holds and file.fd < 0:
                self._open_descriptor(file, os.O_RDWR)
            os.unlink(file.path)
            self.forget(file)

    def forget(self, file: Pooled) -> None:
        """The name is gone, or will be without us."""
        with self._lock:
            if file.holds and file.fd < 0:
                self._open_descriptor(file, os.O_RDWR)
            file.unlinked = True
            self._close_if_forgotten(file)

    def close(self, file: Pooled) -> None:
        with self._lock:
            if file.fd >= 0 and not file.pins:
                self._close(file)

    def _open_descriptor(self, file: Pooled, flags: int) -> None:
        while len(self._open) >= self._limit and self._evict():
            continue
        while True:
            try:
                file.fd = os.open(file.path, flags | os.O_CLOEXEC, 0o644)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._evict():
                    raise
            else:
                self._open[file] = None
                return

    def _evict(self) -> bool:
        victim: Pooled | None = None
        for _ in range(min(SWEEP, len(self._open))):
            file = next(iter(self._open))
            self._open.move_to_end(file)
            if file.pins or file.unlinked:
                continue
            if file.recent:
                file.recent = False
                victim = victim or file
            elif file.dirty:
                victim = victim or file
            else:
                victim = file
                break
        if victim is None:
            return False
        self._close(victim)
        return True

    def _close_if_forgotten(self, file: Pooled) -> None:
        if file.fd >= 0 and not file.pins and not file.holds:
            self._close(file)

    def _close(self, file: Pooled) -> None:
        del self._open[file]
        fd, file.fd = file.fd, -1
        os.close(fd)
