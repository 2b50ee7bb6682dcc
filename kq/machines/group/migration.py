"""A group changes its protocol while its members go on (KIP-848, `group.consumer.migration.policy`).

Rules
1. Up: the first heartbeat of the consumer protocol makes a classic group of consumers a consumer group. Its members
   become members that speak the classic protocol, stable at the group's generation, with what they have. Those who
   wait for a rebalance are told to join again.
2. Down: when the last member that speaks the consumer protocol is gone, the group becomes a classic one at its epoch,
   and a rebalance begins: there is nobody who assigns but a leader.
3. Nothing is converted before its facts are replayed. The group that will be is prepared, decides already, and is
   taken up by `replay` (`Shard.prepared`); if the facts cannot be written it is forgotten.
4. A group is not converted if the policy forbids it, if it would be too large, or if its members are no consumers; nor
   if an assignor keeps data of its own in the assignments, which the server's could not hand on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kq.errors import Err, KafkaError
from kq.machines.group.classic import ClassicGroup, Untold
from kq.machines.group.consumer_state import ConsumerState
from kq.machines.group.decision import Decision
from kq.machines.group.embedded import (
    PROTOCOL_TYPE,
    Malformed,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    has_user_data,
)
from kq.machines.group.facts import (
    ClassicMemberMetadata,
    ClassicProtocol,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
    Fact,
    GroupMetadataValue,
    MemberMetadata,
)
from kq.machines.group.members import Member, about_fact, standing_fact, target_fact
from kq.machines.group.reconciliation import Epochs, MemberState, Partitions, Standing
from kq.machines.group.roster import Member as ClassicMember


def check_upgrade(group: ClassicGroup) -> None:
    """GROUP_ID_NOT_FOUND says why the group stays as it is."""
    settings = group.shard.settings
    why = None
    if settings.group_consumer_migration_policy not in ("bidirectional", "upgrade"):
        why = "online upgrade is disabled"
    elif group.protocol_type != PROTOCOL_TYPE:
        why = "the group does not use the consumer embedded protocol"
    elif len(group.roster) > settings.group_consumer_max_size:
        why = "the group size exceeds the consumer group maximum size"
    if why is not None:
        raise _cannot_upgrade(group.group_id, why)


def consumer_facts(group: ClassicGroup) -> list[Fact]:
    """What makes a consumer group of the classic one; its own tombstone comes first."""
    group_id, generation = group.group_id, group.generation
    members = []
    for classic in group.roster:
        try:
            members.append(_as_consumer(group, classic))
        except Malformed:
            raise _cannot_upgrade(group_id, "the embedded consumer protocol is malformed") from None
    facts: list[Fact] = group.tombstones()
    facts += [about_fact(group_id, member.member_id, member.about) for member in members]
    facts.append((ConsumerGroupMetadataKey(group_id), ConsumerGroupMetadataValue(generation)))
    for member in members:
        facts.append(target_fact(group_id, member.member_id, member.standing.assigned))
    target = ConsumerGroupTargetAssignmentMetadataValue(generation)
    facts.append((ConsumerGroupTargetAssignmentMetadataKey(group_id), target))
    facts += [standing_fact(group_id, member.member_id, member.standing) for member in members]
    return facts


def _as_consumer(group: ClassicGroup, member: ClassicMember) -> Member:
    if member.assignment and has_user_data(member.assignment):
        raise _cannot_upgrade(group.group_id, "an unsupported custom assignor is in use")
    # Before its first generation a group has no protocol: the member's first says as much as any.
    subscription = decode_subscription(member.metadata(group.protocol) or member.protocols[0][1])
    had = decode_assignment(member.assignment) if member.assignment else {}
    topics = group.shard.image.topics
    assigned: Epochs = {
        topics[name].id: dict.fromkeys(sorted(partitions), group.generation)
        for name, partitions in had.items()
        if name in topics
    }
    about = ConsumerGroupMemberMetadataValue(
        member.instance_id,
        subscription.rack_id,
        member.client_id,
        member.client_host,
        tuple(sorted(set(subscription.topics))),
        "",
        member.rebalance_timeout_ms,
        None,
        ClassicMemberMetadata(
            member.session_timeout_ms, tuple(ClassicProtocol(name, metadata) for name, metadata in member.protocols)
        ),
    )
    return Member(member.member_id, about, Standing(group.generation, group.generation, MemberState.STABLE, assigned))


def _cannot_upgrade(group_id: str, why: str) -> KafkaError:
    return KafkaError(
        Err.GROUP_ID_NOT_FOUND, f"Cannot upgrade classic group {group_id} to consumer group because {why}."
    )


def may_downgrade(group: ConsumerState, staying: Sequence[Member]) -> bool:
    """Whether these members can go on as a classic group."""
    settings = group.shard.settings
    return (
        bool(staying)
        and all(member.is_classic for member in staying)
        and settings.group_consumer_migration_policy in ("bidirectional", "downgrade")
        and len(staying) <= settings.group_max_size
    )


def to_classic(
    group: ConsumerState, staying: Sequence[Member], reason: str | None, now_ms: int, decision: Decision
) -> ClassicGroup:
    """`reason` None: everybody has what it should have, and no rebalance is needed."""
    prepared = ClassicGroup(group.group_id, group.shard)
    value = _as_classic(group, staying, now_ms)
    prepared.adopt(value)
    for member in staying:
        prepared.roster.propose(
            prepared.roster.by_id[member.member_id], [(p.name, p.metadata) for p in member.classic_protocols]
        )
    prepared.loaded(now_ms, decision)
    topics = group.shard.image.topic_names
    prepared.untold = Untold(
        joined=group.news.newcomers, left={gone.called: _share(gone.share, topics) for gone in group.news.departed}
    )
    decision.facts += [*group.tombstones(), *((key, value) for key, _ in prepared.tombstones())]
    if reason is not None:
        prepared.rebalance(reason, now_ms, decision)
    group.shard.prepared[group.group_id] = prepared
    return prepared


def _as_classic(group: ConsumerState, staying: Sequence[Member], now_ms: int) -> GroupMetadataValue:
    protocol = _common_protocol(staying)
    members = []
    for member in staying:
        classic = member.about.classic_member_metadata
        assert classic is not None
        metadata = dict(classic.supported_protocols).get(protocol, b"")
        members.append(
            MemberMetadata(
                member.member_id,
                member.about.instance_id,
                member.about.client_id,
                member.about.client_host,
                member.about.rebalance_timeout_ms,
                classic.session_timeout_ms,
                metadata,
                embedded_assignment(group, member),
            )
        )
    return GroupMetadataValue(PROTOCOL_TYPE, group.epoch, protocol, members[0].member_id, now_ms, tuple(members))


def _common_protocol(members: Sequence[Member]) -> str:
    """The first of the first member's that all support; they have one in common, or they would not be in one group."""
    common = set.intersection(*({p.name for p in member.classic_protocols} for member in members))
    return next(p.name for p in members[0].classic_protocols if p.name in common)


def embedded_assignment(group: ConsumerState, member: Member) -> bytes:
    """What the member has, as it understands it: in the version of its subscription, by topic names."""
    version = decode_subscription(member.classic_protocols[0].metadata).version
    return _share(member.standing.assigned, group.shard.image.topic_names, version)


def _share(partitions: Partitions, names: Mapping[bytes, str], version: int = 0) -> bytes:
    named = {names[topic_id]: sorted(indexes) for topic_id, indexes in partitions.items() if topic_id in names}
    return encode_assignment(version, dict(sorted(named.items())))
