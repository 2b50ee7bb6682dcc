"""Where consumed records go: stdout, one write a fetch, or a file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

from kq.cli.run.call import write_all
from kq.cli.run.failures import Failure, os_reason


class Outlet:
    def __init__(self, write: Callable[[bytes], Awaitable[object]]) -> None:
        self._write = write

    async def write(self, data: bytes) -> None:
        """Everything is on its way to the reader when this returns."""
        if data:
            await self._write(data)


@contextlib.asynccontextmanager
async def open_outlet(path: str | None) -> AsyncIterator[Outlet]:
    if path is None:
        sys.stdout.flush()
        yield Outlet(_to_stdout)
        return
    import aiofiles  # type: ignore[import-untyped]

    try:
        file = await aiofiles.open(path, "wb", buffering=0)
    except OSError as fault:
        raise Failure(f"--output {path}: {os_reason(fault)}") from None

    async def to_file(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[await file.write(view) :]

    try:
        yield Outlet(to_file)
    finally:
        await file.close()


async def _to_stdout(data: bytes) -> None:
    write_all(1, data)
