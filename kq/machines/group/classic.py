"""One group of the classic protocol: the members elect a leader, who assigns the partitions (Kafka's ClassicGroup and
the classic half of GroupMetadataManager).

Rules
1. A generation begins when everybody has joined, or when the time to join is over; generations only rise.
2. Whoever has not joined by then is out. Static members (KIP-345) stay until their session ends.
3. Every JoinGroup and SyncGroup is answered exactly once, by ticket.
4. An assignment counts when it is remembered: what a leader says is a fact first, and `adopt` makes the group stable.
   The same `adopt` builds the group from the log after a restart, where a group with members is stable at once.
5. A member that heartbeats, commits or waits for an answer is alive. A new one, which cannot heartbeat yet, is lost
   when its first JoinGroup has waited for NEW_MEMBER_JOIN_MS.
6. The first rebalance of an empty group waits `group.initial.rebalance.delay.ms` for more members, again after each
   wait in which one came, up to the rebalance timeout (KIP-134).
7. A static member that comes back takes the place of its former self. In a stable group whose protocol stays the
   same nobody else notices; its former member id is fenced.
8. Cooperative and eager members are not told apart: they can be in one group for as long as they share a protocol.
9. Two things are not as in Kafka: who asks again while its first question waits has the first answered, too (27), and
   a stable group does not rebalance because a member id that was handed out and never used is given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from kq.errors import Err, KafkaError
from kq.machines.group.alarms import Alarm
from kq.machines.group.classic_offsets import ClassicOffsets
from kq.machines.group.classic_states import Cause, State
from kq.machines.group.decision import Decision, Ticket
from kq.machines.group.events import Event, moved
from kq.machines.group.facts import GroupMetadataKey, GroupMetadataValue
from kq.machines.group.requests import (
    HeartbeatResult,
    JoinedMember,
    JoinResult,
    LeavingMember,
    LeftMember,
    SyncRequest,
    SyncResult,
)
from kq.machines.group.roster import Member, Roster
from kq.machines.group.shard import Shard
from kq.machines.group.subscriptions import owners, subscribed_topics

ALIVE = HeartbeatResult(Err.NONE)
REJOIN = HeartbeatResult(Err.REBALANCE_IN_PROGRESS)

TRANSITIONS: Mapping[State, Mapping[Cause, State]] = {
    State.EMPTY: {Cause.REBALANCE: State.PREPARING, Cause.ASSIGNED: State.STABLE, Cause.DESERTED: State.EMPTY},
    State.PREPARING: {Cause.GENERATION: State.COMPLETING, Cause.DESERTED: State.EMPTY},
    State.COMPLETING: {Cause.ASSIGNED: State.STABLE, Cause.REBALANCE: State.PREPARING},
    State.STABLE: {Cause.REBALANCE: State.PREPARING, Cause.ASSIGNED: State.STABLE, Cause.DESERTED: State.EMPTY},
}


class Untold(NamedTuple):
    """Who came, who left, and what they had, when the group changed its protocol before that was told."""

    joined: frozenset[str] = frozenset()
    left: Mapping[str, bytes] = MappingProxyType({})


class ClassicGroup(ClassicOffsets):
    """`remembered` is what the log says of it, None before it is in the log; all else follows or is soft."""

    def __init__(self, group_id: str, shard: Shard) -> None:
        self.group_id = group_id
        self.state = State.EMPTY
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.roster = Roster()
        self.subscribed: frozenset[str] | None = None
        self.state_since_ms = -1
        self.remembered: GroupMetadataValue | None = None
        self.shard = shard
        self.is_initial = False  # the rebalance that is prepared began in an empty group
        self.came_meanwhile = False  # and somebody joined since its last wait began
        self._wait_ms = 0  # how long its wait under way is
        self._wait_left_ms = 0  # how much longer it may wait after that
        self._join_alarm = Alarm(self, "join")
        self._sync_alarm = Alarm(self, "sync")
        self._to_sync: set[str] = set()
        self._reason = ""
        self._began_ms = 0  # the rebalance for that reason
        self._news: Event | None = None  # told when what it tells is remembered
        self.untold = Untold()  # of the consumer group that this one was

    @property
    def leader(self) -> str | None:
        return self.roster.leader

    # JoinGroup is in `joining`; this is what it needs.

    def joined(self, member: Member, members: Sequence[JoinedMember] = ()) -> JoinResult:
        return JoinResult(
            generation_id=self.generation,
            protocol_type=self.protocol_type,
            protocol_name=self.protocol,
            leader=self.leader or "",
            member_id=member.member_id,
            members=members,
        )

    def everyone(self) -> Sequence[JoinedMember]:
        """What the leader is told of all members."""
        return self.roster.introduced(self.protocol)

    def fact(self, assignments: Mapping[str, bytes]) -> tuple[GroupMetadataKey, GroupMetadataValue]:
        members = self.roster.metadata(self.protocol, assignments)
        leader = self.leader if members else None
        return GroupMetadataKey(self.group_id), GroupMetadataValue(
            self.protocol_type or "", self.generation, self.protocol, leader, self.state_since_ms, members
        )

    def dismiss(self, member: Member, error: Err, decision: Decision) -> None:
        """The member is out; what it waits for is answered with the error and no id: it may come again as new."""
        self.refuse_waiting(member, error, "", decision)
        self.roster.remove(member.member_id)

    def refuse_waiting(self, member: Member, error: Err, told_id: str, decision: Decision) -> None:
        join_ticket, sync_ticket = self.roster.take_join(member), member.take_sync()
        if join_ticket is not None:
            decision.reply(join_ticket, JoinResult(error, member_id=told_id))
        if sync_ticket is not None:
            decision.reply(sync_ticket, SyncResult(error))

    # The rebalance

    def rebalance(self, reason: str, now_ms: int, decision: Decision) -> None:
        """Begins one, or goes on with the one that is being prepared."""
        if self.state is State.PREPARING:
            self.go_on(now_ms, decision)
            return
        self.is_initial, had_assignments = self.state is State.EMPTY, self.state is State.STABLE
        self._became(Cause.REBALANCE, now_ms)
        self._reason, self._began_ms, self._news = reason, now_ms, None
        self._to_sync.clear()
        self._sync_alarm.stop()
        for member in self.roster:
            member.assignment = member.assignment if had_assignments else b""
            ticket = member.take_sync()
            if ticket is not None:
                decision.reply(ticket, SyncResult(Err.REBALANCE_IN_PROGRESS))
                self.live(member, now_ms)
        if self.is_initial:
            delay_ms = self.shard.settings.group_initial_rebalance_delay_ms
            self._wait_for_more(delay_ms, max(self.roster.rebalance_timeout_ms - delay_ms, 0), now_ms)
        elif self.roster.everyone_joined:
            self._complete_join(now_ms, decision)
        else:
            self.shard.alarms.set(self._join_alarm, now_ms + self.roster.rebalance_timeout_ms)

    def go_on(self, now_ms: int, decision: Decision, *, for_want_of_more: bool = False) -> None:
        """Begins the generation if nobody is missing; the first of a group waits for more unless somebody was lost."""
        if self.state is State.PREPARING and self.roster.everyone_joined and (for_want_of_more or not self.is_initial):
            self._complete_join(now_ms, decision)

    def _wait_for_more(self, wait_ms: int, left_ms: int, now_ms: int) -> None:
        self.came_meanwhile = False
        self._wait_ms, self._wait_left_ms = wait_ms, left_ms
        self.shard.alarms.set(self._join_alarm, now_ms + wait_ms)

    def _join_time_over(self, now_ms: int, decision: Decision) -> None:
        if self.is_initial and self.came_meanwhile and self._wait_left_ms:
            longer_ms = min(self.shard.settings.group_initial_rebalance_delay_ms, self._wait_left_ms)
            self._wait_for_more(longer_ms, max(self._wait_left_ms - self._wait_ms, 0), now_ms)
        else:
            self._complete_join(now_ms, decision)

    def _complete_join(self, now_ms: int, decision: Decision) -> None:
        self._join_alarm.stop()
        roster = self.roster
        for member in list(roster):
            if member.join_ticket is None and member.instance_id is None:
                self.dismiss(member, Err.UNKNOWN_MEMBER_ID, decision)
        if not roster.elect() and roster:
            # Only static members are left, and none of them has joined: their sessions decide.
            self.shard.alarms.set(self._join_alarm, now_ms + roster.rebalance_timeout_ms)
            return
        self.generation += 1
        self._to_sync.clear()
        if not roster:
            self.protocol = None
            self._became(Cause.DESERTED, now_ms)
            self._news = self._told({}, now_ms)
            decision.facts.append(self.fact({}))
            return
        self.protocol = roster.select_protocol()
        self.subscribed = self.roster_topics()
        self._became(Cause.GENERATION, now_ms)
        everyone = self.everyone()
        for member in roster:
            ticket = roster.take_join(member)
            if ticket is not None:
                decision.reply(ticket, self.joined(member, everyone if member.member_id == self.leader else ()))
            member.is_new = False
            self._to_sync.add(member.member_id)
            self.live(member, now_ms)
        self.shard.alarms.set(self._sync_alarm, now_ms + roster.rebalance_timeout_ms)

    def _became(self, cause: Cause, now_ms: int) -> None:
        self.state = TRANSITIONS[self.state][cause]
        self.state_since_ms = now_ms

    # SyncGroup

    def sync(self, request: SyncRequest, ticket: Ticket, now_ms: int, decision: Decision) -> None:
        error = self._check_sync(request)
        if error:
            decision.reply(ticket, SyncResult(error))
            return
        member = self.roster.by_id[request.member_id]
        self.has_synced(member.member_id)
        if self.state is State.STABLE:
            decision.reply(ticket, self._synced(member.assignment))
            return
        overtaken, member.sync_ticket = member.sync_ticket, ticket
        if overtaken is not None:
            decision.reply(overtaken, SyncResult(Err.REBALANCE_IN_PROGRESS))
        if member.member_id == self.leader:
            self._news = self._told(request.assignments, now_ms)
            decision.facts.append(self.fact(request.assignments))
            for waiting in self.roster:
                sync_ticket = waiting.take_sync()
                if sync_ticket is not None:
                    decision.reply(sync_ticket, self._synced(request.assignments.get(waiting.member_id, b"")))
                    self.live(waiting, now_ms)

    def _check_sync(self, request: SyncRequest) -> Err:
        if error := self.roster.check(request.member_id, request.group_instance_id):
            return error
        if request.generation_id != self.generation:
            return Err.ILLEGAL_GENERATION
        if differs(request.protocol_type, self.protocol_type) or differs(request.protocol_name, self.protocol):
            return Err.INCONSISTENT_GROUP_PROTOCOL
        return Err.REBALANCE_IN_PROGRESS if self.state is State.PREPARING else Err.NONE

    def has_synced(self, member_id: str) -> None:
        self._to_sync.discard(member_id)
        if not self._to_sync:
            self._sync_alarm.stop()

    def _synced(self, assignment: bytes) -> SyncResult:
        return SyncResult(Err.NONE, self.protocol_type, self.protocol, assignment)

    def _sync_time_over(self, now_ms: int, decision: Decision) -> None:
        late = [member for member in self.roster if member.member_id in self._to_sync]
        for member in late:
            self.dismiss(member, Err.UNKNOWN_MEMBER_ID, decision)
        if late:
            self.rebalance(f"{named(late)} did not fetch the assignment in time", now_ms, decision)

    # Heartbeat, LeaveGroup, sessions

    def heartbeat(self, member_id: str, generation: int, instance_id: str | None, now_ms: int) -> HeartbeatResult:
        """Raises KafkaError for a member or generation that is not the group's."""
        if error := self.roster.check(member_id, instance_id):
            raise KafkaError(error)
        if generation != self.generation:
            raise KafkaError(Err.ILLEGAL_GENERATION)
        self.live(self.roster.by_id[member_id], now_ms)
        return REJOIN if self.state is State.PREPARING else ALIVE

    def leave(self, leaving: Sequence[LeavingMember], now_ms: int, decision: Decision) -> list[LeftMember]:
        left, gone = [], []
        for who in leaving:
            member_id = who.member_id or self.roster.by_instance.get(who.group_instance_id or "", "")
            error = Err.NONE
            if not self.roster.drop_pending(member_id):
                error = self.roster.check(member_id, who.group_instance_id)
                if not error:
                    member = self.roster.by_id[member_id]
                    gone.append(f"{member.called} left{because(who.reason)}")
                    self.dismiss(member, Err.UNKNOWN_MEMBER_ID, decision)
            left.append(LeftMember(who.member_id, who.group_instance_id, error))
        if self.state is State.PREPARING:
            self.go_on(now_ms, decision)
        elif gone:
            self.rebalance(", ".join(gone), now_ms, decision)
        return left

    def ring(self, alarm: Alarm, now_ms: int, decision: Decision) -> None:
        if alarm is self._join_alarm:
            self._join_time_over(now_ms, decision)
        elif alarm is self._sync_alarm:
            self._sync_time_over(now_ms, decision)
        elif self.roster.drop_pending(alarm.subject):
            self.go_on(now_ms, decision, for_want_of_more=True)
        else:
            self._session_over(self.roster.by_id[alarm.subject], now_ms, decision)

    def _session_over(self, member: Member, now_ms: int, decision: Decision) -> None:
        if member.waits and not member.is_new:
            return  # the answer it waits for begins its session anew
        self.dismiss(member, Err.UNKNOWN_MEMBER_ID, decision)
        if self.state is State.PREPARING:
            self.go_on(now_ms, decision, for_want_of_more=True)
        else:
            self.rebalance(
                f"{member.called} was not heard of for {member.session_timeout_ms / 1000:g} s", now_ms, decision
            )

    # What is remembered

    def adopt(self, value: GroupMetadataValue) -> None:
        """Replay: the group is as the value says. While a rebalance is prepared the value is only that the group is:
        what follows from the members' joining is not in the log yet."""
        self.remembered = value
        if self.state is State.PREPARING:
            return
        told, self._news = self._news, None
        if told is not None:
            self.shard.events.append(told)
            self.untold = Untold()
        self.generation = value.generation
        self.protocol_type = value.protocol_type or None
        self.protocol = value.protocol
        self.roster.restore(value, self)
        self.subscribed = self.roster_topics()
        self.state = TRANSITIONS[self.state][Cause.ASSIGNED if value.members else Cause.DESERTED]
        self.state_since_ms = value.current_state_timestamp

    def loaded(self, now_ms: int, decision: Decision) -> None:
        """The log has been read: sessions begin."""
        for member in self.roster:
            self.live(member, now_ms)
        limit = self.shard.settings.group_max_size
        if len(self.roster) > limit:
            self.rebalance(f"{len(self.roster)} members are more than group.max.size={limit}", now_ms, decision)

    def not_remembered(self, error: Err, now_ms: int, decision: Decision) -> None:
        """The fact could not be written; those it answered have the error. Everybody else is as before it."""
        self._news = None
        if self.state is State.COMPLETING:
            self.rebalance(f"the assignment could not be stored: {error.name}", now_ms, decision)
        elif self.state is State.STABLE and self.remembered is not None:
            self.adopt(self.remembered)
            for member in self.roster:
                self.live(member, now_ms)

    def close(self, error: Err, decision: Decision) -> None:
        """The group is gone, or somebody else's: nobody waits here any longer."""
        self.silence()
        for member in list(self.roster):
            self.dismiss(member, error, decision)

    def silence(self) -> None:
        sessions = [member.alarm for member in self.roster]
        for alarm in (self._join_alarm, self._sync_alarm, *self.roster.pending.values(), *sessions):
            alarm.stop()

    def roster_topics(self) -> frozenset[str] | None:
        return subscribed_topics(self.protocol_type, [member.metadata(self.protocol) for member in self.roster])

    def _told(self, assignments: Mapping[str, bytes], now_ms: int) -> Event:
        """What has changed since what is remembered, should these assignments be remembered next."""
        remembered = self.remembered.members if self.remembered is not None else ()
        had = {**self.untold.left, **{held.group_instance_id or held.member_id: held.assignment for held in remembered}}
        had = {name: assignment for name, assignment in had.items() if name not in self.untold.joined}
        has = {member.called: assignments.get(member.member_id, b"") for member in self.roster}
        return Event(
            group=self.group_id,
            generation=self.generation,
            at_ms=now_ms,
            reason=self._reason,
            joined=tuple(name for name in has if name not in had),
            left=tuple(name for name in had if name not in has),
            moved_partitions=moved(owners(had), owners(has)),
            stood_ms=now_ms - self._began_ms if has else 0,
        )


def differs(said: str | None, known: str | None) -> bool:
    """What a client does not say is not wrong."""
    return said is not None and known is not None and said != known


def named(members: Iterable[Member]) -> str:
    return ", ".join(member.called for member in members)


def because(reason: str | None) -> str:
    return f": {reason}" if reason else ""
