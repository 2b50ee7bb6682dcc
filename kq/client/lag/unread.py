"""The next unread records of groups, read from outside: nobody joins, nothing is committed.

Rules
- Only as much is fetched as one batch of each partition is likely to take: what is wanted is its first records. A
  batch that is larger comes all the same, in a turn of its own.
- Reading ends after the time allowed: what has not come by then is unknown.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from kq.client.admin.types import TopicPartition
from kq.client.cluster import Cluster
from kq.client.consumer import Consumer
from kq.client.fetched import Fetched
from kq.errors import KafkaError
from kq.record.batch import Record

__all__ = ["Place", "Unread", "read_unread"]

PARTITION_BYTES = 32_768  # Kafka's own producers close a batch at 16 KiB
ANSWER_BYTES = 8 << 20


class Place(NamedTuple):
    offset: int
    end: int  # reading stops there


class Unread(NamedTuple):
    records: tuple[Record, ...] = ()  # none: there is none before the end
    error: KafkaError | None = None


async def read_unread(
    cluster: Cluster, places: Mapping[TopicPartition, Place], *, count: int = 1, patience_s: float = 3.0
) -> dict[TopicPartition, Unread]:
    """The first `count` records at or after each place; partitions that did not answer in time are left out."""
    found: dict[TopicPartition, Unread] = {}
    if not places or count < 1:
        return found
    settings = dataclasses.replace(
        cluster.settings,
        auto_offset_reset="none",
        max_partition_fetch_bytes=PARTITION_BYTES,
        fetch_max_bytes=ANSWER_BYTES,
    )
    coming: dict[TopicPartition, list[Record]] = {pair: [] for pair in places}

    def take(fetched: Fetched) -> None:
        pair = (fetched.topic, fetched.partition)
        if pair not in coming:
            return  # it was read ahead
        if fetched.error is None:
            coming[pair] += fetched.records()
        if fetched.error is not None or len(coming[pair]) >= count or fetched.next_offset >= places[pair].end:
            found[pair] = Unread(tuple(coming.pop(pair)[:count]), fetched.error)
            if fetched.error is None:
                consumer.pause([pair])

    try:
        async with asyncio.timeout(patience_s), Consumer(cluster, settings) as consumer:
            consumer.assign(
                {pair: place.offset for pair, place in places.items()},
                stops={pair: place.end for pair, place in places.items()},
            )
            while coming and not consumer.finished:
                for fetched in await consumer.fetch():
                    take(fetched)
    except TimeoutError:
        return found
    # Finished without a word about them: their stop lies before anything that counts.
    return found | {pair: Unread(tuple(records)) for pair, records in coming.items()}
