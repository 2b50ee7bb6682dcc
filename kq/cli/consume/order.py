"""What was asked of `kq consume`, checked before anything is connected; then it is read by assignment or in a group."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kq.cli.consume.grep import compile_filters
from kq.cli.consume.outlet import open_outlet
from kq.cli.consume.printing import choose_printing
from kq.cli.consume.sink import Printer, Sink
from kq.cli.output.units import counted
from kq.cli.partitions.offsets import START, Base, Position, Span, parse_span
from kq.cli.partitions.selection import Choice, choose, required_names
from kq.cli.run.failures import NotInTime, Terminated, Usage

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster

END = Position(Base.END)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """As it was written."""

    topics: list[str]
    partition: str | None
    regex: bool
    offset: str | None
    group: str | None
    count: int | None
    until_end: bool
    timeout_s: float | None
    grep: list[str]
    format: str | None
    key_delimiter: str | None
    delimiter: str | None
    decode: list[str]
    output: str | None
    exec: str | None
    into: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What both ways of reading need to know."""

    call: Call
    order: Order
    choice: Choice
    span: Span

    @property
    def follows(self) -> bool:
        """Nothing but Ctrl-C or SIGTERM ends it."""
        return self.span.stop is None and self.order.count is None and self.order.timeout_s is None

    @asynccontextmanager
    async def in_time(self, taken: Callable[[], int]) -> AsyncIterator[None]:
        """Ends the block when --timeout is over, naming how many records were `taken` by then."""
        limit_s, count = self.order.timeout_s, self.order.count
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            missing = f", -n {count} is not reached" if count else ""
            raise NotInTime(f"{limit_s:g}s are over after {counted(taken(), 'record')}{missing}") from None


def consume(call: Call, order: Order) -> None:
    choice = choose(required_names(order.topics, call.command), partition=order.partition, regex=order.regex)
    now_ms = time.time_ns() // 1_000_000
    span = parse_span(order.offset, now_ms=now_ms) if order.offset is not None else Span(START)
    if order.until_end and span.stop is None:
        span = Span(span.start, END)
    _check(order)
    reading = Reading(call, order, choice, span)
    open_sink = _opener(call, order, now_ms)

    async def work(cluster: Cluster) -> None:
        async with open_sink() as sink:
            if order.group is None:
                from kq.cli.consume.assigned import read
            else:
                from kq.cli.consume.member import read
            await read(cluster, reading, sink)

    defaults = {"isolation.level": "read_committed", "auto.offset.reset": "earliest"}
    if order.group is not None:
        defaults["client.id"] = f"kq-{socket.gethostname()}-{os.getpid()}"  # tells members apart, and where they run
    try:
        call.run(work, defaults=defaults, many_records=True)
    except (KeyboardInterrupt, Terminated):
        if not reading.follows:
            raise


def _check(order: Order) -> None:
    if order.group == "":
        raise Usage("-g: a group needs a name")
    if order.into is not None and order.exec is None:
        raise Usage("--into is for the SQL that --exec CMD prints")
    if order.exec is None:
        return
    if not order.exec.strip():
        raise Usage("--exec: which command?")
    printing = {
        "-f": order.format, "-K": order.key_delimiter, "-D": order.delimiter, "--decode": order.decode or None,
        "--output": order.output,
    }  # fmt: skip
    for flag, given in printing.items():
        if given is not None:
            raise Usage(f"{flag} says how records are printed; --exec prints none")


def _opener(call: Call, order: Order, now_ms: int) -> Callable[[], AbstractAsyncContextManager[Sink]]:
    """What opens the sink; contradictions are told now."""
    filters = compile_filters(order.grep, regex=order.regex, now_ms=now_ms)
    if order.exec is not None:
        if call.json:
            raise Usage("--json says how records are printed; --exec prints none")
        from kq.cli.consume.execution import open_execution

        command, into, scope = order.exec, order.into, order.group or ""
        return lambda: open_execution(command, into, scope, filters)
    printing = choose_printing(
        call,
        order.format,
        key_delimiter=order.key_delimiter,
        delimiter=order.delimiter,
        decode=order.decode,
        filters=filters,
        to_file=order.output is not None,
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Sink]:
        async with open_outlet(order.output) as outlet:
            await outlet.write(printing.head())
            try:
                yield Printer(printing, outlet)
            finally:
                printing.report_faults(call)

    return opened
