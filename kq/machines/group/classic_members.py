"""Members of a consumer group that speak the classic protocol: the coordinator translates (KIP-848, online migration).

Rules
1. Such a member's generation is its member epoch, its subscription what it put into JoinGroup, and what it owns is what
   it said there. It leads nobody and assigns nothing: SyncGroup gives it what the coordinator has assigned.
2. JoinGroup is answered at once, and SyncGroup must follow within the rebalance timeout.
3. Heartbeat calls it to a rebalance (27) when the group's epoch is ahead of its own, when it has something to give up,
   or when what it waits for is free. It must join again within its rebalance timeout.
4. It must support a protocol that all other members of the classic protocol support, so that the group can become a
   classic one again.
5. A static member of the classic protocol may take the place of one of the consumer protocol; if that was the last,
   the group becomes a classic one.
"""

from __future__ import annotations

from collections.abc import Sequence

from kq.errors import Err, KafkaError
from kq.machines.group.consumer_state import NO_TARGET, ConsumerState
from kq.machines.group.decision import Decision, Ticket
from kq.machines.group.departures import remove
from kq.machines.group.embedded import PROTOCOL_TYPE, Malformed, Subscription, decode_subscription
from kq.machines.group.facts import ClassicMemberMetadata, ClassicProtocol, ConsumerGroupMemberMetadataValue
from kq.machines.group.members import Member
from kq.machines.group.migration import embedded_assignment, may_downgrade, to_classic
from kq.machines.group.progress import Change
from kq.machines.group.reconciliation import MemberState
from kq.machines.group.requests import (
    HeartbeatResult,
    JoinRequest,
    JoinResult,
    LeavingMember,
    LeftMember,
    SyncRequest,
    SyncResult,
)


def join(group: ConsumerState, request: JoinRequest, ticket: Ticket, now_ms: int, decision: Decision) -> None:
    try:
        decision.reply(ticket, _joined(group, request, now_ms, decision))
    except KafkaError as refused:
        decision.reply(ticket, JoinResult(refused.code, member_id=request.member_id))


def _joined(group: ConsumerState, request: JoinRequest, now_ms: int, decision: Decision) -> JoinResult:
    is_new = not request.member_id
    member_id = request.member_id or group.shard.new_member_id(request.group_instance_id or request.client_id)
    if len(group.members) >= group.shard.settings.group_consumer_max_size and member_id not in group.members:
        raise KafkaError(Err.GROUP_MAX_SIZE_REACHED)
    subscription = _subscription(group, request)
    if is_new and request.group_instance_id is None and request.member_id_required:
        return JoinResult(Err.MEMBER_ID_REQUIRED, member_id=member_id)
    change = Change(group, now_ms)
    if request.group_instance_id is None:
        before = group.members.get(member_id) or Member(member_id)
    elif not is_new:
        before = group.static_member(request.group_instance_id, member_id)
    else:
        holder = group.members.get(group.static.get(request.group_instance_id, ""))
        if holder is None:
            before = Member(member_id)
        else:
            joining = Member(member_id, _said(holder.about, request, subscription), holder.standing)
            taken_over = _take_over(group, holder, joining, now_ms, decision)
            if taken_over is not None:
                return taken_over
            before = change.replace_static(holder, member_id)
    topics = group.shard.image.topics
    owned = {topics[name].id: partitions for name, partitions in subscription.owned.items() if name in topics}
    after, _ = change.carry(before, _said(before.about, request, subscription), owned)
    decision.facts += change.facts
    group.stop("join", member_id)
    change.live(after)
    group.shard.alarms.set(group.alarm("sync", member_id), now_ms + request.patience_ms)
    return JoinResult(
        generation_id=after.standing.epoch,
        protocol_type=PROTOCOL_TYPE,
        protocol_name=after.classic_protocols[0].name,
        member_id=after.member_id,
    )


def _subscription(group: ConsumerState, request: JoinRequest) -> Subscription:
    """INCONSISTENT_GROUP_PROTOCOL if the member could not be in a classic group with the others."""
    names = {name for name, _ in request.protocols}
    others = [member for member in group.members.values() if member.is_classic]
    for member in others:
        names &= {protocol.name for protocol in member.classic_protocols}
    if request.protocol_type != PROTOCOL_TYPE or not names:
        raise KafkaError(Err.INCONSISTENT_GROUP_PROTOCOL)
    try:
        return decode_subscription(request.protocols[0][1])
    except Malformed:
        raise KafkaError(Err.INCONSISTENT_GROUP_PROTOCOL) from None


