"""Sticky assignment where members want different topics: keep, fill up, then move one by one towards balance.

1. What a member had stays with it where it still wants the topic.
2. Each free partition, those that the fewest can take first, goes to whoever has least.
3. While a partition's owner has at least two more than another who could take it, it moves: back to who had it in an
   older generation, or to who has least. Instead of two partitions of a topic that cross between two members, the one
   that moved there before moves back.
4. If that did not make things more even, it is undone.

Source: `AbstractStickyAssignor.GeneralAssignmentBuilder` and `PartitionMovements`. Unlike there, a partition goes back
only to a member that still wants it, and a check of the balance costs members times topics and not times partitions.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping

from kq.client.admin.types import TopicPartition
from kq.client.group.javahash import hash_order, partition_hash

__all__ = ["GeneralAssignment"]

Assignment = dict[str, list[TopicPartition]]


class GeneralAssignment:
    """`owned` is taken over, and becomes the result; `before`: who had a partition in an older generation."""

    def __init__(
        self,
        counts: Mapping[str, int],
        topics: Mapping[str, Iterable[str]],
        owned: Assignment,
        before: Mapping[TopicPartition, str],
    ) -> None:
        self._counts = counts
        self._before = before
        self._has = owned
        self._wants = {member: {topic for topic in wanted if topic in counts} for member, wanted in topics.items()}
        self._takers: dict[str, list[str]] = {topic: [] for topic in counts}
        for member, wanted in self._wants.items():
            for topic in wanted:
                self._takers[topic].append(member)
        self._owner = {partition: member for member, partitions in owned.items() for partition in partitions}
        self._movements = _Movements()
        self._ranks: list[tuple[int, str]] = []  # (number of partitions, member), in order

    def build(self) -> Assignment:
        revoked = self._keep()
        kept = {partition for partitions in self._has.values() for partition in partitions}
        topics = sorted(self._counts, key=lambda topic: (len(self._takers[topic]), topic))
        everything = [(topic, number) for topic in topics for number in range(self._counts[topic])]
        free = [partition for partition in everything if partition not in kept]
        self._ranks = sorted((len(partitions), member) for member, partitions in self._has.items())
        fresh = self._ranks[-1][0] == 0  # nobody had anything
        for partition in free:
            self._fill(partition)

        fixed = self._set_aside()
        movable = {topic for topic in self._counts if len(self._takers[topic]) >= 2}
        saved = {member: list(partitions) for member, partitions in self._has.items()}
        if not revoked:
            self._even_out([partition for partition in free if partition[0] in movable])
        moved = self._even_out([partition for partition in everything if partition[0] in movable])
        if not fresh and moved and _unevenness(self._has) >= _unevenness(saved):
            self._has = saved
        return self._has | fixed

    def _keep(self) -> bool:
        """Takes away what members do not want any more; whether that was anything."""
        revoked = False
        for member, partitions in self._has.items():
            wanted = [partition for partition in partitions if partition[0] in self._wants[member]]
            revoked = revoked or len(wanted) < len(partitions)
            self._has[member] = wanted
        return revoked

    def _fill(self, partition: TopicPartition) -> None:
        for _, member in self._ranks:
            if partition[0] in self._wants[member]:
                self._unrank(member)
                self._has[member].append(partition)
                self._owner[partition] = member
                self._rank(member)
                return

    def _set_aside(self) -> Assignment:
        """Members that nothing can move to or from."""
        fixed: Assignment = {}
        for member, wanted in self._wants.items():
            partitions = self._has[member]
            if len(partitions) >= sum(self._counts[topic] for topic in wanted) and not any(
                len(self._takers[topic]) >= 2 for topic, _ in partitions
            ):
                self._unrank(member)
                fixed[member] = self._has.pop(member)
        return fixed

    # -- moving -----------------------------------------------------------------------------------------------------

    def _even_out(self, partitions: list[TopicPartition]) -> bool:
        ever = False
        while True:
            moved = False
            for partition in partitions:
                if self._balanced():
                    break
                moved = self._improve(partition) or moved
            ever = ever or moved
            if not moved:
                return ever

    def _improve(self, partition: TopicPartition) -> bool:
        topic = partition[0]
        size = len(self._has[self._owner[partition]])
        previous = self._before.get(partition)
        if previous in self._has and topic in self._wants[previous] and size > len(self._has[previous]) + 1:
            self._move(partition, previous)
            return True
        if any(size > len(self._has[member]) + 1 for member in self._takers[topic]):
            self._move(partition, next(member for _, member in self._ranks if topic in self._wants[member]))
            return True
        return False

    def _move(self, partition: TopicPartition, to: str) -> None:
        partition = self._movements.instead_of(partition, self._owner[partition], to)
        source = self._owner[partition]
        self._unrank(source)
        self._unrank(to)
        self._movements.note(partition, source, to)
        self._has[source].remove(partition)
        self._has[to].append(partition)
        self._owner[partition] = to
        self._rank(to)
        self._rank(source)

    def _balanced(self) -> bool:
        """Nobody could take a partition from a member that has at least two more."""
        if not self._ranks or self._ranks[0][0] >= self._ranks[-1][0] - 1:
            return True
        most: dict[str, int] = {}  # by topic: how many partitions (of all topics) any owner of one of its has
        for size, member in self._ranks:
            for topic in {topic for topic, _ in self._has[member]}:
                most[topic] = size  # ascending
        return not any(most.get(topic, 0) > size + 1 for size, member in self._ranks for topic in self._wants[member])

    def _rank(self, member: str) -> None:
        bisect.insort(self._ranks, (len(self._has[member]), member))

    def _unrank(self, member: str) -> None:
        del self._ranks[bisect.bisect_left(self._ranks, (len(self._has[member]), member))]


class _Movements:
    """Which partitions have moved between which members, by topic."""

    def __init__(self) -> None:
        self._pairs: dict[TopicPartition, tuple[str, str]] = {}
        self._moved: dict[tuple[str, str, str], dict[TopicPartition, None]] = {}  # by topic, source and target

    def instead_of(self, partition: TopicPartition, source: str, to: str) -> TopicPartition:
        """One of the same topic that has moved the other way before, if there is one."""
        topic = partition[0]
        if partition in self._pairs:
            source = self._pairs[partition][0]
        crossing = self._moved.get((topic, to, source))
        return next(hash_order(crossing, partition_hash)) if crossing else partition

    def note(self, partition: TopicPartition, source: str, to: str) -> None:
        pair = self._pairs.pop(partition, None)
        if pair is not None:
            del self._moved[partition[0], *pair][partition]
            source = pair[0]
        if source != to:
            self._pairs[partition] = (source, to)
            self._moved.setdefault((partition[0], source, to), {})[partition] = None


def _unevenness(assignment: Assignment) -> int:
    """The differences in number of all pairs of members."""
    sizes = sorted(map(len, assignment.values()))
    return sum(size * (2 * place - len(sizes) + 1) for place, size in enumerate(sizes))
