"""A stretch of a file on its way to a socket, untouched.

A fetch answer carries regions instead of bytes: `os.sendfile` moves them from the page cache to the socket. A region
stays readable for as long as somebody holds it, whatever the log does meanwhile: the segment may roll, its descriptor
may be evicted from the pool, the file may be renamed to `.deleted` and unlinked. It cannot outlive a truncation below
it: whoever truncates a log discards the answers that are on their way first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from kq.engine.disk import File


class Region:
    """`length` bytes from `position`, made by `File.region`. Used from any thread."""

    __slots__ = ("file", "length", "position")

    def __init__(self, file: File, position: int, length: int) -> None:
        self.file = file
        self.position = position
        self.length = length
        file.hold()

    def __del__(self) -> None:
        self.file.drop()

    def __len__(self) -> int:
        return self.length

    def __repr__(self) -> str:
        return f"Region({self.file.path}, {self.position}+{self.length})"

    def read(self) -> bytes:
        """The bytes themselves, for TLS, for short answers and for tests."""
        return self.file.read(self.position, self.length)

    def open(self) -> Pin:
        """`with region.open() as fd`: a descriptor that is valid, and of this file, until the block ends."""
        return Pin(self.file)


class Pin:
    """Keeps the descriptor of a file open. Leave the block between two waits for a slow socket: pins are not free."""

    __slots__ = ("_file",)

    def __init__(self, file: File) -> None:
        self._file = file

    def __enter__(self) -> int:
        return self._file.pin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.unpin()
