"""Where consumed records go: printed, or each given to a command."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Protocol

from kq.cli.consume.outlet import Outlet
from kq.cli.consume.printing import Printing, Share

if TYPE_CHECKING:
    from kq.client.fetched import Fetched


class Sink(Protocol):
    def take(self, fetched: Fetched, left: int | None) -> AsyncGenerator[Share, None]:
        """Does what is to be done with those records that pass the filters, at most `left`, and says step by step what
        it has dealt with. `Stopped` when one of them cannot be."""
        ...


class Stopped(Exception):
    """A record could not be dealt with."""


class Printer:
    def __init__(self, printing: Printing, outlet: Outlet) -> None:
        self._printing = printing
        self._outlet = outlet

    async def take(self, fetched: Fetched, left: int | None) -> AsyncGenerator[Share, None]:
        data, share = self._printing.render(fetched, left)
        await self._outlet.write(data)
        yield share
