"""The assignors: who in a group reads which partition. Pure functions with the results of Java's classes of the same
name.

    range                each topic's partitions in consecutive runs, members in order; the first get one more
    roundrobin           all partitions of all topics dealt out, one a member
    sticky               balanced, and as little moved as possible since the last assignment, which members remember in
                         the user data of their subscription
    cooperative-sticky   the same from what members own; a partition that changes hands is left out once, so that its
                         old owner gives it up before the new one gets it (KIP-429)

Range and round robin take members in the order of their instance ids, and after those by member id. Racks are not
looked at: the results are those for members without client.rack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from kq.client.admin.types import TopicPartition
from kq.client.group import sticky
from kq.client.group.protocol import NO_GENERATION, Subscription

__all__ = ["ASSIGNORS", "Assignment", "Assignor", "assign_range", "assign_round_robin"]

Assignment = dict[str, list[TopicPartition]]
Assign = Callable[[Mapping[str, int], Mapping[str, Subscription]], Assignment]
UserData = Callable[[Iterable[TopicPartition], int], bytes | None]


class Assignor(NamedTuple):
    name: str  # as partition.assignment.strategy and Kafka's protocol know it
    cooperative: bool  # members keep what they own while the group rebalances
    assign: Assign  # (partitions a topic, subscriptions by member id) -> partitions by member id
    user_data: UserData  # what a member says beside its topics, from what it was last assigned and in which generation


def assign_range(counts: Mapping[str, int], members: Mapping[str, Subscription]) -> Assignment:
    assignment: Assignment = {member: [] for member in members}
    order = _in_order(members)
    for topic in sorted(counts):
        takers = [member for member in order if topic in members[member].topics]
        if not takers:
            continue
        each, extra = divmod(counts[topic], len(takers))
        begin = 0
        for place, member in enumerate(takers):
            end = begin + each + (place < extra)
            assignment[member] += [(topic, number) for number in range(begin, end)]
            begin = end
    return assignment


def assign_round_robin(counts: Mapping[str, int], members: Mapping[str, Subscription]) -> Assignment:
    assignment: Assignment = {member: [] for member in members}
    order = _in_order(members)
    turn = 0
    for topic in sorted({topic for subscription in members.values() for topic in subscription.topics}):
        for number in range(counts.get(topic, 0)):
            while topic not in members[order[turn % len(order)]].topics:
                turn += 1
            assignment[order[turn % len(order)]].append((topic, number))
            turn += 1
    return assignment


def _in_order(members: Mapping[str, Subscription]) -> list[str]:
    def key(member: str) -> tuple[bool, str]:
        instance_id = members[member].instance_id
        return (True, member) if instance_id is None else (False, instance_id)

    return sorted(members, key=key)


def _nothing(owned: Iterable[TopicPartition], generation: int) -> None:
    return None


def _what_i_had(owned: Iterable[TopicPartition], generation: int) -> bytes | None:
    """Nothing before the first assignment, as Java's."""
    return None if generation == NO_GENERATION else sticky.encode_memory(owned, generation)


ASSIGNORS: dict[str, Assignor] = {
    assignor.name: assignor
    for assignor in (
        Assignor("range", False, assign_range, _nothing),
        Assignor("roundrobin", False, assign_round_robin, _nothing),
        Assignor("sticky", False, sticky.assign_sticky, _what_i_had),
        Assignor(
            "cooperative-sticky",
            True,
            sticky.assign_cooperative,
            lambda owned, generation: sticky.encode_generation(generation),
        ),
    )
}
