"""What is to be told of a consumer group's next assignment: why its epoch rose, who came and went, what moved, and how
long that stood.

Rules
1. Soft: gathered while deciding, and told (`Event`) when the assignment is remembered. After a restart what had been
   gathered is lost; the next assignment says then that the coordinator has begun anew.
2. A generation is an assignment. The last member's going is one, too: then nobody has anything.
3. A partition stands from when its owner is told to give it up, or is gone, until the one who should have it is given
   it. A generation stood as long as the one of its partitions that stood longest; that is told when all have arrived,
   in an Event that takes the place of the first.
4. What is still on its way when the next generation begins is waited for by that one, from when it stood still; the
   generation that was overtaken never says how long it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from kq.machines.group.events import Event
from kq.machines.group.reconciliation import Epochs, Partitions, Standing

Pair = tuple[bytes, int]  # topic id and partition


class Gone(NamedTuple):
    """A member that left, and what it should have had."""

    called: str
    share: Partitions


class News:
    def __init__(self) -> None:
        self.now_ms: int | None = None  # of the last decision: what is replayed follows from it. None: the log is read
        self._reasons: dict[str, None] = {}  # in the order in which they came, each once
        self._joined: dict[str, None] = {}
        self._left: dict[str, None] = {}
        self._gone: dict[str, Gone] = {}  # by member id, since the last assignment
        self._ready: tuple[Event, dict[Pair, str]] | None = None
        self._open: Event | None = None  # told, but for how long it stood
        self._awaited: dict[Pair, str] = {}  # who should have it and does not have it yet
        self._stopped_ms: dict[Pair, int] = {}
        self._longest_ms = 0

    def changed(self, reason: str, *, joined: str | None = None) -> None:
        self._reasons[reason] = None
        if joined is not None:
            self._left.pop(joined, None)
            self._joined[joined] = None

    def left(self, reason: str, member_id: str, gone: Gone) -> None:
        self._reasons[reason] = None
        self._joined.pop(gone.called, None)
        self._left[gone.called] = None
        self._gone[member_id] = gone

    @property
    def newcomers(self) -> frozenset[str]:
        """Of whom nothing is told yet."""
        return frozenset(self._joined)

    @property
    def departed(self) -> list[Gone]:
        """Of whom it is not told yet that they left."""
        return [gone for gone in self._gone.values() if gone.called in self._left]

    def assigned(
        self,
        group_id: str,
        epoch: int,
        now_ms: int,
        before: Mapping[str, Partitions],
        after: Mapping[str, Partitions],
        has: Callable[[str, Pair], bool],
    ) -> None:
        """A target is computed; it is told as soon as it is remembered. `has`: the member has the partition already."""
        moved = _moved({**{id_: gone.share for id_, gone in self._gone.items()}, **before}, after)
        awaited = {pair: owner for pair, owner in moved.items() if not has(owner, pair)}
        if on_their_way := self._awaited.keys() & self._stopped_ms.keys() - moved.keys():
            awaited |= {pair: owner for pair, owner in _owners(after).items() if pair in on_their_way}
        self._ready = self._event(group_id, epoch, now_ms, len(moved), None if awaited else 0), awaited

    def _event(self, group_id: str, epoch: int, now_ms: int, moved: int, stood_ms: int | None) -> Event:
        return Event(
            group=group_id,
            generation=epoch,
            at_ms=now_ms,
            reason=", ".join(self._reasons) or "the coordinator has begun anew",
            joined=tuple(self._joined),
            left=tuple(self._left),
            moved_partitions=moved,
            stood_ms=stood_ms,
        )

    def remembered(self, epoch: int) -> list[Event]:
        """The target of this epoch is: what can be told now, once. Not every target is the one that was computed last:
        when a group changes its protocol the one it had is remembered first."""
        if self._ready is None or self._ready[0].generation != epoch:
            return []
        return [self._tell(*self._ready)]

    def deserted(self, group_id: str, epoch: int) -> list[Event]:
        """Nobody is in the group of this epoch."""
        if self.now_ms is None or not self._reasons:
            return []
        return [self._tell(self._event(group_id, epoch, self.now_ms, 0, 0), {})]

    def _tell(self, event: Event, awaited: dict[Pair, str]) -> Event:
        self._reasons, self._joined, self._left, self._gone, self._ready = {}, {}, {}, {}, None
        self._open = event if awaited else None
        self._awaited, self._longest_ms = awaited, 0
        self._stopped_ms = {pair: at_ms for pair, at_ms in self._stopped_ms.items() if pair in awaited}
        return event

    def stands(self, member_id: str, before: Standing, after: Standing) -> list[Event]:
        """It is remembered that the member has something else than before."""
        if self.now_ms is None or before.assigned == after.assigned:
            return []
        had, has = _pairs(before.assigned), _pairs(after.assigned)
        for pair in had - has:
            self._stopped_ms.setdefault(pair, self.now_ms)
        for pair in has - had:
            stopped_ms = self._stopped_ms.pop(pair, self.now_ms)
            if self._awaited.get(pair) == member_id:
                del self._awaited[pair]
                self._longest_ms = max(self._longest_ms, self.now_ms - stopped_ms)
        if self._open is None or self._awaited:
            return []
        arrived, self._open = replace(self._open, stood_ms=self._longest_ms), None
        return [arrived]


def _pairs(epochs: Epochs) -> set[Pair]:
    return {(topic_id, partition) for topic_id, partitions in epochs.items() for partition in partitions}


def _owners(shares: Mapping[str, Partitions]) -> dict[Pair, str]:
    return {
        (topic_id, partition): member_id
        for member_id, share in shares.items()
        for topic_id, partitions in share.items()
        for partition in partitions
    }


def _moved(before: Mapping[str, Partitions], after: Mapping[str, Partitions]) -> dict[Pair, str]:
    """What had an owner and has another one, which is told. Unchanged shares are the same objects or equal: skipped."""
    changed = [member_id for member_id in before.keys() | after.keys() if before.get(member_id) != after.get(member_id)]
    had = _owners({member_id: before[member_id] for member_id in changed if member_id in before})
    has = _owners({member_id: after[member_id] for member_id in changed if member_id in after})
    return {pair: owner for pair, owner in has.items() if had.get(pair, owner) != owner}
