"""JoinGroup, versions 0 to 9; SyncGroup, 0 to 5; Heartbeat, 0 to 4; LeaveGroup, 0 to 5.

- JoinGroup is answered when its generation begins, SyncGroup when the leader's assignment is remembered.
- JoinGroup: v1 a rebalance timeout of its own (before, it is the session timeout); v4 a new member without an id is
  first told one (KIP-394); v5 static members (KIP-345); v7 null protocol names; v9 a returning static leader may skip
  its assignment (KIP-814).
- SyncGroup: v5 repeats type and name of the protocol, and must.
- LeaveGroup: v3 several members, each with its error; before, the one member's error stands at the top.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kq.broker.groups.answers import answered, java_host
from kq.broker.router import Answer, Call
from kq.broker.session import Operation, Resource
from kq.errors import Err, KafkaError
from kq.machines.group.requests import (
    HeartbeatResult,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    SyncRequest,
    SyncResult,
)
from kq.wire.apis.groups import HEARTBEAT, JOIN_GROUP, LEAVE_GROUP, SYNC_GROUP

if TYPE_CHECKING:
    from kq.broker.broker import Broker
    from kq.broker.groups.runtime import Runtime

ID_REQUIRED_FROM = 4
NO_PROTOCOL_FROM = 7
SKIP_ASSIGNMENT_FROM = 9
PROTOCOL_REPEATED_FROM = 5
MANY_LEAVE_FROM = 3


def _shard(broker: Broker, call: Call) -> Runtime:
    group_id = call.body.group_id
    if not call.session.authorize(Operation.READ, Resource.GROUP, group_id):
        raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
    return broker.groups.shard(group_id)


def join_group(broker: Broker, call: Call) -> Answer:
    body = call.body

    def ask() -> Any:
        shard = _shard(broker, call)
        ticket = asyncio.get_running_loop().create_future()
        request = JoinRequest(
            group_id=body.group_id,
            member_id=body.member_id,
            group_instance_id=body.group_instance_id,
            client_id=call.session.client_id,
            client_host=java_host(call.session.address),
            session_timeout_ms=body.session_timeout_ms,
            rebalance_timeout_ms=body.rebalance_timeout_ms,
            protocol_type=body.protocol_type,
            protocols=[(protocol.name, protocol.metadata) for protocol in body.protocols],
            reason=body.reason,
            member_id_required=call.version >= ID_REQUIRED_FROM,
            may_skip_assignment=call.version >= SKIP_ASSIGNMENT_FROM,
        )
        shard.settle(shard.coordinator.join(request, ticket, broker.now_ms()))
        return ticket

    def convert(result: JoinResult) -> Any:
        make = JOIN_GROUP.Response
        return make(
            error_code=result.error_code,
            generation_id=result.generation_id,
            protocol_type=result.protocol_type,
            protocol_name=""
            if result.protocol_name is None and call.version < NO_PROTOCOL_FROM
            else result.protocol_name,
            leader=result.leader,
            skip_assignment=result.skip_assignment,
            member_id=result.member_id,
            members=[
                make.Member(member_id=m.member_id, group_instance_id=m.group_instance_id, metadata=m.metadata)
                for m in result.members
            ],
        )

    return answered(ask, convert, lambda error: convert(JoinResult(error.code, member_id=body.member_id)))


def sync_group(broker: Broker, call: Call) -> Answer:
    body = call.body

    def ask() -> Any:
        if call.version >= PROTOCOL_REPEATED_FROM and (body.protocol_type is None or body.protocol_name is None):
            raise KafkaError(Err.INCONSISTENT_GROUP_PROTOCOL)
        shard = _shard(broker, call)
        ticket = asyncio.get_running_loop().create_future()
        request = SyncRequest(
            group_id=body.group_id,
            generation_id=body.generation_id,
            member_id=body.member_id,
            group_instance_id=body.group_instance_id,
            protocol_type=body.protocol_type,
            protocol_name=body.protocol_name,
            assignments={one.member_id: one.assignment for one in body.assignments},
        )
        shard.settle(shard.coordinator.sync(request, ticket, broker.now_ms()))
        return ticket

    def convert(result: SyncResult) -> Any:
        return SYNC_GROUP.Response(
            error_code=result.error_code,
            protocol_type=result.protocol_type,
            protocol_name=result.protocol_name,
            assignment=result.assignment,
        )

    return answered(ask, convert, lambda error: convert(SyncResult(error.code)))


def heartbeat(broker: Broker, call: Call) -> Answer:
    body = call.body

    def ask() -> Any:
        shard = _shard(broker, call)
        return shard.settle(
            shard.coordinator.heartbeat(
                body.group_id, body.member_id, body.generation_id, body.group_instance_id, broker.now_ms()
            )
        )

    def convert(result: HeartbeatResult) -> Any:
        return HEARTBEAT.Response(error_code=result.error_code)

    return answered(ask, convert, lambda error: HEARTBEAT.Response(error_code=error.code))


def leave_group(broker: Broker, call: Call) -> Answer:
    body = call.body
    leaving = (
        [LeavingMember(m.member_id, m.group_instance_id, m.reason) for m in body.members]
        if call.version >= MANY_LEAVE_FROM
        else [LeavingMember(body.member_id)]
    )

    def ask() -> Any:
        shard = _shard(broker, call)
        return shard.settle(shard.coordinator.leave(body.group_id, leaving, broker.now_ms()))

    def convert(result: LeaveResult) -> Any:
        make = LEAVE_GROUP.Response
        if call.version < MANY_LEAVE_FROM:
            return make(error_code=result.members[0].error_code)
        return make(
            members=[
                make.Member(member_id=m.member_id, group_instance_id=m.group_instance_id, error_code=m.error_code)
                for m in result.members
            ]
        )

    return answered(ask, convert, lambda error: LEAVE_GROUP.Response(error_code=error.code))


HANDLERS = {JOIN_GROUP: join_group, SYNC_GROUP: sync_group, HEARTBEAT: heartbeat, LEAVE_GROUP: leave_group}
