"""`__consumer_offsets`: which of its partitions ("shard") a group is in, and how the topic is made.

It is made when the first client asks for a coordinator, as in Kafka, and its number of partitions must never change
then: it decides where every group is. Compacted, so that the last commit of each partition stays.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from kq.broker.topic_plans import plan_topic
from kq.errors import Err

if TYPE_CHECKING:
    from kq.broker.broker import Broker

OFFSETS_TOPIC = "__consumer_offsets"


def java_hash(text: str) -> int:
    """Java's `String.hashCode`: over UTF-16 units, in 32 signed bits."""
    value = 0
    units = text.encode("utf-16-le", "surrogatepass")
    for low, high in zip(units[::2], units[1::2], strict=True):
        value = (31 * value + (high << 8 | low)) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


@lru_cache(maxsize=1 << 14)
def shard_of(group_id: str, shards: int) -> int:
    """The partition that a group's records are in (`Utils.abs`, where the smallest integer counts as 0)."""
    value = abs(java_hash(group_id))
    return 0 if value == 1 << 31 else value % shards


async def create(broker: Broker) -> None:
    """Returns when the topic is there; raises KafkaError where it cannot be made."""
    if OFFSETS_TOPIC in broker.image.topics:
        return
    settings = broker.settings
    planned = plan_topic(
        broker,
        OFFSETS_TOPIC,
        num_partitions=settings.offsets_topic_num_partitions,
        replication_factor=min(settings.offsets_topic_replication_factor, len(broker.image.brokers)),
        settings={
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": str(settings.offsets_topic_segment_bytes),
        },
    )
    failure = (await broker.topics.create([planned])).get(OFFSETS_TOPIC)
    if failure is not None and failure.code is not Err.TOPIC_ALREADY_EXISTS:
        raise failure
