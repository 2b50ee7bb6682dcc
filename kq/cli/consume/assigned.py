"""`kq consume` by assignment: which partitions from where to where, the loop over fetches, and what ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kq.cli.consume.silence import Silence
from kq.cli.consume.sink import Sink, Stopped
from kq.cli.partitions.measures import Measures, measure
from kq.cli.partitions.offsets import Base
from kq.cli.partitions.positions import resolve
from kq.cli.partitions.selection import select
from kq.cli.run.failures import Failure, Unfinished
from kq.cli.run.problems import failure_of
from kq.client import Consumer
from kq.errors import Err, KafkaError

if TYPE_CHECKING:
    from kq.cli.consume.order import Reading
    from kq.client import Cluster, TopicPartition
    from kq.client.fetched import Fetched


async def read(cluster: Cluster, reading: Reading, sink: Sink) -> None:
    try:
        await _Run(cluster, reading, sink).run()
    except Stopped as stopped:
        raise Failure(str(stopped)) from None


class _Run:
    def __init__(self, cluster: Cluster, reading: Reading, sink: Sink) -> None:
        self._cluster = cluster
        self._reading = reading
        self._call = reading.call
        self._order = reading.order
        self._choice = reading.choice
        self._span = reading.span
        self._sink = sink
        self._left = reading.order.count
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
        async with self._reading.in_time(lambda: self._shown), Consumer(self._cluster) as consumer:
            consumer.assign(starts, stops={pair: stops[pair] for pair in starts if pair in stops})
            await self._loop(consumer, silence)

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
                async for dealt_with in self._sink.take(fetched, self._left):
                    if dealt_with.records:
                        silence.broken()
                    self._shown += dealt_with.records
                    if self._left is not None:
                        self._left -= dealt_with.records
                if self._left == 0:
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
