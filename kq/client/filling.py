"""Which records go into which batch: partitions are chosen, columns are cut so that no batch gets too large.

Nothing here is done record by record, except for keys: a call with a thousand records costs little more than one with
ten.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from kq.client.accumulator import Accumulator, PartitionQueue
from kq.client.batching import Columns, Sizes
from kq.client.delivery import Accepted, NoPartition, Slice
from kq.client.metadata import Topic
from kq.client.partitioner import Sticky, partitions_of
from kq.client.settings import ClientSettings
from kq.errors import KafkaError
from kq.record.murmur2 import partition_for

__all__ = ["Filler"]


class Filler:
    """`filled(queue)` is called when a queue has something new to send; `room()` waits for memory."""

    def __init__(
        self,
        settings: ClientSettings,
        accumulator: Accumulator,
        rng: random.Random,
        filled: Callable[[PartitionQueue], None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._accumulator = accumulator
        self._rng = rng
        self._filled = filled
        self._room = room
        self._stickies: dict[str, Sticky] = {}

    def one(self, topic: Topic, columns: Columns, partition: int | None, size: int) -> Slice:
        """A single record, whether there is memory or not."""
        key = columns.keys[0] if columns.keys else None
        sticky: Sticky | None = None
        if partition is not None:
            index = checked(topic, partition)
        elif key is not None and not self._settings.partitioner_ignore_keys:
            index = partition_for(key, len(topic.partitions))
        else:
            sticky = self._sticky(topic.name)
            index = self._turn(topic, sticky)
        queue = self._accumulator.queue(topic.name, index)
        part = self._append(queue, columns, size, range(1))
        if sticky is not None:
            sticky.sent(size, filled=queue.open is None)
        return part

    async def many(
        self, topic: Topic, columns: Columns, rows: Sequence[int], sizes: Sizes, partition: int | None
    ) -> Accepted:
        """All records of `columns`, which are these `rows` of the caller's; waits for memory as often as needed."""
        accepted = Accepted([], [])
        if partition is not None:
            await self._fill(topic.name, checked(topic, partition), columns, rows, sizes, accepted)
        elif len(topic.partitions) == 1:
            await self._fill(topic.name, 0, columns, rows, sizes, accepted)
        elif columns.keys is None or self._settings.partitioner_ignore_keys:
            await self._fill_in_turn(topic, columns, rows, sizes, accepted)
        else:
            await self._fill_by_key(topic, columns, rows, sizes, accepted)
        return accepted

    async def _fill_by_key(
        self, topic: Topic, columns: Columns, rows: Sequence[int], sizes: Sizes, accepted: Accepted
    ) -> None:
        """A group for each partition; records without a key all go to the one that is filled now, in their order."""
        assert columns.keys is not None
        groups: list[list[int]] = [[] for _ in topic.partitions]  # partitions are numbered from 0
        put = [group.append for group in groups]
        for place, partition in enumerate(self._partitions(topic, columns.keys, sizes)):
            put[partition](place)
        for partition, group in enumerate(groups):
            if group:
                part, part_rows, part_sizes = _pick(columns, rows, sizes, group)
                await self._fill(topic.name, partition, part, part_rows, part_sizes, accepted)

    def _partitions(self, topic: Topic, keys: Sequence[bytes | None], sizes: Sizes) -> Sequence[int]:
        """Of each record."""
        count = len(topic.partitions)
        if None not in keys:
            return partitions_of(cast(Sequence[bytes], keys), count)
        sticky = self._sticky(topic.name)
        keyless = self._turn(topic, sticky)
        sticky.sent(sum(size for key, size in zip(keys, sizes.payloads, strict=True) if key is None), filled=False)
        by_key = iter(partitions_of([key for key in keys if key is not None], count))
        return [keyless if key is None else next(by_key) for key in keys]

    async def _fill(
        self,
        topic: str,
        partition: int,
        columns: Columns,
        rows: Sequence[int],
        sizes: Sizes,
        accepted: Accepted,
    ) -> None:
        queue = self._accumulator.queue(topic, partition)
        start = 0
        while start < len(rows) and await self._has_room(rows, start, accepted):
            start = self._cut(queue, columns, rows, sizes, start, accepted)

    async def _fill_in_turn(
        self, topic: Topic, columns: Columns, rows: Sequence[int], sizes: Sizes, accepted: Accepted
    ) -> None:
        sticky = self._sticky(topic.name)
        start = 0
        while start < len(rows) and await self._has_room(rows, start, accepted):
            queue = self._accumulator.queue(topic.name, self._turn(topic, sticky))
            stop = self._cut(queue, columns, rows, sizes, start, accepted)
            sticky.sent(sizes.total(start, stop), filled=queue.open is None)
            start = stop

    async def _has_room(self, rows: Sequence[int], start: int, accepted: Accepted) -> bool:
        """Waits for memory; without any for too long, the rows from `start` on are rejected."""
        try:
            await self._room()
        except KafkaError as error:
            accepted.rejected.extend((row, error) for row in rows[start:])
            return False
        return True

    def _cut(
        self,
        queue: PartitionQueue,
        columns: Columns,
        rows: Sequence[int],
        sizes: Sizes,
        start: int,
        accepted: Accepted,
    ) -> int:
        """Puts as many records from `start` on as one batch takes, and at least one; where the next ones begin."""
        if sizes.total(start, start + 1) > self._accumulator.room(queue):
            queue.close_open()
        stop = max(sizes.fitting(start, self._accumulator.room(queue)), start + 1)
        accepted.slices.append(
            self._append(queue, columns.part(start, stop), sizes.total(start, stop), rows[start:stop])
        )
        if stop < len(rows):
            queue.close_open()
        return stop

    def _append(self, queue: PartitionQueue, columns: Columns, size: int, rows: Sequence[int]) -> Slice:
        if self._accumulator.room(queue) < size:
            queue.close_open()
        part = self._accumulator.append(queue, columns, size, rows)
        self._filled(queue)
        return part

    def _sticky(self, topic: str) -> Sticky:
        sticky = self._stickies.get(topic)
        if sticky is None:
            sticky = self._stickies[topic] = Sticky(self._settings.batch_size, self._rng)
        return sticky

    def _turn(self, topic: Topic, sticky: Sticky) -> int:
        """The partition that is filled now."""
        current = sticky.current
        if current is not None and topic.partitions[current].leader >= 0:
            return current
        led = [index for index, partition in topic.partitions.items() if partition.leader >= 0]
        available = led or list(topic.partitions)
        queued = None
        if self._settings.partitioner_adaptive_partitioning_enable:
            queued = [self._accumulator.queued(topic.name, index) for index in available]
        return sticky.choose(available, queued)


def _pick(
    columns: Columns, rows: Sequence[int], sizes: Sizes, group: Sequence[int]
) -> tuple[Columns, Sequence[int], Sizes]:
    """The records at these places, which rows of the caller's they are, and their sizes."""
    payloads = list(map(sizes.payloads.__getitem__, group))
    return columns.pick(group), list(map(rows.__getitem__, group)), Sizes(payloads)


def checked(topic: Topic, partition: int) -> int:
    if partition in topic.partitions:
        return partition
    raise NoPartition(topic.name, len(topic.partitions), partition)
