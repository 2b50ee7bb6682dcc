"""The server's assignors of the new consumer protocol: `uniform` and `range` (KIP-848).

A pure function from who subscribes to what, and who had what, to who gets what.

Rules
1. Every partition of a subscribed topic that exists goes to exactly one member that subscribes to it.
2. `uniform`, all members subscribed alike: sizes differ by at most one; among such assignments one that moves the
   fewest partitions (Kafka's UniformHomogeneousAssignmentBuilder; it hands the odd partitions to whoever comes first,
   here those keep them who have them).
3. `uniform`, subscriptions that differ: no partition can be moved, not even along a chain of members, such that a
   larger member becomes smaller and a member at least two smaller becomes larger. Partitions that need not move stay.
4. `range`: of each topic a contiguous range to each subscriber, in the order of instance ids, then of member ids, the
   first ones getting the odd partitions. Topics of the same size are cut alike. Nothing is sticky (as in Kafka's
   RangeAssignor since 4.0).
5. The order in which members or topics are given does not matter: equal groups get equal assignments.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

Assignment = Mapping[bytes, frozenset[int]]  # partitions by topic id

# How many edges the search for better chains may follow. Balance beyond it is left as it is: an assignment is computed
# on the loop, and 1 M edges are about half a second. Kafka has no such limit and computes in a background thread.
MOST_EDGES = 1_000_000


class Subscriber(NamedTuple):
    """A member as an assignor sees it; `owned` is its target assignment so far, which may name topics it left."""

    member_id: str
    instance_id: str | None
    topics: frozenset[bytes]
    owned: Assignment


Assignor = Callable[[Sequence[Subscriber], Mapping[bytes, int]], dict[str, Assignment]]


def uniform(members: Sequence[Subscriber], partition_counts: Mapping[bytes, int]) -> dict[str, Assignment]:
    """`partition_counts` says how many partitions each topic that exists has; others are left out."""
    ordered = sorted(members, key=_rank)
    if not ordered:
        return {}
    if all(member.topics == ordered[0].topics for member in ordered):
        return _alike(ordered, {t: n for t, n in partition_counts.items() if t in ordered[0].topics})
    return _Differing(ordered, partition_counts).assign()


def by_range(members: Sequence[Subscriber], partition_counts: Mapping[bytes, int]) -> dict[str, Assignment]:
    ordered = sorted(members, key=_rank)
    shares: dict[str, dict[bytes, frozenset[int]]] = {member.member_id: {} for member in ordered}
    for topic, subscribers in _subscribers(ordered, partition_counts).items():
        least, odd = divmod(partition_counts[topic], len(subscribers))
        first = 0
        for place, member in enumerate(subscribers):
            last = first + least + (place < odd)
            if last > first:
                shares[member.member_id][topic] = frozenset(range(first, last))
            first = last
    return dict(shares)


ASSIGNORS: Mapping[str, Assignor] = MappingProxyType({"uniform": uniform, "range": by_range})


def _rank(member: Subscriber) -> tuple[bool, str]:
    return member.instance_id is None, member.instance_id or member.member_id


def _subscribers(members: Iterable[Subscriber], partition_counts: Mapping[bytes, int]) -> dict[bytes, list[Subscriber]]:
    subscribers: dict[bytes, list[Subscriber]] = {}
    for member in members:
        for topic in member.topics:
            if topic in partition_counts:
                subscribers.setdefault(topic, []).append(member)
    return subscribers


def _kept(members: Iterable[Subscriber], partition_counts: Mapping[bytes, int]) -> dict[str, set[tuple[bytes, int]]]:
    """What each member may keep: partitions that exist, of topics it subscribes to, each with one owner."""
    taken: set[tuple[bytes, int]] = set()
    kept: dict[str, set[tuple[bytes, int]]] = {}
    for member in members:
        pairs = {
            (topic, partition)
            for topic, partitions in member.owned.items()
            if topic in member.topics
            for partition in partitions
            if partition < partition_counts.get(topic, 0)
        }
        kept[member.member_id] = pairs - taken
        taken |= pairs
    return kept


def _grouped(shares: Mapping[str, Iterable[tuple[bytes, int]]]) -> dict[str, Assignment]:
    grouped: dict[str, Assignment] = {}
    for member_id, pairs in shares.items():
        by_topic: dict[bytes, set[int]] = {}
        for topic, partition in pairs:
            by_topic.setdefault(topic, set()).add(partition)
        grouped[member_id] = {topic: frozenset(by_topic[topic]) for topic in sorted(by_topic)}
    return grouped


def _alike(members: Sequence[Subscriber], partition_counts: Mapping[bytes, int]) -> dict[str, Assignment]:
    kept = _kept(members, partition_counts)
    least, odd = divmod(sum(partition_counts.values()), len(members))
    # Whoever has more than the least share keeps an odd partition before someone else is given it.
    by_size = sorted(members, key=lambda member: -len(kept[member.member_id]))  # stable: equals stay in rank
    quotas = {member.member_id: least + (place < odd) for place, member in enumerate(by_size)}
    for member_id, pairs in kept.items():
        for pair in sorted(pairs)[quotas[member_id] :]:
            pairs.remove(pair)
    taken = set().union(*kept.values())
    free = deque(
        (topic, partition)
        for topic in sorted(partition_counts)
        for partition in range(partition_counts[topic])
        if (topic, partition) not in taken
    )
    for member in members:
        pairs = kept[member.member_id]
        while len(pairs) < quotas[member.member_id]:
            pairs.add(free.popleft())
    return _grouped(kept)


class _Differing:
    """Subscriptions that differ: what is free goes to the smallest subscriber, then chains are sought that even out."""

    def __init__(self, members: Sequence[Subscriber], partition_counts: Mapping[bytes, int]) -> None:
        self._members = {member.member_id: member for member in members}
        self._ranks = {member.member_id: rank for rank, member in enumerate(members)}
        self._counts = partition_counts
        self._subscribers = {
            topic: [member.member_id for member in subscribers]
            for topic, subscribers in _subscribers(members, partition_counts).items()
        }
        self._sizes: dict[str, int] = {}
        self._shares: dict[str, dict[bytes, set[int]]] = {}
        for member_id, pairs in _kept(members, partition_counts).items():
            share = self._shares[member_id] = {}
            for topic, partition in pairs:
                share.setdefault(topic, set()).add(partition)
            self._sizes[member_id] = len(pairs)
        self._edges_left = MOST_EDGES

    def assign(self) -> dict[str, Assignment]:
        self._hand_out()
        self._even_out()
        return {
            member_id: {topic: frozenset(share[topic]) for topic in sorted(share)}
            for member_id, share in self._shares.items()
        }

    def _hand_out(self) -> None:
        """Topics with the fewest subscribers first: those of many can fill what they leave uneven."""
        for topic in sorted(self._subscribers, key=lambda topic: (len(self._subscribers[topic]), topic)):
            subscribers = self._subscribers[topic]
            taken = set().union(*(self._shares[member_id].get(topic, ()) for member_id in subscribers))
            heap = [(self._sizes[member_id], self._ranks[member_id], member_id) for member_id in subscribers]
            heapq.heapify(heap)
            for partition in range(self._counts[topic]):
                if partition not in taken:
                    size, rank, member_id = heap[0]
                    self._shares[member_id].setdefault(topic, set()).add(partition)
                    self._sizes[member_id] = size + 1
                    heapq.heapreplace(heap, (size + 1, rank, member_id))

    def _even_out(self) -> None:
        """Largest members first; a member from which no chain leads down is settled until something has moved."""
        moved = True
        while moved and self._edges_left > 0:
            moved = False
            for member_id in sorted(self._members, key=lambda m: (-self._sizes[m], self._ranks[m])):
                while self._relieve(member_id):
                    moved = True

    def _relieve(self, largest: str) -> bool:
        """Moves one partition along the shortest chain from `largest` to a member at least two smaller."""
        came: dict[str, tuple[str, bytes]] = {largest: (largest, b"")}
        seen_topics: set[bytes] = set()
        front = deque([largest])
        while front:
            giver = front.popleft()
            for topic in sorted(self._shares[giver]):
                if topic in seen_topics:
                    continue
                seen_topics.add(topic)
                self._edges_left -= len(self._subscribers[topic])
                if self._edges_left < 0:
                    return False
                new = [taker for taker in self._subscribers[topic] if taker not in came]
                for taker in new:
                    came[taker] = giver, topic
                smallest = min(new, key=lambda m: (self._sizes[m], self._ranks[m]), default=None)
                if smallest is not None and self._sizes[smallest] <= self._sizes[largest] - 2:
                    self._move(largest, smallest, came)
                    return True
                front.extend(new)
        return False

    def _move(self, largest: str, smallest: str, came: Mapping[str, tuple[str, bytes]]) -> None:
        taker = smallest
        while taker != largest:
            giver, topic = came[taker]
            partition = max(self._shares[giver][topic])
            self._shares[giver][topic].remove(partition)
            if not self._shares[giver][topic]:
                del self._shares[giver][topic]
            self._shares[taker].setdefault(topic, set()).add(partition)
            taker = giver
        self._sizes[largest] -= 1
        self._sizes[smallest] += 1
