"""Consumer groups of the new protocol (KIP-848): the coordinator assigns, members heartbeat.

In requests null or -1 means unchanged since the last heartbeat. `member_epoch`: 0 joins, -1 leaves, -2 leaves for a
static member that will return.
"""

from __future__ import annotations

from kq.wire.api import Api

CONSUMER_GROUP_HEARTBEAT = Api(
    68,
    "ConsumerGroupHeartbeat",
    versions="0-1",
    flexible="0+",
    request="""
group_id: string
member_id: string
member_epoch: int32
instance_id: string?
rack_id: string?
rebalance_timeout_ms: int32 = -1
subscribed_topic_names: [string]? = null
subscribed_topic_regex: string? 1+
server_assignor: string?
topics: [Topic]? = null
  topic_id: uuid
  partitions: [int32]
""",
    response="""
throttle_time_ms: int32
error_code: int16
error_message: string?
member_id: string?
member_epoch: int32
heartbeat_interval_ms: int32
assignment: Assignment?
  topics: [Topic]
    topic_id: uuid
    partitions: [int32]
""",
)

CONSUMER_GROUP_DESCRIBE = Api(
    69,
    "ConsumerGroupDescribe",
    versions="0-1",
    flexible="0+",
    request="""
group_ids: [string]
include_authorized_operations: bool
""",
    response="""
throttle_time_ms: int32
groups: [Group]
  error_code: int16
  error_message: string?
  group_id: string
  group_state: string
  group_epoch: int32
  assignment_epoch: int32
  assignor_name: string
  members: [Member]
    member_id: string
    instance_id: string?
    rack_id: string?
    member_epoch: int32
    client_id: string
    client_host: string
    subscribed_topic_names: [string]
    subscribed_topic_regex: string?
    assignment: Assignment
      topics: [Topic]
        topic_id: uuid
        name: string
        partitions: [int32]
    target_assignment: Assignment
    member_type: int8 = -1 1+ ignorable
  authorized_operations: int32 = -2147483648
""",
)
