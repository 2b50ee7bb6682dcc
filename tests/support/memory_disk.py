"""A disk in memory that keeps exactly what `kq.engine.disk` promises, and loses or breaks the rest on request.

- `crash(rng)` is a loss of power. Of what was not synced any subset stays: each write whole, torn, as zeros, or not at
  all; each change of a directory or not. What was synced stays as it is.
- `fail(...)` lets an operation fail, once or for good; a failing write leaves a part of its bytes behind. After a sync
  that failed the bytes it was for are lost at the next crash even if a later sync succeeds, as on Linux.
- `capacity` is the room on the disk; past it a write fails with ENOSPC after what still fitted.
- `lose_power_after(n)` raises PowerLoss instead of the operation after the next n: who loops over n has crashed a
  program everywhere.
"""

from __future__ import annotations

import errno
import os
import posixpath
import tempfile
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import IO

from kq.engine.disk import Bytes, Entry, Locked
from kq.engine.region import Region
from tests.support.memory_nodes import Directory, Inode, Truncation, Write


class PowerLoss(BaseException):
    """Not an Exception: no handler of the engine may stop it."""


@dataclass
class Failure:
    operation: str
    path_end: str
    skip: int
    times: int
    error: int


class MemoryLock:
    def __init__(self, disk: MemoryDisk, path: str) -> None:
        self._disk, self._path = disk, path

    def release(self) -> None:
        self._disk.locked.discard(self._path)


