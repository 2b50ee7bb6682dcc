"""What was processed, and committing it.

A record counts as processed when the user asks for more: what `fetch` returned last may still be in work. A commit that
fails for good changes nothing here; the same offsets are due again at the next one. What the user commits himself is
the last word on a partition until he has read more of it.

Commits of one member leave one after another, so that an older one never arrives after a newer one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from kq.client.admin.group_types import GroupOffset
from kq.client.admin.types import TopicPartition
from kq.client.cluster import Cluster
from kq.client.errors import is_retriable
from kq.client.fetched import Fetched
from kq.client.group.calls import Calls
from kq.client.group.membership import Membership, Phase
from kq.errors import Err, KafkaError

__all__ = ["Committer"]

log = logging.getLogger("kq.client")

NOT_OURS = {Err.UNKNOWN_MEMBER_ID, Err.ILLEGAL_GENERATION, Err.FENCED_INSTANCE_ID}


class Committer:
    """`position` says where a partition is, behind what was returned; None: not known yet."""

    def __init__(
        self, cluster: Cluster, calls: Calls, membership: Membership, position: Callable[[TopicPartition], int | None]
    ) -> None:
        self._cluster = cluster
        self._calls = calls
        self._membership = membership
        self._position = position
        self._turn = asyncio.Lock()
        self._epochs: dict[TopicPartition, tuple[int, int]] = {}  # of the last record returned: offset after it, epoch
        self._in_work: set[TopicPartition] = set()  # the last fetch returned some of these
        self._processed: dict[TopicPartition, GroupOffset] = {}  # and not committed yet
        # Of all partitions that are ours: the position at which there is nothing to commit; -1: there is none.
        self._settled: dict[TopicPartition, int] = {}

    # -- what is known ----------------------------------------------------------------------------------------------

    def begun(self, committed: Mapping[TopicPartition, GroupOffset]) -> None:
        """These partitions are ours now, and this is what was committed for them."""
        self._settled |= {partition: at.offset for partition, at in committed.items()}

    def returned(self, fetched: Iterable[Fetched]) -> None:
        for item in fetched:
            self._in_work.add((item.topic, item.partition))
            if item.batches:
                epoch = item.batches[-1].header.leader_epoch
                self._epochs[item.topic, item.partition] = (item.next_offset, epoch)

    def processed(self) -> None:
        """The user asks for more: all that was returned is processed."""
        in_work, self._in_work = self._in_work, set()
        self._process(in_work)

    def _process(self, partitions: Iterable[TopicPartition]) -> None:
        for partition, place in self.places(self._settled.keys() & partitions).items():
            if place.offset == self._settled[partition]:
                self._processed.pop(partition, None)
            else:
                self._processed[partition] = place

    def dropped(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            self._in_work.discard(partition)
            for kept in (self._epochs, self._processed, self._settled):
                kept.pop(partition, None)

    def places(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, GroupOffset]:
        """Behind all that was returned of these."""
        places = {}
        for partition in partitions:
            position = self._position(partition)
            if position is not None:
                offset, epoch = self._epochs.get(partition, (position, -1))
                places[partition] = GroupOffset(position, epoch if offset == position else -1)
        return places

    def due(self, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, GroupOffset]:
        """What was processed and is not committed."""
        # Of what is not in work the position may have moved too: it was sought, looked up, or led over records that are
        # nobody's (those of aborted transactions, their markers).
        self._process(self._settled.keys() - self._in_work)
        if partitions is None:
            return dict(self._processed)
        return {partition: self._processed[partition] for partition in partitions if partition in self._processed}

    # -- committing -------------------------------------------------------------------------------------------------

    async def commit(self, offsets: Mapping[TopicPartition, GroupOffset], patience_ms: float) -> None:
        """Commits, again and again while what stands in the way may pass; raises what does not, or outlasts that."""
        if not offsets:
            return
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + patience_ms / 1000
        failures = 0
        async with self._turn:
            while True:
                try:
                    await self._once(offsets)
                    return
                except KafkaError as error:
                    failures += 1
                    pause_s = self._cluster.retry.delay_ms(failures, self._cluster.rng) / 1000
                    if not self._passes(error) or loop.time() + pause_s > deadline_s:
                        raise
                await asyncio.sleep(pause_s)

    async def commit_due(self, partitions: Iterable[TopicPartition] | None, patience_ms: float) -> None:
        """What the user has left to us; that it fails is told in the log: the records will come again."""
        try:
            await self.commit(self.due(partitions), patience_ms)
        except KafkaError as error:
            log.warning("offsets could not be committed: %s", error)

    async def _once(self, offsets: Mapping[TopicPartition, GroupOffset]) -> None:
        me = self._membership
        if not me.in_group:
            raise KafkaError(
                Err.UNKNOWN_MEMBER_ID, "this consumer is not a member of its group now: nothing is committed"
            )
        generation = me.generation
        before = dict(self._processed)
        positions = {partition: self._position(partition) for partition in offsets if partition in self._settled}
        said = await self._calls.commit(offsets)
        for partition, error in said.items():
            if error is None and partition in self._settled and partition in positions:
                by_us = before.get(partition) is offsets[partition]
                position = offsets[partition].offset if by_us else positions[partition]
                self._settled[partition] = -1 if position is None else position
                if self._processed.get(partition) is before.get(partition):  # nothing was processed meanwhile
                    self._processed.pop(partition, None)
        for partition, error in said.items():
            if error is not None:
                me.commit_answered(error.code, generation)
                if error.code in NOT_OURS:
                    sentence = "the group has given this consumer's partitions to others: nothing is committed"
                    raise KafkaError(error.code, sentence)
                raise KafkaError(error.code, f"{partition[0]}:{partition[1]}: {error}")

    def _passes(self, error: KafkaError) -> bool:
        if error.code == Err.REBALANCE_IN_PROGRESS:  # until we have joined again, which goes on meanwhile
            return self._membership.phase in {Phase.JOINING, Phase.SYNCING}
        return is_retriable(error)
