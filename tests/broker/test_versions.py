"""Every API that is advertised answers at every version that is advertised, in the shape of that version."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from kq.broker.broker import HANDLERS
from kq.errors import Err
from kq.record.batch import Record, encode_batch
from kq.testing import Broker
from kq.wire.api import Api
from kq.wire.apis import API
from kq.wire.apis.groups import FIND_COORDINATOR
from kq.wire.apis.versions import API_VERSIONS
from tests.support.wire import Wire

MEMBERSHIP = {"JoinGroup": {"session_timeout_ms": 10_000, "protocol_type": "consumer"}}
SERVED = sorted(HANDLERS, key=lambda api: api.key)


def _request(api: Api, version: int, topic: str, topic_id: bytes) -> Any:
    """Something sensible to ask about an existing topic with one partition."""
    make = api.Request
    name: dict[str, Any] = {"name": topic}
    by_id = {"Produce": 13, "Fetch": 13}.get(api.name, 99) <= version
    if by_id:
        name = {"topic_id": topic_id}
    match api.name:
        case "Produce":
            batch = bytes(encode_batch([Record(0, int(time.time() * 1000), b"k", b"v")], base_offset=0))
            return make(acks=1, topics=[make.Topic(**name, partitions=[make.Partition(index=0, records=batch)])])
        case "Fetch":
            wanted = make.Partition(index=0, partition_max_bytes=1 << 20)
            return make(max_wait_ms=0, max_bytes=1 << 20, topics=[make.Topic(**name, partitions=[wanted])])
        case "ListOffsets":
            return make(replica_id=-1, topics=[make.Topic(**name, partitions=[make.Partition(timestamp=-1)])])
        case "OffsetForLeaderEpoch":
            return make(topics=[make.Topic(**name, partitions=[make.Partition(leader_epoch=0)])])
        case "DeleteRecords":
            return make(topics=[make.Topic(**name, partitions=[make.Partition(offset=0)])])
        case "Metadata":
            return make(topics=[make.Topic(**name)])
        case "DescribeTopicPartitions":
            return make(topics=[make.Topic(**name)], cursor=None)
        case "ApiVersions":
            return make(client_software_name="test", client_software_version="1") if version >= 3 else make()
        case "InitProducerId":
            return make(transactional_id=None)
        case "FindCoordinator":
            return make(coordinator_keys=["g"]) if version >= 4 else make(key="g")
        case "CreateTopics":
            created = make.Topic(name=f"{topic}-{api.key}-{version}", num_partitions=1, replication_factor=1)
            return make(topics=[created])
        case "DeleteTopics":
            missing = f"missing-{version}"
            return make(topics=[make.Topic(name=missing)]) if version >= 6 else make(topic_names=[missing])
        case "CreatePartitions":
            return make(topics=[make.Topic(**name, count=1)])
        case "DescribeConfigs" | "AlterConfigs" | "IncrementalAlterConfigs":
            return make(resources=[make.Resource(resource_type=2, resource_name=topic)])
        case "DescribeLogDirs":
            return make(topics=None)
        case "DescribeGroups" | "DeleteGroups":
            return make(groups=["no-such-group"])
        case "LeaveGroup" if version >= 3:
            return make(group_id="no-such-group", members=[make.Member(member_id="m")])
        case "ConsumerGroupHeartbeat":
            return make(group_id="no-such-group", member_id="m", member_epoch=1)
        case "ConsumerGroupDescribe":
            return make(group_ids=["no-such-group"])
        case "JoinGroup" | "Heartbeat" | "LeaveGroup":
            return make(group_id="no-such-group", member_id="m", **MEMBERSHIP.get(api.name, {}))
        case "SyncGroup":
            return make(group_id="no-such-group", member_id="m", protocol_type="consumer", protocol_name="range")
        case "OffsetCommit":
            committed = make.Partition(index=0, committed_offset=3, committed_metadata="")
            return make(group_id="commits", topics=[make.Topic(name=topic, topic_id=topic_id, partitions=[committed])])
        case "OffsetFetch":
            wanted = make.Topic(name=topic, topic_id=topic_id, partitions=[0])
            groups = [make.Group(group_id="commits", topics=[wanted])]
            return make(groups=groups) if version >= 8 else make(group_id="commits", topics=[wanted])
        case "OffsetDelete":
            return make(group_id="no-such-group")
        case "DescribeProducers":
            return make(topics=[make.Topic(**name, partitions=[0])])
        case _:
            return make()


@pytest.mark.parametrize("api", SERVED, ids=lambda api: api.name)
def test_every_version_answers(api: Api, broker: Broker, wire: Wire, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    wire.call(FIND_COORDINATOR, 3, FIND_COORDINATOR.Request(key="any"))
    metadata = API[3]
    described = wire.call(metadata, 12, metadata.Request(topics=[metadata.Request.Topic(name=topic)]))
    topic_id = described.topics[0].topic_id
    for version in range(api.versions.first, api.versions.last + 1):
        answer = wire.call(api, version, _request(api, version, topic, topic_id))
        assert _codes(answer) <= EXPECTED.get(api.name, {Err.NONE}), (version, answer)


EXPECTED = {
    "JoinGroup": {Err.UNKNOWN_MEMBER_ID},
    "SyncGroup": {Err.UNKNOWN_MEMBER_ID},
    "Heartbeat": {Err.UNKNOWN_MEMBER_ID},
    "LeaveGroup": {Err.NONE, Err.UNKNOWN_MEMBER_ID},
    "DescribeGroups": {Err.NONE, Err.GROUP_ID_NOT_FOUND},
    "DeleteGroups": {Err.GROUP_ID_NOT_FOUND},
    "OffsetDelete": {Err.GROUP_ID_NOT_FOUND},
    "ConsumerGroupHeartbeat": {Err.GROUP_ID_NOT_FOUND},
    "ConsumerGroupDescribe": {Err.GROUP_ID_NOT_FOUND},
    "DeleteTopics": {Err.NONE, Err.UNKNOWN_TOPIC_OR_PARTITION},
    "CreatePartitions": {Err.INVALID_PARTITIONS},
    "FindCoordinator": {Err.NONE, Err.COORDINATOR_NOT_AVAILABLE},
}


def _codes(message: Any) -> set[Err]:
    """Every error code anywhere in a response."""
    found: set[Err] = set()
    for name in message.__slots__:
        value = getattr(message, name)
        if name == "error_code":
            found.add(Err.of(value))
        for one in value if isinstance(value, list) else [value]:
            if hasattr(one, "__slots__") and type(one).__module__ == "kq.wire.message":
                found |= _codes(one)
    return found


def test_api_versions_lists_exactly_what_is_served(wire: Wire) -> None:
    answer = wire.call(API_VERSIONS, 4, API_VERSIONS.Request(client_software_name="t", client_software_version="1"))
    assert [(k.api_key, k.min_version, k.max_version) for k in answer.api_keys] == [
        (api.key, api.min_version, api.max_version) for api in SERVED
    ]


def test_an_unknown_version_of_api_versions_is_answered_as_version_0(wire: Wire) -> None:
    wire.send_frame((18).to_bytes(2, "big") + (99).to_bytes(2, "big") + (7).to_bytes(4, "big") + b"\xff\xff\0")
    frame = wire.receive_frame()
    assert frame[:4] == (7).to_bytes(4, "big")
    answer = API_VERSIONS.decode_response(0, memoryview(frame), 4)
    assert answer.error_code == Err.UNSUPPORTED_VERSION
    assert [(k.api_key, k.min_version, k.max_version) for k in answer.api_keys] == [(18, 0, 4)]
    again = wire.call(API_VERSIONS, 0, API_VERSIONS.Request())
    assert again.error_code == Err.NONE, "the connection stays open"


@pytest.mark.parametrize(("key", "version"), [(9999, 0), (-1, 0), (3, 99), (0, 2), (0, 0), (1, 3), (36, 0)])
def test_unknown_keys_and_versions_close_the_connection(wire: Wire, key: int, version: int) -> None:
    head = key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big") + (1).to_bytes(4, "big")
    wire.send_frame(head + b"\xff\xff" + bytes(64))
    assert wire.is_closed()


def test_a_bad_software_name_is_refused_and_the_connection_lives(wire: Wire) -> None:
    request = API_VERSIONS.Request(client_software_name="no good", client_software_version="1")
    assert wire.call(API_VERSIONS, 3, request).error_code == Err.INVALID_REQUEST
    assert wire.call(API_VERSIONS, 0, API_VERSIONS.Request()).error_code == Err.NONE
