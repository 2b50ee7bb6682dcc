"""Carries out what the membership says: one task that joins, shares out and heartbeats, one that watches the topics.

What the group has given this member is `fresh`, together with where to begin, until the consumer takes it up in the
user's own time; the coordinator hears from us meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import NamedTuple

from kq.client.admin.group_types import GroupOffset
from kq.client.admin.types import TopicPartition
from kq.client.cluster import Cluster
from kq.client.errands import Errands
from kq.client.errors import is_retriable
from kq.client.group.assignors import ASSIGNORS
from kq.client.group.calls import Calls, Joined
from kq.client.group.membership import Membership, Phase, Step
from kq.client.group.protocol import (
    NO_GENERATION,
    Subscription,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from kq.client.group.topics import Topics, partition_count
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError
from kq.wire.errors import ProtocolError

__all__ = ["Driver", "Fresh"]

log = logging.getLogger("kq.client")


class Fresh(NamedTuple):
    """An assignment that has not been taken up."""

    generation: int
    partitions: tuple[TopicPartition, ...]
    committed: dict[TopicPartition, GroupOffset]  # of those that were not owned before


class Driver:
    """`news` is called when the user's next fetch has something to do; `owned` is what he has."""

    def __init__(
        self,
        cluster: Cluster,
        settings: ClientSettings,
        membership: Membership,
        calls: Calls,
        topics: Topics,
        owned: Collection[TopicPartition],
        news: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._membership = membership
        self._calls = calls
        self._topics = topics
        self._owned = owned
        self._news = news
        self._assignors = [ASSIGNORS[name] for name in settings.partition_assignment_strategy]
        self.cooperative = all(assignor.cooperative for assignor in self._assignors)
        self.fetching = False  # the user waits for records right now
        self.fresh: Fresh | None = None
        self.trouble: KafkaError | None = None  # why the group does not answer, while it is being tried again
        self._joined: Joined | None = None
        self._last: tuple[tuple[TopicPartition, ...], int] = (), NO_GENERATION  # assigned, and when
        self._woken = asyncio.Event()
        self._errands = Errands(finished=self.wake, crashed=self._crashed)

    def start(self) -> None:
        self._errands.start(self._run())
        self._errands.start(self._watch())

    def wake(self) -> None:
        self._woken.set()

    async def close(self) -> None:
        await self._errands.close()

    def now_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        me = self._membership
        while True:
            self._woken.clear()
            if self.fetching:
                me.polled(self.now_ms())
            try:
                match me.next(self.now_ms()):
                    case Step.JOIN:
                        await self._join()
                    case Step.SYNC:
                        await self._sync()
                    case Step.HEARTBEAT:
                        me.heartbeat_sent(self.now_ms())
                        self._errands.once("heartbeat", self._heartbeat)
                    case Step.LEAVE:
                        await self._give_way()
                    case Step.WAIT:
                        await self._wait(me.wake_ms)
                        continue
            except KafkaError as error:
                self._failed(error)
            if me.wants_preparation or me.fatal is not None:
                self._news()

    async def _wait(self, until_ms: float | None) -> None:
        try:
            async with asyncio.timeout(None if until_ms is None else max(0.0, until_ms - self.now_ms()) / 1000):
                await self._woken.wait()
        except TimeoutError:
            return

    def _failed(self, error: KafkaError) -> None:
        me = self._membership
        self.trouble = error
        me.failed(error, self.now_ms(), self._cluster.retry.delay_ms(me.failures + 1, self._cluster.rng))

    def _crashed(self, error: KafkaError) -> None:
        self._membership.fatal = error
        self._news()

    async def _heartbeat(self) -> None:
        me = self._membership
        generation = me.generation
        try:
            me.heartbeat_answered(await self._calls.heartbeat(), generation)
            self.trouble = None
        except KafkaError as error:
            if generation == me.generation:
                self._failed(error)
        if me.wants_preparation or me.fatal is not None:
            self._news()

    async def _give_way(self) -> None:
        log.warning("kq's consumer leaves its group: no fetch for max.poll.interval.ms")
        if self._membership.instance_id is None:
            try:
                await self._calls.leave("max.poll.interval.ms went by without a fetch")
            except KafkaError as error:
                log.info("the coordinator could not be told: %s", error)
        self._membership.forgotten()

    # -- joining ----------------------------------------------------------------------------------------------------

    async def _join(self) -> None:
        settings, me = self._settings, self._membership
        await self._topics.look()
        topics = self._topics.joining()
        owned = tuple(sorted(self._owned))
        protocols = []
        for assignor in self._assignors:
            user_data = assignor.user_data(*self._last)
            said = Subscription(topics, user_data, owned, me.generation, settings.client_rack or None)
            protocols.append((assignor.name, encode_subscription(said)))
        answer = await self._calls.join(protocols, settings.session_timeout_ms, settings.max_poll_interval_ms)
        if answer.code == Err.NONE and answer.protocol and answer.protocol not in ASSIGNORS:
            answer = answer._replace(code=Err.INCONSISTENT_GROUP_PROTOCOL)
        self._joined = answer
        me.joined(answer.code, answer.member_id, answer.generation, answer.leader)
        if answer.code == Err.NONE:
            self.fresh = None  # of a generation that is over
            self.trouble = None

    async def _sync(self) -> None:
        me, joined = self._membership, self._joined
        assert joined is not None
        assignments = await self._share_out(joined) if me.leader else {}
        code, data = await self._calls.sync(joined.protocol, assignments, self._settings.max_poll_interval_ms)
        me.synced(code, self.now_ms())
        if me.phase is Phase.STABLE:
            try:
                partitions = decode_assignment(data)
            except ProtocolError as error:
                sentence = f"the group's leader sent an assignment that cannot be read: {error}"
                raise KafkaError(Err.INCONSISTENT_GROUP_PROTOCOL, sentence) from error
            self._last = partitions, me.generation
            self._errands.start(self._look_up(me.generation, partitions))

    async def _share_out(self, joined: Joined) -> dict[str, bytes]:
        """As the leader: who gets what."""
        members = {}
        for member, (data, instance_id) in joined.members.items():
            try:
                members[member] = decode_subscription(data)._replace(instance_id=instance_id)
            except ProtocolError as error:
                sentence = f"member {member} of the group sent a subscription that cannot be read: {error}"
                raise KafkaError(Err.INCONSISTENT_GROUP_PROTOCOL, sentence) from error
        topics = {topic for subscription in members.values() for topic in subscription.topics}
        metadata = await self._topics.look(topics, max_age_ms=0)
        counts = {topic: count for topic in topics if (count := partition_count(metadata, topic))}
        self._topics.shared_out(counts, topics)
        if joined.skip_assignment:
            return {}
        shared = ASSIGNORS[joined.protocol or self._assignors[0].name].assign(counts, members)
        return {member: encode_assignment(partitions) for member, partitions in shared.items()}

    async def _look_up(self, generation: int, partitions: tuple[TopicPartition, ...]) -> None:
        """Where to begin with the partitions that are new; tried until it is known, or the generation is over."""
        owned = set(self._owned)
        new = [partition for partition in partitions if partition not in owned]
        failures = 0
        while self._holds(generation):
            try:
                committed = await self._calls.committed(new) if new else {}
                if not any(at.error is not None and is_retriable(at.error) for at in committed.values()):
                    if self._holds(generation):
                        self.fresh = Fresh(generation, partitions, committed)
                        self._news()
                    return
            except KafkaError as error:
                self.trouble = error
                self._membership.commit_answered(error.code, generation)
                if not is_retriable(error) and self._holds(generation):
                    self._crashed(error)
                    return
            failures += 1
            await asyncio.sleep(self._cluster.retry.delay_ms(failures, self._cluster.rng) / 1000)

    def _holds(self, generation: int) -> bool:
        """Nobody has begun to share out anew since."""
        return self._membership.generation == generation and self._membership.phase is Phase.STABLE

    # -- topics -----------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        metadata = None
        while True:
            pause_ms = self._topics.next_look_ms(metadata, self._settings.metadata_max_age_ms)
            await asyncio.sleep(pause_ms / 1000)
            try:
                metadata = await self._topics.look(max_age_ms=0)
            except KafkaError as error:
                if not is_retriable(error):
                    self._crashed(error)
                    return
                self.trouble, metadata = error, None
                continue
            if self._membership.phase is Phase.STABLE and (reason := self._topics.news(metadata)):
                self._membership.rejoin(reason)
                self._news()