def _said(
    before: ConsumerGroupMemberMetadataValue, request: JoinRequest, subscription: Subscription
) -> ConsumerGroupMemberMetadataValue:
    return ConsumerGroupMemberMetadataValue(
        before.instance_id if request.group_instance_id is None else request.group_instance_id,
        before.rack_id if subscription.rack_id is None else subscription.rack_id,
        request.client_id,
        request.client_host,
        tuple(sorted(set(subscription.topics))),
        "",
        request.patience_ms,
        before.server_assignor,
        ClassicMemberMetadata(
            request.session_timeout_ms,
            tuple(ClassicProtocol(name, bytes(metadata)) for name, metadata in request.protocols),
        ),
    )


def _take_over(
    group: ConsumerState, holder: Member, joining: Member, now_ms: int, decision: Decision
) -> JoinResult | None:
    """The static member that spoke the consumer protocol is back with the classic one. If nobody else speaks it, and
    the group may become a classic one, it does; None if not."""
    staying = [joining if member is holder else member for member in group.members.values()]
    if holder.is_classic or not may_downgrade(group, staying):
        return None
    others_settled = all(
        member is holder or member.standing.has_reached(group.target_epoch) for member in group.members.values()
    )
    target = group.targets.get(holder.member_id, NO_TARGET)
    has_all = {topic: set(partitions) for topic, partitions in holder.standing.assigned.items()} == target
    settled = others_settled and has_all and group.epoch == group.target_epoch
    alike = (
        holder.about.subscribed_topic_names == joining.about.subscribed_topic_names
        and not holder.about.subscribed_topic_regex
    )
    reason = None if settled and alike else f"{joining.called} came back with the classic protocol"
    classic = to_classic(group, staying, reason, now_ms, decision)
    return JoinResult(
        generation_id=classic.generation,
        protocol_type=PROTOCOL_TYPE,
        protocol_name=classic.protocol,
        member_id=joining.member_id,
    )


def sync(group: ConsumerState, request: SyncRequest, ticket: Ticket, now_ms: int, decision: Decision) -> None:
    try:
        member = _speaker(group, request.member_id, request.group_instance_id, request.generation_id)
        protocol = member.classic_protocols[0].name
        if request.protocol_type not in (None, PROTOCOL_TYPE) or request.protocol_name not in (None, protocol):
            raise KafkaError(Err.INCONSISTENT_GROUP_PROTOCOL)
        if group.epoch > member.standing.epoch and member.standing.state is not MemberState.UNREVOKED_PARTITIONS:
            _call_to_join(group, member, now_ms)
            raise KafkaError(Err.REBALANCE_IN_PROGRESS)
    except KafkaError as refused:
        decision.reply(ticket, SyncResult(refused.code))
        return
    group.stop("sync", member.member_id)
    Change(group, now_ms).live(member)
    decision.reply(ticket, SyncResult(Err.NONE, PROTOCOL_TYPE, protocol, embedded_assignment(group, member)))


def heartbeat(
    group: ConsumerState, member_id: str, generation: int, instance_id: str | None, now_ms: int
) -> HeartbeatResult:
    """Raises KafkaError for a member or generation that is not the group's."""
    member = _speaker(group, member_id, instance_id, generation)
    Change(group, now_ms).live(member)
    standing = member.standing
    waits_no_longer = standing.state is MemberState.UNRELEASED_PARTITIONS and not group.awaits_others(member)
    if standing.epoch < group.epoch or standing.state is MemberState.UNREVOKED_PARTITIONS or waits_no_longer:
        _call_to_join(group, member, now_ms)
        return HeartbeatResult(Err.REBALANCE_IN_PROGRESS)
    return HeartbeatResult()


def leave(group: ConsumerState, leaving: Sequence[LeavingMember], now_ms: int, decision: Decision) -> list[LeftMember]:
    """Of members of either protocol: administrators remove them so."""
    gone: dict[str, Member] = {}
    left = []
    for who in leaving:
        error = Err.NONE
        try:
            if who.group_instance_id is None:
                member = group.member(who.member_id)
            else:
                holder = group.static.get(who.group_instance_id, "")
                member = group.static_member(who.group_instance_id, who.member_id or holder)
            gone[member.member_id] = member
        except KafkaError as refused:
            error = refused.code
        left.append(LeftMember(who.member_id, who.group_instance_id, error))
    names = ", ".join(member.called for member in gone.values())
    remove(group, list(gone.values()), f"{names} left", now_ms, decision)
    return left


def _speaker(group: ConsumerState, member_id: str, instance_id: str | None, generation: int) -> Member:
    member = group.member(member_id) if instance_id is None else group.static_member(instance_id, member_id)
    if not member.is_classic:
        raise KafkaError(Err.UNKNOWN_MEMBER_ID, f"Member {member_id} does not use the classic protocol.")
    if generation != member.standing.epoch:
        raise KafkaError(Err.ILLEGAL_GENERATION)
    return member


def _call_to_join(group: ConsumerState, member: Member, now_ms: int) -> None:
    alarm = group.alarm("join", member.member_id)
    if not alarm.is_set:
        group.shard.alarms.set(alarm, now_ms + member.about.rebalance_timeout_ms)
