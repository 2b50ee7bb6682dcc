"""What a consumer group lets happen to its offsets and to itself (Kafka's ConsumerGroup.validate...).

Rules
1. Members commit and fetch with their member epoch; whoever is no member may commit only while nobody is.
2. An older epoch than the member's is good for partitions that the member has had since then (KIP-1251): a commit that
   crossed an epoch on its way is no zombie's.
3. A wrong epoch is STALE_MEMBER_EPOCH; a member of the classic protocol is told ILLEGAL_GENERATION.
4. Offsets of topics that somebody subscribes to are neither deleted nor expired; others expire by their commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from kq.errors import Err, KafkaError
from kq.machines.group.embedded import PROTOCOL_TYPE
from kq.machines.group.facts import ZERO_UUID, OffsetCommitValue
from kq.machines.group.group import CommitCheck
from kq.machines.group.members import Member, Resolved, subscribed_names
from kq.machines.group.reconciliation import Epochs
from kq.machines.group.requests import CommitRequest, ListedGroup
from kq.machines.group.shard import Shard


class State(StrEnum):
    """As ListGroups and ConsumerGroupDescribe say it."""

    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"


class ConsumerOffsets:
    """The half of ConsumerGroup that has to do with offsets, and with people who look at it; it changes nothing."""

    type = "consumer"

    group_id: str
    shard: Shard
    epoch: int
    target_epoch: int
    members: dict[str, Member]
    patterns: dict[str, Resolved]
    static: dict[str, str]

    @property
    def state(self) -> State:
        if not self.members:
            return State.EMPTY
        if self.epoch > self.target_epoch:
            return State.ASSIGNING
        if all(member.standing.has_reached(self.target_epoch) for member in self.members.values()):
            return State.STABLE
        return State.RECONCILING

    @property
    def is_empty(self) -> bool:
        return not self.members

    def listed(self) -> ListedGroup:
        return ListedGroup(self.group_id, PROTOCOL_TYPE, self.state.value, self.type)

    def member(self, member_id: str) -> Member:
        found = self.members.get(member_id)
        if found is None:
            raise KafkaError(Err.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {self.group_id}.")
        return found

    def static_member(self, instance_id: str, member_id: str) -> Member:
        """The one that has the instance id, if it goes by this member id."""
        holder = self.static.get(instance_id)
        if holder is None:
            raise KafkaError(Err.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
        if holder != member_id:
            raise KafkaError(
                Err.FENCED_INSTANCE_ID,
                f"Static member {member_id} with instance id {instance_id} was fenced by member {holder}.",
            )
        return self.members[holder]

    def check_commit(self, request: CommitRequest, now_ms: int) -> CommitCheck | None:
        """None: all of it may be committed."""
        epoch = request.generation_id_or_member_epoch
        if epoch < 0 and not self.members:
            return None
        member = self.member(request.member_id)
        if not (member.is_classic or request.knows_member_epochs):
            raise KafkaError(
                Err.UNSUPPORTED_VERSION, "Members of the consumer protocol commit with version 9 or above."
            )
        if epoch == member.standing.epoch:
            return None
        stale = _stale(member)
        if epoch > member.standing.epoch:
            raise KafkaError(stale, f"Epoch {epoch} is newer than the member's, {member.standing.epoch}.")

        def check(topic: str, topic_id: bytes, partition: int) -> Err:
            if topic_id == ZERO_UUID and topic in self.shard.image.topics:
                topic_id = self.shard.image.topics[topic].id
            since = _since(member.standing.assigned, topic_id, partition)
            if since is None:
                since = _since(member.standing.revoking, topic_id, partition)
            return Err.NONE if since is not None and since <= epoch else stale

        return check

    def check_fetch(self, member_id: str | None, member_epoch: int) -> None:
        if not member_id and member_epoch < 0:
            return
        member = self.member(member_id or "")
        if member_epoch != member.standing.epoch:
            raise KafkaError(_stale(member), f"Epoch {member_epoch} is not the member's, {member.standing.epoch}.")

    def check_forget(self) -> None:
        """Topics that nobody subscribes to may be forgotten at any time."""

    def check_delete(self) -> None:
        if self.members:
            raise KafkaError(Err.NON_EMPTY_GROUP)

    def is_subscribed_to(self, topic: str) -> bool:
        return any(topic in subscribed_names(member.about, self.patterns) for member in self.members.values())

    def offset_ages_from(self, committed: OffsetCommitValue) -> int | None:
        return committed.commit_timestamp


def _stale(member: Member) -> Err:
    return Err.ILLEGAL_GENERATION if member.is_classic else Err.STALE_MEMBER_EPOCH


def _since(epochs: Epochs, topic_id: bytes, partition: int) -> int | None:
    held: Mapping[int, int] = epochs.get(topic_id, {})
    return held.get(partition)
