"""Coordinators, and consumer groups of the classic protocol.

FindCoordinator's `key_type`: 0 group, 1 transaction, 2 share group; up to 3 one `key`, from 4 `coordinator_keys`.
LeaveGroup: up to 2 one member, from 3 several. `group_instance_id` is a static member's (KIP-345).
"""

from __future__ import annotations

from kq.wire.api import Api

FIND_COORDINATOR = Api(
    10,
    "FindCoordinator",
    versions="0-6",
    flexible="3+",
    request="""
key: string 0-3
key_type: int8 1+
coordinator_keys: [string] 4+
""",
    response="""
throttle_time_ms: int32 1+ ignorable
error_code: int16 0-3
error_message: string? 1-3 ignorable
node_id: int32 0-3
host: string 0-3
port: int32 0-3
coordinators: [Coordinator] 4+
  key: string
  node_id: int32
  host: string
  port: int32
  error_code: int16
  error_message: string? ignorable
""",
)

JOIN_GROUP = Api(
    11,
    "JoinGroup",
    versions="0-9",
    flexible="6+",
    request="""
group_id: string
session_timeout_ms: int32
rebalance_timeout_ms: int32 = -1 1+ ignorable
member_id: string
group_instance_id: string? 5+
protocol_type: string
protocols: [Protocol]
  name: string
  metadata: bytes
reason: string? 8+ ignorable
""",
    response="""
throttle_time_ms: int32 2+ ignorable
error_code: int16
generation_id: int32 = -1
protocol_type: string? 7+ ignorable
protocol_name: string?7+
leader: string
skip_assignment: bool 9+
member_id: string
members: [Member]
  member_id: string
  group_instance_id: string? 5+ ignorable
  metadata: bytes
""",
)

HEARTBEAT = Api(
    12,
    "Heartbeat",
    versions="0-4",
    flexible="4+",
    request="""
group_id: string
generation_id: int32
member_id: string
group_instance_id: string? 3+
""",
    response="""
throttle_time_ms: int32 1+ ignorable
error_code: int16
""",
)

LEAVE_GROUP = Api(
    13,
    "LeaveGroup",
    versions="0-5",
    flexible="4+",
    request="""
group_id: string
member_id: string 0-2
members: [Member] 3+
  member_id: string
  group_instance_id: string?
  reason: string? 5+ ignorable
""",
    response="""
throttle_time_ms: int32 1+ ignorable
error_code: int16
members: [Member] 3+
  member_id: string
  group_instance_id: string?
  error_code: int16
""",
)

SYNC_GROUP = Api(
    14,
    "SyncGroup",
    versions="0-5",
    flexible="4+",
    request="""
group_id: string
generation_id: int32
member_id: string
group_instance_id: string? 3+
protocol_type: string? 5+ ignorable
protocol_name: string? 5+ ignorable
assignments: [Assignment]
  member_id: string
  assignment: bytes
""",
    response="""
throttle_time_ms: int32 1+ ignorable
error_code: int16
protocol_type: string? 5+ ignorable
protocol_name: string? 5+ ignorable
assignment: bytes
""",
)

DESCRIBE_GROUPS = Api(
    15,
    "DescribeGroups",
    versions="0-6",
    flexible="5+",
    request="""
groups: [string]
include_authorized_operations: bool 3+
""",
    response="""
throttle_time_ms: int32 1+ ignorable
groups: [Group]
  error_code: int16
  error_message: string? 6+
  group_id: string
  group_state: string
  protocol_type: string
  protocol_data: string
  members: [Member]
    member_id: string
    group_instance_id: string? 4+ ignorable
    client_id: string
    client_host: string
    member_metadata: bytes
    member_assignment: bytes
  authorized_operations: int32 = -2147483648 3+
""",
)

LIST_GROUPS = Api(
    16,
    "ListGroups",
    versions="0-5",
    flexible="3+",
    request="""
states_filter: [string] 4+
types_filter: [string] 5+
""",
    response="""
throttle_time_ms: int32 1+ ignorable
error_code: int16
groups: [Group]
  group_id: string
  protocol_type: string
  group_state: string 4+ ignorable
  group_type: string 5+ ignorable
""",
)

DELETE_GROUPS = Api(
    42,
    "DeleteGroups",
    versions="0-2",
    flexible="2+",
    request="""
groups: [string]
""",
    response="""
throttle_time_ms: int32
groups: [Group]
  group_id: string
  error_code: int16
""",
)
