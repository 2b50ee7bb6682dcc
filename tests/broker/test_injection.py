"""Fault orders: every API that is served says the error in every place that its response has for one."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from kq.broker.broker import HANDLERS
from kq.errors import Err
from kq.testing import Broker
from kq.wire.api import Api
from kq.wire.apis.configs import DESCRIBE_CONFIGS
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.groups import FIND_COORDINATOR
from kq.wire.apis.metadata import DESCRIBE_TOPIC_PARTITIONS, METADATA
from kq.wire.apis.offsets import DELETE_RECORDS, LIST_OFFSETS
from kq.wire.apis.produce import PRODUCE
from kq.wire.apis.producers import INIT_PRODUCER_ID
from kq.wire.primitives import ZERO_UUID
from tests.support import asking
from tests.support.everything import A, B, places, request_of_two
from tests.support.wire import Wire

SERVED = sorted(HANDLERS, key=lambda api: api.key)
ERROR = Err.CLUSTER_AUTHORIZATION_FAILED

NO_PLACE_AT_THE_TOP_BEFORE = {"Fetch": 7, "DescribeLogDirs": 3, "Metadata": 13, "OffsetFetch": 2}
IN_ITEMS_ONLY_FROM = {"FindCoordinator": 4, "OffsetFetch": 8}


def named(message: Any) -> list[Any]:
    """The names, ids and numbers of the items of a response, in their order."""
    found: list[Any] = []
    for attribute in ("name", "topic_id", "index", "resource_name", "key", "group_id"):
        value = getattr(message, attribute, None)
        if value not in (None, "", ZERO_UUID):
            found.append(value)
    for attribute in ("groups", "topics", "partitions", "results", "coordinators"):
        for one in getattr(message, attribute, None) or ():
            found += named(one)
    return found


def expected(api: Api, version: int) -> list[Any]:
    match api.name:
        case "InitProducerId" | "DescribeCluster" | "ApiVersions" | "DescribeLogDirs":
            return []
        case (
            "JoinGroup"
            | "SyncGroup"
            | "Heartbeat"
            | "LeaveGroup"
            | "ListGroups"
            | "ConsumerGroupHeartbeat"
            | "ListConfigResources"
        ):
            return []
        case "OffsetFetch" if version >= 8:
            topics = [A, 0, 1, B, 0, 1] if version >= 10 else ["a", 0, 1, "b", 0, 1]
            return ["a", *topics, "b", *topics]
        case "OffsetCommit" if version >= 10:
            return [A, 0, 1, B, 0, 1]
        case "OffsetCommit" | "OffsetFetch" | "OffsetDelete":
            return ["a", 0, 1, "b", 0, 1]
        case "FindCoordinator":
            return ["a", "b"] if version >= 4 else []
        case "Produce" | "Fetch" if version >= 13:
            return [A, 0, 1, B, 0, 1]
        case "Produce" | "Fetch" | "ListOffsets" | "OffsetForLeaderEpoch" | "DeleteRecords" | "DescribeProducers":
            return ["a", 0, 1, "b", 0, 1]
        case _:
            return ["a", "b"]


@pytest.mark.parametrize("api", SERVED, ids=lambda api: api.name)
def test_an_error_stands_in_every_place(api: Api, broker: Broker, wire: Wire) -> None:
    for version in range(api.versions.first, api.versions.last + 1):
        broker.inject(api.name, error=ERROR.name)
        answer = wire.call(api, version, request_of_two(api, version))
        assert named(answer) == expected(api, version), version
        if not NO_PLACE_AT_THE_TOP_BEFORE.get(api.name, 0) <= version < IN_ITEMS_ONLY_FROM.get(api.name, 99):
            assert answer.error_code == Err.NONE
            answer.error_code = ERROR
        assert set(places(answer)) == {ERROR}, (version, answer)


def ask(api: Api, version: int, broker: Broker, wire: Wire) -> Any:
    broker.inject(api.key, error=ERROR.name)
    return wire.call(api, version, request_of_two(api, version))


def test_what_is_unknown_is_told_as_kafka_tells_it(broker: Broker, wire: Wire) -> None:
    produced = ask(PRODUCE, 9, broker, wire).topics[0].partitions[0]
    assert (produced.base_offset, produced.log_append_time_ms, produced.log_start_offset) == (-1, -1, -1)
    fetched = ask(FETCH, 12, broker, wire).topics[0].partitions[0]
    assert (fetched.high_watermark, fetched.last_stable_offset, fetched.log_start_offset) == (-1, -1, -1)
    assert bytes(fetched.records) == b""
    listed = ask(LIST_OFFSETS, 7, broker, wire).topics[0].partitions[0]
    assert (listed.timestamp, listed.offset, listed.leader_epoch) == (-1, -1, -1)
    assert ask(DELETE_RECORDS, 2, broker, wire).topics[0].partitions[0].low_watermark == -1
    issued = ask(INIT_PRODUCER_ID, 4, broker, wire)
    assert (issued.producer_id, issued.producer_epoch) == (-1, -1)
    found = ask(FIND_COORDINATOR, 4, broker, wire).coordinators[0]
    assert (found.node_id, found.host, found.port) == (-1, "", -1)
    assert ask(DESCRIBE_TOPIC_PARTITIONS, 0, broker, wire).next_cursor is None


def test_a_refused_write_with_acks_0_closes_the_connection(
    broker: Broker, wire: Wire, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    broker.inject("Produce", error="NOT_ENOUGH_REPLICAS", topic=topic)
    wire.send(PRODUCE, 9, asking.produce_request(topic, asking.batch(), acks=0))
    assert wire.is_closed()
    assert broker.records(topic) == []


def test_orders_are_met_in_order_as_often_as_they_say_and_by_their_topic_alone(
    broker: Broker, wire: Wire, make_topic: Callable[..., str]
) -> None:
    one, other = make_topic(), make_topic()
    broker.inject("Produce", error="NOT_ENOUGH_REPLICAS", times=2, topic=one)
    broker.inject("Produce", error="KAFKA_STORAGE_ERROR")

    def send(topic: str) -> Err:
        return Err.of(asking.produce(wire, topic, asking.batch()).error_code)

    assert send(other) == Err.KAFKA_STORAGE_ERROR
    assert [send(topic) for topic in (one, other, one, one)] == [
        Err.NOT_ENOUGH_REPLICAS,
        Err.NONE,
        Err.NOT_ENOUGH_REPLICAS,
        Err.NONE,
    ]


def test_an_order_finds_its_topic_by_id(broker: Broker, wire: Wire, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    asked = METADATA.Request(topics=[METADATA.Request.Topic(name=topic)])
    topic_id = wire.call(METADATA, 12, asked).topics[0].topic_id
    broker.inject("Produce", error="NOT_ENOUGH_REPLICAS", topic=topic)
    request = asking.produce_request("", asking.batch())
    request.topics[0].topic_id = topic_id
    answer = wire.call(PRODUCE, 13, request)
    assert answer.topics[0].partitions[0].error_code == Err.NOT_ENOUGH_REPLICAS


def test_an_order_finds_its_topic_in_a_fetch_session(
    broker: Broker, wire: Wire, make_topic: Callable[..., str]
) -> None:
    """From the second request on a session names nothing."""
    topic, other = make_topic(), make_topic()
    make = FETCH.Request
    wanted = [make.Topic(name=topic, partitions=[make.Partition(index=0, partition_max_bytes=1000)])]
    first = wire.call(FETCH, 12, make(session_epoch=0, topics=wanted))
    again = make(session_id=first.session_id, session_epoch=1, topics=[])
    broker.inject("Fetch", error=ERROR.name, topic=other)
    broker.inject("Fetch", error="UNKNOWN_SERVER_ERROR", topic=topic)
    assert wire.call(FETCH, 12, again).error_code == Err.UNKNOWN_SERVER_ERROR
    wanted[0].name = other
    assert wire.call(FETCH, 12, make(session_epoch=-1, topics=wanted)).topics[0].partitions[0].error_code == ERROR


def test_an_order_finds_its_topic_among_resources(broker: Broker, wire: Wire, make_topic: Callable[..., str]) -> None:
    topic, make = make_topic(), DESCRIBE_CONFIGS.Request
    broker.inject("DescribeConfigs", error=ERROR.name, topic=topic)

    def described(resource_type: int, name: str) -> Err:
        resource = make.Resource(resource_type=resource_type, resource_name=name)
        return Err.of(wire.call(DESCRIBE_CONFIGS, 4, make(resources=[resource])).results[0].error_code)

    assert described(4, "1") == Err.NONE
    assert described(2, topic) == ERROR


def test_a_dropped_request_gets_no_answer_and_nobody_else_waits(broker: Broker, wire: Wire) -> None:
    broker.inject("Metadata", drop=True)
    wire.send(METADATA, 12, METADATA.Request(topics=[]))
    with Wire(broker.bootstrap) as other:
        assert other.call(METADATA, 12, METADATA.Request(topics=[])).brokers
    wire.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        wire.receive_frame()


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ({"api": "Produce", "error": "OUT_OF_PAPER"}, "no error is called 'OUT_OF_PAPER'"),
        ({"api": "Produce", "error": "NONE"}, "no error is called 'NONE'"),
        ({"api": "Print"}, "no API called 'Print'"),
        ({"api": "AlterPartition"}, "no API called 'AlterPartition'"),
        ({"error": "NOT_ENOUGH_REPLICAS"}, "no API called None"),
        ({"api": "Produce", "times": 0}, "at least once"),
        ({"api": "Produce", "delay_s": -1}, "not negative"),
        ({"api": "Produce", "topic": ["t"]}, "a topic's name is a text"),
        ({"api": "Produce"}, "error, delay_s or drop"),
        ({"api": "Produce", "error": "NOT_ENOUGH_REPLICAS", "drop": True}, "not both"),
        ({"api": "DescribeCluster", "drop": True, "topic": "t"}, "name no topic"),
        (["Produce"], "a JSON object"),
        ("x" * 100_000, None),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_the_reason(order: object, why: str | None, broker: Broker) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(broker._fault_socket))
        connection.sendall(json.dumps(order).encode() + b"\n")
        answer = connection.makefile("rb").readline()
    if why is None:
        assert answer == b"", "a line without end: hung up"
    else:
        assert why in json.loads(answer)["error"]
