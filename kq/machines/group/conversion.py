"""A consumer group where there was none, or one of the classic protocol, for the member that comes first.

What it is made of are facts like any other: the group is prepared by replaying them here, decides at once, and is
taken up when `GroupCoordinator.replay` comes to the same facts (`Shard.prepared`).
"""

from __future__ import annotations

from kq.errors import Err, KafkaError
from kq.machines.group.classic import ClassicGroup
from kq.machines.group.consumer import ConsumerGroup
from kq.machines.group.decision import Decision
from kq.machines.group.group import Group
from kq.machines.group.heartbeats import ConsumerHeartbeatRequest
from kq.machines.group.migration import check_upgrade, consumer_facts
from kq.machines.group.shard import Shard


def first_heartbeat(
    before: Group | None, request: ConsumerHeartbeatRequest, shard: Shard, now_ms: int, decision: Decision
) -> None:
    """KafkaError if the classic group must stay one, or the member may not join: then nothing has happened. Who waits
    in the classic group is told to join again: into the other one."""
    group = ConsumerGroup(request.group_id, shard)
    classic = before if isinstance(before, ClassicGroup) and not before.is_empty else None
    if classic is not None:
        check_upgrade(classic)
        decision.facts += consumer_facts(classic)
        for key, value in decision.facts:
            group.replay(key, value)
        group.loaded(now_ms, decision)
        group.news.changed("the group goes over to the consumer protocol")
    elif before is not None:
        decision.facts += before.tombstones()
    try:
        group.heartbeat(request, now_ms, decision)
    except KafkaError:
        group.silence()
        raise
    if classic is not None:
        for member in classic.roster:
            classic.refuse_waiting(member, Err.REBALANCE_IN_PROGRESS, member.member_id, decision)
    shard.prepared[request.group_id] = group
