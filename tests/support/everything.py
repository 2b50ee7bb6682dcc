"""A request of every API that is served, and the errors of every response: for what must hold of all of them."""

from __future__ import annotations

from typing import Any

from kq.errors import Err
from kq.wire.api import Api
from kq.wire.apis.produce import PRODUCE

A, B = bytes([1] * 16), bytes([2] * 16)
IDS = {"a": A, "b": B}


def request_of_two(api: Api, version: int) -> Any:
    """A request that names two of whatever the API is asked about, with two partitions each."""
    make = api.Request
    match api.name:
        case "DeleteTopics" if version < 6:
            return make(topic_names=["a", "b"])
        case "DescribeConfigs" | "AlterConfigs" | "IncrementalAlterConfigs":
            return make(resources=[make.Resource(resource_type=2, resource_name=name) for name in ("a", "b")])
        case "FindCoordinator":
            return make(coordinator_keys=["a", "b"]) if version >= 4 else make(key="a")
        case "DescribeGroups" | "DeleteGroups":
            return make(groups=["a", "b"])
        case "SyncGroup":
            return make(group_id="a", member_id="m", protocol_type="consumer", protocol_name="range")
        case "LeaveGroup" if version >= 3:
            return make(group_id="a", members=[make.Member(member_id="m")])
        case "JoinGroup" | "Heartbeat" | "LeaveGroup" | "ConsumerGroupHeartbeat":
            return make(group_id="a", member_id="m")
        case "ConsumerGroupDescribe":
            return make(group_ids=["a", "b"])
        case "ListGroups" | "ListConfigResources":
            return make()
        case "OffsetFetch" if version >= 8:
            topics = [make.Topic(name=name, topic_id=topic_id, partitions=[0, 1]) for name, topic_id in IDS.items()]
            return make(groups=[make.Group(group_id="a", topics=topics), make.Group(group_id="b", topics=topics)])
        case "InitProducerId":
            return make(transactional_id=None)
        case "DescribeCluster" | "ApiVersions":
            return make()
    topics = []
    for name, topic_id in IDS.items():
        by_id = version >= {"Produce": 13, "Fetch": 13, "OffsetCommit": 10}.get(api.name, 99)
        topic = make.Topic(topic_id=topic_id) if by_id else make.Topic(name=name)
        if "partitions" in make.Topic.__slots__:
            has_type = hasattr(make, "Partition")
            topic.partitions = [make.Partition(index=index) if has_type else index for index in (0, 1)]
        topics.append(topic)
    return make(topics=topics, **({"acks": 1} if api is PRODUCE else {}))


def places(message: Any) -> list[Err]:
    """The error codes of a response, one for each place that exists for one, in the order of the response."""
    found = []
    for name in message.__slots__:
        value = getattr(message, name)
        if name == "error_code":
            found.append(Err.of(value))
        for one in value if isinstance(value, list) else [value]:
            if type(one).__module__ == "kq.wire.message":
                found += places(one)
    return found
