"""What happened to a group, for its history: one event a generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`stood_ms` is from the beginning of the rebalance to the assignment. Members are told by their instance id if
    they have one, else by their member id. `moved_partitions` had an owner before who has them no more."""

    group: str
    generation: int
    at_ms: int
    reason: str
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    moved_partitions: int = 0
    stood_ms: int = 0


Owners = Mapping[tuple[str, int], str]  # topic and partition -> member


def moved(before: Owners, after: Owners) -> int:
    """How many partitions left the member that had them."""
    return sum(1 for partition, owner in before.items() if after.get(partition) != owner)
