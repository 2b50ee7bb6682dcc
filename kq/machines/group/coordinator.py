"""The coordinator of the groups of one partition of `__consumer_offsets`: every command comes in here, and every fact.

Rules
1. A command decides and returns a Decision; only `replay` changes what is remembered. Decide, append and replay happen
   in one turn; the answers wait for the commit. What reads only (fetch_offsets, describe, list_groups) answers at once.
2. A group id belongs to one group, of one protocol. A request of the other protocol goes to `migration`, which
   converts the group or says why not.
3. A group comes to be with its first member or its first commit. It goes when it is deleted, and at the first check
   (`offsets.retention.check.interval.ms`) that finds it empty without offsets.
4. JoinGroup and SyncGroup are answered by ticket only, each exactly once.
5. One heap of alarms for all groups; `tick` rings what is due.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from kq.errors import Err, KafkaError
from kq.machines.group import classic_members
from kq.machines.group.alarms import Alarm
from kq.machines.group.classic import ClassicGroup
from kq.machines.group.classic_states import State
from kq.machines.group.consumer import ConsumerGroup, DescribedConsumerGroup
from kq.machines.group.conversion import first_heartbeat
from kq.machines.group.decision import Decision, Ticket
from kq.machines.group.events import Event
from kq.machines.group.facts import (
    ConsumerGroupMetadataKey,
    ConsumerKey,
    GroupMetadataKey,
    GroupMetadataValue,
    Key,
    OffsetCommitKey,
    OffsetCommitValue,
    Value,
)
from kq.machines.group.group import Group
from kq.machines.group.heartbeats import JOINS, ConsumerHeartbeatRequest, check
from kq.machines.group.joining import join
from kq.machines.group.offsets import Offsets
from kq.machines.group.requests import (
    CommitRequest,
    DeletedGroup,
    DescribedGroup,
    FetchedTopic,
    FetchTopic,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    LeftMember,
    ListedGroup,
    SyncRequest,
    SyncResult,
)
from kq.machines.group.settings import GroupSettings
from kq.machines.group.shard import Shard
from kq.machines.image import ClusterImage


class GroupCoordinator:
    def __init__(self, settings: GroupSettings, rng: random.Random) -> None:
        self.shard = Shard(settings, rng)
        self.groups: dict[str, Group] = {}
        self.offsets = Offsets(settings.offset_metadata_max_bytes)
        self.group_id = ""  # of no group: the owner of the check's alarm
        self._check_alarm = Alarm(self, "check")

    # Classic protocol

    def join(self, request: JoinRequest, ticket: Ticket, now_ms: int) -> Decision:
        decision = Decision()
        settings = self.shard.settings
        least_ms, most_ms = settings.group_min_session_timeout_ms, settings.group_max_session_timeout_ms
        group = self._classic(request.group_id)
        if not request.group_id:
            decision.reply(ticket, JoinResult(Err.INVALID_GROUP_ID, member_id=request.member_id))
        elif not least_ms <= request.session_timeout_ms <= most_ms:
            decision.reply(ticket, JoinResult(Err.INVALID_SESSION_TIMEOUT, member_id=request.member_id))
        elif group is not None:
            join(group, request, ticket, now_ms, decision)
        elif (consumers := self._consumers(request.group_id)) is not None and not consumers.is_empty:
            classic_members.join(consumers, request, ticket, now_ms, decision)
        elif request.member_id:
            decision.reply(ticket, JoinResult(Err.UNKNOWN_MEMBER_ID, member_id=request.member_id))
        else:
            self._join_first(request, ticket, now_ms, decision)
        return decision

    def _join_first(self, request: JoinRequest, ticket: Ticket, now_ms: int, decision: Decision) -> None:
        """The group is in the log before anybody is in it, so that it is found where its offsets will be."""
        group = ClassicGroup(request.group_id, self.shard)
        group.state_since_ms = now_ms
        empty = group.fact({})
        join(group, request, ticket, now_ms, decision)
        if group.roster or group.roster.pending:
            consumers = self._consumers(request.group_id)
            if consumers is not None:  # nobody is in it
                decision.facts += consumers.tombstones()
            self.shard.prepared[group.group_id] = group
            decision.facts.append(empty)

    def sync(self, request: SyncRequest, ticket: Ticket, now_ms: int) -> Decision:
        decision = Decision()
        group = self._classic(request.group_id)
        if not request.group_id:
            decision.reply(ticket, SyncResult(Err.INVALID_GROUP_ID))
        elif (consumers := self._consumers(request.group_id)) is not None:
            classic_members.sync(consumers, request, ticket, now_ms, decision)
        elif group is None:
            decision.reply(ticket, SyncResult(Err.UNKNOWN_MEMBER_ID))
        else:
            group.sync(request, ticket, now_ms, decision)
        return decision

    def heartbeat(
        self, group_id: str, member_id: str, generation: int, instance_id: str | None, now_ms: int
    ) -> Decision:
        group = self._classic(group_id)
        if not group_id:
            raise KafkaError(Err.INVALID_GROUP_ID)
        if (consumers := self._consumers(group_id)) is not None:
            return Decision(classic_members.heartbeat(consumers, member_id, generation, instance_id, now_ms))
        if group is None:
            raise KafkaError(Err.UNKNOWN_MEMBER_ID)
        return Decision(group.heartbeat(member_id, generation, instance_id, now_ms))

    def leave(self, group_id: str, members: Sequence[LeavingMember], now_ms: int) -> Decision:
        if not group_id:
            raise KafkaError(Err.INVALID_GROUP_ID)
        decision = Decision()
        group = self._classic(group_id)
        if (consumers := self._consumers(group_id)) is not None:
            left = classic_members.leave(consumers, members, now_ms, decision)
        elif group is None:
            unknown = Err.UNKNOWN_MEMBER_ID
            left = [LeftMember(member.member_id, member.group_instance_id, unknown) for member in members]
        else:
            left = group.leave(members, now_ms, decision)
        decision.response = LeaveResult(left)
        return decision

    def _classic(self, group_id: str) -> ClassicGroup | None:
        group = self.groups.get(group_id)
        return group if isinstance(group, ClassicGroup) else None

    def _consumers(self, group_id: str) -> ConsumerGroup | None:
        group = self.groups.get(group_id)
        return group if isinstance(group, ConsumerGroup) else None

    # Consumer protocol

    def consumer_heartbeat(self, request: ConsumerHeartbeatRequest, now_ms: int) -> Decision:
        """The response is a ConsumerHeartbeatResult."""
        check(request, self.shard.settings)
        decision = Decision()
        group = self.groups.get(request.group_id)
        if isinstance(group, ConsumerGroup):
            group.heartbeat(request, now_ms, decision)
        elif request.member_epoch == JOINS:
            first_heartbeat(group, request, self.shard, now_ms, decision)
        else:
            raise KafkaError(Err.GROUP_ID_NOT_FOUND, _no_consumers(request.group_id, group))
        return decision

    def consumer_describe(self, group_ids: Sequence[str]) -> list[DescribedConsumerGroup]:
        answer = []
        for group_id in group_ids:
            group = self.groups.get(group_id)
            if isinstance(group, ConsumerGroup):
                answer.append(group.described())
            else:
                why = _no_consumers(group_id, group)
                answer.append(DescribedConsumerGroup(group_id, Err.GROUP_ID_NOT_FOUND, why, State.DEAD.value))
        return answer

    def image(self, image: ClusterImage) -> None:
        """The topics have changed: consumer groups see it at their members' next heartbeats."""
        self.shard.image = image

    # Offsets

    def commit(self, request: CommitRequest, now_ms: int) -> Decision:
        """The response is a list of CommittedTopic. A commit from outside of any group makes the group."""
        group = self.groups.get(request.group_id)
        if group is None and request.generation_id_or_member_epoch >= 0:
            raise KafkaError(Err.GROUP_ID_NOT_FOUND)
        check = None if group is None else group.check_commit(request, now_ms)
        return Decision(*self.offsets.commit(request, now_ms, check))

    def fetch_offsets(
        self,
        group_id: str,
        member_id: str | None,
        member_epoch: int,
        topics: Sequence[FetchTopic] | None,
        require_stable: bool,
    ) -> list[FetchedTopic]:
        """Of a group that does not exist: -1 for each partition."""
        group = self.groups.get(group_id)
        if group is not None:
            group.check_fetch(member_id, member_epoch)
        return self.offsets.fetch(group_id, topics, require_stable=require_stable)

    def forget_offsets(self, group_id: str, topics: Mapping[str, Sequence[int]]) -> Decision:
        """OffsetDelete. The response is a list of ForgottenTopic."""
        group = self._known(group_id)
        group.check_forget()
        return Decision(*self.offsets.forget(group_id, topics, group.is_subscribed_to))

    def topics_deleted(self, names: Collection[str]) -> Decision:
        return Decision((), self.offsets.of_topics(names))

    # Groups

    def list_groups(self, states: Collection[str], types: Collection[str]) -> list[ListedGroup]:
        """Filters ignore case; an empty one lets everything through, one that names nothing known lets nothing."""
        wanted_states = {state.lower() for state in states}
        wanted_types = {group_type.lower() for group_type in types}
        listed = [group.listed() for group in self.groups.values()]
        return [
            group
            for group in listed
            if (not wanted_states or group.group_state.lower() in wanted_states)
            and (not wanted_types or group.group_type in wanted_types)
        ]

    def describe(self, group_ids: Sequence[str]) -> list[DescribedGroup]:
        """Of classic groups; any other is `Dead` and carries GROUP_ID_NOT_FOUND (as DescribeGroups 6 says it)."""
        answer = []
        for group_id in group_ids:
            group = self.groups.get(group_id)
            if isinstance(group, ClassicGroup):
                answer.append(group.described())
                continue
            message = f"Group {group_id} not found." if group is None else f"Group {group_id} is not a classic group."
            answer.append(DescribedGroup(group_id, Err.GROUP_ID_NOT_FOUND, message, State.DEAD.value))
        return answer

    def delete_groups(self, group_ids: Sequence[str]) -> Decision:
        """The response is a list of DeletedGroup, each group once."""
        decision = Decision([])
        for group_id in dict.fromkeys(group_ids):
            error = Err.NONE
            try:
                group = self._known(group_id)
                group.check_delete()
                decision.facts += [*self.offsets.tombstones(group_id), *group.tombstones()]
            except KafkaError as refused:
                error = refused.code
            decision.response.append(DeletedGroup(group_id, error))
        return decision

    def _known(self, group_id: str) -> Group:
        group = self.groups.get(group_id)
        if group is None:
            raise KafkaError(Err.GROUP_ID_NOT_FOUND)
        return group

    # Time

    @property
    def next_deadline_ms(self) -> int | None:
        return self.shard.alarms.next_deadline_ms

    def tick(self, now_ms: int) -> Decision:
        """Rings the next alarm that is due, if any; `next_deadline_ms` says whether to call again. One alarm a
        decision: what it decided must be replayed before the next is decided."""
        decision = Decision(())
        alarm = self.shard.alarms.due(now_ms)
        if alarm is not None:
            alarm.owner.ring(alarm, now_ms, decision)
        return decision

    def ring(self, alarm: Alarm, now_ms: int, decision: Decision) -> None:
        """The check for what has expired."""
        self.shard.alarms.set(alarm, now_ms + self.shard.settings.offsets_retention_check_interval_ms)
        for group_id, group in self.groups.items():
            facts, nothing_left = self.offsets.expired(
                group_id,
                ages_from=group.offset_ages_from,
                is_subscribed_to=group.is_subscribed_to,
                retention_ms=self.shard.settings.offsets_retention_ms,
                now_ms=now_ms,
            )
            decision.facts += facts
            if nothing_left and group.is_empty:
                decision.facts += group.tombstones()

    def loaded(self, now_ms: int) -> Decision:
        """The log has been replayed: sessions begin, and so do the checks."""
        decision = Decision(())
        self.shard.alarms.set(self._check_alarm, now_ms + self.shard.settings.offsets_retention_check_interval_ms)
        for group in self.groups.values():
            group.loaded(now_ms, decision)
        return decision

    def closed(self, error: Err) -> Decision:
        """The shard is somebody else's, or the broker stops: everybody who waits is told."""
        decision = Decision(())
        for group in self.groups.values():
            group.close(error, decision)
        self._check_alarm.stop()
        return decision

    @property
    def events(self) -> list[Event]:
        """What happened; whoever reads it clears it."""
        return self.shard.events

    # Facts

    def replay(self, key: Key, value: Value | None, producer_id: int = -1) -> None:
        """`producer_id` is there for offsets that a transaction commits; they count when its marker is replayed."""
        if isinstance(key, OffsetCommitKey):
            assert value is None or isinstance(value, OffsetCommitValue)
            if value is not None and producer_id < 0:
                self._make(key.group)
            self.offsets.replay(key, value, producer_id)
        elif isinstance(key, GroupMetadataKey):
            assert value is None or isinstance(value, GroupMetadataValue)
            self._replay_classic(key.group, value)
        else:
            self._replay_consumers(key, value)

    def replay_end(self, producer_id: int, *, committed: bool) -> None:
        """The marker of a transaction."""
        for key in self.offsets.replay_end(producer_id, committed=committed):
            self._make(key.group)

    def _make(self, group_id: str) -> None:
        if group_id not in self.groups:
            self.groups[group_id] = ClassicGroup(group_id, self.shard)

    def _replay_classic(self, group_id: str, value: GroupMetadataValue | None) -> None:
        group = self.groups.get(group_id)
        if value is None:
            if isinstance(group, ClassicGroup):
                group.silence()
                del self.groups[group_id]
        elif isinstance(group, ClassicGroup):
            group.adopt(value)
        elif isinstance(prepared := self.shard.prepared.pop(group_id, None), ClassicGroup):
            self.groups[group_id] = prepared
            prepared.remembered = value
        else:
            self.groups[group_id] = group = ClassicGroup(group_id, self.shard)
            group.adopt(value)

    def _replay_consumers(self, key: ConsumerKey, value: Value | None) -> None:
        group = self.groups.get(key.group_id)
        if not isinstance(group, ConsumerGroup):
            if value is None:
                return
            prepared = self.shard.prepared.pop(key.group_id, None)
            group = prepared if isinstance(prepared, ConsumerGroup) else ConsumerGroup(key.group_id, self.shard)
            self.groups[key.group_id] = group
        group.replay(key, value)
        if isinstance(key, ConsumerGroupMetadataKey) and value is None:
            group.silence()
            del self.groups[key.group_id]

    def failed(self, decision: Decision, error: KafkaError, now_ms: int) -> Decision:
        """The decision's facts could not be appended: its answers become the error, and what was begun is undone."""
        replies = [(ticket, error) for ticket, _ in decision.replies]
        instead = Decision(None if decision.response is None else error, replies=replies)
        for prepared in self.shard.prepared.values():
            prepared.close(error.code, instead)
        self.shard.prepared.clear()
        for key, value in decision.facts:
            group = self.groups.get(key.group) if isinstance(key, GroupMetadataKey) else None
            if isinstance(group, ClassicGroup) and value is not None:
                group.not_remembered(error.code, now_ms, instead)
        return instead


def _no_consumers(group_id: str, group: Group | None) -> str:
    return f"Group {group_id} {'not found' if group is None else 'is not a consumer group'}."
