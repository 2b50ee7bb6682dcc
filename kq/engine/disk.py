"""All file access of the engine: two protocols that say what holds after a crash, and the real disk.

"Crash" is loss of power: what was not synced may be gone, wholly or in part, in any combination. After the death of the
process alone everything that was written is there. The engine runs unchanged on the in-memory disk of the tests, which
loses all that these docstrings do not promise.

Errors are the operating system's own (`OSError`); the log gives them their meaning.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import struct
from typing import Final, NamedTuple, Protocol

from kq.engine.filepool import FilePool, Pooled
from kq.engine.region import Region as Region

DEFAULT_OPEN_FILES: Final = 4096
"""Descriptors kept open. Kafka keeps every file of every partition open; RLIMIT_NOFILE is often 20,000 at most, and
connections need theirs."""

FULL_SYNC: Final[int | None] = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS alone has it."""

Bytes = bytes | bytearray | memoryview


class Entry(NamedTuple):
    """One name in a directory."""

    name: str
    size: int
    is_directory: bool


class Locked(Exception):
    """Another process holds the lock file."""


class Lock(Protocol):
    def release(self) -> None:
        """The death of the process releases it too."""


class File(Protocol):
    """One file, opened when it is used. Reads may run in any thread and beside everything else; a write, truncation,
    rename or unlink runs alone. `sync` may run beside writes: it covers those that had returned when it began."""

    @property
    def path(self) -> str: ...

    def size(self) -> int: ...

    def modified_ms(self) -> int:
        """When it was last written, in ms since 1970."""

    def read(self, position: int, length: int) -> bytes:
        """Fewer bytes than asked only where the file ends."""

    def write(self, position: int, data: Bytes) -> None:
        """All of `data`, or an OSError after any part of it. After a crash any part of it may be there, also later
        bytes without earlier ones; a gap below bytes that are there reads as zeros."""

    def truncate(self, size: int) -> None:
        """After a crash the old size may be back, with any bytes."""

    def sync(self) -> None:
        """Once it returns, no crash undoes the writes and the truncations before it. The name of the file is another
        matter: `Disk.sync_directory`. After an OSError nobody can know what is on the disk, and a second sync that
        succeeds proves nothing: the kernel has dropped the pages it could not write."""

    def rename(self, path: str) -> None:
        """Within its directory, replacing what is there; regions stay valid. After a crash the file has its old name,
        or its new one, until the directory is synced."""

    def unlink(self) -> None:
        """The name goes; regions stay valid, and the space is freed with the last of them. After a crash the file may
        be back until the directory is synced."""

    def close(self) -> None:
        """Give the descriptor back; the next use opens it again."""

    def forget(self) -> None:
        """Its directory is about to be renamed or removed: only regions use the file from now on, and stay valid."""

    def region(self, position: int, length: int) -> Region: ...

    def pin(self) -> int:
        """A descriptor that stays valid until `unpin`, for sendfile."""

    def unpin(self) -> None: ...

    def hold(self) -> None:
        """The bytes must stay reachable, even past `unlink`, until `drop`."""

    def drop(self) -> None: ...


class Disk(Protocol):
    """Directories and whole files. Methods may be called from any thread; those on one path not at the same time."""

    def entries(self, directory: str) -> list[Entry]:
        """In any order; FileNotFoundError without the directory."""

    def exists(self, path: str) -> bool: ...

    def usage(self, path: str) -> tuple[int, int]:
        """Bytes of the file system that holds `path`: all, and those that may still be used."""

    def make_directory(self, path: str) -> None:
        """With its parents; one that is there is left as it is. After a crash it may be gone until its parent is
        synced, and everything in it too."""

    def rename(self, path: str, new_path: str) -> None:
        """A file or a directory. After a crash it has either name until the directory (both, if two) is synced."""

    def unlink(self, path: str) -> None:
        """A file; after a crash it may be back until its directory is synced."""

    def remove_tree(self, path: str) -> None:
        """A directory with all in it, or what of it is there; a crash may leave any part. What cannot be removed stays,
        without an error."""

    def sync_directory(self, path: str) -> None:
        """Once it returns, no crash undoes the creations, renames and unlinks in this directory before it."""

    def create(self, path: str) -> File:
        """An empty file, made now; FileExistsError if there is one. After a crash it may be gone until its directory
        is synced."""

    def open(self, path: str) -> File:
        """A file that exists; nothing is touched before its first use."""

    def read(self, path: str) -> bytes:
        """A whole small file."""

    def replace(self, path: str, data: bytes, *, sync: bool) -> None:
        """A whole small file at once, by `<path>.tmp` and rename: readers meet the old content or the new, never a
        mixture. After a crash too if `sync`, and the new once this has returned; without `sync` a crash may leave
        anything, so the content must carry its own proof."""

    def lock(self, path: str) -> Lock:
        """An exclusive lock between processes, on a file made for it; raises Locked."""


def create_anew(disk: Disk, path: str) -> File:
    """An empty file, whatever had its name before."""
    try:
        return disk.create(path)
    except FileExistsError:
        file = disk.open(path)
        file.truncate(0)
        return file


