"""JoinGroup: who comes into a classic group, and under which member id (GroupMetadataManager.classicGroupJoin...).

Rules
1. A dynamic member without an id is given one and asked to come again with it (MEMBER_ID_REQUIRED, KIP-394), so that
   a client that retries blindly does not fill the group with ghosts; older clients join at once.
2. A static member without an id is either new or takes the place of the member that has its instance id (KIP-345).
3. A member must support a protocol that all others support too, and the group's protocol type.
4. `group.max.size`: while a rebalance is prepared those who have joined are counted, so that a group that is too large
   because the limit was lowered loses its last; in other states its members.
"""

from __future__ import annotations

from kq.errors import Err
from kq.machines.group.alarms import Alarm
from kq.machines.group.classic import ClassicGroup, because
from kq.machines.group.classic_states import State
from kq.machines.group.decision import Decision, Ticket
from kq.machines.group.requests import JoinRequest, JoinResult
from kq.machines.group.roster import Member

NEW_MEMBER_JOIN_MS = 5 * 60_000  # Kafka's CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS


def join(group: ClassicGroup, request: JoinRequest, ticket: Ticket, now_ms: int, decision: Decision) -> None:
    Joining(group, request, ticket, now_ms, decision).decide()


class Joining:
    """One JoinGroup that is being decided."""

    def __init__(
        self, group: ClassicGroup, request: JoinRequest, ticket: Ticket, now_ms: int, decision: Decision
    ) -> None:
        self.group = group
        self.roster = group.roster
        self.request = request
        self.ticket = ticket
        self.now_ms = now_ms
        self.decision = decision

    def answer(self, result: JoinResult) -> None:
        self.decision.reply(self.ticket, result)

    def decide(self) -> None:
        member_id = self.request.member_id
        if not self.has_room():
            self.turn_away()
        elif not self.speaks_our_protocols():
            self.answer(JoinResult(Err.INCONSISTENT_GROUP_PROTOCOL, member_id=member_id))
        elif not member_id:
            self.join_without_id()
        elif member_id in self.roster.pending and self.request.group_instance_id is None:
            self.add(member_id)
        elif error := self.roster.check(member_id, self.request.group_instance_id):
            self.answer(JoinResult(error, member_id=member_id))
        else:
            self.rejoin(self.roster.by_id[member_id])

    def has_room(self) -> bool:
        limit = self.group.shard.settings.group_max_size
        member = self.roster.by_id.get(self.request.member_id)
        if self.group.state is State.EMPTY:
            return True
        if self.group.state is State.PREPARING:
            return (member is not None and member.join_ticket is not None) or self.roster.joining < limit
        return member is not None or len(self.roster) < limit

    def turn_away(self) -> None:
        self.answer(JoinResult(Err.GROUP_MAX_SIZE_REACHED))
        self.roster.drop_pending(self.request.member_id)
        member = self.roster.by_id.get(self.request.member_id)
        if member is not None:
            self.group.dismiss(member, Err.UNKNOWN_MEMBER_ID, self.decision)
        self.group.go_on(self.now_ms, self.decision)

    def speaks_our_protocols(self) -> bool:
        names = [name for name, _ in self.request.protocols]
        if self.group.state is State.EMPTY:
            return bool(self.request.protocol_type and names)
        return self.request.protocol_type == self.group.protocol_type and self.roster.supports_any(names)

    def join_without_id(self) -> None:
        instance_id = self.request.group_instance_id
        new_id = self.group.shard.new_member_id(self.request.client_id if instance_id is None else instance_id)
        if instance_id is not None and instance_id in self.roster.by_instance:
            self.replace(self.roster.by_id[self.roster.by_instance[instance_id]], new_id)
        elif instance_id is None and self.request.member_id_required:
            alarm = self.roster.pending[new_id] = Alarm(self.group, "session", new_id)
            self.group.shard.alarms.set(alarm, self.now_ms + self.request.session_timeout_ms)
            self.answer(JoinResult(Err.MEMBER_ID_REQUIRED, member_id=new_id))
        else:
            self.add(new_id)

    def add(self, member_id: str) -> None:
        group, request = self.group, self.request
        self.roster.drop_pending(member_id)
        member = Member(
            member_id,
            instance_id=request.group_instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            rebalance_timeout_ms=request.patience_ms,
            session_timeout_ms=request.session_timeout_ms,
            protocols=request.protocols,
            alarm=Alarm(group, "session", member_id),
        )
        member.is_new = True
        if not self.roster:
            group.protocol_type = request.protocol_type
        if group.state is State.PREPARING and group.is_initial:
            group.came_meanwhile = True
        self.roster.add(member)
        self.roster.park_join(member, self.ticket)
        # It cannot heartbeat before it knows its id, and a client that has gone is not seen while its request is
        # parked: only the time that its join may take ends it.
        group.shard.alarms.set(member.alarm, self.now_ms + NEW_MEMBER_JOIN_MS)
        self.rebalance(f"{member.called} joined")

    def rejoin(self, member: Member) -> None:
        group = self.group
        changed = member.protocols != tuple(self.request.protocols)
        leads = member.member_id == group.leader
        if group.state is State.PREPARING:
            self.update(member)
            group.go_on(self.now_ms, self.decision)
        elif changed:
            self.update(member)
            self.rebalance(f"{member.called} has new metadata")
        elif leads and group.state is State.STABLE:
            # It wants to assign again: topics may have changed, which its metadata do not show.
            self.update(member)
            self.rebalance(f"{member.called} leads and joined again")
        else:
            self.answer(group.joined(member, group.everyone() if leads else ()))

    def update(self, member: Member) -> None:
        self.roster.propose(member, self.request.protocols)
        member.rebalance_timeout_ms = self.request.patience_ms
        member.session_timeout_ms = self.request.session_timeout_ms
        overtaken = self.roster.park_join(member, self.ticket)
        if overtaken is not None:
            self.decision.reply(overtaken, JoinResult(Err.REBALANCE_IN_PROGRESS, member_id=member.member_id))

    def replace(self, member: Member, new_id: str) -> None:
        group, roster = self.group, self.roster
        old_id, old_leader = member.member_id, roster.leader
        group.refuse_waiting(member, Err.FENCED_INSTANCE_ID, old_id, self.decision)
        roster.rename(member, new_id, Alarm(group, "session", new_id))
        self.update(member)
        group.live(member, self.now_ms)
        if group.state is State.STABLE and roster.select_protocol() == group.protocol:
            roster.take_join(member)
            group.has_synced(old_id)
            self.decision.facts.append(group.fact({held.member_id: held.assignment for held in roster}))
            skips = self.request.may_skip_assignment
            leads = skips and new_id == roster.leader
            # An older client that heard that it leads would assign: it hears of the leader as it was (KIP-814).
            told = group.joined(member, group.everyone() if leads else ())
            self.answer(told._replace(leader=(roster.leader if skips else old_leader) or "", skip_assignment=leads))
        elif group.state is State.PREPARING:
            group.go_on(self.now_ms, self.decision)
        else:
            # The leader may be assigning to the former member id just now: it has to begin again.
            self.rebalance(f"{member.called} came back")

    def rebalance(self, what: str) -> None:
        self.group.rebalance(what + because(self.request.reason), self.now_ms, self.decision)
