"""`kq consume -g GROUP`: as a member, which shares the partitions with whoever else is in the group.

What was printed (or dealt with, under --exec) is committed: every auto.commit.interval.ms, before a partition is given
up, and at the end. Nothing that was not; so after a crash some records come again and none is missed. With
-X enable.auto.commit=false nothing is committed at all.

-e reads to the end as of the start, whichever member has the partition when, then commits, leaves and ends with 0.
-o is for partitions that have no commit.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from kq.cli.consume.silence import PATIENCE_MS
from kq.cli.consume.sink import Sink, Stopped
from kq.cli.output.units import first_few
from kq.cli.partitions.measures import measure
from kq.cli.partitions.offsets import START
from kq.cli.partitions.positions import resolve
from kq.cli.partitions.selection import Choice, select
from kq.cli.run.failures import Failure, Usage
from kq.client import GroupConsumer
from kq.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kq.cli.consume.order import Reading
    from kq.client import Cluster, TopicPartition
    from kq.client.fetched import Fetched

LAST_COMMIT_S = 10.0
PORTION_S = 1.0  # of dealing with records, before the group is looked after


async def read(cluster: Cluster, reading: Reading, sink: Sink) -> None:
    for one in reading.choice.wanted:
        if one.partitions is not None:
            raise Usage(f"-g: a group shares out whole topics; write {one.text}")
    if reading.choice.only is not None:
        raise Usage("-g: a group shares out the partitions itself; leave -p out")
    await _Member(cluster, reading, sink).run()


class _Member:
    def __init__(self, cluster: Cluster, reading: Reading, sink: Sink) -> None:
        self._cluster = cluster
        self._reading = reading
        self._call = reading.call
        self._order = reading.order
        self._sink = sink
        self._left = reading.order.count
        self._taken = 0
        self._commits = cluster.settings.enable_auto_commit
        self._interval_s = cluster.settings.auto_commit_interval_ms / 1000
        self._next: dict[TopicPartition, int] = {}  # what was dealt with and is not committed: where it goes on
        self._placed: set[TopicPartition] = set()  # have a commit
        self._trouble = ""
        self._consumer: GroupConsumer

    async def run(self) -> None:
        topics = await select(self._cluster, self._call, self._reading.choice)
        pairs = [pair for topic in topics for pair in topic.pairs]
        stops: dict[TopicPartition, int] | None = None
        if self._reading.span.stop is not None:
            measures = await measure(self._cluster, pairs, sizes=False)
            stops = await resolve(self._cluster, self._reading.span.stop, measures)
            if measures.offsets_missing:
                measures.warn(self._call)
                raise Failure("where the partitions end is not known, so nothing is read")
        names = [topic.name for topic in topics]
        wanted = names if stops is not None else _subscription(self._reading.choice, names)
        async with self._reading.in_time(lambda: self._taken):
            await self._join(wanted, stops)

    async def _join(self, wanted: list[str] | re.Pattern[str], stops: dict[TopicPartition, int] | None) -> None:
        settings = replace(self._cluster.settings, enable_auto_commit=False)  # we know better what was dealt with
        self._consumer = GroupConsumer(
            self._cluster,
            self._order.group or "",
            wanted,
            settings,
            stops=stops,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
            on_lost=self._lost,
        )
        async with self._consumer:
            committing = asyncio.create_task(self._commit_from_time_to_time())
            try:
                await self._loop()
            finally:
                committing.cancel()
                await self._commit_last()

    async def _loop(self) -> None:
        while not self._consumer.finished and self._left != 0:
            fetches = await self._consumer.fetch(timeout_ms=PATIENCE_MS)
            if not fetches:
                self._say_trouble()
            until_s = self._loop_time() + PORTION_S
            for fetched in fetches:
                pair = (fetched.topic, fetched.partition)
                if fetched.error is not None:
                    raise Failure(f"{pair[0]}:{pair[1]}: {fetched.error}")
                if self._loop_time() > until_s:
                    self._consumer.seek(pair, fetched.first_offset)
                else:
                    await self._deal_with(pair, fetched, until_s)
                if self._left == 0:
                    return
        if self._consumer.finished:
            self._note_empty_ones()

    def _note_empty_ones(self) -> None:
        """All was dealt with. Partitions that held nothing get a place too, as with Java's consumer: lag counts from
        there."""
        for pair in self._consumer.assignment:
            if (position := self._consumer.position(pair)) is not None and pair not in self._placed:
                self._next.setdefault(pair, position)

    async def _deal_with(self, pair: TopicPartition, fetched: Fetched, until_s: float) -> None:
        """Until time is over: partitions can be given up only in the next `fetch`, which gives the rest again."""
        try:
            async with aclosing(self._sink.take(fetched, self._left)) as steps:
                async for dealt_with in steps:
                    self._next[pair] = dealt_with.next_offset
                    self._taken += dealt_with.records
                    if self._left is not None:
                        self._left -= dealt_with.records
                    if self._loop_time() > until_s and dealt_with.next_offset < fetched.next_offset:
                        self._consumer.seek(pair, dealt_with.next_offset)
                        return
        except Stopped as stopped:
            raise Failure(f"{stopped}; it comes again") from None

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    # -- partitions come and go ---------------------------------------------------------------------------------------

    async def _assigned(self, pairs: list[TopicPartition]) -> None:
        if self._call.verbose:
            where = first_few([f"{topic}:{partition}" for topic, partition in pairs]) if pairs else "no partitions"
            self._call.warn(f"group {self._order.group}, generation {self._consumer.generation}: reads {where}")
        if not pairs:
            return
        committed = await self._consumer.committed(pairs)
        self._placed |= {pair for pair, place in committed.items() if place.offset >= 0}
        start = self._reading.span.start
        new = [pair for pair in pairs if pair not in self._placed]
        if start == START or not new:
            return
        measures = await measure(self._cluster, new, sizes=False)
        for pair, place in (await resolve(self._cluster, start, measures)).items():
            self._consumer.seek(pair, place)

    async def _revoked(self, pairs: list[TopicPartition]) -> None:
        await self._commit(pairs)
        self._lost(pairs)

    def _lost(self, pairs: list[TopicPartition]) -> None:
        for pair in pairs:
            self._next.pop(pair, None)

    # -- committing ---------------------------------------------------------------------------------------------------

    async def _commit_from_time_to_time(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._commit(list(self._next))
            except KafkaError as error:
                self._call.warn(f"could not commit for group {self._order.group}: {error}; trying again")

    async def _commit(self, pairs: Iterable[TopicPartition]) -> None:
        if not self._commits:
            return
        places = {pair: self._next[pair] for pair in pairs if pair in self._next}
        if places:
            await self._consumer.commit(places)
            self._placed.update(places)
        for pair, place in places.items():
            if self._next.get(pair) == place:
                del self._next[pair]

    async def _commit_last(self) -> None:
        """Also after Ctrl-C."""
        if not self._next or not self._commits:
            return
        try:
            async with asyncio.timeout(LAST_COMMIT_S):
                await self._commit(list(self._next))
        except (KafkaError, TimeoutError) as error:
            why = str(error) or f"no answer in {LAST_COMMIT_S:g}s"
            raise Failure(
                f"the last commit for group {self._order.group} failed, so records come again: {why}"
            ) from None

    def _say_trouble(self) -> None:
        trouble = self._consumer.trouble
        if trouble is not None and str(trouble) != self._trouble:
            self._trouble = str(trouble)
            self._call.warn(f"{trouble}; trying again")


def _subscription(choice: Choice, names: list[str]) -> list[str] | re.Pattern[str]:
    """The names, or one pattern where a word is one: topics that are made later are then read too."""
    if all(one.pattern is None for one in choice.wanted):
        return names
    words = [re.escape(one.text) if one.pattern is None else f".*(?:{one.pattern.pattern}).*" for one in choice.wanted]
    return re.compile("|".join(words), re.DOTALL)
