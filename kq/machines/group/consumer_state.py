"""What is remembered of a group of the consumer protocol (KIP-848), and what follows from that alone.

Rules
1. `replay` is the only way in: after a restart the same facts make the same group, in whatever order compaction left
   those of different keys.
2. A partition has one owner at most (`owners`), from when it is granted until it is given up or its member is gone.
3. Subscriptions are judged by the topics of the shard's image; what does not exist is kept in mind, and assigned when
   it does.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from kq.machines.group.alarms import Alarm
from kq.machines.group.assignors import ASSIGNORS
from kq.machines.group.consumer_offsets import ConsumerOffsets
from kq.machines.group.decision import Decision
from kq.machines.group.facts import (
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
    Fact,
    Key,
    Value,
)
from kq.machines.group.members import NEWCOMER, UNSAID, Member, Resolved, standing_of, target_of
from kq.machines.group.news import News
from kq.machines.group.reconciliation import Partitions, Standing
from kq.machines.group.regexes import Resolution
from kq.machines.group.shard import Shard
from kq.machines.image import TopicImage

NO_TARGET: Partitions = MappingProxyType({})


class ConsumerState(ConsumerOffsets, ABC):
    """`targets` and `owners` are by topic id and partition."""

    def __init__(self, group_id: str, shard: Shard) -> None:
        self.group_id = group_id
        self.shard = shard
        # What is remembered
        self.epoch = 1  # as Kafka 4.3 begins; who subscribes to something makes it 2
        self.metadata_hash = 0
        self.target_epoch = 0
        self.target_at_ms = 0  # 0: never computed
        self.members: dict[str, Member] = {}
        self.targets: dict[str, Partitions] = {}
        self.patterns: dict[str, Resolved] = {}
        # What follows from it
        self.static: dict[str, str] = {}  # instance id -> member id
        self.owners: dict[tuple[bytes, int], str] = {}
        self.pattern_members: Counter[str] = Counter()
        # Soft
        self.alarms: dict[tuple[str, str], Alarm] = {}  # by what ("session", ...) and member id
        self.resolution: Resolution | None = None  # of patterns, under way
        self.topics_checked: Mapping[str, TopicImage] | None = None  # whose hash is the group's
        self.topics_matched: Mapping[str, TopicImage] | None = None  # whose names the patterns have seen
        self.news = News()

    # Replay

    def replay(self, key: Key, value: Value | None) -> None:
        if isinstance(key, ConsumerGroupMetadataKey) and isinstance(value, ConsumerGroupMetadataValue):
            self.epoch, self.metadata_hash = value.epoch, value.metadata_hash
            if not self.members:
                self.shard.events += self.news.deserted(self.group_id, self.epoch)
        elif isinstance(key, ConsumerGroupMemberMetadataKey):
            assert value is None or isinstance(value, ConsumerGroupMemberMetadataValue)
            self._replay_about(key.member_id, value)
        elif isinstance(key, ConsumerGroupTargetAssignmentMetadataKey):
            assert value is None or isinstance(value, ConsumerGroupTargetAssignmentMetadataValue)
            self.target_epoch = 0 if value is None else value.assignment_epoch
            self.target_at_ms = 0 if value is None else value.assignment_timestamp
            self.shard.events += self.news.remembered(self.target_epoch)
        elif isinstance(key, ConsumerGroupTargetAssignmentMemberKey):
            if value is None:
                self.targets.pop(key.member_id, None)
            else:
                assert isinstance(value, ConsumerGroupTargetAssignmentMemberValue)
                self.targets[key.member_id] = target_of(value)
        elif isinstance(key, ConsumerGroupCurrentMemberAssignmentKey):
            assert value is None or isinstance(value, ConsumerGroupCurrentMemberAssignmentValue)
            self._replay_standing(key.member_id, value)
        elif isinstance(key, ConsumerGroupRegularExpressionKey):
            if value is None:
                self.patterns.pop(key.regular_expression, None)
            else:
                assert isinstance(value, ConsumerGroupRegularExpressionValue)
                resolved = Resolved(frozenset(value.topics), value.timestamp)
                self.patterns[key.regular_expression] = resolved

    def _replay_about(self, member_id: str, about: ConsumerGroupMemberMetadataValue | None) -> None:
        before = self.members.get(member_id)
        if before is not None:
            if before.about.subscribed_topic_regex:
                self._ask(before.about.subscribed_topic_regex, -1)
            instance_id = before.about.instance_id
            if instance_id is not None and self.static.get(instance_id) == member_id:
                del self.static[instance_id]
        if about is None:
            if before is not None:
                self._disown(before)
                del self.members[member_id]
            return
        self.members[member_id] = Member(member_id, about, before.standing if before is not None else NEWCOMER)
        if about.subscribed_topic_regex:
            self._ask(about.subscribed_topic_regex, 1)
        if about.instance_id is not None:
            self.static[about.instance_id] = member_id

    def _replay_standing(self, member_id: str, value: ConsumerGroupCurrentMemberAssignmentValue | None) -> None:
        before = self.members.get(member_id)
        if before is None:
            if value is None:
                return
            before = Member(member_id, UNSAID)
        self._disown(before)
        standing = NEWCOMER if value is None else standing_of(value)
        self.members[member_id] = replace(before, standing=standing)
        for partition in _pairs(standing):
            self.owners[partition] = member_id
        self.shard.events += self.news.stands(member_id, before.standing, standing)

    def _ask(self, pattern: str, more: int) -> None:
        self.pattern_members[pattern] += more
        if not self.pattern_members[pattern]:
            del self.pattern_members[pattern]

    def _disown(self, member: Member) -> None:
        for partition in _pairs(member.standing):
            if self.owners.get(partition) == member.member_id:
                del self.owners[partition]

    def tombstones(self) -> list[Fact]:
        """What makes the log forget the group, in Kafka's order."""
        ids = list(self.members)
        facts: list[Fact] = [(ConsumerGroupCurrentMemberAssignmentKey(self.group_id, id_), None) for id_ in ids]
        facts += [(ConsumerGroupTargetAssignmentMemberKey(self.group_id, id_), None) for id_ in self.targets]
        facts.append((ConsumerGroupTargetAssignmentMetadataKey(self.group_id), None))
        facts += [(ConsumerGroupMemberMetadataKey(self.group_id, id_), None) for id_ in ids]
        facts += [(ConsumerGroupRegularExpressionKey(self.group_id, pattern), None) for pattern in self.patterns]
        facts.append((ConsumerGroupMetadataKey(self.group_id), None))
        return facts

    # What can be seen of it

    def preferred_assignor(self, members: Iterable[Member]) -> str:
        """What most members ask for; of equals, the one that is configured first."""
        configured = self.shard.settings.group_consumer_assignors
        votes = Counter(member.about.server_assignor for member in members if member.about.server_assignor in ASSIGNORS)
        order = {name: place for place, name in enumerate(configured)}
        wanted = min(votes, key=lambda name: (-votes[name], order.get(name or "", len(order))), default=None)
        return wanted or next((name for name in configured if name in ASSIGNORS), "uniform")

    def topic_ids(self, names: Iterable[str]) -> frozenset[bytes]:
        topics = self.shard.image.topics
        return frozenset(topics[name].id for name in names if name in topics)

    def hash_of_topics(self, names: Collection[str]) -> int:
        """0 if none of the topics exists. Kafka hashes the same things by another function: a group that moves from one
        to the other computes its assignment once more."""
        topics = self.shard.image.topics
        there = [topics[name] for name in sorted(names) if name in topics]
        if not there:
            return 0
        digest = hashlib.blake2b(digest_size=8)
        for topic in there:
            digest.update(b"%s\0%s%d;" % (topic.name.encode(), topic.id, len(topic.partitions)))
        return int.from_bytes(digest.digest(), "big", signed=True)

    def awaits_others(self, member: Member) -> bool:
        """Something of its target is still somebody else's."""
        return any(
            self.owners.get((topic_id, partition), member.member_id) != member.member_id
            for topic_id, partitions in self.targets.get(member.member_id, NO_TARGET).items()
            for partition in partitions
        )

    # Alarms

    @abstractmethod
    def ring(self, alarm: Alarm, now_ms: int, decision: Decision) -> None:
        """One of its alarms rang."""

    def alarm(self, what: str, member_id: str = "") -> Alarm:
        found = self.alarms.get((what, member_id))
        if found is None:
            found = self.alarms[what, member_id] = Alarm(self, what, member_id)
        return found

    def stop(self, what: str, member_id: str = "") -> None:
        alarm = self.alarms.pop((what, member_id), None)
        if alarm is not None:
            alarm.stop()


def _pairs(standing: Standing) -> Iterable[tuple[bytes, int]]:
    for epochs in (standing.assigned, standing.revoking):
        for topic_id, partitions in epochs.items():
            for partition in partitions:
                yield topic_id, partition
