"""What happened to a group, for its history: one event a generation.

In both protocols a partition has moved if it had an owner in the generation before and has another one in this. So
nothing moves when a group begins, nor when nobody takes what somebody left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Members are told by their instance id if they have one, else by their member id.

    `stood_ms` in the classic protocol, where everybody waits, is from the beginning of the rebalance to the assignment.
    In the consumer protocol it is how long the partition that stood longest was nobody's to read (`news`): None until
    all that moved have arrived, for ever if the next generation came before. An event with the generation and the
    `at_ms` of the one before takes its place."""

    group: str
    generation: int
    at_ms: int
    reason: str
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    moved_partitions: int = 0
    stood_ms: int | None = 0


Owners = Mapping[tuple[str, int], str]  # topic and partition -> member


def moved(before: Owners, after: Owners) -> int:
    """How many partitions had an owner and have another one."""
    return sum(1 for partition, owner in before.items() if after.get(partition, owner) != owner)
