"""Where produced records come from: stdin or files, read in large chunks and cut at the delimiter all at once."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import stat
import sys
from collections.abc import AsyncIterator
from typing import NamedTuple

from kq.cli.run.failures import Failure, os_reason

CHUNK_BYTES = 1 << 20
STDIN = "-"


class Chunk(NamedTuple):
    """What one read gave; `ends` is true for the last of its source."""

    data: bytes
    ends: bool


def total_bytes(sources: list[str]) -> int | None:
    """How much there is to read; None when a source is a pipe or a terminal."""
    total = 0
    for source in sources:
        try:
            info = os.fstat(0) if source == STDIN else os.stat(source)
        except OSError:
            return None
        if not stat.S_ISREG(info.st_mode):
            return None
        total += info.st_size
    return total


async def read_chunks(source: str) -> AsyncIterator[Chunk]:
    """All chunks of stdin or a file. Waiting for a pipe or a terminal leaves the event loop free."""
    descriptor = 0 if source == STDIN else _open(source)
    try:
        waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        if waits and sys.platform == "linux":  # a pipe that holds a chunk saves 15 of 16 wake-ups
            with contextlib.suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)
        while True:
            if waits:
                await _readable(descriptor)
            data = _read(descriptor, source)
            yield Chunk(data, not data)
            if not data:
                return
            if not waits:
                await asyncio.sleep(0)
    finally:
        if source != STDIN:
            os.close(descriptor)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as fault:
        raise Failure(f"{path}: {os_reason(fault)}") from None


def _read(descriptor: int, source: str) -> bytes:
    try:
        return os.read(descriptor, CHUNK_BYTES)
    except OSError as fault:
        name = "stdin" if source == STDIN else source
        raise Failure(f"{name}: {os_reason(fault)}") from None


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    try:
        loop.add_reader(descriptor, _set, ready)
    except OSError:  # what epoll and kqueue do not take (/dev/null, /dev/zero) never makes anyone wait
        await asyncio.sleep(0)  # but others want their turn, and Ctrl-C too
        return
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class Cutter:
    """Cuts a stream at a delimiter. A piece longer than `limit` is dropped as it comes, so that memory stays
    bounded."""

    def __init__(self, delimiter: bytes, limit: int) -> None:
        self._delimiter = delimiter
        self._limit = limit
        self._tail = b""
        self._dropping = 0  # bytes of an oversized piece that were dropped so far
        self.oversized: list[tuple[int, int]] = []  # place in what `feed` returned before which it stood, its bytes

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces that are complete now."""
        self.oversized = []
        if self._dropping:
            data = self._drop(data)
            if self._dropping:
                return []
        pieces = (self._tail + data).split(self._delimiter) if self._tail else data.split(self._delimiter)
        self._tail = pieces.pop()
        keep = len(self._delimiter) - 1  # the delimiter may have begun
        if len(self._tail) - keep > self._limit:
            self._dropping = len(self._tail) - keep
            self._tail = self._tail[len(self._tail) - keep :]
        return pieces

    def _drop(self, data: bytes) -> bytes:
        data = self._tail + data
        end = data.find(self._delimiter)
        if end < 0:
            keep = len(self._delimiter) - 1
            self._dropping += len(data) - keep
            self._tail = data[len(data) - keep :]
            return b""
        self.oversized.append((0, self._dropping + end))
        self._dropping = 0
        self._tail = b""
        return data[end + len(self._delimiter) :]

    def finish(self) -> list[bytes]:
        """The last piece, which may lack its delimiter."""
        self.oversized = []
        if self._dropping:
            self.oversized.append((0, self._dropping + len(self._tail)))
            self._tail, self._dropping = b"", 0
            return []
        tail, self._tail = self._tail, b""
        return [tail] if tail else []
