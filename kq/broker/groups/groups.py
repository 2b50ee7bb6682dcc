"""The groups that this broker coordinates: which shard a group is in, one timer for all shards, their life.

A shard is opened when somebody asks for it or at the start, whichever is first, and belongs to the partition that it
was opened with: where that partition has gone (the topic was deleted, another broker leads it) so has the shard.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kq.broker.groups import topic
from kq.broker.groups.history import History
from kq.broker.groups.loading import load
from kq.broker.groups.runtime import Runtime, State
from kq.broker.partition import Partition
from kq.errors import Err, KafkaError
from kq.machines.group.coordinator import GroupCoordinator
from kq.machines.group.settings import GroupSettings
from kq.wire.errors import ProtocolError

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

NEVER_MS = 1 << 62
LONGEST_WAIT_S = 3600.0
ALARMS_A_TURN = 200  # before others have their turn on the loop


class Groups:
    def __init__(self, broker: Broker) -> None:
        self.history = History()
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._shards: dict[int, Runtime] = {}
        self._loading: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = NEVER_MS

    # life

    def start(self) -> None:
        """Begins to load what is there; until a shard is loaded its groups are told to ask again."""
        for index in range(len(self._broker.partitions.of_topic(topic.OFFSETS_TOPIC))):
            self._opened(index)

    def close(self) -> None:
        """Who waits in a group is told to look for its coordinator, which is this broker again after a restart."""
        for task in self._loading:
            task.cancel()
        for shard in self._shards.values():
            shard.close(State.CLOSED)
        if self._timer is not None:
            self._timer.cancel()

    def _opened(self, index: int) -> Runtime | None:
        slots = self._broker.partitions.of_topic(topic.OFFSETS_TOPIC)
        partition = slots[index] if index < len(slots) else None
        shard = self._shards.get(index)
        if shard is not None and shard.partition is partition:
            return shard
        if shard is not None:
            self._shards.pop(index).close(State.CLOSED)
        return None if partition is None else self._open(index, partition)

    def _open(self, index: int, partition: Partition) -> Runtime:
        coordinator = GroupCoordinator(self.settings(), random.Random(os.urandom(16)))
        shard = self._shards[index] = Runtime(self._broker, partition, coordinator, self._settled)
        if partition.log.log_start_offset == partition.log.log_end_offset:
            shard.activate()
            return shard
        task = self._loop.create_task(self._load(shard), name=f"load {partition}")
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)
        return shard

    async def _load(self, shard: Runtime) -> None:
        try:
            await load(self._broker, shard.partition, shard.coordinator)
        except (KafkaError, ProtocolError) as error:
            shard.fail(error)
        except Exception as error:
            shard.fail(error)
            raise
        else:
            shard.activate()

    def configure(self) -> None:
        """The broker's settings have changed."""
        for shard in self._shards.values():
            shard.coordinator.shard.settings = self.settings()

    def settings(self) -> GroupSettings:
        given = self._broker.settings._asdict()
        return GroupSettings.of({name.replace("_", "."): value for name, value in given.items()})

    # where a group is

    @property
    def has_topic(self) -> bool:
        return topic.OFFSETS_TOPIC in self._broker.image.topics

    async def make_topic(self) -> None:
        """Where nobody has asked for a coordinator before. Raises KafkaError."""
        await topic.create(self._broker)
        self.start()

    def shard(self, group_id: str) -> Runtime:
        """The shard of a group, which takes commands; KafkaError where it is not here, or not loaded yet."""
        count = len(self._broker.partitions.of_topic(topic.OFFSETS_TOPIC))
        shard = self._opened(topic.shard_of(group_id, count)) if count else None
        if shard is None:
            raise KafkaError(Err.NOT_COORDINATOR)
        shard.enter()
        return shard

    def shards(self) -> list[Runtime]:
        """All that are here; KafkaError(COORDINATOR_LOAD_IN_PROGRESS) while one is not loaded yet."""
        count = len(self._broker.partitions.of_topic(topic.OFFSETS_TOPIC))
        opened = [shard for index in range(count) if (shard := self._opened(index)) is not None]
        if any(shard.state is State.LOADING for shard in opened):
            raise KafkaError(Err.COORDINATOR_LOAD_IN_PROGRESS)
        return [shard for shard in opened if shard.state is State.ACTIVE]

    @property
    def active(self) -> Iterable[Runtime]:
        return [shard for shard in self._shards.values() if shard.state is State.ACTIVE]

    # what happens elsewhere

    def topics_deleted(self, names: Sequence[str]) -> None:
        """Nobody reads on in a topic that is gone, nor in one that is made again under its name."""
        for shard in self.active:
            decision = shard.coordinator.topics_deleted(names)
            if decision.facts:
                shard.settle(decision)

    # time

    def _settled(self, shard: Runtime) -> None:
        coordinator = shard.coordinator
        if coordinator.events:
            self.history.add(coordinator.events)
            coordinator.events.clear()
        deadline_ms = coordinator.next_deadline_ms
        if deadline_ms is not None and deadline_ms < self._timer_ms:
            self._set_timer(deadline_ms)

    def _set_timer(self, deadline_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = deadline_ms
        wait_s = (deadline_ms - self._broker.now_ms() + 1) / 1000
        self._timer = self._loop.call_later(min(max(wait_s, 0), LONGEST_WAIT_S), self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_ms = None, 0  # what is decided meanwhile sets no timer: it is set below
        next_ms, left = NEVER_MS, ALARMS_A_TURN
        for shard in self.active:
            left = self._ring(shard, left)
            deadline_ms = shard.coordinator.next_deadline_ms
            if deadline_ms is not None:
                next_ms = min(next_ms, deadline_ms)
        self._timer_ms = NEVER_MS
        if next_ms < NEVER_MS:
            self._set_timer(next_ms)

    def _ring(self, shard: Runtime, most: int) -> int:
        """What is due in a shard, `most` alarms of it; how many may still ring in this turn."""
        now_ms = self._broker.now_ms()
        try:
            while most and (deadline_ms := shard.coordinator.next_deadline_ms) is not None and deadline_ms <= now_ms:
                most -= 1
                shard.settle(shard.enter().tick(now_ms))
        except KafkaError as error:
            log.error("%s: %s", shard, error)
        except Exception as error:
            log.exception("%s: an alarm failed in a way it must not", shard)
            shard.fail(error)
        return most