def _sync_descriptor(fd: int) -> None:
    """Content and size, to the platter."""
    if FULL_SYNC is None:
        os.fdatasync(fd)
    else:
        _sync_fully(fd, FULL_SYNC)


def _sync_fully(fd: int, full_sync: int) -> None:
    """macOS: fsync stops at the drive's cache, F_FULLFSYNC does not. Network volumes and some file systems do not know
    it and get fsync; any other error is one, and a second try would hide it."""
    try:
        fcntl.fcntl(fd, full_sync)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EINVAL, errno.ENOTTY):
            raise
        os.fsync(fd)


class OsFile(Pooled):
    __slots__ = ("_pool",)

    def __init__(self, pool: FilePool, path: str) -> None:
        super().__init__(path)
        self._pool = pool

    def size(self) -> int:
        return self._status().st_size

    def modified_ms(self) -> int:
        return self._status().st_mtime_ns // 1_000_000

    def _status(self) -> os.stat_result:
        fd = self._pool.pin(self)
        try:
            return os.fstat(fd)
        finally:
            self._pool.unpin(self)

    def read(self, position: int, length: int) -> bytes:
        fd = self._pool.pin(self)
        try:
            data = os.pread(fd, length, position)
            while len(data) < length and (more := os.pread(fd, length - len(data), position + len(data))):
                data += more
            return data
        finally:
            self._pool.unpin(self)

    def write(self, position: int, data: Bytes) -> None:
        fd = self._pool.pin(self)
        self.dirty = True
        try:
            size = memoryview(data).nbytes
            written = os.pwrite(fd, data, position)
            while written < size:
                written += os.pwrite(fd, memoryview(data).cast("B")[written:], position + written)
        finally:
            self._pool.unpin(self)

    def truncate(self, size: int) -> None:
        fd = self._pool.pin(self)
        self.dirty = True
        try:
            os.ftruncate(fd, size)
        finally:
            self._pool.unpin(self)

    def sync(self) -> None:
        try:
            fd = self._pool.pin(self)
        except FileNotFoundError:
            if self.unlinked:
                return  # deleted while somebody meant to sync it: nobody needs its bytes
            raise
        try:
            self.dirty = False
            _sync_descriptor(fd)
        except BaseException:
            self.dirty = True
            raise
        finally:
            self._pool.unpin(self)

    def rename(self, path: str) -> None:
        self._pool.rename(self, path)

    def unlink(self) -> None:
        self._pool.unlink(self)

    def close(self) -> None:
        self._pool.close(self)

    def forget(self) -> None:
        self._pool.forget(self)

    def region(self, position: int, length: int) -> Region:
        return Region(self, position, length)

    def pin(self) -> int:
        return self._pool.pin(self)

    def unpin(self) -> None:
        self._pool.unpin(self)

    def hold(self) -> None:
        self._pool.hold(self)

    def drop(self) -> None:
        self._pool.drop(self)


class OsLock:
    """A lock on a file that goes with the process, however that ends, and excludes Apache Kafka's own (`FileLock`).

    Java takes POSIX record locks, which flock knows nothing of on Linux. A lock of the open file description conflicts
    with them, and yet is not lost when somebody else in this process closes the file, as a record lock would be. On
    macOS flock itself conflicts with record locks."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if hasattr(fcntl, "F_OFD_SETLK"):
                fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _WHOLE_FILE)
            else:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            if isinstance(error, BlockingIOError | PermissionError):
                raise Locked(path) from error
            raise

    def release(self) -> None:
        os.close(self._fd)


_WHOLE_FILE: Final = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""Linux' `struct flock`: for writing, from byte 0, to the end."""


class OsDisk:
    """The file system of this machine."""

    def __init__(self, open_files: int = DEFAULT_OPEN_FILES) -> None:
        self._pool = FilePool(open_files)

    @property
    def open_files(self) -> int:
        return len(self._pool)

    def entries(self, directory: str) -> list[Entry]:
        with os.scandir(directory) as found:
            return [Entry(one.name, one.stat().st_size, one.is_dir()) for one in found]

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def usage(self, path: str) -> tuple[int, int]:
        numbers = os.statvfs(path)
        return numbers.f_blocks * numbers.f_frsize, numbers.f_bavail * numbers.f_frsize

    def make_directory(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def rename(self, path: str, new_path: str) -> None:
        os.rename(path, new_path)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def remove_tree(self, path: str) -> None:
        shutil.rmtree(path, ignore_errors=True)

    def sync_directory(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd) if FULL_SYNC is None else _sync_fully(fd, FULL_SYNC)
        finally:
            os.close(fd)

    def create(self, path: str) -> OsFile:
        file = OsFile(self._pool, path)
        self._pool.create(file)
        return file

    def open(self, path: str) -> OsFile:
        return OsFile(self._pool, path)

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def replace(self, path: str, data: bytes, *, sync: bool) -> None:
        temporary = path + ".tmp"
        with open(temporary, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                _sync_descriptor(file.fileno())
        os.replace(temporary, path)
        if sync:
            self.sync_directory(os.path.dirname(path))

    def lock(self, path: str) -> OsLock:
        return OsLock(path)