class MemoryDisk:
    def __init__(self, root: Directory | None = None, *, seed: int = 0) -> None:
        self._root = root or Directory()
        self._rng = Random(seed)  # how much of a failing write is written
        self._failures: list[Failure] = []
        self._power_left: int | None = None
        self.capacity: int | None = None
        self.locked: set[str] = set()
        self.operations: Counter[str] = Counter()

    # ---- hurting it

    def crash(self, rng: Random) -> MemoryDisk:
        """The disk as it is found when the power is back. This one is not to be used again."""
        return MemoryDisk(self._root.after_crash(rng))

    def fail(
        self, operation: str, path_end: str = "", *, skip: int = 0, times: int = 1, error: int = errno.EIO
    ) -> None:
        """`operation`: write, truncate, sync, sync_directory, create, rename, unlink, replace, read; `skip` of them
        succeed first, then `times` fail."""
        self._failures.append(Failure(operation, path_end, skip, times, error))

    def heal(self) -> None:
        self._failures = []
        self.capacity = None

    def lose_power_after(self, operations: int) -> None:
        self._power_left = operations

    def contents(self, path: str) -> bytes:
        """The bytes of a file, as they are seen."""
        return bytes(self._inode(path).content)

    def spoil(self, path: str, content: bytes) -> None:
        """The file holds this, durably, whether it was there or not."""
        parent, name = self._parent(path)
        parent.change(None, name, Inode(content))
        parent.sync()

    def operate(self, operation: str, path: str) -> int | None:
        """Count it; the errno it fails with, if it does."""
        self.operations[operation] += 1
        if self._power_left is not None and operation != "read":
            if self._power_left == 0:
                raise PowerLoss
            self._power_left -= 1
        for failure in self._failures:
            if failure.operation == operation and path.endswith(failure.path_end):
                if failure.skip:
                    failure.skip -= 1
                elif failure.times:
                    failure.times -= 1
                    return failure.error
        return None

    def check(self, operation: str, path: str) -> None:
        error = self.operate(operation, path)
        if error is not None:
            raise OSError(error, os.strerror(error), path)

    def room(self) -> int:
        """Bytes that can still be written."""
        return 1 << 60 if self.capacity is None else self.capacity - _size(self._root)

    def part_written(self, data: bytes) -> bytes:
        return data[: self._rng.randrange(len(data) + 1)]

    # ---- the interface

    def entries(self, directory: str) -> list[Entry]:
        found = self._directory(directory).names
        return [
            Entry(name, len(node.content) if isinstance(node, Inode) else 0, isinstance(node, Directory))
            for name, node in found.items()
        ]

    def exists(self, path: str) -> bool:
        parent, name = self._parent(path)
        return name in parent.names

    def usage(self, path: str) -> tuple[int, int]:
        return self.capacity or 1 << 60, self.room()

    def make_directory(self, path: str) -> None:
        node = self._root
        for part in path.strip("/").split("/"):
            if part not in node.names:
                node.change(None, part, Directory())
            below = node.names[part]
            assert isinstance(below, Directory)
            node = below

    def rename(self, path: str, new_path: str) -> None:
        self.check("rename", path)
        parent, name = self._parent(path)
        new_parent, new_name = self._parent(new_path)
        assert parent is new_parent, "kq renames within one directory only"
        parent.change(name, new_name, self._node(path))

    def unlink(self, path: str) -> None:
        self.check("unlink", path)
        parent, name = self._parent(path)
        parent.change(name, None, self._inode(path))

    def remove_tree(self, path: str) -> None:
        parent, name = self._parent(path)
        if name in parent.names:
            parent.change(name, None, parent.names[name])

    def sync_directory(self, path: str) -> None:
        self.check("sync_directory", path)
        self._directory(path).sync()

    def create(self, path: str) -> MemoryFile:
        self.check("create", path)
        parent, name = self._parent(path)
        if name in parent.names:
            raise FileExistsError(errno.EEXIST, "exists", path)
        inode = Inode()
        parent.change(None, name, inode)
        return MemoryFile(self, path, inode)

    def open(self, path: str) -> MemoryFile:
        return MemoryFile(self, path, None)

    def read(self, path: str) -> bytes:
        self.check("read", path)
        return bytes(self._inode(path).content)

    def replace(self, path: str, data: bytes, *, sync: bool) -> None:
        self.check("replace", path)
        temporary = path + ".tmp"
        parent, name = self._parent(path)
        if name + ".tmp" in parent.names:
            file = self.open(temporary)
            file.truncate(0)
        else:
            file = self.create(temporary)
        file.write(0, data)
        if sync:
            file.sync()
        self.rename(temporary, path)
        if sync:
            self.sync_directory(posixpath.dirname(path))

    def lock(self, path: str) -> MemoryLock:
        if path in self.locked:
            raise Locked(path)
        self.locked.add(path)
        return MemoryLock(self, path)

    def _node(self, path: str) -> Inode | Directory:
        parent, name = self._parent(path)
        try:
            return parent.names[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file", path) from None

    def _inode(self, path: str) -> Inode:
        node = self._node(path)
        assert isinstance(node, Inode), path
        return node

    def _directory(self, path: str) -> Directory:
        node: Inode | Directory = self._root
        for part in filter(None, path.split("/")):
            if not isinstance(node, Directory) or part not in node.names:
                raise FileNotFoundError(errno.ENOENT, "no such directory", path)
            node = node.names[part]
        assert isinstance(node, Directory), path
        return node

    def _parent(self, path: str) -> tuple[Directory, str]:
        directory, name = posixpath.split(path.rstrip("/"))
        return self._directory(directory), name


def _size(directory: Directory) -> int:
    return sum(len(node.content) if isinstance(node, Inode) else _size(node) for node in directory.names.values())


class MemoryFile:
    def __init__(self, disk: MemoryDisk, path: str, inode: Inode | None) -> None:
        self._disk = disk
        self.path = path
        self._known = inode
        self._pinned: IO[bytes] | None = None

    @property
    def _inode(self) -> Inode:
        if self._known is None:
            self._known = self._disk._inode(self.path)
        return self._known

    def size(self) -> int:
        return len(self._inode.content)

    def modified_ms(self) -> int:
        return 0

    def read(self, position: int, length: int) -> bytes:
        self._disk.check("read", self.path)
        return bytes(self._inode.content[position : position + length])

    def write(self, position: int, data: Bytes) -> None:
        content = bytes(data)
        error = self._disk.operate("write", self.path)
        growth = position + len(content) - len(self._inode.content)
        if error is not None:
            content = self._disk.part_written(content)
        elif growth > self._disk.room():
            error = errno.ENOSPC
            content = content[: max(len(content) - growth + self._disk.room(), 0)]
        self._inode.change(Write(position, content))
        if error is not None:
            raise OSError(error, os.strerror(error), self.path)

    def truncate(self, size: int) -> None:
        self._disk.check("truncate", self.path)
        self._inode.change(Truncation(size))

    def sync(self) -> None:
        error = self._disk.operate("sync", self.path)
        if error is not None:
            self._inode.sync_fails()
            raise OSError(error, os.strerror(error), self.path)
        self._inode.sync()

    def rename(self, path: str) -> None:
        self._disk.rename(self.path, path)
        self.path = path

    def unlink(self) -> None:
        inode = self._inode
        self._disk.unlink(self.path)
        self._known = inode

    def close(self) -> None:
        self._pinned = None

    def forget(self) -> None:
        self._known = self._inode

    def region(self, position: int, length: int) -> Region:
        return Region(self, position, length)

    def pin(self) -> int:
        self._pinned = tempfile.TemporaryFile()  # noqa: SIM115 - open until it is unpinned
        self._pinned.write(self._inode.content)
        self._pinned.flush()
        return self._pinned.fileno()

    def unpin(self) -> None:
        self._pinned = None

    def hold(self) -> None:
        self._known = self._inode

    def drop(self) -> None:
        return
