"""What happened to a group, a line a generation; as a kq broker tells it, or as it looks from outside.

From outside a group is looked at again and again, and what is different is put into words:
- A rebalance begins with the first look that finds the group neither Stable nor Empty, and ends with the first that
  finds it so again. How long it stood is known to the length of a look, so `~` stands before it.
- What happened between two looks is one line. Members are called by their instance id, or else their member id, as kq's
  brokers call them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kq.errors import Err

if TYPE_CHECKING:
    from kq.client import GroupDescription, TopicPartition

SETTLED = ("Stable", "Empty", "Dead", "")


class Generation(NamedTuple):
    generation: int | None  # None: the classic protocol does not tell it to those outside
    at_ms: int
    reason: str
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    moved_partitions: int | None = None  # that had an owner before and have another one; None: there is no before
    stood_ms: int | None = None  # None: not seen, or not over

    @classmethod
    def from_status(cls, event: Mapping[str, Any]) -> Generation:
        """An event of a kq broker's status JSON."""
        return cls(
            generation=int(event["generation"]),
            at_ms=int(event["at_ms"]),
            reason=str(event["reason"]),
            joined=tuple(map(str, event["joined"])),
            left=tuple(map(str, event["left"])),
            moved_partitions=int(event["moved_partitions"]),
            stood_ms=event["stood_ms"],
        )


class _Settled(NamedTuple):
    """A group that is at rest: who has what."""

    epoch: int | None
    members: frozenset[str]
    owners: Mapping[TopicPartition, str]


class Watcher:
    """From looks at one group to its generations."""

    def __init__(self) -> None:
        self._before: _Settled | None = None
        self._since_ms: int | None = None  # when it was first seen rebalancing

    def saw(self, group: GroupDescription, at_ms: int) -> Generation | None:
        """What can be told after this look."""
        if group.state not in SETTLED:
            self._since_ms = at_ms if self._since_ms is None else self._since_ms
            return None
        before, since_ms = self._before, self._since_ms
        now = self._before = _settled(group)
        self._since_ms = None
        if before is None:
            count = len(now.members)
            words = f"{group.state or 'there'} with {count} member{'' if count == 1 else 's'} when watching began"
            return Generation(now.epoch, at_ms, words)
        if now == before and since_ms is None:
            return None
        joined, left = sorted(now.members - before.members), sorted(before.members - now.members)
        moved = sum(1 for pair, owner in before.owners.items() if now.owners.get(pair, owner) != owner)
        reason = ", ".join([*(f"{name} joined" for name in joined), *(f"{name} left" for name in left)])
        return Generation(
            generation=now.epoch,
            at_ms=at_ms,
            reason=reason or ("partitions moved" if moved or now.owners != before.owners else "nobody came or went"),
            joined=tuple(joined),
            left=tuple(left),
            moved_partitions=moved,
            stood_ms=None if since_ms is None else at_ms - since_ms,
        )


def _settled(group: GroupDescription) -> _Settled:
    if group.error is not None and group.error.code != Err.GROUP_ID_NOT_FOUND:
        raise group.error
    called = {member.member_id: member.instance_id or member.member_id for member in group.members}
    owners = {pair: called[member.member_id] for member in group.members for pair in member.assignment}
    return _Settled(group.epoch, frozenset(called.values()), owners)
