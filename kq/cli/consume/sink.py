"""Where consumed records go: printed, or each given to a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kq.cli.consume.outlet import Outlet
from kq.cli.consume.printing import Printing, Share

if TYPE_CHECKING:
    from kq.client.fetched import Fetched


class Sink(Protocol):
    cut: Share | None
    """What a `take` that was cancelled had dealt with, if that is known."""

    async def take(self, fetched: Fetched, left: int | None) -> Share:
        """Does what is to be done with those records that pass the filters, at most `left`. When it returns they are
        dealt with. `Unfinished` work raises `Stopped`."""
        ...


class Stopped(Exception):
    """A record could not be dealt with; `share` is what was, before it."""

    def __init__(self, why: str, share: Share) -> None:
        super().__init__(why)
        self.share = share


class Printer:
    def __init__(self, printing: Printing, outlet: Outlet) -> None:
        self._printing = printing
        self._outlet = outlet
        self.cut: Share | None = None  # who knows how much the pipe has taken

    async def take(self, fetched: Fetched, left: int | None) -> Share:
        data, share = self._printing.render(fetched, left)
        await self._outlet.write(data)
        return share
