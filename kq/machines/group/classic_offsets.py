"""What a classic group lets happen to its offsets and to itself (Kafka's ClassicGroup.validate...).

Rules
1. Members commit with their generation; whoever is no member may commit only while nobody is.
2. While the members wait for the assignment of a generation that they have joined, commits are turned away (27): the
   partitions may be somebody else's by now.
3. Offsets of topics that somebody subscribes to are neither deleted (86) nor expired (KIP-496, KIP-211).
4. Offsets of a group that members have left expire together, a retention after the last one left; those of a
   group that never had members, and of topics that a stable group no longer reads, a retention after their commit.
"""

from __future__ import annotations

from kq.errors import Err, KafkaError
from kq.machines.group.classic_states import State
from kq.machines.group.embedded import PROTOCOL_TYPE
from kq.machines.group.facts import Fact, GroupMetadataKey, OffsetCommitValue
from kq.machines.group.requests import CommitRequest, DescribedGroup, DescribedMember, ListedGroup
from kq.machines.group.roster import Member, Roster
from kq.machines.group.shard import Shard


class ClassicOffsets:
    """The half of ClassicGroup that has to do with offsets, and with people who look at it; it changes nothing."""

    type = "classic"

    group_id: str
    shard: Shard
    state: State
    generation: int
    protocol_type: str | None  # None: it has no members and never had, or it forgot
    protocol: str | None
    roster: Roster
    subscribed: frozenset[str] | None  # None: not known
    state_since_ms: int  # -1: not known

    @property
    def is_empty(self) -> bool:
        """Nobody is in it or on the way into it."""
        return self.state is State.EMPTY and not self.roster.pending

    def check_commit(self, request: CommitRequest, now_ms: int) -> None:
        generation = request.generation_id_or_member_epoch
        if generation < 0 and self.state is State.EMPTY:
            return
        if generation < 0 and not request.member_id and request.group_instance_id is None:
            raise KafkaError(Err.UNKNOWN_MEMBER_ID)
        if error := self.roster.check(request.member_id, request.group_instance_id):
            raise KafkaError(error)
        if generation != self.generation:
            raise KafkaError(Err.ILLEGAL_GENERATION)
        if self.state is State.COMPLETING:
            raise KafkaError(Err.REBALANCE_IN_PROGRESS)
        self.live(self.roster.by_id[request.member_id], now_ms)

    def live(self, member: Member, now_ms: int) -> None:
        """The member has shown that it is there: its session begins anew."""
        self.shard.alarms.set(member.alarm, now_ms + member.session_timeout_ms)

    def check_fetch(self, member_id: str | None, member_epoch: int) -> None:
        """Anybody may read the offsets of a classic group."""

    def check_forget(self) -> None:
        if self.state is not State.EMPTY and self.protocol_type != PROTOCOL_TYPE:
            raise KafkaError(Err.NON_EMPTY_GROUP)

    def check_delete(self) -> None:
        if self.state is not State.EMPTY:
            raise KafkaError(Err.NON_EMPTY_GROUP)

    def tombstones(self) -> list[Fact]:
        return [(GroupMetadataKey(self.group_id), None)]

    def is_subscribed_to(self, topic: str) -> bool:
        """Consumers whose subscriptions cannot be read are taken to want everything."""
        return self.protocol_type == PROTOCOL_TYPE if self.subscribed is None else topic in self.subscribed

    def offset_ages_from(self, committed: OffsetCommitValue) -> int | None:
        """Since when the offset ages, in ms since the epoch; None: it does not."""
        if self.protocol_type is None:
            return committed.commit_timestamp
        if self.state is State.EMPTY:
            return committed.commit_timestamp if self.state_since_ms < 0 else self.state_since_ms
        if self.state is State.STABLE and self.protocol_type == PROTOCOL_TYPE and self.subscribed is not None:
            return committed.commit_timestamp
        return None

    def listed(self) -> ListedGroup:
        return ListedGroup(self.group_id, self.protocol_type or "", self.state.value, self.type)

    def described(self) -> DescribedGroup:
        stable = self.state is State.STABLE
        return DescribedGroup(
            self.group_id,
            group_state=self.state.value,
            protocol_type=self.protocol_type or "",
            protocol_data=self.protocol or "" if stable else "",
            members=[
                DescribedMember(
                    member.member_id,
                    member.instance_id,
                    member.client_id,
                    member.client_host,
                    member.metadata(self.protocol) if stable else b"",
                    member.assignment,
                )
                for member in self.roster
            ],
        )
