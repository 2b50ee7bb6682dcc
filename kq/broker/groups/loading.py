"""From the log of a shard to what its coordinator remembers: at the start, or when this broker becomes its leader.

The file is read in a thread; records are decoded and replayed on the loop, in slices short enough that nobody notices,
because a coordinator is the loop's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING

from kq.broker.groups.codec import decode
from kq.broker.partition import Partition
from kq.machines.group.coordinator import GroupCoordinator
from kq.record.batch import BatchHeader, iter_batches
from kq.record.columns import iter_columns
from kq.record.control import Marker, read_marker

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

READ_BYTES = 5 << 20  # offsets.load.buffer.size
SLICE_S = 0.004  # before others have their turn on the loop
RECORDS_A_LOOK = 64  # at the clock


async def load(broker: Broker, partition: Partition, coordinator: GroupCoordinator) -> int:
    """Replays the whole log; the number of records. Raises KafkaError for a log that cannot be read, ProtocolError for
    records that cannot."""
    began = perf_counter()
    slices = _Slices()
    replayer = _Replayer(coordinator, limit=broker.max_unpacked_bytes)
    offset = partition.log.log_start_offset
    loop = asyncio.get_running_loop()
    while region := partition.log.read(offset, READ_BYTES, end_offset=partition.log.log_end_offset):
        data = memoryview(await loop.run_in_executor(None, region.read))
        for position, header in iter_batches(data):
            for _ in replayer.replay(data[position : position + header.size], header):
                await slices.breathe()
            offset = header.next_offset
    if replayer.count:
        log.info(
            "%s: %d records of groups loaded in %.0f ms", partition, replayer.count, 1e3 * (perf_counter() - began)
        )
    return replayer.count


class _Slices:
    def __init__(self) -> None:
        self._until = perf_counter() + SLICE_S

    async def breathe(self) -> None:
        if perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = perf_counter() + SLICE_S


class _Replayer:
    def __init__(self, coordinator: GroupCoordinator, *, limit: int) -> None:
        self.count = 0
        self._coordinator = coordinator
        self._limit = limit

    def replay(self, batch: memoryview, header: BatchHeader) -> Iterator[None]:
        """One batch; yields again and again, for a look at the clock."""
        if header.is_control:
            end = read_marker(batch)
            if end is not None:
                self._coordinator.replay_end(header.producer_id, committed=end.marker is Marker.COMMIT)
            return
        producer_id = header.producer_id if header.is_transactional else -1
        replay = self._coordinator.replay
        for columns in iter_columns(batch, limit=self._limit, most=RECORDS_A_LOOK):
            for stored_key, stored_value in zip(columns.keys, columns.values, strict=True):
                fact = None if stored_key is None else decode(stored_key, stored_value)
                if fact is not None:
                    replay(*fact, producer_id)
            self.count += len(columns.keys)
            yield
