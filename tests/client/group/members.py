"""Members of a group under watch: what each has read, and who had which partition in which generation."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from kq.client import Admin, Cluster, GroupConsumer, Producer
from kq.client.admin.types import TopicPartition
from kq.client.settings import ClientSettings
from tests.client.support import make_topic

PARTITIONS = 12


async def fill(cluster: Cluster, topic: str, each: int, partitions: int = PARTITIONS) -> None:
    await make_topic(cluster, topic, partitions)
    await more(cluster, topic, 0, each, partitions)


async def more(cluster: Cluster, topic: str, first: int, end: int, partitions: int = PARTITIONS) -> None:
    async with Producer(cluster) as producer:
        for partition in range(partitions):
            values = [b"%d/%d" % (partition, number) for number in range(first, end)]
            await producer.send_values(topic, values, partition=partition)


def expected(first: int, end: int, partitions: int = PARTITIONS) -> set[bytes]:
    return {b"%d/%d" % (partition, number) for partition in range(partitions) for number in range(first, end)}


class Ownership:
    """Who has each partition; who gets one that another still has, in the same generation, is caught."""

    def __init__(self) -> None:
        self.by_generation: dict[int, dict[TopicPartition, str]] = defaultdict(dict)
        self.rounds = 0

    def note(self, generation: int, member: str, partitions: Iterable[TopicPartition]) -> None:
        self.rounds += 1
        owners = self.by_generation[generation]
        for partition in partitions:
            other = owners.setdefault(partition, member)
            assert other == member, f"{partition} has two owners in generation {generation}: {other} and {member}"


class Member:
    """Reads until it is told to stop; `values` are those it has handled."""

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        topics: list[str],
        settings: ClientSettings,
        ownership: Ownership,
        values: list[bytes | None],
    ) -> None:
        self.consumer = GroupConsumer(cluster, group, topics, settings, on_assigned=self._assigned)
        self._ownership = ownership
        self._values = values
        self._stopping = asyncio.Event()
        self.task = asyncio.ensure_future(self._run())

    def _assigned(self, partitions: list[TopicPartition]) -> None:
        consumer = self.consumer
        self._ownership.note(consumer.generation, consumer.member_id, consumer.assignment)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            for fetched in await self.consumer.fetch(timeout_ms=100):
                assert fetched.error is None, fetched.error
                self._values += fetched.values()

    async def leave(self) -> None:
        self._stopping.set()
        await self.task
        await self.consumer.close()

    async def die(self) -> None:
        """Without a word: what was not committed comes again, when the group has noticed."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.consumer._driver.close()
        await self.consumer._errands.close()
        await self.consumer._consumer.close()


async def lag(admin: Admin, group: str, ends: dict[TopicPartition, int]) -> int:
    committed = await admin.group_offsets(group)
    return sum(end - max(committed[p].offset if p in committed else 0, 0) for p, end in ends.items())
