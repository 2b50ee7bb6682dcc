"""How `kq consume` works: which partitions from where to where, the loop over fetches, and what ends it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kq.cli.consume.grep import compile_filters
from kq.cli.consume.outlet import Outlet, open_outlet
from kq.cli.consume.printing import Printing, choose_printing
from kq.cli.consume.silence import Silence
from kq.cli.output.units import counted
from kq.cli.partitions.measures import Measures, measure
from kq.cli.partitions.offsets import START, Base, Position, Span, parse_span
from kq.cli.partitions.positions import resolve
from kq.cli.partitions.selection import Choice, choose, required_names, select
from kq.cli.run.failures import Failure, NotInTime, Unfinished
from kq.cli.run.problems import failure_of
from kq.client import Consumer
from kq.errors import Err, KafkaError

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, TopicPartition
    from kq.client.fetched import Fetched

END = Position(Base.END)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked of `kq consume`, as it was written."""

    topics: list[str]
    partition: str | None
    regex: bool
    offset: str | None
    count: int | None
    until_end: bool
    timeout_s: float | None
    grep: list[str]
    format: str | None
    key_delimiter: str | None
    delimiter: str | None
    decode: list[str]
    output: str | None


def consume(call: Call, order: Order) -> None:
    choice = choose(required_names(order.topics, call.command), partition=order.partition, regex=order.regex)
    now_ms = time.time_ns() // 1_000_000
    span = parse_span(order.offset, now_ms=now_ms) if order.offset is not None else Span(START)
    if order.until_end and span.stop is None:
        span = Span(span.start, END)
    printing = choose_printing(
        call,
        order.format,
        key_delimiter=order.key_delimiter,
        delimiter=order.delimiter,
        decode=order.decode,
        filters=compile_filters(order.grep, regex=order.regex, now_ms=now_ms),
        to_file=order.output is not None,
    )
    follows = span.stop is None and order.count is None and order.timeout_s is None

    async def work(cluster: Cluster) -> None:
        async with open_outlet(order.output) as outlet:
            await _Run(cluster, call, order, choice, span, printing, outlet).run()

    try:
        call.run(
            work, defaults={"isolation.level": "read_committed", "auto.offset.reset": "earliest"}, many_records=True
        )
    except KeyboardInterrupt:
        if not follows:
            raise
    finally:
        printing.report_faults(call)


class _Run:
    def __init__(
        self,
        cluster: Cluster,
        call: Call,
        order: Order,
        choice: Choice,
        span: Span,
        printing: Printing,
        outlet: Outlet,
    ) -> None:
        self._cluster = cluster
        self._call = call
        self._order = order
        self._choice = choice
        self._span = span
        self._printing = printing
        self._outlet = outlet
        self._left = order.count
        self._shown = 0
        self._next: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        call = self._call
        topics = await select(self._cluster, call, self._choice, internal=True)
        pairs = [pair for topic in topics for pair in topic.pairs]
        measures = await measure(self._cluster, pairs, sizes=False)
        starts, stops = await self._places(measures)
        measures.warn(call)
        self._warn_of_moved(starts)
        await self._outlet.write(self._printing.head())
        if self._left == 0:
            return
        open_pairs = {pair: start for pair, start in starts.items() if pair not in stops or start < stops[pair]}
        silence = Silence(self._cluster, call, [topic.name for topic in topics], list(open_pairs), follows=not stops)
        if stops and not open_pairs:
            await silence.report_held(measures)
        else:
            await self._consume(open_pairs, stops, silence)
        if measures.offsets_missing:
            raise Unfinished("")

    async def _places(self, measures: Measures) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Where each partition begins, and where it ends for this run."""
        starts = await resolve(self._cluster, self._span.start, measures)
        if self._span.stop is None:
            return starts, {}
        stops = await resolve(self._cluster, self._span.stop, measures)
        return starts, stops

    def _warn_of_moved(self, starts: dict[TopicPartition, int]) -> None:
        """An offset that does not exist (any more, or yet) is no error: reading begins at the nearest."""
        if self._span.start.base is not Base.OFFSET:
            return
        for (topic, partition), start in starts.items():
            if self._span.start.value < start:
                self._call.warn(f"{topic}:{partition} begins at {start:,}: what stood before is gone")
            elif self._span.start.value > start:
                self._call.warn(f"{topic}:{partition} ends at {start:,}: reading from there")

    async def _consume(
        self, starts: dict[TopicPartition, int], stops: dict[TopicPartition, int], silence: Silence
    ) -> None:
        limit_s = self._order.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                async with Consumer(self._cluster) as consumer:
                    consumer.assign(starts, stops={pair: stops[pair] for pair in starts if pair in stops})
                    await self._loop(consumer, silence)
        except TimeoutError:
            wanted = f", -n {self._order.count} is not reached" if self._order.count else ""
            raise NotInTime(f"{limit_s:g}s are over after {counted(self._shown, 'record')}{wanted}") from None

    async def _loop(self, consumer: Consumer, silence: Silence) -> None:
        while not consumer.finished:
            fetches = await consumer.fetch(timeout_ms=silence.patience_ms)
            if not fetches:
                await silence.fell(consumer)
                continue
            for fetched in fetches:
                if fetched.error is not None:
                    raise self._stopped(fetched.topic, fetched.partition, fetched.error)
                self._notice_gap(fetched)
                data, count = self._printing.render(fetched, self._left)
                if data:
                    await self._outlet.write(data)
                    silence.broken()
                self._shown += count
                if self._left is not None:
                    self._left -= count
                    if self._left <= 0:
                        return
        await silence.report_held_now(consumer)

    def _notice_gap(self, fetched: Fetched) -> None:
        """Retention may overtake a reader: then records are gone that this run should have shown."""
        pair = (fetched.topic, fetched.partition)
        expected = self._next.get(pair, fetched.first_offset)
        if fetched.first_offset > expected:
            lost = f"{expected:,} to {fetched.first_offset - 1:,}"
            self._call.warn(f"{pair[0]}:{pair[1]}: offsets {lost} were deleted before they were read")
        self._next[pair] = fetched.next_offset

    def _stopped(self, topic: str, partition: int, error: Exception) -> Failure:
        if isinstance(error, KafkaError) and error.code != Err.OFFSET_OUT_OF_RANGE:
            failure = failure_of(error, self._call)
            failure.message = f"{topic}:{partition}: {failure.message}"
            return failure
        return Failure(f"{topic}:{partition}: {error}")
