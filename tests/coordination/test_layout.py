"""Node contents against what Apache Kafka's ZooKeeper mode writes (`ZkData.scala`, 3.x)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.coordination import layout
from kq.coordination.layout import (
    BadNode,
    BrokerRegistration,
    Endpoint,
    PartitionState,
    ProducerIdBlock,
    TopicAssignment,
)
from kq.coordination.store import check_path

TOPIC_ID = bytes(range(0xF0, 0x100))
IDS = st.integers(0, 2**31 - 1)
REPLICAS = st.dictionaries(st.integers(0, 9999), st.lists(IDS, min_size=1, max_size=5).map(tuple), max_size=5)


def test_paths_are_those_of_zookeeper_mode():
    assert layout.broker_path(3) == "/brokers/ids/3"
    assert layout.topic_path("a.b") == "/brokers/topics/a.b"
    assert layout.state_path("a.b", 7) == "/brokers/topics/a.b/partitions/7/state"
    assert layout.topic_settings_path("a.b") == "/config/topics/a.b"
    assert layout.broker_settings_path(3) == "/config/brokers/3"
    assert layout.broker_settings_path(None) == "/config/brokers/<default>"
    for path in (layout.CLUSTER_ID, layout.PRODUCER_ID_BLOCK, layout.broker_settings_path(None)):
        check_path(path)


def test_a_topic():
    topic = TopicAssignment(TOPIC_ID, {1: (2, 3), 0: (1, 2)}, adding={1: (3,)})
    assert json.loads(topic.encode()) == {
        "version": 3,
        "topic_id": "8PHy8_T19vf4-fr7_P3-_w",
        "partitions": {"0": [1, 2], "1": [2, 3]},
        "adding_replicas": {"1": [3]},
        "removing_replicas": {},
    }
    assert TopicAssignment.decode(topic.encode()) == topic


def test_a_partition_state():
    state = PartitionState(leader=2, leader_epoch=5, isr=(2, 3), controller_epoch=9)
    assert state.encode() == b'{"controller_epoch":9,"leader":2,"version":1,"leader_epoch":5,"isr":[2,3]}'
    assert PartitionState.decode(state.encode()) == state
    from_kafka = b'{"controller_epoch":9,"leader":-1,"version":1,"leader_epoch":5,"isr":[],"leader_recovery_state":1}'
    assert PartitionState.decode(from_kafka) == PartitionState(-1, 5, (), 9)


def test_a_broker():
    broker = BrokerRegistration(
        (Endpoint("IN", "SSL", "h", 1), Endpoint("OUT", "PLAINTEXT", "::1", 9092)), "rack-é", 1416974968782
    )
    content = json.loads(broker.encode())
    assert content == {
        "version": 5,
        "host": "::1",
        "port": 9092,
        "endpoints": ["IN://h:1", "OUT://[::1]:9092"],
        "listener_security_protocol_map": {"IN": "SSL", "OUT": "PLAINTEXT"},
        "jmx_port": -1,
        "features": {},
        "timestamp": "1416974968782",
        "rack": "rack-é",
    }
    assert BrokerRegistration.decode(broker.encode()) == broker
    bare = BrokerRegistration((Endpoint("IN", "SSL", "h", 1),), None, 0)
    assert json.loads(bare.encode())["port"] == -1
    assert "rack" not in json.loads(bare.encode())
    assert BrokerRegistration.decode(bare.encode()) == bare


def test_a_block_of_producer_ids_keeps_its_ends_as_texts():
    block = ProducerIdBlock(1, 2**60, 2**60 + 999)
    assert block.encode() == (
        b'{"version":1,"broker":1,"block_start":"1152921504606846976","block_end":"1152921504606847975"}'
    )
    assert ProducerIdBlock.decode(block.encode()) == block


def test_settings_and_the_cluster_id():
    assert layout.encode_settings({"retention.ms": "5", "x": "é"}) == (
        '{"version":1,"config":{"retention.ms":"5","x":"é"}}'.encode()
    )
    assert layout.decode_settings(layout.encode_settings({"a": ""})) == {"a": ""}
    assert layout.encode_cluster_id("abc") == b'{"version":"1","id":"abc"}'
    assert layout.decode_cluster_id(b'{"version":"1","id":"abc"}') == "abc"


DECODERS: list[Callable[[bytes], object]] = [
    TopicAssignment.decode,
    PartitionState.decode,
    BrokerRegistration.decode,
    ProducerIdBlock.decode,
    layout.decode_settings,
    layout.decode_cluster_id,
]


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"null", b"[]", b"7", b'"x"', b"{}", b"\xff\xfe", b'{"config":[]}', b'{"config":{"a":1}}',
        b'{"id":5}', b'{"topic_id":"short","partitions":{}}', b'{"topic_id":7,"partitions":{}}',
        b'{"topic_id":"8PHy8_T19vf4-fr7_P3-_w","partitions":{"x":[1]}}', b'{"leader":1,"leader_epoch":1,"isr":5}',
        b'{"leader":"a","leader_epoch":1,"isr":[],"controller_epoch":1}',
        b'{"leader":1,"leader_epoch":1,"isr":["a"],"controller_epoch":1}',
        b'{"broker":1,"block_start":"x","block_end":"1"}', b'{"endpoints":["X"],"listener_security_protocol_map":{}}',
    ],
)  # fmt: skip
def test_other_contents_are_refused_with_what_was_expected(decode: Callable[[bytes], object], data: bytes):
    with pytest.raises(BadNode, match=r"^The metadata store holds something else than "):
        decode(data)


def test_a_long_bad_node_is_not_repeated_whole():
    with pytest.raises(BadNode) as raised:
        layout.decode_settings(b"x" * 10_000)
    assert len(str(raised.value)) < 300


@given(st.binary(min_size=16, max_size=16), REPLICAS, REPLICAS, REPLICAS)
def test_any_topic_comes_back(topic_id: bytes, replicas, adding, removing):
    topic = TopicAssignment(topic_id, replicas, adding, removing)
    assert TopicAssignment.decode(topic.encode()) == topic
    assert len(layout.topic_id_text(topic_id)) == 22


@given(st.builds(PartitionState, st.integers(-1, 2**31 - 1), IDS, st.lists(IDS).map(tuple), IDS))
def test_any_state_comes_back(state: PartitionState):
    assert PartitionState.decode(state.encode()) == state
    assert json.loads(state.encode())["version"] == 1


@given(st.dictionaries(st.text(), st.text()))
def test_any_settings_come_back(settings: dict[str, str]):
    assert layout.decode_settings(layout.encode_settings(settings)) == settings
