"""One group of the consumer protocol (KIP-848): members heartbeat, the coordinator assigns (Kafka's ConsumerGroup and
the consumer half of GroupMetadataManager).

Rules
1. Three epochs, none of which ever falls: the group's rises with every change of members, subscriptions or topics; the
   target's follows it when a new assignment is computed; a member's follows the target's when the member has given up
   what it must. group >= target >= member.
2. A member that brings another epoch than its own is fenced, and gives up everything. The one before is accepted from
   a member that owns nothing it should not: then the answer that told of the new one was lost.
3. Whoever is silent for a session, or keeps what it must give up for longer than its rebalance timeout, is out.
4. A static member (KIP-345) that leaves for now (-2) keeps all it has; who comes back under its instance id within a
   session gets it. Nobody else may come under that instance id before (UNRELEASED_INSTANCE_ID).
5. An assignment is told when it has changed, and to whoever says everything (joins, or had no answer last time).
6. Nobody waits: every request is answered at once.

Transitions of the group
    from          when                                            to
    Empty         the first member joins                          Assigning
    Assigning     a target is computed for the group's epoch      Reconciling
    Reconciling   every member has all of its target              Stable
    any           the group's epoch rises                         Assigning
    any           the last member is gone                         Empty
Those of a member are in `reconciliation`; a heartbeat's steps in `progress`; who speaks the classic protocol is in
`classic_members`, and how a group changes its protocol in `migration`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kq.errors import Err, KafkaError
from kq.machines.group.alarms import Alarm
from kq.machines.group.consumer_state import NO_TARGET, ConsumerState
from kq.machines.group.decision import Decision
from kq.machines.group.departures import leave_for_now, no_longer_heard_of, remove
from kq.machines.group.facts import ConsumerGroupMemberMetadataValue
from kq.machines.group.heartbeats import (
    JOINS,
    LEAVES,
    ConsumerHeartbeatRequest,
    ConsumerHeartbeatResult,
    as_answered,
)
from kq.machines.group.members import LEFT_FOR_NOW, Member
from kq.machines.group.progress import Change, assign_on, match_on
from kq.machines.group.reconciliation import Epochs, MemberState, Partitions, Standing


class DescribedTopic(NamedTuple):
    topic_id: bytes
    name: str
    partitions: Sequence[int]


class DescribedConsumer(NamedTuple):
    """`member_type`: 0 speaks the classic protocol, 1 the consumer protocol."""

    member_id: str
    instance_id: str | None
    rack_id: str | None
    member_epoch: int
    client_id: str
    client_host: str
    subscribed_topic_names: Sequence[str]
    subscribed_topic_regex: str
    assignment: Sequence[DescribedTopic]
    target_assignment: Sequence[DescribedTopic]
    member_type: int


class DescribedConsumerGroup(NamedTuple):
    group_id: str
    error_code: Err = Err.NONE
    error_message: str | None = None
    group_state: str = ""
    group_epoch: int = 0
    assignment_epoch: int = 0
    assignor_name: str = ""
    members: Sequence[DescribedConsumer] = ()


class ConsumerGroup(ConsumerState):
    """What is remembered is in ConsumerState; this is what can be asked for, and what time does."""

    def heartbeat(self, request: ConsumerHeartbeatRequest, now_ms: int, decision: Decision) -> None:
        if request.member_epoch in (LEAVES, LEFT_FOR_NOW):
            self._leave(request, now_ms, decision)
            return
        self._check_room(request.member_id)
        change = Change(self, now_ms)
        member_id = request.member_id or self.shard.new_member_id(request.client_id)
        before = self._speaker(change, request, member_id)
        after, _ = change.carry(before, _said(before.about, request), request.topics)
        change.live(after)
        decision.facts += change.facts
        told = request.member_epoch == JOINS or request.is_full or _differ(before.standing, after.standing)
        decision.response = ConsumerHeartbeatResult(
            after.member_id,
            after.standing.epoch,
            change.pace.heartbeat_interval_ms,
            as_answered(after.standing.assigned) if told else None,
        )

    def _check_room(self, member_id: str) -> None:
        limit = self.shard.settings.group_consumer_max_size
        if len(self.members) >= limit and member_id not in self.members:
            raise KafkaError(
                Err.GROUP_MAX_SIZE_REACHED, f"The consumer group has reached its maximum capacity of {limit} members."
            )

    def _speaker(self, change: Change, request: ConsumerHeartbeatRequest, member_id: str) -> Member:
        """Who speaks: a member, a new one, or one that takes the place of its former self."""
        joins = request.member_epoch == JOINS
        if request.instance_id is None:
            if joins and member_id not in self.members:
                return Member(member_id)
            member = self.member(member_id)
        elif not joins:
            member = self.static_member(request.instance_id, member_id)
        else:
            holder = self.members.get(self.static.get(request.instance_id, ""))
            if holder is None:
                return self.members.get(member_id) or Member(member_id)
            if not (holder.has_left_for_now or holder.is_classic):
                raise KafkaError(
                    Err.UNRELEASED_INSTANCE_ID,
                    f"Static member {member_id} with instance id {request.instance_id} cannot join the group because "
                    f"the instance id is owned by {holder.member_id} member.",
                )
            return change.replace_static(holder, member_id)
        _check_epoch(member, request.member_epoch, request.topics)
        return member

    def _leave(self, request: ConsumerHeartbeatRequest, now_ms: int, decision: Decision) -> None:
        if request.instance_id is None:
            member = self.member(request.member_id)
        else:
            member = self.static_member(request.instance_id, request.member_id)
        if request.instance_id is not None and request.member_epoch == LEFT_FOR_NOW:
            leave_for_now(self, member, decision)
        else:
            remove(self, [member], f"{member.called} left", now_ms, decision)
        decision.response = ConsumerHeartbeatResult(member.member_id, request.member_epoch)

    def described(self) -> DescribedConsumerGroup:
        members = [
            DescribedConsumer(
                member.member_id,
                member.about.instance_id,
                member.about.rack_id,
                member.standing.epoch,
                member.about.client_id,
                member.about.client_host,
                member.about.subscribed_topic_names,
                member.about.subscribed_topic_regex or "",
                self._topics(member.standing.assigned),
                self._topics(self.targets.get(member.member_id, NO_TARGET)),
                0 if member.is_classic else 1,
            )
            for member in self.members.values()
        ]
        return DescribedConsumerGroup(
            self.group_id,
            group_state=self.state.value,
            group_epoch=self.epoch,
            assignment_epoch=self.target_epoch,
            assignor_name=self.preferred_assignor(self.members.values()),
            members=members,
        )

    def _topics(self, partitions: Partitions | Epochs) -> list[DescribedTopic]:
        """Topics that are gone are not shown: they have no name any longer."""
        names: Mapping[bytes, str] = self.shard.image.topic_names
        return [
            DescribedTopic(topic_id, names[topic_id], sorted(partitions[topic_id]))
            for topic_id in partitions
            if topic_id in names
        ]

    # Time

    def ring(self, alarm: Alarm, now_ms: int, decision: Decision) -> None:
        member_id = alarm.subject
        if alarm.what == "match":
            match_on(self, now_ms, decision)
        elif alarm.what == "assign":
            assign_on(self, now_ms, decision)
        elif alarm.what == "session":
            no_longer_heard_of(self, member_id, "was not heard of for a session", now_ms, decision)
        elif alarm.what == "rebalance":
            no_longer_heard_of(self, member_id, "did not give up partitions in time", now_ms, decision)
        elif alarm.what == "join":
            no_longer_heard_of(self, member_id, "did not join again in time", now_ms, decision)
        else:
            assert alarm.what == "sync", alarm.what
            no_longer_heard_of(self, member_id, "did not fetch its assignment in time", now_ms, decision)
        if not alarm.is_set:
            self.alarms.pop((alarm.what, member_id), None)

    def loaded(self, now_ms: int, decision: Decision) -> None:
        """The log has been replayed: sessions begin, and so does the time to give up what must be."""
        change = Change(self, now_ms)
        for member in self.members.values():
            change.live(member)
            if member.standing.state is MemberState.UNREVOKED_PARTITIONS and not member.is_classic:
                alarm = self.alarm("rebalance", member.member_id)
                self.shard.alarms.set(alarm, now_ms + member.about.rebalance_timeout_ms)
        if self.members and self.epoch > self.target_epoch:
            self.shard.alarms.set(self.alarm("assign"), now_ms)

    def close(self, error: Err, decision: Decision) -> None:
        """Nobody waits here for an answer."""
        self.silence()

    def silence(self) -> None:
        for alarm in self.alarms.values():
            alarm.stop()
        self.alarms.clear()


def _said(
    before: ConsumerGroupMemberMetadataValue, request: ConsumerHeartbeatRequest
) -> ConsumerGroupMemberMetadataValue:
    """What the member said of itself so far, with what it says now."""
    names, pattern = request.subscribed_topic_names, request.subscribed_topic_regex
    timeout_ms = request.rebalance_timeout_ms
    return ConsumerGroupMemberMetadataValue(
        before.instance_id if request.instance_id is None else request.instance_id,
        before.rack_id if request.rack_id is None else request.rack_id,
        request.client_id,
        request.client_host,
        before.subscribed_topic_names if names is None else tuple(sorted(set(names))),
        before.subscribed_topic_regex if pattern is None else pattern,
        before.rebalance_timeout_ms if timeout_ms == -1 else timeout_ms,
        before.server_assignor if request.server_assignor is None else request.server_assignor,
    )


def _owns_at_most(assigned: Epochs, owned: Partitions | None) -> bool:
    """Silence about it could hide anything."""
    if owned is None:
        return False
    return all(assigned.get(topic_id, {}).keys() >= set(said) for topic_id, said in owned.items())


def _differ(before: Standing, after: Standing) -> bool:
    return before is not after and before.assigned != after.assigned


def _check_epoch(member: Member, epoch: int, owned: Partitions | None) -> None:
    standing = member.standing
    if epoch in (JOINS, standing.epoch):
        return
    compared = "greater" if epoch > standing.epoch else "smaller"
    if standing.previous_epoch == epoch < standing.epoch and _owns_at_most(standing.assigned, owned):
        return
    raise KafkaError(
        Err.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {compared} member epoch ({epoch}) than the one known by the group "
        f"coordinator ({standing.epoch}). The member must abandon all its partitions and rejoin.",
    )
