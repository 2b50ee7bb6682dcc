"""One member of a consumer group (KIP-848): what it said of itself, and where it stands. A change makes a new value.

The stored forms are here, too: a member is two facts, what it said (type 5) and where it stands (type 8).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kq.machines.group.facts import (
    AssignedTopic,
    ClassicProtocol,
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    Fact,
    TargetTopic,
)
from kq.machines.group.reconciliation import Epochs, MemberState, Partitions, Standing

LEFT_FOR_NOW = -2  # the epoch of a static member that will be back (KIP-848)
NEWCOMER = Standing()
UNSAID = ConsumerGroupMemberMetadataValue(None, None, "", "", (), "", -1, None)  # no pattern is "", as Kafka keeps it


class Resolved(NamedTuple):
    """What a pattern of the group matched, and when."""

    topics: frozenset[str]
    at_ms: int


@dataclass(frozen=True, slots=True)
class Member:
    member_id: str
    about: ConsumerGroupMemberMetadataValue = UNSAID
    standing: Standing = NEWCOMER

    @property
    def is_classic(self) -> bool:
        """It speaks the classic protocol; the coordinator translates."""
        return self.about.classic_member_metadata is not None

    @property
    def classic_protocols(self) -> tuple[ClassicProtocol, ...]:
        classic = self.about.classic_member_metadata
        return () if classic is None else classic.supported_protocols

    @property
    def has_left_for_now(self) -> bool:
        return self.standing.epoch == LEFT_FOR_NOW

    @property
    def called(self) -> str:
        """What people know it by."""
        return self.about.instance_id or self.member_id


def subscribed_names(about: ConsumerGroupMemberMetadataValue, patterns: Mapping[str, Resolved]) -> frozenset[str]:
    """Topics by name and by pattern; a pattern that nobody has resolved yet matches nothing."""
    names = frozenset(about.subscribed_topic_names)
    resolved = patterns.get(about.subscribed_topic_regex or "")
    return names if resolved is None else names | resolved.topics


def pattern_fact(group_id: str, pattern: str, resolved: Resolved | None) -> Fact:
    """The stored version is Kafka's number of the metadata that was searched. kq compares names instead; with 0 a Kafka
    that takes over searches once more."""
    value = None if resolved is None else (tuple(sorted(resolved.topics)), 0, resolved.at_ms)
    key = ConsumerGroupRegularExpressionKey(group_id, pattern)
    return key, None if value is None else ConsumerGroupRegularExpressionValue(*value)


def about_fact(group_id: str, member_id: str, about: ConsumerGroupMemberMetadataValue) -> Fact:
    return ConsumerGroupMemberMetadataKey(group_id, member_id), about


def standing_fact(group_id: str, member_id: str, standing: Standing) -> Fact:
    value = ConsumerGroupCurrentMemberAssignmentValue(
        standing.epoch,
        standing.previous_epoch,
        standing.state,
        _assigned_topics(standing.assigned),
        _assigned_topics(standing.revoking),
    )
    return ConsumerGroupCurrentMemberAssignmentKey(group_id, member_id), value


def target_fact(group_id: str, member_id: str, target: Partitions) -> Fact:
    topics = tuple(TargetTopic(topic_id, tuple(sorted(target[topic_id]))) for topic_id in sorted(target))
    return ConsumerGroupTargetAssignmentMemberKey(group_id, member_id), ConsumerGroupTargetAssignmentMemberValue(topics)


def removal_facts(group_id: str, member_id: str) -> list[Fact]:
    """In this order: what it has, what it should have, and then itself."""
    return [
        (ConsumerGroupCurrentMemberAssignmentKey(group_id, member_id), None),
        (ConsumerGroupTargetAssignmentMemberKey(group_id, member_id), None),
        (ConsumerGroupMemberMetadataKey(group_id, member_id), None),
    ]


def standing_of(value: ConsumerGroupCurrentMemberAssignmentValue) -> Standing:
    known = {state.value: state for state in MemberState}
    return Standing(
        value.member_epoch,
        value.previous_member_epoch,
        known.get(value.state, MemberState.UNKNOWN),
        _epochs(value.assigned_partitions, value.member_epoch),
        _epochs(value.partitions_pending_revocation, value.member_epoch),
    )


def target_of(value: ConsumerGroupTargetAssignmentMemberValue) -> dict[bytes, frozenset[int]]:
    return {topic.topic_id: frozenset(topic.partitions) for topic in value.topic_partitions}


def _assigned_topics(epochs: Epochs) -> tuple[AssignedTopic, ...]:
    return tuple(
        AssignedTopic(topic_id, tuple(partitions), tuple(partitions.values()))
        for topic_id, partitions in sorted((topic_id, dict(sorted(epochs[topic_id].items()))) for topic_id in epochs)
    )


def _epochs(topics: Collection[AssignedTopic], member_epoch: int) -> dict[bytes, dict[int, int]]:
    """Before 4.3 nobody wrote when a partition came: then it counts as having come at the member's own epoch."""
    epochs: dict[bytes, dict[int, int]] = {}
    for topic in topics:
        since = topic.assignment_epochs or ()
        if len(since) != len(topic.partitions):
            since = (member_epoch,) * len(topic.partitions)
        epochs[topic.topic_id] = dict(zip(topic.partitions, since, strict=True))
    return epochs
