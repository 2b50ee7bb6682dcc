"""The order in which a Java HashMap gives its keys.

Kafka's sticky assignors walk HashMaps, and where several assignments are equally good the order of that walk decides.
A group's leader may be any member: two that decided differently would move partitions each time leadership moves. So
kq's walk in the same order: by bucket, and within a bucket in the order of insertion (a map never shrinks, and growing
keeps the order within a bucket).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from kq.client.admin.types import TopicPartition

__all__ = ["hash_order", "partition_hash", "text_hash"]

LEAST_BUCKETS = 16
MASK = 0xFFFFFFFF

Key = TypeVar("Key")


def text_hash(text: str) -> int:
    """String.hashCode, as an unsigned number: over UTF-16 units."""
    code = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        code = (code * 31 + (units[at] << 8 | units[at + 1])) & MASK
    return code


def partition_hash(partition: TopicPartition) -> int:
    """TopicPartition.hashCode."""
    topic, number = partition
    return (31 * (31 + number) + text_hash(topic)) & MASK


def hash_order(keys: Iterable[Key], code: Callable[[Key], int]) -> Iterator[Key]:
    """These keys, given in the order of insertion, of a map that has not held more."""
    inserted = list(keys)
    buckets = LEAST_BUCKETS
    while len(inserted) * 4 > buckets * 3:
        buckets *= 2
    spread = [(hashed ^ hashed >> 16) & (buckets - 1) for hashed in map(code, inserted)]
    return (inserted[at] for at in sorted(range(len(inserted)), key=spread.__getitem__))
