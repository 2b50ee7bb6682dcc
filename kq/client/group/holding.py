"""The partitions that a member has, and how they come and go: always in the user's own time.

Giving up is: commit what was processed, tell the user, who may commit more, and only then stop. Who is not cooperative
gives up everything before each join; who is keeps on reading, gives up what the new assignment takes away, and joins
again at once, so that others can have it (KIP-429).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from kq.client.admin.group_types import GroupOffset
from kq.client.admin.types import EARLIEST, LATEST, TopicPartition
from kq.client.consumer import Consumer
from kq.client.group.committer import Committer
from kq.client.group.driver import Driver
from kq.client.group.membership import Membership, Phase
from kq.client.group.protocol import NO_GENERATION
from kq.client.group.topics import Topics
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError

__all__ = ["Callback", "Callbacks", "Holding"]

Callback = Callable[[list[TopicPartition]], Awaitable[None] | None]

LAST_COMMIT_MS = 5_000  # how long a commit may hold up giving partitions up
RESETS = {"earliest": EARLIEST, "latest": LATEST}


class Callbacks(NamedTuple):
    assigned: Callback | None
    revoked: Callback | None
    lost: Callback | None


class Holding:
    def __init__(
        self,
        settings: ClientSettings,
        owned: set[TopicPartition],
        consumer: Consumer,
        membership: Membership,
        driver: Driver,
        committer: Committer,
        topics: Topics,
        callbacks: Callbacks,
        stops: Mapping[TopicPartition, int] | None,
    ) -> None:
        self._settings = settings
        self.owned = owned  # shared with the driver, which names them when it joins
        self._consumer = consumer
        self._membership = membership
        self._driver = driver
        self._committer = committer
        self._topics = topics
        self._callbacks = callbacks
        self._stops = stops
        self._taken_up = NO_GENERATION  # the last generation whose assignment is ours now

    @property
    def at_rest(self) -> bool:
        """The group has shared out, and we have what it gave us."""
        me = self._membership
        return me.phase is Phase.STABLE and me.reason is None and self._taken_up == me.generation

    async def settle(self) -> None:
        """Whatever of it needs the user."""
        me = self._membership
        while True:
            if self._driver.fresh is not None:
                await self._take_up()
            elif me.wants_preparation and me.fatal is None:
                await self._prepare()
                self._driver.wake()
            else:
                return

    async def _prepare(self) -> None:
        """Gives up what has to be given up before joining: all of it, unless the assignors are cooperative."""
        if self._settings.enable_auto_commit and not self._membership.lost:
            await self._committer.commit_due(None, LAST_COMMIT_MS)
        if self._membership.lost or self._membership.fatal is not None:
            await self._give_up(self.owned, self._callbacks.lost)
        else:
            matched = set(self._topics.matched)
            unwanted = {partition for partition in self.owned if partition[0] not in matched}
            await self._give_up(unwanted if self._driver.cooperative else self.owned, self._callbacks.revoked)
        self._membership.prepared()

    async def _take_up(self) -> None:
        """Carried to its end by a later call when this one is cancelled."""
        fresh = self._driver.fresh
        assert fresh is not None
        if fresh.generation != self._membership.generation:
            self._driver.fresh = None
            return
        unasked = sorted({topic for topic, _ in fresh.partitions} - set(self._topics.matched))
        if unasked:
            self._driver.fresh = None
            self._membership.rejoin(f"got partitions of {', '.join(unasked)}, which this member does not want")
            return
        gone = self.owned - set(fresh.partitions)
        if gone:
            if self._settings.enable_auto_commit:
                await self._committer.commit_due(gone, LAST_COMMIT_MS)
            await self._give_up(gone, self._callbacks.revoked)
            self._membership.rejoin("gave up partitions that others wait for")
        new = [partition for partition in fresh.partitions if partition not in self.owned]
        self._begin({partition: fresh.committed[partition] for partition in new})
        self._taken_up = fresh.generation
        self._driver.fresh = None
        if self._callbacks.assigned is not None:
            await _call(self._callbacks.assigned, sorted(new))

    def _begin(self, committed: Mapping[TopicPartition, GroupOffset]) -> None:
        reset = self._settings.auto_offset_reset
        places = {p: at.offset if at.offset >= 0 else RESETS.get(reset, EARLIEST) for p, at in committed.items()}
        epochs = {p: at.leader_epoch for p, at in committed.items()}
        self._consumer.add(places, self._stops, epochs=epochs)
        self.owned.update(committed)
        self._committer.begun(committed)
        for partition, at in committed.items():
            if at.error is not None:
                self._consumer.refuse(partition, at.error)
            elif at.offset < 0 and reset not in RESETS:
                where = f"{partition[0]}:{partition[1]}"
                sentence = f"the group has committed nothing for {where}, and auto.offset.reset={reset}"
                self._consumer.refuse(partition, KafkaError(Err.OFFSET_OUT_OF_RANGE, sentence))

    async def _give_up(self, partitions: Iterable[TopicPartition], callback: Callback | None) -> None:
        gone = sorted(partitions)
        if gone and callback is not None:
            await _call(callback, gone)
        self.owned.difference_update(gone)
        self._consumer.remove(gone)
        self._committer.dropped(gone)

    async def end(self) -> None:
        """Gives up everything, for good."""
        if self._membership.lost or self._membership.fatal is not None:
            await self._give_up(self.owned, self._callbacks.lost)
            return
        if self._settings.enable_auto_commit:
            await self._committer.commit_due(None, LAST_COMMIT_MS)
        await self._give_up(self.owned, self._callbacks.revoked)


async def _call(callback: Callback, partitions: list[TopicPartition]) -> None:
    done = callback(partitions)
    if inspect.isawaitable(done):
        await done
