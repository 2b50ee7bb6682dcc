"""The sticky assignors: what members had is kept as far as balance allows.

Where all members want the same topics everybody gets the same number of partitions or one more (`_equal`, here);
elsewhere partitions are moved one by one while that makes the whole more even (`general`). What a member says it had
counts, unless another says so too in a later generation; in the same generation neither keeps it.

Source: Kafka's `AbstractStickyAssignor`, `StickyAssignor`, `CooperativeStickyAssignor`; order matters throughout.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kq.client.admin.types import TopicPartition
from kq.client.group.general import GeneralAssignment
from kq.client.group.javahash import hash_order, text_hash
from kq.client.group.protocol import NO_GENERATION, Subscription
from kq.wire.api import Side
from kq.wire.errors import ProtocolError
from kq.wire.schema import NEVER, Versions

__all__ = ["assign_cooperative", "assign_sticky", "encode_generation", "encode_memory"]

Assignment = dict[str, list[TopicPartition]]

# The user data of `sticky`: version 0 is without the generation (before Kafka 2.3). It has no version number.
_MEMORY = Side(
    "StickyAssignorUserData",
    """
previous_assignment: [TopicPartitions]
  topic: string
  partitions: [int32]
generation: int32 = -1 1+
""",
    Versions(0, 1),
    NEVER,
)
_INT32 = struct.Struct(">i")


class Memory(NamedTuple):
    """What a member says it had."""

    partitions: tuple[TopicPartition, ...]
    generation: int | None  # None: it does not say


class Claims(NamedTuple):
    """What of that counts."""

    owned: Assignment  # by member, in the order of Java's map
    disputed: set[TopicPartition]  # claimed by several in the same generation: nobody's
    equal: bool  # all members want the same topics
    latest: int  # the highest generation that a member names


def assign_sticky(counts: Mapping[str, int], members: Mapping[str, Subscription]) -> Assignment:
    return _assign(counts, members, {member: _memory(subscription) for member, subscription in members.items()})[0]


def assign_cooperative(counts: Mapping[str, int], members: Mapping[str, Subscription]) -> Assignment:
    memories = {member: _cooperative_memory(subscription) for member, subscription in members.items()}
    assignment, moving = _assign(counts, members, memories)
    if moving is None:
        owned = {member: set(subscription.owned) for member, subscription in members.items()}
        given_up = {p for member, partitions in assignment.items() for p in owned[member].difference(partitions)}
        moving = {
            partition: member
            for member, partitions in assignment.items()
            for partition in partitions
            if partition in given_up and partition not in owned[member]
        }
    for partition, member in moving.items():
        assignment[member].remove(partition)
    return assignment


def encode_memory(partitions: Iterable[TopicPartition], generation: int) -> bytes:
    kind = _MEMORY.built[1]
    topics: dict[str, list[int]] = {}
    for topic, number in partitions:
        topics.setdefault(topic, []).append(number)
    entries = [kind["TopicPartitions"](topic=topic, partitions=numbers) for topic, numbers in topics.items()]
    message = kind[_MEMORY.name](previous_assignment=entries, generation=generation)
    encode = _MEMORY.encoders.get(1) or _MEMORY.compile_encoder(1)
    return b"".join(map(bytes, encode(message)))


def encode_generation(generation: int) -> bytes:
    return _INT32.pack(generation)


def _memory(subscription: Subscription) -> Memory:
    if subscription.user_data is None:
        return Memory((), None)
    for version in (1, 0):
        decode = _MEMORY.decoders.get(version) or _MEMORY.compile_decoder(version)
        try:
            message = decode(subscription.user_data, 0)
        except ProtocolError:
            continue
        partitions = tuple((t.topic, number) for t in message.previous_assignment for number in t.partitions)
        return Memory(partitions, message.generation if version else None)
    return Memory((), NO_GENERATION)


def _cooperative_memory(subscription: Subscription) -> Memory:
    generation: int | None = subscription.generation if subscription.generation >= 0 else None
    if generation is None and subscription.user_data is not None:
        whole = len(subscription.user_data) >= _INT32.size
        generation = _INT32.unpack_from(subscription.user_data)[0] if whole else NO_GENERATION
    return Memory(subscription.owned, generation)


def _assign(
    counts: Mapping[str, int], members: Mapping[str, Subscription], memories: Mapping[str, Memory]
) -> tuple[Assignment, dict[TopicPartition, str] | None]:
    """Partitions by member; and those that change hands with their new owner, None where that was not kept track of."""
    wanted = {topic for subscription in members.values() for topic in subscription.topics}
    counts = {topic: count for topic, count in counts.items() if topic in wanted and count > 0}
    claims = _claims(counts, members, memories)
    if claims.equal:
        return _Equal(counts, claims).build()
    topics = {member: members[member].topics for member in claims.owned}
    # Who had a partition in an older generation may get it back from one with too many.
    before: dict[TopicPartition, tuple[str, int]] = {}
    for member in claims.owned:
        partitions, said = memories[member]
        generation = NO_GENERATION if said is None else said
        if generation < claims.latest:
            for partition in partitions:
                if partition not in before or generation > before[partition][1]:
                    before[partition] = (member, generation)
    previous = {partition: member for partition, (member, _) in before.items()}
    return GeneralAssignment(counts, topics, claims.owned, previous).build(), None


def _claims(counts: Mapping[str, int], members: Mapping[str, Subscription], memories: Mapping[str, Memory]) -> Claims:
    owned: Assignment = {}
    disputed: set[TopicPartition] = set()
    owner: dict[TopicPartition, str] = {}
    first: set[str] = set()
    equal = True
    latest = NO_GENERATION
    for member in hash_order(members, text_hash):
        topics = members[member].topics
        if not first:
            first = set(topics)
        elif len(topics) != len(first) or not first.issuperset(topics):
            equal = False
        partitions, said = memories[member]
        generation = NO_GENERATION if said is None else said
        latest = max(latest, generation)
        owned[member] = []
        for partition in partitions:
            if partition[0] not in counts:
                continue
            other = owner.get(partition)
            if other is None:
                owned[member].append(partition)
                owner[partition] = member
                continue
            others = members[other].generation  # as Java: by its subscription, whatever its user data says
            if generation == others:
                disputed.add(partition)
                _drop(owned[other], partition)
                owner[partition] = member
            elif generation > others:
                owned[member].append(partition)
                _drop(owned[other], partition)
                owner[partition] = member
    return Claims(owned, disputed, equal, latest)


def _drop(partitions: list[TopicPartition], partition: TopicPartition) -> None:
    if partition in partitions:
        partitions.remove(partition)


class _Equal:
    """All members want the same topics: each gets `least` partitions or one more, `large` members get one more."""

    def __init__(self, counts: Mapping[str, int], claims: Claims) -> None:
        self._counts = counts
        self._claims = claims
        total = sum(counts.values())
        members = list(hash_order(claims.owned, text_hash))
        self._order = members
        self._least, self._large = divmod(total, len(members))
        self._most = self._least + (self._large > 0)
        self._assignment: Assignment = {member: [] for member in members}
        self._larger = 0  # members that have more than `least`
        self._below: list[str] = []  # have less than `least`
        self._at_least: list[str] = []  # have `least`, and may get one more
        self._given_up: dict[TopicPartition, str] = {}
        self._moving: dict[TopicPartition, str] = {}

    def build(self) -> tuple[Assignment, dict[TopicPartition, str]]:
        for member in self._order:
            self._keep(member)
        kept = {partition for partitions in self._assignment.values() for partition in partitions}
        free = [
            (topic, number)
            for topic in sorted(self._counts)
            for number in range(self._counts[topic])
            if (topic, number) not in kept
        ]
        self._below.sort()
        self._at_least.sort()
        self._deal(free)
        return self._assignment, self._moving

    def _keep(self, member: str) -> None:
        """What it had, up to what it may have."""
        owned = sorted(self._claims.owned[member], key=lambda partition: (partition[1], partition[0]))
        owned = [partition for partition in owned if partition not in self._claims.disputed]
        if len(owned) < self._least:
            keep = len(owned)
            self._below.append(member)
        elif len(owned) >= self._most and self._larger < self._large:
            keep = self._most
            self._larger += 1
            if self._larger == self._large:
                self._at_least.clear()
        else:
            keep = self._least
            if self._larger < self._large:
                self._at_least.append(member)
        self._assignment[member] += owned[:keep]
        self._given_up |= dict.fromkeys(owned[keep:], member)

    def _deal(self, free: list[TopicPartition]) -> None:
        """One each to those who have too little, in turns; then one more to those who may."""
        turn = 0
        for partition in free:
            if self._below:
                turn = turn if turn < len(self._below) else 0
                member = self._below[turn]
            else:
                member = self._at_least.pop(0)
            has = self._assignment[member]
            has.append(partition)
            if self._given_up.get(partition, member) != member or partition in self._claims.disputed:
                self._moving[partition] = member
            if self._below:
                if len(has) == self._least:
                    self._below.remove(member)
                    self._at_least.append(member)
                else:
                    turn += 1
