"""The jobs of `upkeep`, and how often each is done."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kq.broker.partition import Partition
from kq.errors import KafkaError

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

SWEEP_S = 1.0
COLLECT_S = 1.0
CATCH_UP_S = 5.0
EXPIRE_PRODUCERS_S = 600.0  # producer.id.expiration.check.interval.ms
SLICE = 200  # partitions handled before others have their turn on the loop
SEGMENTS_A_TURN = 32  # retired before others have the metadata thread


def schedule(broker: Broker) -> None:
    settings = broker.settings
    jobs = Jobs(broker)
    broker.upkeep.every(SWEEP_S, jobs.sweep_connections)
    broker.upkeep.every(settings.log_retention_check_interval_ms / 1000, jobs.apply_retention)
    broker.upkeep.every(COLLECT_S, jobs.collect_deleted)
    if settings.log_cleaner_enable:
        broker.upkeep.every(lambda: broker.cleaning.backoff_s, broker.cleaning.clean)
    checkpoint_ms = min(
        settings.log_flush_offset_checkpoint_interval_ms, settings.log_flush_start_offset_checkpoint_interval_ms
    )
    broker.upkeep.every(checkpoint_ms / 1000, jobs.write_checkpoints)
    broker.upkeep.every(EXPIRE_PRODUCERS_S, jobs.expire_producers)
    broker.upkeep.every(settings.log_flush_scheduler_interval_ms / 1000, jobs.flush_what_is_due)
    broker.upkeep.every(CATCH_UP_S, jobs.catch_up)


class Jobs:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def sweep_connections(self) -> None:
        self._broker.server.sweep()

    async def apply_retention(self) -> None:
        broker = self._broker
        for number, partition in enumerate(broker.partitions, 1):
            try:
                retirable = partition.log.retirable(broker.now_ms(), partition.high_watermark)
                for _ in range(0, len(retirable), SEGMENTS_A_TURN):
                    await broker.turn.take(self._retire, partition)
            except KafkaError as error:
                log.error("retention of %s: %s", partition, error)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    async def _retire(self, partition: Partition) -> None:
        """In a turn: the topic is not deleted in between. The directory is synced once a segment, in the metadata
        thread: nobody on the loop waits for a disk."""
        broker = self._broker
        end_offset = partition.high_watermark
        retirement = partition.log.begin_retention(broker.now_ms(), end_offset, most=SEGMENTS_A_TURN)
        if retirement is None:
            return
        await broker.in_metadata_thread(retirement.run)
        partition.log.finish_retention(retirement)
        for one in retirement.retired:
            log.info("%s: the segment at %d goes: %s", partition, one.base_offset, one.reason)

    async def collect_deleted(self) -> None:
        broker = self._broker
        await broker.in_metadata_thread(broker.logs.collect, broker.now_ms())

    async def write_checkpoints(self) -> None:
        await self._broker.checkpoint()

    async def catch_up(self) -> None:
        await self._broker.topics.catch_up()

    async def expire_producers(self) -> None:
        for number, partition in enumerate(self._broker.partitions, 1):
            partition.log.expire(self._broker.now_ms())
            if number % SLICE == 0:
                await asyncio.sleep(0)

    async def flush_what_is_due(self) -> None:
        """By flush.ms, and segments that were rolled."""
        broker = self._broker
        now_ms = broker.now_ms()
        for number, partition in enumerate(broker.partitions, 1):
            if partition.log.flush_due(now_ms):
                broker.flusher.sync_soon(partition)
            if number % SLICE == 0:
                await asyncio.sleep(0)
