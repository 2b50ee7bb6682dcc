"""ListGroups, versions 0 to 5; DescribeGroups, 0 to 6; DeleteGroups, 0 to 2.

- ListGroups: v4 filters by state, v5 by type; both ignore case, and what they do not know matches nothing. Who may
  describe the cluster sees all groups, anybody else those that it may describe.
- DescribeGroups: v3 authorized operations; v4 static members; v6 GROUP_ID_NOT_FOUND with a sentence for what is no
  group of the classic protocol, where earlier versions say `Dead` without an error.
- DeleteGroups answers each group once, also where the request names it twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kq.broker.router import Call
from kq.broker.session import CLUSTER, Operation, Resource
from kq.errors import Err, KafkaError
from kq.machines.group.requests import DeletedGroup, DescribedGroup
from kq.wire.apis.groups import DELETE_GROUPS, DESCRIBE_GROUPS, LIST_GROUPS

if TYPE_CHECKING:
    from kq.broker.broker import Broker

STATES_FROM = 4
TYPES_FROM = 5
NOT_FOUND_FROM = 6
DEAD = "Dead"


def list_groups(broker: Broker, call: Call) -> Any:
    make = LIST_GROUPS.Response
    states = call.body.states_filter if call.version >= STATES_FROM else ()
    types = call.body.types_filter if call.version >= TYPES_FROM else ()
    sees_all = call.session.authorize(Operation.DESCRIBE, Resource.CLUSTER, CLUSTER)
    try:
        shards = broker.groups.shards()
    except KafkaError as error:
        return make(error_code=error.code)
    groups = [group for shard in shards for group in shard.coordinator.list_groups(states, types)]
    return make(
        groups=[
            make.Group(**group._asdict())
            for group in groups
            if sees_all or call.session.authorize(Operation.DESCRIBE, Resource.GROUP, group.group_id)
        ]
    )


def describe_groups(broker: Broker, call: Call) -> Any:
    return DESCRIBE_GROUPS.Response(groups=[_described(broker, call, group_id) for group_id in call.body.groups])


def _described(broker: Broker, call: Call, group_id: str) -> Any:
    make = DESCRIBE_GROUPS.Response
    try:
        if not call.session.authorize(Operation.DESCRIBE, Resource.GROUP, group_id):
            raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
        group: DescribedGroup = broker.groups.shard(group_id).coordinator.describe([group_id])[0]
    except KafkaError as error:
        return make.Group(group_id=group_id, error_code=error.code, error_message=None)
    is_told = call.version >= NOT_FOUND_FROM or group.error_code is not Err.GROUP_ID_NOT_FOUND
    return make.Group(
        error_code=group.error_code if is_told else Err.NONE,
        error_message=group.error_message if is_told else None,
        group_id=group_id,
        group_state=group.group_state,
        protocol_type=group.protocol_type,
        protocol_data=group.protocol_data,
        members=[make.Member(**member._asdict()) for member in group.members],
        authorized_operations=call.session.authorized_operations(
            Resource.GROUP, group_id, asked=call.body.include_authorized_operations and not group.error_code
        ),
    )


async def delete_groups(broker: Broker, call: Call) -> Any:
    make = DELETE_GROUPS.Response
    deleted = await asyncio.gather(*(_delete(broker, call, group_id) for group_id in dict.fromkeys(call.body.groups)))
    return make(groups=[make.Group(group_id=group.group_id, error_code=group.error_code) for group in deleted])


async def _delete(broker: Broker, call: Call, group_id: str) -> DeletedGroup:
    try:
        if not call.session.authorize(Operation.DELETE, Resource.GROUP, group_id):
            raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
        shard = broker.groups.shard(group_id)
        answer = shard.settle(shard.coordinator.delete_groups([group_id]))
        deleted: list[DeletedGroup] = await answer if hasattr(answer, "__await__") else answer
    except KafkaError as error:
        return DeletedGroup(group_id, error.code)
    return deleted[0]


HANDLERS = {LIST_GROUPS: list_groups, DESCRIBE_GROUPS: describe_groups, DELETE_GROUPS: delete_groups}
